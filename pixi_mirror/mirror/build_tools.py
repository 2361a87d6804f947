"""Pin, once, what building the sources of a subscription needs and no lock names.

These are tools for sdists, backends of conda source directories, and submodules of git sources.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType

from pixi_mirror.conda.solve import CondaResolutionRequest, ResolvedPackage
from pixi_mirror.errors import WorkspaceError
from pixi_mirror.git.package import git_package, source_of
from pixi_mirror.git.source import GitSource
from pixi_mirror.lockfile.source_entries import read_source_commit
from pixi_mirror.model.packages import Layout, Listing, Package, Snapshot
from pixi_mirror.model.sources import SourceCommit
from pixi_mirror.model.values import Json, MirrorPath, Sha256, Url, admit_path, canonical, sha256_of
from pixi_mirror.paths import channel, url_path
from pixi_mirror.pypi.build_requirements import ResolutionRequest
from pixi_mirror.pypi.index_urls import index_urls, is_page_of_links
from pixi_mirror.pypi.resolver_output import ResolvedFile

_PYTHON = "python"


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildResolvers:
    """Who is asked for what no lock says."""

    wheels: Callable[[ResolutionRequest], tuple[ResolvedFile, ...]]
    """Resolves build requirements to files of an index."""
    submodules: Callable[[GitSource], tuple[GitSource, ...]]
    """Finds the submodules of one commit, without those that they have themselves."""
    backends: Callable[[CondaResolutionRequest], tuple[ResolvedPackage, ...]]
    """Resolves the build backends of conda source packages to packages of channels."""
    read_file: Callable[[Package, Path], bytes | None]
    """Gives the bytes of a file of a pinned commit; None: it is not there."""


def resolve_build_tools(
    snapshots: Iterable[Snapshot],
    listings: Mapping[MirrorPath, Listing],
    resolvers: BuildResolvers,
    *,
    layout: Layout,
) -> tuple[Snapshot, ...]:
    """The snapshots with the tools that their requests ask for, and with what is in their git sources.

    That is submodules, which become packages, and what the manifests say.
    Those that were resolved for the same question stay.

    Args:
        snapshots: what the subscriptions want.
        listings: what is known of PyPI files: what building the sdists among them needs.
        resolvers: who is asked.
        layout: of the mirror.

    Raises:
        WorkspaceError: tools are asked for, and the lock names no index that has them, or no Python.
        ProgramError: they cannot be resolved.
        FetchError: a repository cannot be asked for its submodules.
    """
    return tuple(_with_tools(snapshot, listings, resolvers, layout) for snapshot in snapshots)


def _with_tools(
    snapshot: Snapshot, listings: Mapping[MirrorPath, Listing], resolvers: BuildResolvers, layout: Layout
) -> Snapshot:
    snapshot = replace(snapshot, commits=tuple(_read_commits(snapshot, resolvers.read_file)))
    needs = _needs(snapshot, listings)
    repositories = [package for package in snapshot.packages if package.kind == "git"]
    backends = backend_requests(snapshot)
    if not needs and not repositories and not backends:
        return replace(snapshot, tools=(), tools_for=None)
    indexes, homes = _indexes(snapshot), _homes(snapshot)
    question: list[Json] = [needs, indexes, [[home.python, home.subdir] for home in homes]]
    # Without repositories and backends the digest is the one of before, so that older mirrors resolve nothing anew.
    if repositories or backends:
        question.append(sorted(each.path for each in repositories))
    if backends:
        question.append([[each.specs, each.channels, each.subdir] for each in backends])
    answered = _digest(question)
    if answered == snapshot.tools_for:
        return snapshot
    tools = {package.path: package for package in _submodules(repositories, resolvers.submodules)}
    if needs:
        tools.update(_resolved_tools(snapshot, needs, indexes, homes, resolvers.wheels))
    tools.update((package.path, package) for package in resolved_backends(backends, layout, resolvers.backends))
    return replace(snapshot, tools=tuple(tools[path] for path in sorted(tools)), tools_for=answered)


def _read_commits(snapshot: Snapshot, read_file: Callable[[Package, Path], bytes | None]) -> Iterator[SourceCommit]:
    """What is built from commits, each with what its manifest says; a manifest is read once."""
    pins = {package.path: package for package in snapshot.packages if package.kind == "git"}
    for commit in snapshot.commits:
        pin = pins.get(commit.path)
        yield commit if commit.is_read or pin is None else read_source_commit(commit, partial(read_file, pin))


def _resolved_tools(
    snapshot: Snapshot,
    needs: tuple[str, ...],
    indexes: tuple[str, ...],
    homes: "list[_Home]",
    resolve: Callable[[ResolutionRequest], tuple[ResolvedFile, ...]],
) -> Mapping[MirrorPath, Package]:
    if not indexes or not homes:
        lacking = "names no PyPI index" if not indexes else "has no environment with Python"
        raise WorkspaceError(
            f"the lock of {snapshot.workspace} {lacking}, so what building needs ({', '.join(needs)}) cannot be "
            "resolved. Mirror a lock that has both, or leave --build-requires and --with-build-requirements out."
        )
    tools: dict[MirrorPath, Package] = {}
    for home in homes:
        question = ResolutionRequest(requirements=needs, indexes=indexes, python=home.python, subdir=home.subdir)
        tools.update((tool.path, tool) for each in resolve(question) for tool in [_package(each, indexes)])
    return tools


def _submodules(
    repositories: Iterable[Package], find_submodules: Callable[[GitSource], tuple[GitSource, ...]]
) -> Iterator[Package]:
    """The submodules of all these, and those that they have themselves."""
    waiting = [(package.name, source_of(package)) for package in repositories]
    seen = {source for _, source in waiting}
    while waiting:
        name, source = waiting.pop()
        for found in find_submodules(source):
            if found not in seen:
                seen.add(found)
                waiting.append((name, found))
                yield git_package(found, name=name)


@dataclass(frozen=True, slots=True, order=True)
class _Home:
    """Where something is built."""

    python: str
    """Major and minor version."""
    subdir: str


def _needs(snapshot: Snapshot, listings: Mapping[MirrorPath, Listing]) -> tuple[str, ...]:
    needs = {need for request in snapshot.requests for need in request.build_requires}
    if any(request.with_build_requirements for request in snapshot.requests):
        known = (listings.get(package.path) for package in snapshot.packages)
        needs.update(need for listing in known if listing is not None for need in listing.build_requires or ())
        own = (source for source in snapshot.sources if source.kind == "pypi")
        needs.update(need for source in own for need in source.build_requires or ())
    return tuple(sorted(needs))


def _indexes(snapshot: Snapshot) -> tuple[str, ...]:
    urls = (url for package in snapshot.packages if package.kind == "pypi" for url in index_urls(package))
    named = [each.url for each in urls if not each.is_page_of_links]
    # An environment may have no file of its indexes, and only sources that are built.
    named += [url for source in snapshot.sources for url in source.indexes if not is_page_of_links(url)]
    return tuple(dict.fromkeys(named))


def _homes(snapshot: Snapshot) -> list[_Home]:
    pythons = {each.path: each.version for each in snapshot.packages if each.kind == "conda" and each.name == _PYTHON}
    found = {
        _Home(".".join(pythons[path].split(".")[:2]), cell.subdir)
        for cell in snapshot.cells
        for path in cell.packages
        if path in pythons and path not in cell.build_packages
    }
    return sorted(found)


def _digest(value: object) -> Sha256:
    return sha256_of(canonical(value))


def _package(resolved: ResolvedFile, indexes: tuple[str, ...]) -> Package:
    return Package(
        path=url_path(resolved.url),
        url=Url(resolved.url),
        sha256=resolved.sha256,
        md5=None,
        size=None,
        kind="pypi",
        name=resolved.name,
        version=resolved.version,
        build=None,
        subdir=None,
        record=MappingProxyType({"indexes": list(indexes), "find-links": []}),
    )


def backend_requests(snapshot: Snapshot) -> tuple[CondaResolutionRequest, ...]:
    """What is to be resolved: the backend of each conda source for each subdir, if a request asks for it.

    A backend that names no channels comes from those of the environments.
    """
    if not any(request.with_build_requirements for request in snapshot.requests):
        return ()
    found: dict[CondaResolutionRequest, None] = {}
    for subdir in sorted({cell.subdir for cell in snapshot.cells}):
        cells = [cell for cell in snapshot.cells if cell.subdir == subdir]
        named = tuple(dict.fromkeys(channel.url for cell in cells for channel in cell.channels))
        for source in snapshot.sources:
            channels = source.channels or named
            if source.kind == "conda" and source.build_requires and channels:
                request = CondaResolutionRequest(specs=source.build_requires, channels=channels, subdir=subdir)
                found[request] = None
    return tuple(found)


def resolved_backends(
    requests: Iterable[CondaResolutionRequest],
    layout: Layout,
    resolve: Callable[[CondaResolutionRequest], tuple[ResolvedPackage, ...]],
) -> tuple[Package, ...]:
    """The packages that the requests resolve to, one a path.

    Raises:
        ProgramError: they cannot be resolved.
        WorkspaceError: a channel cannot have a place in a mirror.
    """
    packages = (_backend_package(found, layout) for request in requests for found in resolve(request))
    return tuple({package.path: package for package in packages}.values())


def _backend_package(found: ResolvedPackage, layout: Layout) -> Package:
    record, home = found.record, channel(found.channel, layout)
    file_name = found.url.rpartition("/")[2]
    top = f"{home.path}/" if home.path is not None else ""
    try:
        path = admit_path(f"{top}{record['subdir']}/{file_name}")
    except ValueError as error:
        raise WorkspaceError(f"the build backend {Url(found.url)} cannot stand in a mirror: {error}") from None
    return Package.of_record(MappingProxyType(dict(sorted(record.items()))), path=path, url=Url(found.url))
