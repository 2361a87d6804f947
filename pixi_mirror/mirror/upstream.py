"""Reach other machines with the user's settings: fetch packages and index pages, resolve build requirements."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pixi_mirror.context import Context
from pixi_mirror.errors import PixiMirrorError
from pixi_mirror.mirror.tree import Tree
from pixi_mirror.model.network import Network
from pixi_mirror.model.packages import Package
from pixi_mirror.model.segments import request_path
from pixi_mirror.model.values import MirrorPath, Url
from pixi_mirror.paths import HEALTH, url_path
from pixi_mirror.progress import Progress

if TYPE_CHECKING:  # a run with nothing to fetch must not pay for these
    from pixi_mirror.cache.batch import Batch
    from pixi_mirror.cache.store import Store
    from pixi_mirror.conda.solve import CondaResolutionRequest, ResolvedPackage
    from pixi_mirror.git.repositories import GitRepositories
    from pixi_mirror.git.source import GitSource
    from pixi_mirror.http.fetcher import Fetcher
    from pixi_mirror.http.sinks import Sink
    from pixi_mirror.lockfile.interface import WorkspaceSource
    from pixi_mirror.pypi.build_requirements import ResolutionRequest
    from pixi_mirror.pypi.resolver_output import ResolvedFile
    from pixi_mirror.pypi.upstream_pages import UpstreamPages


_RETRIES_OF_PAGES = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamConnection:
    """The rooms that reach other machines, with the user's settings."""

    store: Store
    fetcher: Fetcher
    """What `batch` fetches with."""
    jobs: int
    """Downloads at a time."""
    batch: Batch
    pages: UpstreamPages
    documents: Fetcher
    """Reads indexes of channels."""


def open_upstream(
    context: Context,
    packages: Iterable[Package],
    tree: Tree | None,
    *,
    workspace: Path | None = None,
    sources: Iterable[WorkspaceSource] = (),
    indexes: Iterable[str] = (),
) -> UpstreamConnection:
    """What can bring these packages into a mirror, or, with none, to this machine; as is told for a workspace.

    Raises:
        MachineError: a settings file does not parse.
    """
    from pixi_mirror.cache.batch import Batch
    from pixi_mirror.cache.store import Store
    from pixi_mirror.http.fetcher import Fetcher
    from pixi_mirror.lockfile.index_users import IndexUserLookup
    from pixi_mirror.pypi.upstream_pages import UpstreamPages

    packages = tuple(packages)
    settings = context.settings(workspace)
    for warning in settings.warnings:
        context.progress.warn(warning)
    urls = (*indexes, *(url for package in packages for url in _urls(package)))
    plain = {_host(url) for url in urls if url.startswith("http://")}
    network = replace(
        settings.network,
        http_hosts=settings.network.http_hosts | plain,
        credential=IndexUserLookup(settings.network.credential, sources),
    )
    if network.mirrors and tree is not None:
        network = leave_out_own_mirror(network, tree, context.progress)
    store = Store(context.cache_directory())

    # A page is tried again less often than a file, because the mirror is right without it.
    page_network = replace(network, retries=min(network.retries, _RETRIES_OF_PAGES))

    def download_git(url: Url, sink: Sink) -> None:  # git is looked for when it is needed
        _open_repositories(context, network).download(url, sink)

    fetcher = Fetcher(network, context.progress, connections=settings.jobs, download_git=download_git)
    return UpstreamConnection(
        store=store,
        fetcher=fetcher,
        jobs=settings.jobs,
        batch=Batch(store, fetcher, context.progress, jobs=settings.jobs),
        documents=Fetcher(page_network, context.progress, connections=1),
        pages=UpstreamPages(
            Fetcher(page_network, context.progress, connections=settings.jobs),
            context.progress,
            jobs=settings.jobs,
        ),
    )


def resolve_build_requirements(
    context: Context, request: ResolutionRequest, *, workspace: Path | None = None
) -> tuple[ResolvedFile, ...]:
    """The wheels that build requirements resolve to, on their indexes or where `[mirrors]` has these.

    Raises:
        ProgramError: it cannot be resolved.
        MachineError: a settings file does not parse, or no temporary file can be written.
    """
    from pixi_mirror.http.mirrors import MirrorTable
    from pixi_mirror.pypi.build_requirements import resolve_wheels

    mirrors = MirrorTable(context.settings(workspace).network.mirrors)
    chosen = [mirrors.choose(Url(index)) for index in request.indexes]
    indexes = tuple(each.url.raw for each in chosen if each is not None)
    return resolve_wheels(replace(request, indexes=indexes), context.environ)


