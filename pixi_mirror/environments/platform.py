"""Tell which conda subdir the packages of this machine come from.

The file imports only the standard library and runs on Python 3.9, because `pixi_mirror.standalone` puts its source into
the unpacker that a self-extracting pack carries.
"""

import platform
import sys

_SYSTEMS = {"linux": "linux", "darwin": "osx", "win32": "win"}
_ARCHITECTURES = {"x86_64": "64", "amd64": "64", "i386": "32", "i686": "32", "x86": "32"}


def subdir_of(*, system: str, machine: str) -> str:
    """The subdir of a machine as `sys.platform` and `platform.machine()` describe it."""
    architecture = _ARCHITECTURES.get(machine.lower(), machine.lower())
    if architecture in ("arm64", "aarch64"):
        architecture = "aarch64" if system == "linux" else "arm64"
    return f"{_SYSTEMS.get(system, system)}-{architecture}"


def own_subdir() -> str:
    """The subdir of this machine."""
    return subdir_of(system=sys.platform, machine=platform.machine())
