"""Tell which conda subdir the packages of this machine come from."""

_SYSTEMS = {"linux": "linux", "darwin": "osx", "win32": "win"}
_ARCHITECTURES = {"x86_64": "64", "amd64": "64", "arm64": "arm64", "aarch64": "aarch64", "i386": "32", "i686": "32"}


def subdir_of(*, system: str, machine: str) -> str:
    """The subdir of a machine as `sys.platform` and `platform.machine()` describe it."""
    architecture = _ARCHITECTURES.get(machine.lower(), machine.lower())
    if architecture in ("arm64", "aarch64"):
        architecture = "aarch64" if system == "linux" else "arm64"
    return f"{_SYSTEMS.get(system, system)}-{architecture}"
