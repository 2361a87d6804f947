"""A real OCI registry on loopback, over TLS on the port of https: CNCF distribution's, under either of its names.

Clients of `oci://` URLs ask port 443 whatever the URL says, so each registry has an address of its own. What is put
into it here is put by other code than the package's.
"""

import base64
import contextlib
import datetime as dt
import hashlib
import http.server
import ipaddress
import json
import os
import secrets
import shutil
import socket
import ssl
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any, Self

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

PROGRAM = shutil.which("registry") or shutil.which("docker-registry")
USER, PASSWORD = "the-user", "the-password-CANARY"
_HASHED = "$2y$04$abcdefghijklmnopqrstuu1bjh7ywQ1JvtDqGckLaMxDGorNnxioW"
"""The password as htpasswd has it, by bcrypt."""
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


class Authority:
    """A certificate authority of the test's own; `ca` is its certificate."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "CA of the test")])
        self.certificate = self._sign(self._name, self._key.public_key(), [])
        self.ca = directory / "ca.pem"
        self.ca.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))

    def issue(self, host: str) -> tuple[Path, Path]:
        """A certificate for an address, and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = [x509.IPAddress(ipaddress.ip_address(host)), x509.DNSName("localhost")]
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        certificate = self._sign(name, key.public_key(), names)
        made = self._directory / f"{host}.pem", self._directory / f"{host}.key"
        made[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        made[1].write_bytes(_private(key))
        return made

    def _sign(self, subject: x509.Name, key: Any, names: list[x509.GeneralName]) -> x509.Certificate:
        now, is_ca = dt.datetime.now(dt.UTC), not names
        usage = dict.fromkeys(
            ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only"), False
        )
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + dt.timedelta(days=9))
            .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
            .add_extension(
                x509.KeyUsage(
                    digital_signature=True, key_cert_sign=is_ca, crl_sign=is_ca, decipher_only=False, **usage
                ),
                critical=True,
            )
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
            serves = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
            builder = builder.add_extension(serves, critical=False)
        return builder.sign(self._key, hashes.SHA256())


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    plain = serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)


