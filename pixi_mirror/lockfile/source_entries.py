"""Entries of a lock that are built where they are installed: directories of the workspace, and commits of git.

A directory needs no mirroring: who installs the workspace has it. A commit is mirrored as a repository.
"""

import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlencode

from pixi_mirror.disk.files import read_bytes
from pixi_mirror.errors import UnmirrorableError, WorkspaceError
from pixi_mirror.git.source import GitSource, git_source, read_git_location
from pixi_mirror.lockfile.entries import CondaSource, Entry, PypiEntry
from pixi_mirror.lockfile.mirrorable import entry_title
from pixi_mirror.lockfile.pypi_package import index_list
from pixi_mirror.model.packages import Package
from pixi_mirror.model.sources import SourceCommit, SourceDirectory
from pixi_mirror.model.values import Json, Url
from pixi_mirror.paths import channel, is_local, local_path, local_url
from pixi_mirror.pypi.metadata import build_requirements
from pixi_mirror.pypi.names import form_of

_SUBDIRECTORY = re.compile(r"\?subdirectory=([^#&]*)\Z")

LARGEST_MANIFEST = 1 << 20
"""Bytes of a manifest that are read."""


def git_source_of(entry: Entry) -> GitSource | None:
    """The commit that an entry is built from; None: it is built from none.

    Raises:
        UnmirrorableError: it is built from a repository that git cannot be asked for, or from no fixed commit.
    """
    try:
        match entry:
            case PypiEntry(location=location) if form_of(location) == "git":
                return read_git_location(location)
            case CondaSource(location=location) if _is_commit(location):
                return read_git_location(location)
            case CondaSource(origin={"git": str(url), "rev": str(commit), **others}):
                bare = _SUBDIRECTORY.sub("", url).removeprefix("git+")
                return git_source(bare, commit, branch=others.get("branch"), tag=others.get("tag"))
    except ValueError as error:
        raise UnmirrorableError(f"it is built from a git repository, and {error}") from None
    return None


def parts_of(entry: Entry) -> tuple[Entry, ...]:
    """The entry, as two where the manifest of a conda package lies in one repository and its source in another."""
    match entry:
        case CondaSource(location=location, origin={"git": str(url), "rev": str(commit)}) if _is_commit(location):
            bare = url.removeprefix("git+").partition("?")[0]
            names = urlencode({key: entry.origin[key] for key in ("branch", "tag") if key in entry.origin})
            return replace(entry, origin={}), replace(entry, location=f"git+{bare}?{names}#{commit}")
    return (entry,)


def has_own_manifest(entry: Entry) -> bool:
    """Whether the manifest that says how an entry is built lies in the commit that it is built from."""
    return not isinstance(entry, CondaSource) or (_is_commit(entry.location) and "git" not in entry.origin)


def source_commit_of(entry: Entry, pin: Package, indexes: Iterable[str]) -> SourceCommit:
    """The entry as something that is built from a pinned commit, in which its manifest lies; nothing is read yet.

    Args:
        entry: of a lock; `has_own_manifest` is true of it.
        pin: of its commit.
        indexes: the URLs of the indexes that its environment names.
    """
    source = read_git_location(entry.location)
    is_conda = isinstance(entry, CondaSource)
    return SourceCommit(
        entry=entry_title(entry),
        path=pin.path,
        kind="conda" if is_conda else "pypi",
        indexes=() if is_conda else index_list(indexes),
        archive=_archive_of(entry),
        subdirectory=source.subdirectory.strip("/"),
    )


def read_source_commit(commit: SourceCommit, read: Callable[[Path], bytes | None]) -> SourceCommit:
    """The same with what its manifest says.

    Args:
        commit: whose repository is there.
        read: gives the bytes of a file of the commit by its relative path, None for one that is not there.
    """
    folder = Path(commit.subdirectory)
    if commit.kind == "pypi":
        return replace(commit, is_read=True, build_requires=_build_requires(folder, read))
    backend = read_build_backend(folder, Path(), read=read)
    if backend is None:
        return replace(commit, is_read=True)
    channels = _channel_urls(backend.channels)
    return replace(commit, is_read=True, build_requires=backend.specs, channels=channels)


