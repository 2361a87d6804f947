"""Packages from upstream: fetched into the cache first, while uploads may change the mirror, and placed then."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from pixi_mirror.context import Context
from pixi_mirror.mirror.tree import Tree
from pixi_mirror.mirror.upstream import open_upstream
from pixi_mirror.model.packages import Listing, Package, PackageFile
from pixi_mirror.model.values import MirrorPath

if TYPE_CHECKING:  # a run with nothing to fetch must not pay for these
    from pixi_mirror.cache.batch import FailedPackage, ObtainedPackage
    from pixi_mirror.mirror.bring import BringResult
    from pixi_mirror.mirror.plan import Plan
    from pixi_mirror.mirror.upstream import UpstreamConnection
    from pixi_mirror.pypi.upstream_pages import UpstreamLinks


class _Fetched(NamedTuple):
    """What was fetched of a plan, before the mirror is changed."""

    obtained: tuple[ObtainedPackage, ...]
    failed: tuple[FailedPackage, ...]
    relations: Mapping[MirrorPath, Mapping[str, str]]
    links: UpstreamLinks | None


class UpstreamPackages:
    """Packages fetched from upstream, as a source for `apply_plan`."""

    def __init__(self, context: Context, *, needs_all: bool = True) -> None:
        self.needs_all = needs_all
        self._context = context
        self._upstream: UpstreamConnection | None = None
        self._fetched: _Fetched | None = None
        self._early: UpstreamLinks | None = None
        self._links: UpstreamLinks | None = None

    def read_links(self, tree: Tree, plan: Plan, packages: Iterable[Package]) -> UpstreamLinks:
        """Read the index pages of files before the files are fetched; they are not read again for these.

        Raises:
            MachineError: a settings file does not parse.
        """
        self._early = self._open(tree, plan).pages.fetch_links(packages)
        return self._early

    @contextmanager
    def fetched(self, tree: Tree, plan: Plan) -> Iterator[None]:
        """Fetch what the plan lacks into the cache, and what indexes say of it, and keep it for the block.

        Nothing of the mirror is changed: that is for `bring`, inside the block, which asks no other machine any more.

        Raises:
            UnmirrorableError: two paths are the same on this disk.
            MachineError: a settings file does not parse, or a file or disk cannot be used.
        """
        from pixi_mirror.mirror.bring import obtain_packages
        from pixi_mirror.mirror.listings import unknown_listings
        from pixi_mirror.mirror.relations import fetch_relations
        from pixi_mirror.pypi.upstream_pages import KnownLinks

        upstream, progress = self._open(tree, plan), self._context.progress
        with upstream.store.used():
            obtained, failed = obtain_packages(tree, plan, upstream.store, upstream.batch, progress)
            self._fetched = _Fetched(obtained, failed, {}, None)
            if not (failed and self.needs_all):
                try:
                    relations = fetch_relations(plan, tree.inventory.relations, upstream.documents, progress)
                finally:
                    upstream.documents.close()
                coming = {each.package.path: PackageFile(sha256=each.sha256, size=each.size) for each in obtained}
                has_python = any(package.kind == "pypi" for package in plan.packages.values())
                unknown = unknown_listings(tree, plan, coming, again=self._again) if has_python else []
                pages = upstream.pages if self._early is None else KnownLinks(self._early, upstream.pages)
                links = pages.fetch_links(unknown) if unknown else None
                self._fetched = _Fetched(obtained, failed, relations, links)
            try:
                yield
            finally:
                self._fetched = None

    def bring(self, tree: Tree, plan: Plan) -> BringResult:
        """Place what the plan lacks; it is fetched now if it was not before.

        Raises:
            UnmirrorableError: two paths are the same on this disk.
            WrongBytesError: a file changed before it was placed.
            MachineError: a settings file does not parse, or a file or disk cannot be used.
        """
        from pixi_mirror.mirror.bring import BringResult, place_packages

        if self._fetched is None:
            with self.fetched(tree, plan):
                return self.bring(tree, plan)
        found = self._fetched
        self._links = found.links
        if found.failed and self.needs_all:
            return BringResult(failed=found.failed)
        stored = place_packages(tree, self._open(tree, plan).store, found.obtained) if found.obtained else {}
        return BringResult(failed=found.failed, stored=stored, relations=found.relations)

    def listings(
        self, tree: Tree, plan: Plan, stored: Mapping[MirrorPath, PackageFile]
    ) -> Mapping[MirrorPath, Listing]:
        """What upstream's index pages say, and the files themselves.

        Raises:
            MachineError: a file cannot be read.
        """
        if all(package.kind not in ("pypi", "git") for package in plan.packages.values()):
            return {}
        from pixi_mirror.mirror.listings import fetch_listings

        return fetch_listings(tree, plan, stored, self._links, self._context.progress, again=self._again)

    @property
    def _again(self) -> Collection[MirrorPath]:
        """Files whose pages were looked at early though they were settled."""
        return () if self._early is None else self._early.decided

    def _open(self, tree: Tree, plan: Plan) -> UpstreamConnection:
        if self._upstream is None:
            pins = plan.pins
            self._upstream = open_upstream(
                self._context, plan.packages.values(), tree, workspace=pins.workspace, sources=pins.sources.values()
            )
        return self._upstream
