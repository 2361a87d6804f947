"""Sign the manifest of an export, and check such a signature, by OpenSSH's own program; nothing of it needs a network.

A signature is of the manifest, and by that of every byte of every volume. https://man.openbsd.org/ssh-keygen.1#SIGNATURES
"""

import shutil
from collections.abc import Mapping
from pathlib import Path

from pixi_mirror.errors import MachineError, ProgramError, WrongBytesError
from pixi_mirror.process import Output, run_program, scratch_directory

NAMESPACE = "export@pixi-mirror"
"""What ssh-keygen calls the purpose of a signature, so that one of another purpose is none here."""

_TIMEOUT_S = 600.0
"""A person may have to type a passphrase, or touch a key."""


def sign_manifest(manifest: bytes, key: Path, *, environ: Mapping[str, str], namespace: str = NAMESPACE) -> bytes:
    """The signature of a manifest, or of a report.

    Args:
        manifest: its bytes.
        key: a private key, or the public part of one that an agent has.
        environ: all environment variables, to find the program and the agent.
        namespace: what ssh-keygen calls the purpose of the signature.

    Raises:
        ProgramError: ssh-keygen is not there, or does not sign.
        MachineError: there is no such key.
    """
    require_key(key)
    with scratch_directory() as folder:
        (folder / "manifest").write_bytes(manifest)
        words = ("-Y", "sign", "-f", str(key.absolute()), "-n", namespace, "manifest")
        done = _run(words, folder, environ)
        signature = folder / "manifest.sig"
        if done.status or not signature.is_file():
            raise ProgramError(f"ssh-keygen did not sign with {key}; nothing was written: {done.last_words}")
        return signature.read_bytes()


def require_key(key: Path) -> None:
    """Fail unless there is a key to sign with.

    Raises:
        MachineError: there is none.
    """
    if not key.is_file():
        raise MachineError(f"--sign: there is no key {key}; nothing was written.")


def require_signature(
    manifest: bytes, signature: bytes | None, signers: Path, *, what: str, environ: Mapping[str, str]
) -> str:
    """Fail unless one of the signers has signed a manifest.

    Args:
        manifest: its bytes.
        signature: as `sign_manifest` gives it; None: it has none.
        signers: a file of those who are trusted, in the form `allowed_signers` of ssh-keygen.
        what: what messages call it.
        environ: as in `sign_manifest`.

    Returns:
        Who has signed it, by the first column of `signers`.

    Raises:
        WrongBytesError: it is not signed, or by nobody who is trusted.
        ProgramError: ssh-keygen is not there.
        MachineError: there is no such file.
    """
    if not signers.is_file():
        raise MachineError(f"--trust: there is no file {signers}; nothing was changed.")
    if signature is None:
        raise WrongBytesError(
            f"{what} is not signed, and --trust was given: nothing was changed. Export it again with --sign."
        )
    with scratch_directory() as folder:
        (folder / "manifest").write_bytes(manifest)
        (folder / "manifest.sig").write_bytes(signature)
        trusted = str(signers.absolute())
        found = _run(("-Y", "find-principals", "-s", "manifest.sig", "-f", trusted), folder, environ)
        for principal in found.stdout.splitlines() if not found.status else ():
            words = ("-Y", "verify", "-f", trusted, "-I", principal, "-n", NAMESPACE, "-s", "manifest.sig")
            if not _run(words, folder, environ, given=manifest.decode()).status:
                return principal
    raise WrongBytesError(
        f"{what} is signed by nobody in {signers}, or has changed since: nothing was changed. Ask where it comes from "
        "whose key it was."
    )


def _run(words: tuple[str, ...], folder: Path, environ: Mapping[str, str], *, given: str | None = None) -> Output:
    program = shutil.which("ssh-keygen", path=environ.get("PATH"))
    if program is None:
        raise ProgramError("--sign and --trust need ssh-keygen, which is not on PATH. Install OpenSSH's client.")
    return run_program((program, *words), cwd=folder, environ=environ, timeout_s=_TIMEOUT_S, given=given)
