"""Reach other machines with the user's settings: fetch packages and index pages, resolve build requirements."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pixi_mirror.context import Context
from pixi_mirror.mirror.subscriptions import only_workspace
from pixi_mirror.mirror.tree import Tree
from pixi_mirror.model.packages import Listing, Package
from pixi_mirror.model.values import MirrorPath, Url

if TYPE_CHECKING:  # a run with nothing to fetch must not pay for these
    from pixi_mirror.cache.batch import Batch
    from pixi_mirror.cache.store import Store
    from pixi_mirror.http.fetcher import Fetcher
    from pixi_mirror.mirror.bring import Brought
    from pixi_mirror.mirror.plan import Plan
    from pixi_mirror.pypi.build_requirements import Question
    from pixi_mirror.pypi.resolved import Resolved
    from pixi_mirror.pypi.upstream_pages import Pages


_RETRIES_OF_PAGES = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Supply:
    """The rooms that reach other machines, with the user's settings."""

    store: Store
    fetcher: Fetcher
    """What `batch` fetches with."""
    jobs: int
    """Downloads at a time."""
    batch: Batch
    pages: Pages


def open_supply(
    context: Context, packages: Iterable[Package], tree: Tree | None, *, workspace: Path | None = None
) -> Supply:
    """What can bring these packages into a mirror, or, with none, to this machine; as is told for a workspace.

    Raises:
        MachineError: a settings file does not parse.
    """
    from pixi_mirror.cache.batch import Batch
    from pixi_mirror.cache.store import Store
    from pixi_mirror.http.fetcher import Fetcher
    from pixi_mirror.pypi.upstream_pages import Pages

    settings = context.settings(workspace)
    for warning in settings.warnings:
        context.progress.warn(warning)
    plain = {_host(url) for package in packages for url in _asked(package) if url.startswith("http://")}
    network = replace(settings.network, http_hosts=settings.network.http_hosts | plain)
    if network.mirrors and tree is not None:
        from pixi_mirror.mirror.own_address import without_itself

        network = without_itself(network, tree, context.progress)
    store = Store(context.cache_directory())

    # A page is worth less patience than a file: the mirror is right without it.
    hasty = replace(network, retries=min(network.retries, _RETRIES_OF_PAGES))
    fetcher = Fetcher(network, context.progress, connections=settings.jobs)
    return Supply(
        store=store,
        fetcher=fetcher,
        jobs=settings.jobs,
        batch=Batch(store, fetcher, context.progress, jobs=settings.jobs),
        pages=Pages(Fetcher(hasty, context.progress, connections=settings.jobs), context.progress, jobs=settings.jobs),
    )


def bring_and_learn(
    context: Context, tree: Tree, plan: Plan, *, each_alone: bool = False
) -> tuple[Brought, Mapping[MirrorPath, Listing]]:
    """Bring what a plan lacks into a mirror, and learn what its indexes are to say of it.

    If any package cannot be had, nothing is placed and nothing learnt, unless `each_alone`.

    Raises:
        WrongBytesError: an index page promises other bytes than the lock, or a file changed before it was placed.
        MachineError: a settings file does not parse, or a file or disk cannot be used.
    """
    from pixi_mirror.mirror.bring import bring
    from pixi_mirror.mirror.learn import learnt

    supply = open_supply(context, plan.packages.values(), tree, workspace=only_workspace(plan.renewal.sources))
    brought = bring(tree, plan, supply.store, supply.batch, context.progress, each_alone=each_alone)
    if brought.failed and not each_alone:
        return brought, {}
    return brought, learnt(tree, plan, brought.stored, supply.pages, context.progress)


def resolve_build_requirements(
    context: Context, question: Question, *, workspace: Path | None = None
) -> tuple[Resolved, ...]:
    """What a question about build requirements comes to, asked of the indexes where `[mirrors]` has them.

    Raises:
        ProgramError: it cannot be resolved.
        MachineError: a settings file does not parse, or no temporary file can be written.
    """
    from pixi_mirror.http.mirrors import MirrorTable
    from pixi_mirror.pypi.build_requirements import resolved

    mirrors = MirrorTable(context.settings(workspace).network.mirrors)
    indexes = tuple(mirrors.choose(Url(index)).url.raw for index in question.indexes)
    return resolved(replace(question, indexes=indexes), context.environ)


def _asked(package: Package) -> Iterable[str]:
    """Every URL that the lock has us ask for a package."""
    record = package.record if package.kind == "pypi" else {}
    return (package.url.raw, *record.get("indexes", ()), *record.get("find-links", ()))


def _host(url: str) -> str:
    authority = url.split("/", 3)[2]
    return authority.rpartition("@")[2]