def resolve_build_backends(
    context: Context, request: CondaResolutionRequest, *, workspace: Path | None = None
) -> tuple[ResolvedPackage, ...]:
    """The packages that build backends resolve to, on their channels or where `[mirrors]` has these.

    Their URLs are those of the channels, wherever they were found.

    Raises:
        ProgramError: they cannot be resolved.
        MachineError: a settings file does not parse, or no temporary file can be written.
    """
    from pixi_mirror.conda.solve import resolve_conda_packages
    from pixi_mirror.http.mirrors import MirrorTable

    mirrors = MirrorTable(context.settings(workspace).network.mirrors)
    channel_of: dict[str, str] = {}
    for channel in request.channels:
        if (chosen := mirrors.choose(Url(channel))) is not None:
            channel_of[chosen.url.raw] = channel
    found = resolve_conda_packages(replace(request, channels=tuple(channel_of)), context.environ)
    return tuple(
        replace(
            each, channel=channel_of[each.channel], url=channel_of[each.channel] + each.url.removeprefix(each.channel)
        )
        for each in found
    )


def find_submodules(context: Context, source: GitSource, *, workspace: Path | None = None) -> tuple[GitSource, ...]:
    """The repositories and commits that a commit has as submodules.

    Raises:
        FetchError: the repository cannot be asked.
        ProgramError: git is not there.
        MachineError: a settings file does not parse, or the cache cannot be written.
    """
    return _open_repositories(context, context.settings(workspace).network).submodules(source)


def read_file_of_commit(tree: Tree, pin: Package, path: Path) -> bytes | None:
    """The bytes of a small file of a pinned commit, from the repository in the mirror; None: it is not there.

    Raises:
        ProgramError: git is not there.
    """
    from pixi_mirror.git.package import repository_path
    from pixi_mirror.git.program import Git
    from pixi_mirror.lockfile.source_entries import LARGEST_MANIFEST

    repository = tree.path(MirrorPath(repository_path(pin)))
    return Git().read_file(pin.version, path.as_posix(), directory=repository, limit=LARGEST_MANIFEST)


def _open_repositories(context: Context, network: Network) -> GitRepositories:
    from pixi_mirror.git.program import Git
    from pixi_mirror.git.repositories import GitRepositories

    return GitRepositories(context.cache_directory() / "git", Git(context.environ), network, context.progress)


def _urls(package: Package) -> Iterable[str]:
    """Every URL that is requested for a package."""
    record = package.record if package.kind == "pypi" else {}
    return (package.url.raw, *record.get("indexes", ()), *record.get("find-links", ()))


def _host(url: str) -> str:
    authority = url.split("/", 3)[2]
    return authority.rpartition("@")[2]


_LARGEST = 4096


def leave_out_own_mirror(network: Network, tree: Tree, progress: Progress) -> Network:
    """The network with those targets of `[mirrors]` left out behind which the mirror itself is served.

    Only a target that ends as the path of its key does in a mirror is looked at. A URL that `serve` or `config --write`
    has used for this mirror is believed unless another mirror is served there now; of any other host its server is
    asked.
    """
    known = tree.addresses()
    bases = {_base(key, target) for key, targets in network.mirrors.items() for target in targets} - {None}
    own = {base for base in bases if base is not None and _is_itself(base, known, network, tree, progress)}
    if not own:
        return network
    mirrors = {
        key: left
        for key, targets in network.mirrors.items()
        if (left := tuple(each for each in targets if _base(key, each) not in own))
    }
    names = " and ".join(sorted(own))
    progress.note(f"[mirrors] leads to {tree.root} itself, served at {names}: what it lacks is fetched from upstream.")
    return replace(network, mirrors=mirrors)


def _base(key: str, target: str) -> str | None:
    """The URL of the mirror that serves `target` for `key`, without trailing slash; None: it is none of our layout."""
    try:
        path = url_path(key.rstrip("/"))
    except PixiMirrorError:
        return None
    base = target.rstrip("/").removesuffix(f"/{request_path(path)}")
    return None if base == target.rstrip("/") else base


def _is_itself(base: str, known: frozenset[str], network: Network, tree: Tree, progress: Progress) -> bool:
    from pixi_mirror.http.fetcher import Fetcher
    from pixi_mirror.http.origins import is_loopback, origin_of

    place = origin_of(Url(base))
    if base not in known and (place is None or is_loopback(place.host)):
        return False  # a server of ours on loopback has recorded its address
    fetcher = Fetcher(replace(network, mirrors={}, retries=0), progress, connections=1)
    try:
        health = json.loads(fetcher.read(Url(f"{base}/{HEALTH}"), accept="application/json", limit=_LARGEST).data)
    except (PixiMirrorError, ValueError, RecursionError):
        return base in known
    finally:
        fetcher.close()
    return isinstance(health, dict) and health.get("mirror") == tree.identity
