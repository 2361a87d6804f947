"""Carry out a plan: bring packages, derive indexes, record the inventory; in this order and never another."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from types import MappingProxyType

from pixi_mirror.cache import Batch, Failed, Obtained, Store
from pixi_mirror.errors import MachineError, WorkspaceError
from pixi_mirror.indexes import INDEXES, Made
from pixi_mirror.mirror.planning import Plan, standing_indexes, wanted_channels
from pixi_mirror.model import Derived, Inventory, MirrorPath, Package, Stored
from pixi_mirror.plan import compare
from pixi_mirror.report import Report
from pixi_mirror.tree import Tree

_MARGIN = 16 << 20
"""Bytes left free for indexes, inventory and what other programs write meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Brought:
    """What became of the packages to bring."""

    fetched: tuple[MirrorPath, ...]
    failed: tuple[Failed, ...]
    stored: Mapping[MirrorPath, Stored]
    """Placed in the tree and not yet recorded."""


def bring(tree: Tree, plan: Plan, store: Store, batch: Batch, report: Report, *, each_alone: bool = False) -> Brought:
    """Obtain every missing and changed package, and place them all if all could be had.

    If any fails, the tree is left as it was, unless `each_alone`; what was verified waits in the store for the next
    run.

    Raises:
        MachineError: a disk is too small, or refuses.
        WrongBytesError: a verified file changed before it was placed.
    """
    packages = _complete(plan)
    if not packages:
        return Brought(fetched=(), failed=(), stored={})
    with store.used():
        _require_room(tree, store, packages)
        report.begin("bringing", files=len(packages), size=plan.size)
        suspect = frozenset(sha for path in plan.difference.changed if (sha := plan.packages[path].sha256))
        obtained: dict[MirrorPath, Obtained] = {}
        failed: list[Failed] = []
        for outcome in batch.obtain(packages, suspect=suspect):
            if isinstance(outcome, Obtained):
                obtained[outcome.package.path] = outcome
            else:
                failed.append(outcome)
        failed.sort(key=lambda failure: failure.package.path)
        if failed and not each_alone:
            return Brought(fetched=(), failed=tuple(failed), stored={})
        stored = _placed(tree, [obtained[package.path] for package in packages if package.path in obtained])
    return Brought(fetched=tuple(sorted(stored)), failed=tuple(failed), stored=stored)


def _complete(plan: Plan) -> tuple[Package, ...]:
    """The packages to bring, with their URLs as the locks spell them: pins hold them without their secrets."""
    packages = plan.to_bring
    pinned = [
        snapshot
        for snapshot in plan.renewal.snapshots
        if snapshot.id not in plan.renewal.answered and snapshot.id in plan.renewal.sources
    ]
    wanted = {package.path for package in packages}
    urls = {}
    for snapshot in pinned:
        if wanted.isdisjoint(package.path for package in snapshot.packages):
            continue
        with suppress(WorkspaceError):  # a lock that has vanished loses nothing
            answer = plan.renewal.sources[snapshot.id].answer(
                snapshot.requests, subscription=snapshot.id, workspace=snapshot.workspace, layout=plan.layout
            )
            urls.update({package.path: package.url for package in answer.snapshot.packages})
    return tuple(replace(package, url=urls.get(package.path, package.url)) for package in packages)


def _require_room(tree: Tree, store: Store, packages: tuple[Package, ...]) -> None:
    """Refuse before the first byte what cannot end well."""
    once = {package.sha256 or package.path: package for package in packages}.values()
    absent = [package for package in once if package.sha256 is None or store.size_of(package.sha256) is None]
    needs = [(store.directory, sum(package.size or 0 for package in absent), store.free())]
    if not tree.shares_disk_with(store.directory):
        needs.append((tree.root, sum(package.size or 0 for package in packages), tree.free()))
    for directory, need, free in needs:
        if need + _MARGIN > free:
            raise MachineError(
                f"the disk of {directory} is too small: {need + _MARGIN} bytes are needed and {free} are free, so "
                f"{need + _MARGIN - free} are missing. Nothing was fetched. Free some space, or choose another "
                "directory (-o for the mirror, --cache-dir for the cache)."
            )


def _placed(tree: Tree, obtained: list[Obtained]) -> Mapping[MirrorPath, Stored]:
    tree.intend(outcome.package.path for outcome in obtained)
    stored = {}
    for outcome in obtained:
        tree.place(outcome.package.path, outcome.path, sha256=outcome.sha256)
        stored[outcome.package.path] = Stored(sha256=outcome.sha256, size=outcome.size)
    tree.sync()
    return stored


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
