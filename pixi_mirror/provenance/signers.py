"""Verify signatures of Sigstore by a trusted root from a file, with the library `sigstore`; nothing asks a network."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from pixi_mirror.errors import MachineError, ProgramError, WorkspaceError

_ISSUER, _OLD_ISSUER, _REPOSITORY = "1.3.6.1.4.1.57264.1.8", "1.3.6.1.4.1.57264.1.1", "1.3.6.1.4.1.57264.1.12"
"""Extensions of a certificate: who has vouched for the identity, and the repository of a build.
https://github.com/sigstore/fulcio/blob/main/docs/oid-info.md"""
_UTF8_STRING = 0x0C
_SHORT = 0x80
"""A length of DER from here on has a form that no text of these extensions needs but with one more byte."""
_LARGEST_ROOT = 4 << 20


class Signer(NamedTuple):
    """Who has signed, as the certificate authority has certified it."""

    identity: str
    """A workflow's URL or an address of e-mail."""
    issuer: str
    """URL of who vouches for the identity."""
    repository: str | None
    """URL of the repository that it was built from; None: the certificate does not say."""


class SignedPayload(NamedTuple):
    """What was signed, and by whom."""

    signer: Signer
    payload_type: str
    payload: bytes


class _AnyIdentity:
    """The policy for the library: who has signed is reported, and whom to believe is for the reader to say."""

    def verify(self, cert: Any) -> None:  # noqa: ANN401 - of a library that may be absent
        """Accept any identity; the certificate itself has been verified by then."""


class TrustedSigners:
    """Verifies bundles by one trusted root."""

    def __init__(self, root: Path) -> None:
        """Read the root.

        Args:
            root: the `trusted_root.json` of an instance of Sigstore.

        Raises:
            MachineError: the file cannot be read.
            WorkspaceError: it is no trusted root.
            ProgramError: the library is not installed.
        """
        try:
            data = root.read_bytes()
        except OSError as error:
            raise MachineError(f"--trusted-root: {root} cannot be read: {error.strerror}.") from error
        self._verifier, self._read_bundle = _load(root, len(data))
        self.root_sha256 = hashlib.sha256(data).hexdigest()

    def verify(self, bundle: str) -> SignedPayload:
        """What a bundle signs, and who has signed it.

        Raises:
            ValueError: the signature, the certificate or the entry of a log is not right; the text says what.
        """
        try:
            parsed = self._read_bundle(bundle)
            payload_type, payload = self._verifier.verify_dsse(parsed, _AnyIdentity())
            signer = _signer_of(parsed.signing_certificate)
        except Exception as error:  # noqa: BLE001 - of foreign data; the library lets errors of its parsers through
            reason = " ".join(str(error).split()) or type(error).__name__
            raise ValueError(f"its signature does not hold: {reason[:300]}") from None
        return SignedPayload(signer, payload_type, payload)


def _load(root: Path, size: int) -> tuple[Any, Callable[[str], Any]]:
    """A verifier, and what reads a bundle."""
    try:
        from sigstore.models import Bundle, TrustedRoot
        from sigstore.verify import Verifier
    except ImportError as error:
        raise ProgramError(
            "--attestations needs the library sigstore, which is not installed: install pixi-mirror with its extra "
            "`attestations`."
        ) from error
    try:
        if size > _LARGEST_ROOT:
            raise ValueError(f"it has {size} bytes")  # noqa: TRY301 - one sentence for all
        return Verifier(trusted_root=TrustedRoot.from_file(str(root))), Bundle.from_json
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise WorkspaceError(
            f"--trusted-root: {root} is no trusted root of Sigstore: {reason}. It is the `trusted_root.json` that the "
            "instance publishes."
        ) from error


def _signer_of(certificate: Any) -> Signer:  # noqa: ANN401 - of a library that may be absent
    from cryptography.x509 import RFC822Name, SubjectAlternativeName, UniformResourceIdentifier

    names = certificate.extensions.get_extension_for_class(SubjectAlternativeName).value
    identities = [*names.get_values_for_type(UniformResourceIdentifier), *names.get_values_for_type(RFC822Name)]
    found = {each.oid.dotted_string: each.value for each in certificate.extensions}
    issuer = _text_of(found[_ISSUER].value) if _ISSUER in found else None
    if issuer is None and _OLD_ISSUER in found:
        issuer = found[_OLD_ISSUER].value.decode()
    if not identities or not issuer:
        raise ValueError("the certificate names no identity and issuer")
    return Signer(
        identity=str(identities[0]),
        issuer=issuer,
        repository=_text_of(found[_REPOSITORY].value) if _REPOSITORY in found else None,
    )


def _text_of(der: bytes) -> str:
    """The text of a UTF8String in DER."""
    if len(der) < 2 or der[0] != _UTF8_STRING:  # noqa: PLR2004 - tag and length
        raise ValueError("an extension of the certificate is no text")
    start = 2 if der[1] < _SHORT else 2 + (der[1] & (_SHORT - 1))
    return der[start:].decode()
