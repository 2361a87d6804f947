"""Settle a plan: derive the indexes that are stale, then record the inventory, last."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from pixi_mirror.errors import ProgramError
from pixi_mirror.mirror.compare import compare
from pixi_mirror.mirror.indexes import INDEXES
from pixi_mirror.mirror.plan import Plan, pinned, sized, standing_indexes, wanted_channels
from pixi_mirror.mirror.sidecars import GRACE_S, looked_at, overdue_parts, renew
from pixi_mirror.mirror.tree import Tree
from pixi_mirror.model.indexes import Companion, Contents, Made
from pixi_mirror.model.packages import Derived, Inventory, Listing, Package, Stored
from pixi_mirror.model.values import MirrorPath


def _contents(
    tree: Tree,
    plan: Plan,
    packages: Mapping[MirrorPath, Package],
    listings: Mapping[MirrorPath, Listing] | None = None,
) -> Contents:
    return Contents(
        packages=(*packages.values(), *plan.kept.values()),
        channels=wanted_channels(plan.renewal.snapshots),
        listings=tree.inventory.listings if listings is None else listings,
        standing=standing_indexes(tree),
        where=tree.path,
    )


def _made(contents: Contents) -> Mapping[MirrorPath, Made]:
    return {path: made for index in INDEXES for path, made in index.files(contents).items()}


def stale(tree: Tree, plan: Plan) -> tuple[MirrorPath, ...]:
    """Index files that the plan would write, as far as can be known before packages are brought."""
    made = _made(_contents(tree, plan, plan.packages))
    damaged = (
        path
        for path, content in tree.inventory.tree.items()
        if isinstance(content, Derived) and path not in made and plan.held.get(path) != content.recipe
    )
    return (*_outdated(tree, plan, made), *damaged)


def require_program(tree: Tree, plan: Plan, companion: Companion) -> None:
    """Refuse, before anything is brought, to go on without a program that was asked for by name and is needed.

    Raises:
        ProgramError: it is not there.
    """
    looked_at(tree, plan, _made(_contents(tree, plan, plan.packages)), companion)


def expected(tree: Tree, plan: Plan) -> tuple[Contents, Mapping[MirrorPath, Made]]:
    """What indexes are to say of the recorded tree, and the files that do."""
    contents = _contents(tree, plan, _listed(plan, _stored(tree, plan), tree.inventory.listings))
    return contents, _made(contents)


def _outdated(tree: Tree, plan: Plan, made: Mapping[MirrorPath, Made]) -> tuple[MirrorPath, ...]:
    derived = {path: plan.held[path] for path in standing_indexes(tree) if path in plan.held}
    difference = compare({path: file.recipe for path, file in made.items()}, derived)
    outdated = {*difference.missing, *difference.changed}
    return tuple(path for path in made if path in outdated)


def _stored(tree: Tree, plan: Plan) -> dict[MirrorPath, Stored]:
    absent = plan.gone | plan.deferred
    return {path: content for path, content in tree.inventory.stored.items() if path not in absent}


def _listed(
    plan: Plan, stored: Mapping[MirrorPath, Stored], listings: Mapping[MirrorPath, Listing]
) -> Mapping[MirrorPath, Package]:
    """Wanted packages that the tree has, completed by what their first fetch told, and those that are deferred."""
    return {
        path: sized(package, listings.get(path)) if path not in stored else pinned(package, stored[path])
        for path, package in plan.packages.items()
        if path in stored or path in plan.deferred
    }


def needed_indexes(tree: Tree, plan: Plan, removed: Collection[MirrorPath]) -> frozenset[MirrorPath]:
    """The index files of what is named or listed, and of what stays in the tree when those files are `removed`."""
    left = {path: each for path, each in tree.inventory.listings.items() if path not in removed}
    contents = replace(_contents(tree, plan, plan.packages, left), standing=())
    return frozenset(_made(contents))


def _absent(tree: Tree, path: MirrorPath, listing: Listing) -> Listing:
    """What is known of a file that is not there: nobody can be given its metadata, and its size may be remembered."""
    before = tree.inventory.stored_at(path)
    return replace(listing, metadata=None, size=listing.size if before is None else before.size)


def _promise(tree: Tree, plan: Plan, stored: Mapping[MirrorPath, Stored], deferred: frozenset[MirrorPath]) -> None:
    """Record what is newly deferred before an index lists it: whoever reads that may ask for it at once."""
    if deferred <= tree.inventory.deferred:
        return
    made = {path: content for path, content in tree.inventory.tree.items() if isinstance(content, Derived)}
    held: dict[MirrorPath, Stored | Derived] = {**stored, **made}
    tree.record(
        replace(
            tree.inventory,
            layout=plan.layout,
            snapshots=plan.renewal.snapshots,
            kept=MappingProxyType(dict(sorted(plan.kept.items()))),
            tree=MappingProxyType(dict(sorted(held.items()))),
            deferred=deferred,
        ),
        locks=plan.renewal.locks,
        manifests=plan.renewal.manifests,
        unlisted=tree.state.unlisted,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What was done to the indexes."""

    written: tuple[MirrorPath, ...]
    removed: tuple[MirrorPath, ...]
    """Sidecars that would have been out of date, and pages that list nothing any more."""
    error: ProgramError | None
    """Why a program that was asked for by name has failed; the mirror is right without it. None: it has not."""


