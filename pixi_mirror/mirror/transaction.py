"""Settle a plan: derive the indexes that are stale, then record the inventory, last."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from pixi_mirror.indexes import INDEXES, Made
from pixi_mirror.mirror.planning import Plan, standing_indexes, wanted_channels
from pixi_mirror.model import Derived, Inventory, MirrorPath, Package, Stored
from pixi_mirror.plan import compare
from pixi_mirror.tree import Tree


def _made(tree: Tree, plan: Plan, packages: Mapping[MirrorPath, Package]) -> Mapping[MirrorPath, Made]:
    listed = [*packages.values(), *plan.kept.values()]
    channels = wanted_channels(plan.renewal.snapshots)
    standing = standing_indexes(tree)
    return {
        path: made
        for index in INDEXES
        for path, made in index.files(listed, channels=channels, standing=standing).items()
    }


def stale(tree: Tree, plan: Plan) -> tuple[MirrorPath, ...]:
    """Index files that the plan would write, as far as can be known before packages are brought."""
    made = _made(tree, plan, plan.packages)
    return _outdated(tree, plan, made)


def expected(tree: Tree, plan: Plan) -> Mapping[MirrorPath, Made]:
    """The index files that the recorded tree should have."""
    return _made(tree, plan, _listed(plan, _stored(tree, plan)))


def _outdated(tree: Tree, plan: Plan, made: Mapping[MirrorPath, Made]) -> tuple[MirrorPath, ...]:
    derived = {path: plan.held[path] for path in standing_indexes(tree) if path in plan.held}
    difference = compare({path: file.recipe for path, file in made.items()}, derived)
    outdated = {*difference.missing, *difference.changed}
    return tuple(path for path in made if path in outdated)


def _stored(tree: Tree, plan: Plan) -> dict[MirrorPath, Stored]:
    return {
        path: content
        for path, content in tree.inventory.tree.items()
        if isinstance(content, Stored) and path not in plan.gone
    }


def _listed(plan: Plan, stored: Mapping[MirrorPath, Stored]) -> Mapping[MirrorPath, Package]:
    """Wanted packages that the tree has, with the hashes of their first fetch where the lock has none."""
    return {
        path: package
        if package.sha256 is not None
        else replace(package, sha256=stored[path].sha256, size=stored[path].size)
        for path, package in plan.packages.items()
        if path in stored
    }


def needed_indexes(plan: Plan) -> frozenset[MirrorPath]:
    """The index files of channels that are named or hold something listed."""
    listed = [*plan.packages.values(), *plan.kept.values()]
    channels = wanted_channels(plan.renewal.snapshots)
    return frozenset(path for index in INDEXES for path in index.files(listed, channels=channels, standing=()))


def settle(
    tree: Tree,
    plan: Plan,
    brought: Mapping[MirrorPath, Stored],
    *,
    unlisted: Mapping[MirrorPath, float] | None = None,
) -> tuple[MirrorPath, ...]:
    """Derive what is stale and record the inventory; the index files written.

    Packages that are wanted and not there are not listed. `unlisted` replaces what the state says was unlisted when.

    Raises:
        MachineError: the disk refuses; the next run goes on from here.
    """
    since = tree.state.unlisted if unlisted is None else unlisted
    stored = {**_stored(tree, plan), **brought}
    made = _made(tree, plan, _listed(plan, stored))
    outdated = _outdated(tree, plan, made)
    for path in outdated:
        tree.write(path, made[path].content())
    held: dict[MirrorPath, Stored | Derived] = dict(stored)
    held.update((path, Derived(recipe=file.recipe)) for path, file in made.items())
    tree.record(
        Inventory(
            layout=plan.layout,
            snapshots=plan.renewal.snapshots,
            kept=MappingProxyType(dict(sorted(plan.kept.items()))),
            tree=MappingProxyType(dict(sorted(held.items()))),
        ),
        locks=plan.renewal.locks,
        unlisted={path: at for path, at in since.items() if path in stored and path not in plan.packages},
    )
    for path in tree.leftovers():
        tree.remove(path)
    return outdated
