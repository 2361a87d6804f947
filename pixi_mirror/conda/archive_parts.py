"""Find in a `.conda` the two archives that it is made of."""

from typing import BinaryIO

from pixi_mirror.archives.zip import Member, members


def parts_of_conda(file: BinaryIO) -> tuple[Member, Member]:
    """The member with what is installed (`pkg-`), and the one that tells what the package is (`info-`).

    Raises:
        ValueError: it has not exactly one of each, or is no zip archive.
    """
    found = [member for member in members(file) if member.name.endswith(".tar.zst")]
    package, info = (_only(found, prefix) for prefix in ("pkg-", "info-"))
    return package, info


def _only(found: list[Member], prefix: str) -> Member:
    named = [member for member in found if member.name.startswith(prefix)]
    if len(named) != 1:
        raise ValueError(f"it has {len(named)} members {prefix}*.tar.zst, and a conda package has one")
    return named[0]