def settle(
    tree: Tree,
    plan: Plan,
    brought: Mapping[MirrorPath, Stored],
    *,
    companion: Companion,
    learnt: Mapping[MirrorPath, Listing] = MappingProxyType({}),
    unlisted: Mapping[MirrorPath, float] | None = None,
    grace_s: float = GRACE_S,
) -> Settled:
    """Derive what is stale and record the inventory.

    Packages that are wanted and not there are not listed, unless they are deferred. `learnt` is what has become known
    of PyPI files. `unlisted` replaces what the state says was unlisted when; parts of indexes that nothing names any
    more stay for `grace_s` seconds.

    Raises:
        MachineError: the disk refuses; the next run goes on from here.
        ProgramError: a program that was asked for by name is needed and not there; nothing was changed.
    """
    since = tree.state.unlisted if unlisted is None else unlisted
    stored = {**_stored(tree, plan), **brought}
    deferred = plan.deferred.difference(stored)
    known = {**tree.inventory.listings, **learnt}
    listings = {path: each for path, each in known.items() if path in stored}
    listings |= {path: _absent(tree, path, each) for path, each in known.items() if path in deferred}
    made = _made(_contents(tree, plan, _listed(plan, stored, listings), listings))
    _promise(tree, plan, stored, deferred)
    renewed = renew(tree, plan, looked_at(tree, plan, made, companion), made, _outdated(tree, plan, made))
    overdue = overdue_parts(renewed, grace_s=grace_s)
    held: dict[MirrorPath, Stored | Derived] = {**stored, **renewed.held}
    held.update((path, Derived(recipe=file.recipe)) for path, file in made.items())
    waiting = {path: at for path, at in since.items() if path in stored and path not in plan.packages}
    obsolete = [path for path in standing_indexes(tree) if path not in held and companion.role(path) is None]
    for path in (*overdue, *obsolete):
        tree.remove(path)
    tree.record(
        Inventory(
            layout=plan.layout,
            snapshots=plan.renewal.snapshots,
            kept=MappingProxyType(dict(sorted(plan.kept.items()))),
            tree=MappingProxyType({path: content for path, content in sorted(held.items()) if path not in overdue}),
            listings=MappingProxyType(dict(sorted(listings.items()))),
            deferred=deferred,
        ),
        locks=plan.renewal.locks,
        manifests=plan.renewal.manifests,
        unlisted={path: at for path, at in {**waiting, **renewed.unlisted}.items() if path not in overdue},
        attempts=renewed.attempts,
    )
    for path in tree.leftovers():
        tree.remove(path)
    return Settled(written=tuple(renewed.written), removed=(*renewed.removed, *obsolete), error=renewed.error)
