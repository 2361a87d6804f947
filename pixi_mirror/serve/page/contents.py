"""Gather from an inventory what the page shows: repositories with their packages, and environments; pure."""

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from pixi_mirror.conda.index_files import REPODATA
from pixi_mirror.conda.names import SUBDIRS
from pixi_mirror.git.package import repository_path, repository_url
from pixi_mirror.model.packages import Inventory, Kind, Package
from pixi_mirror.model.values import MirrorPath
from pixi_mirror.pypi.index_urls import index_urls
from pixi_mirror.pypi.simple import PAGE_HTML, SIMPLE

_NUMBERS = re.compile(r"([0-9]+)")


class PackageRow(NamedTuple):
    """One package with all its files."""

    name: str
    versions: tuple[str, ...]
    """The newest first."""
    files: int
    size: int
    """Bytes, as far as they are known."""
    page: str | None
    """Path of its index page in the mirror; None: it has none."""


class Repository(NamedTuple):
    """A channel or a Python index."""

    kind: Kind
    title: str
    """The URLs upstream; or the path in the mirror, if no lock names an upstream any more."""
    path: str
    """In the mirror; empty: its root."""
    indexes: tuple[tuple[str, str], ...]
    """The indexes that can be opened: a label and a path each."""
    rows: tuple[PackageRow, ...]
    files: int
    size: int


class EnvironmentRow(NamedTuple):
    """An environment on one platform."""

    workspace: str
    environment: str
    platform: str
    files: int
    size: int


class MirrorContents(NamedTuple):
    """Everything that the page shows of a mirror."""

    repositories: tuple[Repository, ...]
    environments: tuple[EnvironmentRow, ...]
    files: int
    size: int
    deferred: int
    """Files that are fetched at their first request."""


def contents_of(inventory: Inventory) -> MirrorContents:
    """Gather what the page shows; files that are neither there nor deferred do not count."""
    available = _available(inventory)
    sizes = {path: _size(package, inventory) for path, package in available.items()}
    titles = _titles(inventory)
    by_repository: dict[tuple[Kind, str], list[Package]] = {}
    for package in available.values():
        by_repository.setdefault((package.kind, _repository_path(package)), []).append(package)
    repositories = tuple(
        _repository(kind, path, titles.get((kind, path), ()), rows, inventory.tree)
        for (kind, path), packages in sorted(by_repository.items())
        for rows in [_rows(packages, inventory, sizes)]
    )
    return MirrorContents(
        repositories=repositories,
        environments=tuple(sorted(_environments(inventory, sizes))),
        files=len(available),
        size=sum(sizes.values()),
        deferred=sum(path in inventory.deferred for path in available),
    )


def _available(inventory: Inventory) -> dict[MirrorPath, Package]:
    return {
        package.path: package
        for package in (*inventory.kept.values(), *inventory.wanted)
        if package.kind != "attestations" and (package.path in inventory.deferred or inventory.stored_at(package.path))
    }


def _size(package: Package, inventory: Inventory) -> int:
    stored = inventory.stored_at(package.path)
    if stored is not None:
        return stored.size
    listing = inventory.listings.get(package.path)
    size = package.size if listing is None or package.size is not None else listing.size
    return size or 0


def _titles(inventory: Inventory) -> dict[tuple[Kind, str], tuple[str, ...]]:
    """The upstream URLs of the repositories, by kind and path."""
    found: dict[tuple[Kind, str], dict[str, None]] = {}
    for snapshot in inventory.snapshots:
        for cell in snapshot.cells:
            for channel in cell.channels:
                found.setdefault(("conda", channel.path or ""), {})[channel.url] = None
        for package in snapshot.wanted:
            if package.kind == "pypi":
                for index, path in _first_index(package):
                    found.setdefault(("pypi", path), {})[index] = None
            elif package.kind == "git":
                found.setdefault(("git", repository_path(package)), {})[repository_url(package)] = None
    return {key: tuple(urls) for key, urls in found.items()}


def _first_index(package: Package) -> tuple[tuple[str, str], ...]:
    """The index of a Python file, and the path of that index here; empty: it has none."""
    first = next(iter(index_urls(package)), None)
    # An index without a path here has no pages here.
    return () if first is None or first.path is None else ((first.url, first.path),)


def _repository_path(package: Package) -> str:
    if package.kind == "pypi":
        return next((path for _, path in _first_index(package)), "")
    if package.kind == "git":
        return repository_path(package)
    folder = package.path.rpartition("/")[0]
    return folder.rpartition("/")[0] if folder.rpartition("/")[2] == package.subdir else folder


def _repository(
    kind: Kind, path: str, titles: tuple[str, ...], rows: tuple[PackageRow, ...], tree: Mapping[MirrorPath, object]
) -> Repository:
    unnamed = "Python files of no index" if kind == "pypi" else "The mirror's own channel"
    return Repository(
        kind=kind,
        title=", ".join(titles) or path or unnamed,
        indexes=tuple(_indexes(kind, path, tree)),
        path=path,
        rows=rows,
        files=sum(row.files for row in rows),
        size=sum(row.size for row in rows),
    )


def _rows(packages: list[Package], inventory: Inventory, sizes: dict[MirrorPath, int]) -> tuple[PackageRow, ...]:
    by_name: dict[str, list[Package]] = {}
    for package in packages:
        by_name.setdefault(package.name, []).append(package)
    return tuple(_row(name, by_name[name], inventory, sizes) for name in sorted(by_name))


def _row(name: str, packages: list[Package], inventory: Inventory, sizes: dict[MirrorPath, int]) -> PackageRow:
    page = f"{SIMPLE}/{name}"
    has_page = packages[0].kind == "pypi" and f"{page}/{PAGE_HTML}" in inventory.tree
    versions = sorted({package.version for package in packages}, key=_version_key, reverse=True)
    return PackageRow(
        name=name,
        versions=tuple(versions),
        files=len(packages),
        size=sum(sizes[package.path] for package in packages),
        page=f"{page}/" if has_page else None,
    )


def _version_key(version: str) -> tuple[tuple[int, int, str], ...]:
    """A sort key for versions as people expect them; the exact rules are for clients."""
    parts = _NUMBERS.split(version)
    # A release is newer than its candidates: where one ends and the other has letters, the shorter one is newer.
    keys = [(2, int(part), "") if part.isdecimal() else (0, 0, part) for part in parts if part not in ("", ".")]
    return (*keys, (1, 0, ""))


def _indexes(kind: Kind, path: str, tree: Mapping[MirrorPath, object]) -> Iterator[tuple[str, str]]:
    lead = f"{path}/" if path else ""
    if kind == "git":
        return
    if kind == "pypi":
        for folder in dict.fromkeys((path, SIMPLE)):
            if f"{folder}/{PAGE_HTML}" in tree:
                yield f"{folder}/", f"{folder}/"
        return
    for subdir in sorted(SUBDIRS):
        if f"{lead}{subdir}/{REPODATA}" in tree:
            yield subdir, f"{lead}{subdir}/{REPODATA}"


def _environments(inventory: Inventory, sizes: dict[MirrorPath, int]) -> Iterator[EnvironmentRow]:
    for snapshot in inventory.snapshots:
        for cell in snapshot.cells:
            there = [sizes[path] for path in dict.fromkeys(cell.packages) if path in sizes]
            yield EnvironmentRow(snapshot.workspace, cell.environment, cell.platform, len(there), sum(there))
