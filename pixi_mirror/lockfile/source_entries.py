"""Entries of a lock that are built where they are installed: directories of the workspace, and commits of git.

A directory needs no mirroring: who installs the workspace has it. A commit is mirrored as a repository.
"""

import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from pixi_mirror.disk.files import read_bytes
from pixi_mirror.errors import UnmirrorableError, WorkspaceError
from pixi_mirror.git.source import GitSource, git_source, read_git_location
from pixi_mirror.lockfile.build_backends import read_build_backend
from pixi_mirror.lockfile.entries import CondaSource, Entry, PypiEntry
from pixi_mirror.lockfile.mirrorable import entry_title
from pixi_mirror.model.packages import SourceDirectory
from pixi_mirror.paths import channel, is_local, local_path, local_url
from pixi_mirror.pypi.metadata import build_requirements
from pixi_mirror.pypi.names import form_of

_SUBDIRECTORY = re.compile(r"\?subdirectory=([^#&]*)\Z")

_LARGEST_MANIFEST = 1 << 20
"""Bytes of a pyproject.toml that are read."""


def git_source_of(entry: Entry) -> GitSource | None:
    """The commit that an entry is built from; None: it is built from none.

    Raises:
        UnmirrorableError: it is built from a repository that git cannot be asked for, or from no fixed commit.
    """
    try:
        match entry:
            case PypiEntry(location=location) if form_of(location) == "git":
                return read_git_location(location)
            case CondaSource(location=location) if location.startswith("git+"):
                return read_git_location(location)
            case CondaSource(origin={"git": str(url), "rev": str(commit), **others}):
                bare = _SUBDIRECTORY.sub("", url).removeprefix("git+")
                return git_source(bare, commit, branch=others.get("branch"), tag=others.get("tag"))
    except ValueError as error:
        raise UnmirrorableError(f"it is built from a git repository, and {error}") from None
    return None


def source_directory_of(entry: Entry, base: str, *, read: Callable[[Path], bytes | None]) -> SourceDirectory | None:
    """The directory that an entry is built from; None: it is built from none.

    Args:
        entry: of a lock.
        base: the `file:///directory/` URL of the workspace: its own directories lie below.
        read: gives the bytes of a file of this machine, None for one that cannot be read.
    """
    match entry:
        case PypiEntry(location=location) if form_of(location) == "directory":
            kind = "pypi"
        case CondaSource(location=location) if is_local(location) and not location.startswith("git+"):
            kind = "conda"
        case _:
            return None
    directory = local_path(local_url(location, base))
    backend = read_build_backend(directory, local_path(base), read=read) if kind == "conda" else None
    specs = None if backend is None else backend.specs
    is_inside = directory.is_relative_to(local_path(base))
    is_absolute = "://" in location or Path(location).is_absolute()
    return SourceDirectory(
        entry=entry_title(entry) if not is_absolute else f"{entry.name} @ {directory.name}",
        path=directory.name if is_absolute else location,
        kind="pypi" if kind == "pypi" else "conda",
        is_inside=is_inside,
        build_requires=_build_requires(directory, read) if kind == "pypi" else specs,
        channels=_channel_urls(backend.channels) if backend is not None else (),
    )


def _channel_urls(channels: Iterable[str]) -> tuple[str, ...]:
    """The URLs of channels that a manifest names, without those that can have no place in a mirror."""
    found = []
    for each in channels:
        with suppress(WorkspaceError, UnmirrorableError):
            found.append(channel(each, "channels").url)
    return tuple(found)


def _build_requires(directory: Path, read: Callable[[Path], bytes | None]) -> tuple[str, ...] | None:
    """What building a directory needs (PEP 518); None: there is nothing that says it."""
    pyproject = read(directory / "pyproject.toml")
    if pyproject is None and read(directory / "setup.py") is None:
        return None
    try:
        return build_requirements(pyproject)
    except ValueError:
        return None


def read_manifest(path: Path) -> bytes | None:
    """The bytes of a small file of a source directory; None: it is not there, is too large, or cannot be read."""
    try:
        return read_bytes(path, limit=_LARGEST_MANIFEST)
    except (OSError, ValueError):
        return None
