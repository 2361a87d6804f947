"""Which certificates to trust: those of an option, of the environment, or of the machine. No certificate is read."""

import os.path
from collections.abc import Mapping
from pathlib import Path

from pixi_mirror.errors import MachineError

# Where the distributions keep the bundle, below /etc. OpenSSL's default comes last: that of a Python from
# conda-forge is in its own prefix and lacks the certificates that an administrator added.
_BUNDLES = (
    "ssl/certs/ca-certificates.crt",
    "pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "pki/tls/certs/ca-bundle.crt",
    "ssl/ca-bundle.pem",
    "ssl/cert.pem",
)
_OF_THE_MACHINE = frozenset({"system", "native", "all"})
_WORDS = _OF_THE_MACHINE | {"webpki"}


def find_certificates(
    *, option: Path | None, environ: Mapping[str, str], configured: str | None, platform: str, system: Path
) -> tuple[Path | None, tuple[str, ...]]:
    """The file or folder of certificates, None for those that come with the HTTP client; and warnings.

    The first of `--ca-file`, `SSL_CERT_FILE`, `SSL_CERT_DIR`, `PIXI_TLS_ROOT_CERTS` and pixi's `tls-root-certs`
    (`configured`) decides.

    Raises:
        MachineError: what was named does not exist.
    """
    if option is not None:
        return _existing(option, "--ca-file"), ()
    if name := environ.get("SSL_CERT_FILE"):
        return _existing(Path(name), "SSL_CERT_FILE"), ()
    if names := environ.get("SSL_CERT_DIR"):
        return _folder(names, ";" if platform == "win32" else ":")
    word = environ.get("PIXI_TLS_ROOT_CERTS") or configured
    if word is None or word == "webpki":
        return None, ()
    if word not in _WORDS:
        known = ", ".join(sorted(_WORDS))
        raise MachineError(f"PIXI_TLS_ROOT_CERTS is {word!r}, which is none of {known}: correct or unset it")
    found = _bundle(system)
    return found, () if found else (_NO_BUNDLE,)


_NO_BUNDLE = (
    "the certificates of this machine are asked for (tls-root-certs), but no file with them was found; those that "
    "come with pixi-mirror are used: name a file with --ca-file"
)


def _existing(path: Path, name: str) -> Path:
    # os.path, because Path.exists() raises where a folder above cannot be searched.
    if not os.path.exists(path):
        raise MachineError(f"{name} names {path}, which does not exist: name a file of certificates, or leave it out")
    return path


def _folder(names: str, separator: str) -> tuple[Path, tuple[str, ...]]:
    folders = [Path(name) for name in names.split(separator) if name]
    found = [folder for folder in folders if os.path.isdir(folder)]
    if not found:
        raise MachineError(
            f"SSL_CERT_DIR names {names}, which does not exist: name a folder of certificates or unset it"
        )
    if len(found) == 1:
        return found[0], ()
    return found[0], (f"SSL_CERT_DIR names several folders, of which only {found[0]} is used",)


def _bundle(system: Path) -> Path | None:
    for name in _BUNDLES:
        if os.path.isfile(system / name):
            return system / name
    import ssl

    # Not `cafile`, which the standard library takes from the environment.
    default = Path(ssl.get_default_verify_paths().openssl_cafile)
    return default if os.path.isfile(default) else None
