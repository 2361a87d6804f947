"""Apply a plan in the one safe order: packages first, then index files, then the inventory.

Every verb that changes a mirror comes through `apply_plan`, so that there is one story of what a killed run leaves:

1. Missing packages are placed, those of noarch first. No index lists them yet.
2. Upstream's index pages are read for PyPI files.
3. Packages that are newly deferred are recorded, because a client may ask for one as soon as an index lists it.
4. Stale index files are written, each whole, with their sidecars.
5. The inventory is recorded. With that the change has happened.

A run that is killed leaves the mirror as it was, as it should be, or between the two, and the next run ends in the same
state. Packages are never removed here: `prune` does that, after they have been unlisted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

from pixi_mirror.context import Context
from pixi_mirror.errors import ProgramError
from pixi_mirror.mirror.blocked_paths import without_displaced
from pixi_mirror.mirror.indexes import (
    index_contents,
    index_files,
    listed_packages,
    outdated,
    planned_index_files,
    present,
)
from pixi_mirror.mirror.plan import Plan, recorded_indexes
from pixi_mirror.mirror.tree import Tree
from pixi_mirror.mirror.write_indexes import GRACE_S, WrittenIndexes, overdue_parts, plan_sidecars, write_indexes
from pixi_mirror.model.indexes import SidecarMaker
from pixi_mirror.model.packages import GeneratedFile, Inventory, Listing, Package, PackageFile, Stamp
from pixi_mirror.model.values import MirrorPath

if TYPE_CHECKING:  # a run with nothing to fetch must not import a client
    from pixi_mirror.cache.batch import FailedPackage
    from pixi_mirror.mirror.bring import BringResult


class PackageSource(Protocol):
    """Where the packages come from that a plan lacks."""

    needs_all: bool
    """Whether nothing is placed, written or recorded if one package cannot be had."""

    def bring(self, tree: Tree, plan: Plan) -> BringResult:
        """Place packages in the tree; they are not recorded yet.

        Raises:
            MachineError: a file, a disk or a settings file cannot be used.
            WrongBytesError: a verified file changed before it was placed.
        """

    def listings(
        self, tree: Tree, plan: Plan, stored: Mapping[MirrorPath, PackageFile]
    ) -> Mapping[MirrorPath, Listing]:
        """What indexes can say of the PyPI files among `stored`, and of others that upstream was never asked about.

        Raises:
            MachineError: a file cannot be read.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyResult:
    """What was done to a mirror."""

    stored: Mapping[MirrorPath, PackageFile] = field(default_factory=dict)
    """Packages that were placed."""
    failed: tuple[FailedPackage, ...] = ()
    """Packages that could not be had."""
    written: tuple[MirrorPath, ...] = ()
    """Index files and sidecars."""
    indexes: tuple[MirrorPath, ...] = ()
    """Those of `written` that are no parts of a sidecar."""
    removed: tuple[MirrorPath, ...] = ()
    """Sidecars that would have been out of date, and index files that list nothing any more."""
    error: ProgramError | None = None
    """Why the program that the user named for sidecars has failed; the mirror is right all the same."""


def apply_plan(
    tree: Tree,
    plan: Plan,
    context: Context,
    *,
    source: PackageSource | None = None,
    unlisted: Mapping[MirrorPath, float] | None = None,
    grace_s: float = GRACE_S,
    stamp: Stamp | None = None,
) -> ApplyResult:
    """Bring what a plan lacks, write the index files that are stale, and record the inventory.

    Args:
        tree: the mirror, open for writing.
        plan: what it should hold.
        context: of the verb; it gives the maker of sidecars.
        source: where packages come from; None: none is brought.
        unlisted: when files were unlisted, in seconds since 1970; None: as the state has it.
        grace_s: how long parts of sidecars stay that nothing names any more, in seconds.
        stamp: the generation that the mirror goes back to; None: what is new is a generation.

    Raises:
        ProgramError: a program that the user named is needed and does not exist; nothing was changed.
        WrongBytesError: a verified file changed before it was placed.
        MachineError: a disk refuses; the next run goes on from here.
    """
    sidecar_maker = context.sidecar_maker(plan.pins.locks.values())
    stored: Mapping[MirrorPath, PackageFile] = {}
    failed: tuple[FailedPackage, ...] = ()
    new_listings: Mapping[MirrorPath, Listing] = {}
    relations: Mapping[MirrorPath, Mapping[str, str]] = {}
    if source is not None:
        refuse_absent_indexer(tree, plan, context)
        brought = source.bring(tree, plan)
        stored, failed, relations = brought.stored, brought.failed, brought.relations
        if failed and source.needs_all:
            return ApplyResult(failed=failed)
        new_listings = source.listings(tree, plan, stored)
    if stamp in (None, tree.inventory.stamp):
        relations = {**tree.inventory.relations, **relations}  # else they are those of the generation, and no others
    step = _Step(tree, plan, {**present(tree, plan), **stored}, relations, stamp)
    listings = step.listings(new_listings)
    written, removed = step.write(listings, sidecar_maker, unlisted=unlisted, grace_s=grace_s)
    return ApplyResult(
        stored=stored,
        failed=failed,
        written=tuple(written.written),
        indexes=tuple(path for path in written.written if not _is_part(sidecar_maker, path)),
        removed=(*written.removed, *removed),
        error=written.error,
    )


