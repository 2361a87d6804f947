"""Obtain what a plan misses, and place it in the tree: packages first, before anything lists them."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

from pixi_mirror.cache.batch import Batch, FailedPackage, ObtainedPackage
from pixi_mirror.cache.store import Store
from pixi_mirror.errors import MachineError, UnmirrorableError, WorkspaceError, WrongBytesError
from pixi_mirror.mirror.compare import twin
from pixi_mirror.mirror.plan import Plan
from pixi_mirror.mirror.tree import Tree
from pixi_mirror.model.packages import Package, StoredFile
from pixi_mirror.model.values import MirrorPath
from pixi_mirror.progress import Progress

_MARGIN = 16 << 20
"""Bytes left free for indexes, inventory and what other programs write meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BringResult:
    """What became of the packages to bring."""

    fetched: tuple[MirrorPath, ...]
    failed: tuple[FailedPackage, ...]
    stored: Mapping[MirrorPath, StoredFile]
    """Placed in the tree and not yet recorded."""


def bring_packages(
    tree: Tree, plan: Plan, store: Store, batch: Batch, progress: Progress, *, each_alone: bool = False
) -> BringResult:
    """Obtain every missing and changed package, and place them all if all could be had.

    If any fails, the tree is left as it was, unless `each_alone`; what was verified waits in the store for the next
    run.

    Raises:
        UnmirrorableError: two paths are one on this disk, where the case of letters does not count.
        MachineError: a disk is too small, or refuses.
        WrongBytesError: a verified file changed before it was placed.
    """
    packages = _complete(plan)
    if not packages:
        return BringResult(fetched=(), failed=(), stored={})
    _require_own_names(tree, plan)
    with store.used():
        _require_room(tree, store, packages)
        progress.begin("bringing", files=len(packages), size=plan.size)
        suspect = frozenset(sha for path in plan.difference.changed if (sha := plan.packages[path].sha256))
        obtained: dict[MirrorPath, ObtainedPackage] = {}
        failed: list[FailedPackage] = []
        for outcome in batch.obtain(packages, suspect=suspect):
            if isinstance(outcome, ObtainedPackage):
                obtained[outcome.package.path] = outcome
            else:
                failed.append(outcome)
        failed.sort(key=lambda failure: failure.package.path)
        if failed and not each_alone:
            return BringResult(fetched=(), failed=tuple(failed), stored={})
        stored = place_packages(
            tree, store, [obtained[package.path] for package in packages if package.path in obtained]
        )
    return BringResult(fetched=tuple(sorted(stored)), failed=tuple(failed), stored=stored)


def _complete(plan: Plan) -> tuple[Package, ...]:
    """The packages to bring, with their URLs as the locks spell them: pins hold them without their secrets."""
    packages = plan.to_bring
    pinned = [
        snapshot
        for snapshot in plan.pins.snapshots
        if snapshot.id not in plan.pins.renewed and snapshot.id in plan.pins.sources
    ]
    wanted = {package.path for package in packages}
    urls = {}
    for snapshot in pinned:
        if wanted.isdisjoint(package.path for package in snapshot.packages):
            continue
        with suppress(WorkspaceError):  # a lock that has vanished loses nothing
            answer = plan.pins.sources[snapshot.id].select(
                snapshot.requests, subscription=snapshot.id, workspace=snapshot.workspace, layout=plan.layout
            )
            urls.update({package.path: package.url for package in answer.snapshot.packages})
    return tuple(replace(package, url=urls.get(package.path, package.url)) for package in packages)


def _require_own_names(tree: Tree, plan: Plan) -> None:
    """Refuse, before the first byte, what would write over itself."""
    twins = twin({*tree.inventory.tree, *plan.packages}) if tree.is_case_blind else None
    if twins is not None:
        raise UnmirrorableError(
            f"{twins[0]} and {twins[1]} are one name on the disk of {tree.root}, which does not tell letters by their "
            "case. Nothing was fetched. Mirror to a disk that does, or mirror the two into different directories."
        )


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


def place_packages(tree: Tree, store: Store, obtained: Iterable[ObtainedPackage]) -> Mapping[MirrorPath, StoredFile]:
    """Put what was obtained into the tree, and make it last; it is still to be recorded.

    Raises:
        MachineError: the disk refuses.
        WrongBytesError: a verified file changed before it was placed.
    """
    obtained = tuple(obtained)
    tree.intend(outcome.package.path for outcome in obtained)
    stored = {}
    for outcome in obtained:
        try:
            tree.place(outcome.package.path, outcome.path, sha256=outcome.sha256)
        except WrongBytesError:
            store.remove(outcome.path)  # its identity vouches for it, so the next run would believe it again
            raise
        stored[outcome.package.path] = StoredFile(sha256=outcome.sha256, size=outcome.size)
    tree.sync()
    return stored
