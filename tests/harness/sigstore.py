"""Sign attestations as Sigstore does, without a network: a certificate authority and two logs of the test's own.

What it makes is what a client checks against `trusted_root`: the certificate of a signer (with a signed certificate
timestamp, RFC 6962), the signature of an in-toto statement about a conda package (DSSE, CEP 27), and an entry of a
transparency log with a signed entry timestamp, an inclusion proof and a signed checkpoint.
"""

import hashlib
import json
import time
from base64 import b64encode
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

IDENTITY = "https://git.example/org/feedstock/.github/workflows/build.yml@refs/heads/main"
ISSUER = "https://token.example"
PREDICATE = "https://schemas.conda.org/attestations-publish-1.schema.json"

REPOSITORY = "https://git.example/org/feedstock"

_ISSUER_OF_TOKEN = ObjectIdentifier("1.3.6.1.4.1.57264.1.8")
_REPOSITORY = ObjectIdentifier("1.3.6.1.4.1.57264.1.12")
_TIMESTAMPS = ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")
_PAYLOAD_TYPE = "application/vnd.in-toto+json"
_ORIGIN = "log.example - 1"
_HOUR = timedelta(hours=1)
_USUAL = timedelta(minutes=10)


class Sigstore:
    """One instance: who trusts its `trusted_root` trusts what it signs."""

    def __init__(self) -> None:
        self._authority, self._certificates, self._log = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
        self._now = datetime.now(UTC).replace(microsecond=0)
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])
        builder = self._builder(self._name, self._authority, _HOUR)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        identifier = x509.SubjectKeyIdentifier.from_public_key(self._authority.public_key())
        builder = builder.add_extension(identifier, critical=False)
        usage = _usage(signs_certificates=True)
        self._root = builder.add_extension(usage, critical=True).sign(self._authority, hashes.SHA256())

    @property
    def trusted_root(self) -> str:
        """The `trusted_root.json` of this instance."""
        start = {"start": (self._now - _HOUR).isoformat().replace("+00:00", "Z")}
        authority = {
            "subject": {"organization": "test", "commonName": "test authority"},
            "uri": "https://fulcio.example",
            "certChain": {"certificates": [{"rawBytes": _text(_der(self._root))}]},
            "validFor": start,
        }
        logs = [
            {
                "baseUrl": url,
                "hashAlgorithm": "SHA2_256",
                "publicKey": {
                    "rawBytes": _text(_public(key)),
                    "keyDetails": "PKIX_ECDSA_P256_SHA_256",
                    "validFor": start,
                },
                "logId": {"keyId": _text(_sha256(_public(key)))},
            }
            for url, key in (("https://rekor.example", self._log), ("https://ct.example", self._certificates))
        ]
        return json.dumps(
            {
                "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
                "tlogs": logs[:1],
                "certificateAuthorities": [authority],
                "ctlogs": logs[1:],
                "timestampAuthorities": [],
            }
        )

    def attestations(self, file_name: str, sha256: str, *, channel: str, lasts: timedelta = _USUAL) -> bytes:
        """What a channel has beside a package: the bundles that say who has published it, and where (CEP 27).

        Args:
            file_name: of the package.
            sha256: of the package.
            channel: URL of the channel that it is published to.
            lasts: from the entry of the log to the end of the certificate; less than nothing: it had expired.
        """
        statement = {
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{"name": file_name, "digest": {"sha256": sha256}}],
            "predicateType": PREDICATE,
            "predicate": {"targetChannel": channel},
        }
        return json.dumps([self._bundle(json.dumps(statement).encode(), lasts)]).encode()

    def _bundle(self, payload: bytes, lasts: timedelta) -> dict:
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._certify(key, lasts)
        head = f"DSSEv1 {len(_PAYLOAD_TYPE)} {_PAYLOAD_TYPE} {len(payload)} ".encode()
        signature = _sign(key, head + payload)
        envelope = {
            "payload": _text(payload),
            "payloadType": _PAYLOAD_TYPE,
            "signatures": [{"sig": _text(signature), "keyid": ""}],
        }
        return {
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial": {
                "certificate": {"rawBytes": _text(_der(certificate))},
                "tlogEntries": [self._entry(envelope, payload, signature, certificate)],
                "timestampVerificationData": {"rfc3161Timestamps": []},
            },
            "dsseEnvelope": envelope,
        }

    def _entry(self, envelope: dict, payload: bytes, signature: bytes, certificate: x509.Certificate) -> dict:
        """The first and only entry of the transparency log."""
        pem = certificate.public_bytes(serialization.Encoding.PEM)
        specification = {
            "envelopeHash": {"algorithm": "sha256", "value": _sha256(_canonical(envelope)).hex()},
            "payloadHash": {"algorithm": "sha256", "value": _sha256(payload).hex()},
            "signatures": [{"signature": _text(signature), "verifier": _text(pem)}],
        }
        body = _canonical({"apiVersion": "0.0.1", "kind": "dsse", "spec": specification})
        log_id, root = _sha256(_public(self._log)), _sha256(b"\0" + body)
        at = int(self._now.timestamp())
        promised = {"body": _text(body), "integratedTime": at, "logIndex": 0, "logID": log_id.hex()}
        note = f"{_ORIGIN}\n1\n{_text(root)}\n"
        signed = _text(log_id[:4] + _sign(self._log, note.encode()))
        return {
            "logIndex": "0",
            "logId": {"keyId": _text(log_id)},
            "kindVersion": {"kind": "dsse", "version": "0.0.1"},
            "integratedTime": str(at),
            "inclusionPromise": {"signedEntryTimestamp": _text(_sign(self._log, _canonical(promised)))},
            "inclusionProof": {
                "logIndex": "0",
                "rootHash": _text(root),
                "treeSize": "1",
                "hashes": [],
                "checkpoint": {"envelope": f"{note}\n\N{EM DASH} {_ORIGIN.partition(' ')[0]} {signed}\n"},
            },
            "canonicalizedBody": _text(body),
        }

    def _certify(self, key: ec.EllipticCurvePrivateKey, lasts: timedelta) -> x509.Certificate:
        """The certificate of a signer, with the timestamp that the certificate log has signed."""
        builder = self._builder(x509.Name([]), key, lasts)
        names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(IDENTITY)])
        issuer, repository = (b"\x0c" + bytes([len(each)]) + each.encode() for each in (ISSUER, REPOSITORY))
        builder = (
            builder.add_extension(names, critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._authority.public_key()), critical=False
            )
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.UnrecognizedExtension(_ISSUER_OF_TOKEN, issuer), critical=False)
            .add_extension(x509.UnrecognizedExtension(_REPOSITORY, repository), critical=False)
        )
        # The log signs the certificate without its timestamp (RFC 6962, 3.2).
        before = builder.sign(self._authority, hashes.SHA256()).tbs_certificate_bytes
        at = int(time.time() * 1000).to_bytes(8, "big")
        entry = b"\0\1" + _sha256(_public(self._authority)) + len(before).to_bytes(3, "big") + before
        signature = _sign(self._certificates, b"\0\0" + at + entry + b"\0\0")
        stamp = b"\0" + _sha256(_public(self._certificates)) + at + b"\0\0" + b"\4\3" + _counted(signature)
        stamps = _counted(_counted(stamp))
        text = b"\4" + (b"\x81" if len(stamps) > 127 else b"") + bytes([len(stamps)]) + stamps
        builder = builder.add_extension(x509.UnrecognizedExtension(_TIMESTAMPS, text), critical=False)
        return builder.sign(self._authority, hashes.SHA256())

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, lasts: timedelta
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self._now - timedelta(minutes=5))
            .not_valid_after(self._now + lasts)
        )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    """What a key is for: to sign certificates, or anything else."""
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _sign(key: ec.EllipticCurvePrivateKey, data: bytes) -> bytes:
    return key.sign(data, ec.ECDSA(hashes.SHA256()))


def _public(key: ec.EllipticCurvePrivateKey) -> bytes:
    info = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.DER, info)


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.DER)


def _counted(data: bytes) -> bytes:
    return len(data).to_bytes(2, "big") + data


def _canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def _text(data: bytes) -> str:
    return b64encode(data).decode()