def source_directory_of(
    entry: Entry, base: str, indexes: Iterable[str], *, read: Callable[[Path], bytes | None]
) -> SourceDirectory | None:
    """The directory that an entry is built from; None: it is built from none.

    Args:
        entry: of a lock.
        base: the `file:///directory/` URL of the workspace: its own directories lie below.
        indexes: the URLs of the indexes that its environment names.
        read: gives the bytes of a file of this machine, None for one that cannot be read.
    """
    match entry:
        case PypiEntry(location=location) if form_of(location) == "directory":
            kind = "pypi"
        case CondaSource(location=location) if is_local(location) and not _is_commit(location):
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
        indexes=index_list(indexes) if kind == "pypi" else (),
        archive=_archive_of(entry),
    )


def _archive_of(entry: Entry) -> str:
    """The URL, stripped, of the archive that a conda package is built from by a manifest elsewhere; empty: of none."""
    return Url(entry.origin.get("url", "")).stripped if isinstance(entry, CondaSource) else ""


def _is_commit(location: str) -> bool:
    return location.startswith("git+")


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
        return read_bytes(path, limit=LARGEST_MANIFEST)
    except (OSError, ValueError):
        return None


_ANY = "*"
_DEFAULTS = {"recipe.yaml": "pixi-build-rattler-build", "package.xml": "pixi-build-ros"}
"""A file that says without a manifest how a directory is built -> the backend that pixi takes for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildBackend:
    """What has to be installed to build a source package."""

    specs: tuple[str, ...]
    """Match specs: the backend, then what its manifest adds to it."""
    channels: tuple[str, ...]
    """Names and URLs, as the manifest has them; empty: those of the workspace."""


def read_build_backend(
    directory: Path, workspace: Path, *, read: Callable[[Path], bytes | None]
) -> BuildBackend | None:
    """Return the backend of a source directory; None: nothing there says it in a way that is known.

    Args:
        directory: the directory, or a manifest or recipe in it.
        workspace: the directory of the workspace, from whose manifest a backend may inherit its version.
        read: gives the bytes of a file of this machine, None for one that cannot be read.
    """
    folder = directory if directory.suffix not in (".toml", ".yaml", ".xml") else directory.parent
    build = _table(_manifest(folder, read), "package", "build")
    if build is not None:
        return _backend(build, _table(_manifest(workspace, read), "workspace", "dependencies") or {})
    name = next((name for file, name in _DEFAULTS.items() if read(folder / file) is not None), None)
    return None if name is None else BuildBackend(specs=(name,), channels=())


def _manifest(folder: Path, read: Callable[[Path], bytes | None]) -> Mapping[str, Json]:
    """What pixi reads of a folder: `pixi.toml`, else the table `tool.pixi` of `pyproject.toml`."""
    for name, keys in (("pixi.toml", ()), ("pyproject.toml", ("tool", "pixi"))):
        try:
            document = tomllib.loads((read(folder / name) or b"").decode())
        except (ValueError, RecursionError):
            continue
        if found := _table(document, *keys):
            return found
    return {}


def _table(document: Json, *keys: str) -> Mapping[str, Json] | None:
    for key in keys:
        document = document.get(key) if isinstance(document, dict) else None
    return document if isinstance(document, dict) else None


def _backend(build: Mapping[str, Json], inherited: Mapping[str, Json]) -> BuildBackend | None:
    backend = build.get("backend")
    if not isinstance(backend, dict) or not isinstance(name := backend.get("name"), str):
        return None
    more = backend.get("additional-dependencies") or build.get("additional-dependencies") or {}
    channels = backend.get("channels") or build.get("channels") or []
    is_known = isinstance(more, dict) and isinstance(channels, list) and all(isinstance(each, str) for each in channels)
    if not is_known:
        return None
    wanted = {name: inherited.get(name) if backend.get("workspace") is True else backend, **more}
    specs = [_spec(each, spec) for each, spec in wanted.items()]
    if None in specs:
        return None
    return BuildBackend(specs=tuple(spec for spec in specs if spec is not None), channels=tuple(channels))


def _spec(name: str, spec: Json) -> str | None:
    """The match spec of one dependency of a manifest; None: it is built itself, or cannot be read."""
    table = {"version": spec} if isinstance(spec, str) else spec
    if not isinstance(table, dict) or not table.keys().isdisjoint({"path", "git", "url"}):
        return None
    version, build = table.get("version", _ANY), table.get("build")
    if not isinstance(version, str) or not isinstance(build, str | None):
        return None
    if build is not None:
        return f'{name}[version="{version}",build="{build}"]'
    # In a manifest `1.2` is a version that begins so, and `*` is any.
    return name if version == _ANY else f'{name}[version="{version}"]'
