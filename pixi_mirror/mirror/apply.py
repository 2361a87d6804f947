"""Settle a plan: derive the indexes that are stale, then record the inventory, last."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from pixi_mirror.errors import ProgramError
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
from pixi_mirror.mirror.write_indexes import GRACE_S, overdue_parts, plan_sidecars, write_indexes
from pixi_mirror.model.indexes import SidecarMaker
from pixi_mirror.model.packages import GeneratedFile, Inventory, Listing, StoredFile
from pixi_mirror.model.values import MirrorPath


def require_program(tree: Tree, plan: Plan, sidecar_maker: SidecarMaker) -> None:
    """Refuse, before anything is brought, to go on without a program that was asked for by name and is needed.

    Raises:
        ProgramError: it is not there.
    """
    plan_sidecars(tree, plan, planned_index_files(tree, plan), sidecar_maker)


def _absent(tree: Tree, path: MirrorPath, listing: Listing) -> Listing:
    """What is known of a file that is not there: nobody can be given its metadata, and its size may be remembered."""
    before = tree.inventory.stored_at(path)
    return replace(listing, metadata=None, size=listing.size if before is None else before.size)


def _promise(tree: Tree, plan: Plan, stored: Mapping[MirrorPath, StoredFile], deferred: frozenset[MirrorPath]) -> None:
    """Record what is newly deferred before an index lists it: whoever reads that may ask for it at once."""
    if deferred <= tree.inventory.deferred:
        return
    made = {path: content for path, content in tree.inventory.tree.items() if isinstance(content, GeneratedFile)}
    held: dict[MirrorPath, StoredFile | GeneratedFile] = {**stored, **made}
    tree.record(
        replace(
            tree.inventory,
            layout=plan.layout,
            snapshots=plan.pins.snapshots,
            kept=MappingProxyType(dict(sorted(plan.kept.items()))),
            tree=MappingProxyType(dict(sorted(held.items()))),
            deferred=deferred,
        ),
        locks=plan.pins.locks,
        manifests=plan.pins.manifests,
        unlisted=tree.state.unlisted,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyResult:
    """What was done to the indexes."""

    written: tuple[MirrorPath, ...]
    removed: tuple[MirrorPath, ...]
    """Sidecars that would have been out of date, and pages that list nothing any more."""
    error: ProgramError | None
    """Why a program that was asked for by name has failed; the mirror is right without it. None: it has not."""


def settle(
    tree: Tree,
    plan: Plan,
    brought: Mapping[MirrorPath, StoredFile],
    *,
    sidecar_maker: SidecarMaker,
    learnt: Mapping[MirrorPath, Listing] = MappingProxyType({}),
    unlisted: Mapping[MirrorPath, float] | None = None,
    grace_s: float = GRACE_S,
) -> ApplyResult:
    """Derive what is stale and record the inventory.

    Packages that are wanted and not there are not listed, unless they are deferred. `learnt` is what has become known
    of PyPI files. `unlisted` replaces what the state says was unlisted when; parts of indexes that nothing names any
    more stay for `grace_s` seconds.

    Raises:
        MachineError: the disk refuses; the next run goes on from here.
        ProgramError: a program that was asked for by name is needed and not there; nothing was changed.
    """
    since = tree.state.unlisted if unlisted is None else unlisted
    stored = {**present(tree, plan), **brought}
    deferred = plan.deferred.difference(stored)
    known = {**tree.inventory.listings, **learnt}
    listings = {path: each for path, each in known.items() if path in stored}
    listings |= {path: _absent(tree, path, each) for path, each in known.items() if path in deferred}
    made = index_files(index_contents(tree, plan, listed_packages(plan, stored, listings), listings))
    _promise(tree, plan, stored, deferred)
    renewed = write_indexes(
        tree, plan, plan_sidecars(tree, plan, made, sidecar_maker), made, outdated(tree, plan, made)
    )
    overdue = overdue_parts(renewed, grace_s=grace_s)
    held: dict[MirrorPath, StoredFile | GeneratedFile] = {**stored, **renewed.held}
    held.update((path, GeneratedFile(recipe=file.recipe)) for path, file in made.items())
    waiting = {path: at for path, at in since.items() if path in stored and path not in plan.packages}
    obsolete = [path for path in recorded_indexes(tree) if path not in held and sidecar_maker.role(path) is None]
    for path in (*overdue, *obsolete):
        tree.remove(path)
    tree.record(
        Inventory(
            layout=plan.layout,
            snapshots=plan.pins.snapshots,
            kept=MappingProxyType(dict(sorted(plan.kept.items()))),
            tree=MappingProxyType({path: content for path, content in sorted(held.items()) if path not in overdue}),
            listings=MappingProxyType(dict(sorted(listings.items()))),
            deferred=deferred,
        ),
        locks=plan.pins.locks,
        manifests=plan.pins.manifests,
        unlisted={path: at for path, at in {**waiting, **renewed.unlisted}.items() if path not in overdue},
        attempts=renewed.attempts,
    )
    for path in tree.leftovers():
        tree.remove(path)
    return ApplyResult(written=tuple(renewed.written), removed=(*renewed.removed, *obsolete), error=renewed.error)
