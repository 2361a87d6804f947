"""Gather from an inventory what pages show of a mirror; pure."""

from collections.abc import Iterator, Mapping
from sys import intern

from pixi_mirror.clients.offer import offer_of
from pixi_mirror.conda.index_files import REPODATA
from pixi_mirror.conda.names import SUBDIRS
from pixi_mirror.conda.repodata import LAST_SECOND, to_milliseconds
from pixi_mirror.git.package import repository_path, repository_url
from pixi_mirror.model.attestations import attestations_of
from pixi_mirror.model.packages import Inventory, Package, Snapshot
from pixi_mirror.model.values import Json, MirrorPath
from pixi_mirror.pypi.index_urls import index_urls
from pixi_mirror.pypi.names import projects_in_purls
from pixi_mirror.pypi.simple import PAGE_HTML, SIMPLE
from pixi_mirror.serve.page.contents import (
    Catalog,
    EnvironmentView,
    Repository,
    RepositoryKey,
    ShownFile,
    counted_repository,
    segment_of,
)

_DISTINCT = 8
"""Digits of a subscription's id that tell workspaces of one name apart."""


def catalog_of(inventory: Inventory, *, updated_s: float) -> Catalog:
    """Gather what pages show; files that are neither there nor deferred do not count.

    Args:
        inventory: Of the mirror.
        updated_s: When it was last updated, in seconds since 1970.
    """
    files = {path: _held(package, inventory) for path, package in _available(inventory).items()}
    return Catalog(
        files=tuple(files.values()),
        repositories=tuple(_repositories(inventory, files)),
        environments=tuple(sorted(_environments(inventory, files), key=lambda each: (each.workspace, each.segments))),
        offer=offer_of(inventory, ""),
        updated_s=updated_s,
    )


def _available(inventory: Inventory) -> dict[MirrorPath, Package]:
    return {
        package.path: package
        for package in (*inventory.kept.values(), *inventory.wanted)
        if package.kind != "attestations" and (package.path in inventory.deferred or inventory.stored_at(package.path))
    }


def _held(package: Package, inventory: Inventory) -> ShownFile:
    record = package.record
    stored = inventory.stored_at(package.path)
    listing = inventory.listings.get(package.path)
    attestations = attestations_of(package)
    size = stored.size if stored is not None else package.size
    if size is None and listing is not None:
        size = listing.size
    return ShownFile(
        kind=package.kind,
        name=package.name,
        version=package.version,
        build=package.build,
        subdir=package.subdir,
        path=package.path,
        url=package.url.stripped,
        size=size or 0,
        sha256=package.sha256 if stored is None else stored.sha256,
        md5=package.md5,
        license=_text_of(record.get("license")),
        depends=_lines(record.get("depends")),
        constrains=_lines(record.get("constrains")),
        projects=tuple(_projects(package)),
        built_s=_seconds(record.get("timestamp")),
        upload_time=None if listing is None else listing.upload_time,
        requires_python=None if listing is None else listing.requires_python,
        yanked=None if listing is None else listing.yanked,
        metadata=None if listing is None or package.kind != "pypi" else listing.metadata,
        attestations=attestations.path if attestations is not None and attestations.path in inventory.tree else None,
        is_deferred=stored is None,
        repository=(package.kind, _repository_path(package)),
    )


def _text_of(raw: Json) -> str | None:
    return intern(raw) if isinstance(raw, str) else None


def _lines(raw: Json) -> tuple[str, ...]:
    # Most packages of a mirror have the same few requirements.
    return tuple(intern(line) for line in raw or () if isinstance(line, str))


def _projects(package: Package) -> Iterator[str]:
    if package.kind == "conda":
        purls = package.record.get("purls")
        yield from (package.name,) if purls is None else projects_in_purls(purls)


def _seconds(timestamp: Json) -> float | None:
    """The time of a record, which is in milliseconds; old ones are in seconds."""
    if not isinstance(timestamp, int) or timestamp <= 0:
        return None
    seconds = to_milliseconds(timestamp) / 1000
    return seconds if seconds <= LAST_SECOND else None


def _repository_path(package: Package) -> str:
    if package.kind == "pypi":
        return next((path for _, path in _first_index(package)), "")
    if package.kind == "git":
        return repository_path(package)
    folder = package.path.rpartition("/")[0]
    return folder.rpartition("/")[0] if folder.rpartition("/")[2] == package.subdir else folder


def _first_index(package: Package) -> tuple[tuple[str, str], ...]:
    """The index of a Python file, and the path of that index here; empty: it has none."""
    first = next(iter(index_urls(package)), None)
    # An index without a path here has no pages here.
    return () if first is None or first.path is None else ((first.url, first.path),)


def _repositories(inventory: Inventory, files: Mapping[MirrorPath, ShownFile]) -> Iterator[Repository]:
    titles = _titles(inventory)
    by_repository: dict[RepositoryKey, list[ShownFile]] = {}
    for each in files.values():
        by_repository.setdefault(each.repository, []).append(each)
    for key, held in sorted(by_repository.items()):
        kind, path = key
        unnamed = "Python files of no index" if kind == "pypi" else "The mirror's own channel"
        title = ", ".join(titles.get(key, ())) or path or unnamed
        yield counted_repository(key, title, tuple(_indexes(key, inventory.tree)), held)


def _titles(inventory: Inventory) -> dict[RepositoryKey, tuple[str, ...]]:
    """The upstream URLs of the repositories."""
    found: dict[RepositoryKey, dict[str, None]] = {}
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


def _indexes(key: RepositoryKey, tree: Mapping[MirrorPath, object]) -> Iterator[tuple[str, str]]:
    kind, path = key
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


def _environments(inventory: Inventory, files: Mapping[MirrorPath, ShownFile]) -> Iterator[EnvironmentView]:
    places = _places(inventory.snapshots)
    for snapshot in inventory.snapshots:
        for cell in snapshot.cells:
            yield EnvironmentView(
                subscription=snapshot.id,
                workspace=snapshot.workspace,
                place=places[snapshot.id],
                environment=cell.environment,
                platform=cell.platform,
                files=tuple(files[path] for path in dict.fromkeys(cell.packages) if path in files),
                building=frozenset(cell.build_packages),
            )


def _places(snapshots: tuple[Snapshot, ...]) -> Mapping[str, str]:
    """What stands for each subscription in the path of a page: the workspace's name; with the id where two share it."""
    names = [snapshot.workspace for snapshot in snapshots]
    return {
        snapshot.id: segment_of(
            snapshot.workspace
            if names.count(snapshot.workspace) == 1
            else f"{snapshot.workspace}~{snapshot.id[:_DISTINCT]}"
        )
        for snapshot in snapshots
    }
