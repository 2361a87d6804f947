"""Name the environments that stand for the choices of a lock without environments, and the platforms of one; pure."""

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Literal, TypeAlias

from pixi_mirror.conda.names import SUBDIRS
from pixi_mirror.lockfile.entries import LockedPlatform
from pixi_mirror.lockfile.fields import Malformed, shortened

Choice: TypeAlias = Literal["extra", "group", "category"]
"""What a lock lets its user choose beside what is always installed."""

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9])?")


def choice_environment(kind: Choice, name: str) -> str:
    """The name of the environment that has one choice beside what is always installed.

    Args:
        kind: what is chosen.
        name: of the extra, the group or the category.

    Raises:
        Malformed: it is no name of one.
    """
    if not _NAME.fullmatch(name):
        raise Malformed(f"{shortened(name)!r} is not the name of an extra, a group or a category")
    return f"{kind}:{name}"


def locked_platforms(names: Iterable[str]) -> Mapping[str, LockedPlatform]:
    """The platforms with these names, which are subdirs.

    Raises:
        Malformed: one of them is no subdir.
    """
    found = {}
    for name in sorted(set(names)):
        if name not in SUBDIRS or name == "noarch":
            raise Malformed(f"the platform {shortened(name)!r} is unknown")
        found[name] = LockedPlatform(name=name, subdir=name, virtual_packages=())
    return MappingProxyType(found)
