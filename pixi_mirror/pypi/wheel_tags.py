"""Judge by its tags (PEP 425) whether a wheel can be installed for a Python on a conda platform; pure."""

import re
from collections.abc import Iterable, Iterator
from functools import cache

from packaging.tags import Tag, compatible_tags, cpython_tags, mac_platforms

_LINUX_MACHINES = {
    "linux-32": "i686",
    "linux-64": "x86_64",
    "linux-aarch64": "aarch64",
    "linux-armv7l": "armv7l",
    "linux-ppc64le": "ppc64le",
    "linux-riscv64": "riscv64",
    "linux-s390x": "s390x",
}
_MAC_MACHINES = {"osx-64": "x86_64", "osx-arm64": "arm64"}
_WINDOWS_TAGS = {"win-32": "win32", "win-64": "win_amd64", "win-arm64": "win_arm64"}
_LATER_THAN_ANY_MACOS = (99, 0)
"""Which release of macOS a machine has is not known here, so no wheel is refused for being too new."""
_GLIBC = r"(?:linux|manylinux1|manylinux20[0-9]{2}|manylinux_2_[0-9]+)_"
"""How a platform tag of a Linux with glibc begins (PEP 513, 571, 599, 600); conda's Python is always one of glibc."""


def fits(tags: Iterable[Tag], *, python: str, subdir: str) -> bool:
    """Whether a wheel with these tags can be installed for CPython on a platform.

    Args:
        tags: all tags of the wheel.
        python: major and minor version, such as `3.12`; more of the version may follow.
        subdir: the conda subdir, such as `linux-64`.
    """
    tags = frozenset(tags)
    version = [int(number) for number in python.split(".")[:2]]
    interpreter = f"cp{version[0]}{version[1]}"
    platforms = list(_platforms({tag.platform for tag in tags}, subdir))
    return not (
        tags.isdisjoint(cpython_tags(version, abis=[interpreter], platforms=platforms))
        and tags.isdisjoint(compatible_tags(version, interpreter=interpreter, platforms=platforms))
    )


@cache
def _mac_platforms(machine: str) -> frozenset[str]:
    return frozenset(mac_platforms(_LATER_THAN_ANY_MACOS, machine))


def _platforms(platforms: Iterable[str], subdir: str) -> Iterator[str]:
    """Those platform tags that a machine of this subdir takes."""
    if subdir in _MAC_MACHINES:
        ours = _mac_platforms(_MAC_MACHINES[subdir])
        yield from (platform for platform in platforms if platform in ours)
    elif subdir in _WINDOWS_TAGS:
        yield from (platform for platform in platforms if platform == _WINDOWS_TAGS[subdir])
    elif subdir in _LINUX_MACHINES:
        ending = re.compile(_GLIBC + _LINUX_MACHINES[subdir])
        yield from (platform for platform in platforms if ending.fullmatch(platform))


def is_for_platform(tags: Iterable[Tag], subdir: str) -> bool:
    """Whether a wheel with these tags is for a conda platform, with CPython of any version."""
    platforms = {tag.platform for tag in tags if tag.interpreter.startswith(("py", "cp"))}
    return "any" in platforms or any(True for _ in _platforms(platforms, subdir))