class TokenServer:
    """Gives tokens for what a registry is asked, to who has the user and the password, or the identity token."""

    IDENTITY = "the-identity-token-CANARY"

    def __init__(self, authority: Authority, host: str) -> None:
        self.asked: list[tuple[str, str, str | None]] = []
        """Method, scope and `Authorization` of each request."""
        self._key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "signer")])
        signer = authority._sign(name, self._key.public_key(), [x509.DNSName("signer")])
        self._chain = [base64.b64encode(signer.public_bytes(serialization.Encoding.DER)).decode()]
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer._answer(self, urllib.parse.urlsplit(self.path).query)

            def do_POST(self) -> None:
                outer._answer(self, self.rfile.read(int(self.headers["Content-Length"])).decode())

            def log_message(self, *_: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer((host, 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*authority.issue(host))
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.realm = f"https://{host}:{self._server.server_port}/token"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def _answer(self, request: http.server.BaseHTTPRequestHandler, form: str) -> None:
        asked = {name: values[0] for name, values in urllib.parse.parse_qs(form).items()}
        sent = request.headers.get("Authorization")
        self.asked.append((request.command, asked.get("scope", ""), sent))
        basic = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if sent != basic and asked.get("refresh_token") != self.IDENTITY:
            request.send_error(401)
            return
        kind, name, actions = asked["scope"].split(":")
        body = json.dumps({"access_token": self._token(kind, name, actions.split(","))}).encode()
        request.send_response(200)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    def _token(self, kind: str, name: str, actions: list[str]) -> str:
        now = int(time.time())
        head = {"typ": "JWT", "alg": "ES256", "x5c": self._chain}
        claims = {
            "iss": "issuer", "sub": USER, "aud": "registry", "exp": now + 300, "nbf": now - 60, "iat": now,
            "jti": secrets.token_hex(8), "access": [{"type": kind, "name": name, "actions": actions}],
        }  # fmt: skip
        signed = b".".join(_url64(json.dumps(part).encode()) for part in (head, claims))
        from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

        r, s = decode_dss_signature(self._key.sign(signed, ec.ECDSA(hashes.SHA256())))
        return (signed + b"." + _url64(r.to_bytes(32, "big") + s.to_bytes(32, "big"))).decode()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def _url64(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


class Registry:
    """The registry, and what tests put into it. `auth`: None, `basic` or `token`."""

    def __init__(self, directory: Path, *, auth: str | None = None) -> None:
        if PROGRAM is None:
            pytest.skip("needs CNCF distribution's registry, or docker-registry")
        self.host = _free_host()
        self.authority = Authority(directory)
        self.ca = self.authority.ca
        self.tokens = TokenServer(self.authority, self.host) if auth == "token" else None
        self.log = directory / "registry.log"
        certificate, key = self.authority.issue(self.host)
        lines = [
            "version: 0.1",
            "log: {level: info, accesslog: {disabled: false}}",
            f"storage: {{filesystem: {{rootdirectory: {directory / 'registry'}}}, delete: {{enabled: true}}}}",
            f"http: {{addr: '{self.host}:443', tls: {{certificate: {certificate}, key: {key}}}}}",
        ]
        if auth == "basic":
            words = directory / "htpasswd"
            words.write_text(f"{USER}:{_HASHED}\n")
            lines.append(f"auth: {{htpasswd: {{realm: test, path: {words}}}}}")
        if self.tokens is not None:
            token = f"realm: '{self.tokens.realm}', service: registry, issuer: issuer, rootcertbundle: {self.ca}"
            lines.append(f"auth: {{token: {{{token}}}}}")
        (directory / "registry.yml").write_text("\n".join(lines) + "\n")
        self._headers = {}
        if auth == "basic":
            self._headers["Authorization"] = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        call = [PROGRAM, "serve", str(directory / "registry.yml")]
        environment = {"PATH": os.environ["PATH"], "OTEL_TRACES_EXPORTER": "none"}
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(call, env=environment, stdout=log, stderr=log)
        _wait_for(self.host, self._process)

    def request(
        self, method: str, path: str, data: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, bytes, Any]:
        """Status, body and header fields of an answer of the registry."""
        url = path if path.startswith("https:") else f"https://{self.host}{path}"
        sent = {**self._headers, **(headers or {})}
        if self.tokens is not None:
            name = path.partition("/v2/")[2].rpartition("/")[0]
            for end in ("/manifests", "/blobs", "/blobs/uploads"):
                name = name.removesuffix(end)
            sent["Authorization"] = f"Bearer {self.tokens._token('repository', name, ['pull', 'push', 'delete'])}"
        context = ssl.create_default_context(cafile=str(self.ca))
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )
        asked = urllib.request.Request(url, data=data, headers=sent, method=method)
        try:
            with opener.open(asked, timeout=30) as response:
                return response.status, response.read(), response.headers
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read(), error.headers

    def push_blob(self, repository: str, data: bytes) -> str:
        """Put a blob; its digest."""
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        status, _, headers = self.request("POST", f"/v2/{repository}/blobs/uploads/", b"")
        assert status == 202
        place = urllib.parse.urljoin(f"https://{self.host}/", headers["Location"])
        place += ("&" if "?" in place else "?") + urllib.parse.urlencode({"digest": digest})
        kind = {"Content-Type": "application/octet-stream"}
        if self.tokens is None:
            assert self.request("PUT", place, data, kind)[0] == 201
        else:
            token = self.tokens._token("repository", repository, ["pull", "push"])
            self.tokens, kept = None, self.tokens
            assert self.request("PUT", place, data, kind | {"Authorization": f"Bearer {token}"})[0] == 201
            self.tokens = kept
        return digest

    def push(self, repository: str, tag: str, layers: dict[str, bytes]) -> None:
        """Put a manifest with layers by media type."""
        described = [
            {"mediaType": kind, "digest": self.push_blob(repository, data), "size": len(data)}
            for kind, data in layers.items()
        ]
        empty = {
            "mediaType": "application/vnd.oci.empty.v1+json",
            "digest": self.push_blob(repository, b"{}"),
            "size": 2,
        }
        manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": empty, "layers": described}
        data = json.dumps(manifest).encode()
        done = self.request("PUT", f"/v2/{repository}/manifests/{tag}", data, {"Content-Type": MANIFEST})
        assert done[0] == 201, done

    def layers(self, repository: str, tag: str = "latest") -> dict[str, bytes] | None:
        """The layers of a manifest by media type; None: there is no such manifest."""
        status, data, _ = self.request("GET", f"/v2/{repository}/manifests/{tag}", headers={"Accept": MANIFEST})
        if status == 404:
            return None
        assert status == 200, data
        found = {}
        for layer in json.loads(data)["layers"]:
            status, blob, _ = self.request("GET", f"/v2/{repository}/blobs/{layer['digest']}")
            assert (status, len(blob)) == (200, layer["size"])
            assert "sha256:" + hashlib.sha256(blob).hexdigest() == layer["digest"]
            found[layer["mediaType"]] = blob
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()
        if self.tokens is not None:
            self.tokens.close()


def _free_host() -> str:
    """An address of loopback whose port 443 is free; skip where this user may not listen there."""
    for _ in range(50):
        host = "127." + ".".join(str(secrets.randbelow(250) + 2) for _ in range(3))
        try:
            with socket.socket() as probe:
                probe.bind((host, 443))
        except PermissionError:
            pytest.skip("needs the right to listen on port 443 of loopback, the only one that oci:// URLs lead to")
        except OSError:
            continue
        return host
    pytest.skip("no address of loopback has its port 443 free")


def _wait_for(host: str, process: subprocess.Popen) -> None:
    while process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection((host, 443), timeout=1):
            return
        time.sleep(0.05)
    pytest.fail("the registry did not start")
