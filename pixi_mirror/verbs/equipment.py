"""What every verb is given: the cache's place, the user's settings and somebody to report to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pixi_mirror.errors import MachineError
from pixi_mirror.indexes import Companion
from pixi_mirror.model import Listing, MirrorPath, Package, Url
from pixi_mirror.report import Report
from pixi_mirror.sources import LockSource, PixiSource, Source
from pixi_mirror.tree import Tree

if TYPE_CHECKING:  # a run with nothing to fetch must not pay for these
    from pixi_mirror.building import Question
    from pixi_mirror.cache import Batch, Store
    from pixi_mirror.fetch import Fetcher
    from pixi_mirror.formats.pypi import Resolved
    from pixi_mirror.mirror import Plan
    from pixi_mirror.mirror.bringing import Brought
    from pixi_mirror.pages import Pages
    from pixi_mirror.settings import Settings


DAY_S = 86_400.0
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Equipment:
    """What the command line hands to a verb; settings and cache are looked up only when they are needed."""

    cache_directory: Callable[[], Path]
    settings: Callable[[Path | None], Settings]
    """Of a workspace by its directory; None: of the one that the user stands in."""
    report: Report
    environ: Mapping[str, str]
    """The environment variables that pixi is found by and run with."""
    directory: Callable[[], Path]
    """Where the user stands."""
    companion: Callable[[Iterable[str]], Companion]
    """Makes what stands beside indexes, given the paths of the locks that are mirrored."""
    lock_timeout_s: float = 0.0

    def supply(self, packages: Iterable[Package], tree: Tree | None, *, workspace: Path | None = None) -> Supply:
        """What can bring these packages into a mirror, or, with none, to this machine; as is told for a workspace.

        Raises:
            MachineError: a settings file does not parse.
        """
        from pixi_mirror.cache import Batch, Store
        from pixi_mirror.fetch import Fetcher
        from pixi_mirror.pages import Pages

        settings = self.settings(workspace)
        for warning in settings.warnings:
            self.report.warn(warning)
        plain = {_host(url) for package in packages for url in _asked(package) if url.startswith("http://")}
        network = replace(settings.network, http_hosts=settings.network.http_hosts | plain)
        if network.mirrors and tree is not None:
            from pixi_mirror.verbs.itself import without_itself

            network = without_itself(network, tree, self.report)
        store = Store(self.cache_directory())

        # A page is worth less patience than a file: the mirror is right without it.
        hasty = replace(network, retries=min(network.retries, _RETRIES_OF_PAGES))
        fetcher = Fetcher(network, self.report, connections=settings.jobs)
        return Supply(
            store=store,
            fetcher=fetcher,
            jobs=settings.jobs,
            batch=Batch(store, fetcher, self.report, jobs=settings.jobs),
            pages=Pages(Fetcher(hasty, self.report, connections=settings.jobs), self.report, jobs=settings.jobs),
        )

    def bring(
        self, tree: Tree, plan: Plan, *, each_alone: bool = False
    ) -> tuple[Brought, Mapping[MirrorPath, Listing]]:
        """Bring what a plan lacks into a mirror, and learn what its indexes are to say of it.

        If any package cannot be had, nothing is placed and nothing learnt, unless `each_alone`.

        Raises:
            WrongBytesError: an index page promises other bytes than the lock, or a file changed before it was placed.
            MachineError: a settings file does not parse, or a file or disk cannot be used.
        """
        from pixi_mirror.mirror.bringing import bring
        from pixi_mirror.mirror.learning import learnt

        supply = self.supply(plan.packages.values(), tree, workspace=only_workspace(plan.renewal.sources))
        brought = bring(tree, plan, supply.store, supply.batch, self.report, each_alone=each_alone)
        if brought.failed and not each_alone:
            return brought, {}
        return brought, learnt(tree, plan, brought.stored, supply.pages, self.report)

    def resolve(self, question: Question, *, workspace: Path | None = None) -> tuple[Resolved, ...]:
        """What a question about build requirements comes to, asked of the indexes where `[mirrors]` has them.

        Raises:
            ProgramError: it cannot be resolved.
            MachineError: a settings file does not parse, or no temporary file can be written.
        """
        from pixi_mirror.building import resolved
        from pixi_mirror.fetch.mirrors import Mirrors

        mirrors = Mirrors(self.settings(workspace).network.mirrors)
        indexes = tuple(mirrors.chosen(Url(index)).url.raw for index in question.indexes)
        return resolved(replace(question, indexes=indexes), self.environ)


def _asked(package: Package) -> Iterable[str]:
    """Every URL that the lock has us ask for a package."""
    record = package.record if package.kind == "pypi" else {}
    return (package.url.raw, *record.get("indexes", ()), *record.get("find-links", ()))


def _host(url: str) -> str:
    authority = url.split("/", 3)[2]
    return authority.rpartition("@")[2]


def known_sources(tree: Tree, environ: Mapping[str, str]) -> Mapping[str, Source]:
    """The sources of the subscriptions whose locks this machine knows: pixi, or the lock alone, as was last asked."""
    manifests = tree.state.manifests
    return {
        subscription: PixiSource(Path(manifests[subscription]), environ)
        if subscription in manifests
        else LockSource(Path(path))
        for subscription, path in tree.state.locks.items()
    }


def only_workspace(sources: Mapping[str, Source]) -> Path | None:
    """The workspace whose settings count: that of the one lock that is followed; of several none does."""
    directories = {source.location.parent for source in sources.values()}
    return directories.pop() if len(directories) == 1 else None


def existing(mirror: Path) -> Tree:
    """The mirror at a path where there must be one.

    Raises:
        MachineError: there is none.
    """
    tree = Tree(mirror)
    if not tree.exists:
        raise MachineError(
            f"there is no mirror at {mirror}. Name its directory, or make one with `pixi-mirror --lock pixi.lock`."
        )
    return tree