def refuse_absent_indexer(tree: Tree, plan: Plan, context: Context) -> None:
    """Refuse, before the first byte is fetched, a plan for which the program is absent that the user named.

    Raises:
        ProgramError: it does not exist.
    """
    sidecar_maker = context.sidecar_maker(plan.pins.locks.values())
    if sidecar_maker.is_named:
        plan_sidecars(tree, plan, planned_index_files(tree, plan), sidecar_maker)


def _is_part(sidecar_maker: SidecarMaker, path: MirrorPath) -> bool:
    role = sidecar_maker.role(path)
    return role is not None and role.is_part


class _Step:
    """From the placed packages to the recorded inventory."""

    def __init__(
        self,
        tree: Tree,
        plan: Plan,
        stored: Mapping[MirrorPath, PackageFile],
        relations: Mapping[MirrorPath, Mapping[str, str]],
        stamp: Stamp | None,
    ) -> None:
        self._stamp = stamp
        self._tree = tree
        self._plan = plan
        self._stored = stored
        self._relations = MappingProxyType(dict(sorted(relations.items())))
        self._deferred = plan.deferred.difference(stored)

    def listings(self, new_listings: Mapping[MirrorPath, Listing]) -> Mapping[MirrorPath, Listing]:
        """What is known of the PyPI files that are in the tree or deferred, by path."""
        known = {**self._tree.inventory.listings, **new_listings}
        found = {path: each for path, each in known.items() if path in self._stored}
        found |= {path: self._of_absent(path, each) for path, each in known.items() if path in self._deferred}
        return dict(sorted(found.items()))

    def _of_absent(self, path: MirrorPath, listing: Listing) -> Listing:
        """The metadata of an absent file cannot be served; its size is known if the file was there before."""
        before = self._tree.inventory.stored_at(path)
        return replace(listing, metadata=None, size=listing.size if before is None else before.size)

    def write(
        self,
        listings: Mapping[MirrorPath, Listing],
        sidecar_maker: SidecarMaker,
        *,
        unlisted: Mapping[MirrorPath, float] | None,
        grace_s: float,
    ) -> tuple[WrittenIndexes, tuple[MirrorPath, ...]]:
        """Write what is stale, record the inventory, and say which index files were removed besides sidecars."""
        tree, plan = self._tree, self._plan
        since = tree.state.unlisted if unlisted is None else unlisted
        current = {*plan.packages, *plan.advisories}
        waiting = {path: at for path, at in since.items() if path in self._stored and path not in current}
        listed = listed_packages(plan, self._stored, listings)
        files = index_files(index_contents(tree, plan, listed, listings, self._relations))
        sidecars = plan_sidecars(tree, plan, files, sidecar_maker)  # it may refuse, so it comes first
        self._record_deferred()
        written = write_indexes(tree, plan, sidecars, files, outdated(tree, plan, files))
        overdue = overdue_parts(written, grace_s=grace_s)
        generated = written.sidecars | {path: GeneratedFile(recipe=file.recipe) for path, file in files.items()}
        obsolete = tuple(
            path for path in recorded_indexes(tree) if path not in generated and sidecar_maker.role(path) is None
        )
        obsolete = without_displaced(obsolete, {**self._stored, **generated})
        for path in (*overdue, *obsolete):
            tree.remove(path)
        tree.record(
            Inventory(
                layout=plan.layout,
                snapshots=plan.pins.snapshots,
                kept=self._kept(),
                tree=_sorted_tree({**self._stored, **generated}, without=overdue),
                listings=MappingProxyType(listings),
                deferred=self._deferred,
                relations=self._relations,
                advisories=plan.advisories,
                policy=plan.policy,
            ),
            locks=plan.pins.locks,
            manifests=plan.pins.manifests,
            readings=plan.pins.readings,
            unlisted={path: at for path, at in {**waiting, **written.unlisted}.items() if path not in overdue},
            attempts=written.attempts,
            stamp=self._stamp,
        )
        for path in tree.leftovers():
            tree.remove(path)
        return written, obsolete

    def _kept(self) -> Mapping[MirrorPath, Package]:
        return MappingProxyType(dict(sorted(self._plan.kept.items())))

    def _record_deferred(self) -> None:
        """Record what is newly deferred before an index lists it: a client may ask for it at once."""
        tree, plan = self._tree, self._plan
        if self._deferred <= tree.inventory.deferred:
            return
        generated = tree.inventory.generated
        tree.record(
            replace(
                tree.inventory,
                layout=plan.layout,
                snapshots=plan.pins.snapshots,
                kept=self._kept(),
                tree=_sorted_tree({**self._stored, **generated}),
                deferred=self._deferred,
            ),
            locks=plan.pins.locks,
            manifests=plan.pins.manifests,
            readings=plan.pins.readings,
            unlisted=tree.state.unlisted,
            is_complete=False,
        )


def _sorted_tree(
    files: Mapping[MirrorPath, PackageFile | GeneratedFile], *, without: Iterable[MirrorPath] = ()
) -> Mapping[MirrorPath, PackageFile | GeneratedFile]:
    left_out = {*without}
    return MappingProxyType({path: each for path, each in sorted(files.items()) if path not in left_out})
