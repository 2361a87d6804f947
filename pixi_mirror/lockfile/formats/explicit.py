"""Read `@EXPLICIT` files: a list of URLs of conda packages for one platform."""

import re
from collections.abc import Iterable
from types import MappingProxyType

from pixi_mirror.errors import WorkspaceError
from pixi_mirror.lockfile.entries import CondaBinary, Lock, LockedEnvironment
from pixi_mirror.lockfile.fields import Malformed, conflict_line
from pixi_mirror.lockfile.formats.choices import locked_platforms
from pixi_mirror.lockfile.formats.conda_locations import channels_of, from_location
from pixi_mirror.model.values import Json

_MARK = "@EXPLICIT"
_PLATFORM = re.compile(r"#\s*platform:\s*(\S+)\s*")
_DIGEST = re.compile(r"(?:sha256:)?([0-9a-fA-F]{64})|([0-9a-fA-F]{32})|")
"""What may stand after the `#` of a line: conda takes these, and clients differ about all else."""
_NOTE = (
    "an @EXPLICIT list does not say what its packages depend on, so the mirror's repodata.json does not say it of "
    "them, either: install lists and locks from the mirror, and do not solve from it."
)


def read_explicit(data: bytes, *, name: str) -> Lock:
    """Read an `@EXPLICIT` file.

    Args:
        data: the file.
        name: how messages name the lock.

    Raises:
        WorkspaceError: it is damaged, or does not say for which platform it is.
    """
    if (conflict := conflict_line(data)) is not None:
        raise WorkspaceError(f"{name}: unresolved merge conflict at line {conflict}. Take either side.")
    try:
        lines = data.decode().splitlines()
    except UnicodeDecodeError as error:
        raise WorkspaceError(f"{name} is not UTF-8: byte 0x{data[error.start]:02x}. Check the path.") from None
    try:
        return _lock(lines)
    except Malformed as error:
        raise WorkspaceError(
            f"{name} is damaged: {error}. Write it anew with `conda list --explicit --sha256` or the tool that made it."
        ) from None


def _lock(lines: list[str]) -> Lock:
    entries, named = [], None
    is_begun = False
    for number, raw in enumerate(lines, start=1):
        line = raw.strip()
        comment = _PLATFORM.fullmatch(line)
        if line == _MARK:
            is_begun = True
        elif comment is not None and named is None:
            named = comment[1]
        elif line and not line.startswith("#"):
            if not is_begun:
                raise Malformed(f"line {number} stands before the line {_MARK}")
            try:
                entries.append(_entry(line))
            except ValueError as error:
                raise Malformed(f"line {number}: {error}") from None
    if not is_begun:
        raise Malformed(f"it has no line {_MARK}")
    platform = named or _platform_of(entries)
    environment = LockedEnvironment(
        channels=channels_of(entries),
        indexes=(),
        find_links=(),
        packages=MappingProxyType({platform: tuple(entries)}),
        build_packages=MappingProxyType({}),
    )
    return Lock(
        version=1,
        platforms=locked_platforms([platform]),
        environments=MappingProxyType({"default": environment}),
        newest_timestamp=0,
        notes=(_NOTE,) if entries else (),
    )


def _entry(line: str) -> CondaBinary:
    location, _, fragment = line.partition("#")
    digest = _DIGEST.fullmatch(fragment)
    if digest is None:
        raise Malformed("what stands after the # is no md5 of 32 and no sha256 of 64 hexadecimal digits")
    hashes: dict[str, Json] = {"sha256": digest[1], "md5": digest[2]}
    return from_location(location, {kind: found for kind, found in hashes.items() if found})


def _platform_of(entries: Iterable[CondaBinary]) -> str:
    found = sorted({str(entry.record["subdir"]) for entry in entries} - {"noarch"})
    match found:
        case [platform]:
            return platform
        case []:
            raise Malformed("nothing in it says for which platform it is: add a line such as `# platform: linux-64`")
        case _:
            raise Malformed(f"it has packages of several platforms: {', '.join(found)}")
