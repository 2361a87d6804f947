"""Unlist what no subscription wants any more, and remove what has been unlisted long enough.

Nothing is removed if a record cannot be read, or if a wanted file is missing.
"""

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pixi_mirror.context import Context
from pixi_mirror.errors import MachineError, UsageError
from pixi_mirror.mirror.apply import apply_plan
from pixi_mirror.mirror.indexes import needed_indexes
from pixi_mirror.mirror.pins import recorded_pins
from pixi_mirror.mirror.plan import Plan, plan_changes
from pixi_mirror.mirror.tree import Tree, open_mirror
from pixi_mirror.model.packages import GeneratedFile
from pixi_mirror.model.values import DAY_S, MirrorPath


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneResult:
    """What a prune does, or would do."""

    mirror: Path
    applied: bool
    unlisted: tuple[MirrorPath, ...]
    """Files that indexes listed until now."""
    removed: tuple[MirrorPath, ...]
    """Files that have been unlisted for the grace time."""
    waiting: tuple[MirrorPath, ...]
    """Files that are unlisted and not yet due, without those of this run."""
    unknown: tuple[str, ...]
    """Files that the inventory does not know; they are never touched."""
    size: int
    """Bytes of the removed files."""
    unlisted_size: int
    """Bytes of the files that indexes listed until now."""
    waiting_size: int
    """Bytes of the waiting files."""
    due: Mapping[MirrorPath, float]
    """When the unlisted and the waiting files can be removed, in seconds since 1970."""

    @property
    def found(self) -> bool:
        """Whether there is anything to do now."""
        return bool(self.unlisted or self.removed)


def prune(mirror: Path, *, apply: bool, grace_days: float, force: bool, context: Context) -> PruneResult:
    """Plan a prune, and carry it out if `apply` is true; `grace_days` is how long a file stays after it was unlisted.

    Raises:
        UsageError: the grace time is negative.
        MachineError: there is no mirror; it has no subscription, its records do not parse, or a wanted file is missing
            or wrong; more than half of it would go and `force` is not given.
        BusyError: another process is writing the mirror.
    """
    if not grace_days >= 0:  # `nan` is neither
        raise UsageError("--grace is a number of days and not negative.")
    grace_s = grace_days * DAY_S
    tree = open_mirror(mirror)
    if not apply:
        return _plan_prune(tree, apply=False, grace_s=grace_s)[0]
    with tree.writing(timeout_s=context.lock_timeout_s, freeing=True):
        pruned, plan = _plan_prune(tree, apply=True, grace_s=grace_s)
        _refuse_most_of_mirror(tree, pruned, force=force)
        _unlist(tree, plan, pruned, context, grace_s=grace_s)
        _remove(tree, plan, pruned, context)
        return pruned


def _plan_prune(tree: Tree, *, apply: bool, grace_s: float) -> tuple[PruneResult, Plan]:
    pins = recorded_pins(tree.inventory, tree.state.locks, sources={})
    if not pins.snapshots:
        raise MachineError(
            f"{tree.root} has no subscription, so everything in it would go; nothing was changed. "
            "Subscribe to a lock first, or delete the directory yourself."
        )
    plan = plan_changes(tree, pins, layout=tree.inventory.layout)
    if wrong := (*plan.difference.missing, *plan.difference.changed):
        raise MachineError(
            f"{len(wrong)} files that subscriptions want are missing or wrong, the first is {wrong[0]}; nothing was "
            "changed. Run `pixi-mirror verify --repair` or `pixi-mirror update` first."
        )
    now = time.time()
    waiting_since = tree.state.unlisted
    derived = (path for path in waiting_since if isinstance(tree.inventory.tree.get(path), GeneratedFile))
    surplus = (*plan.difference.surplus, *sorted(plan.gone), *sorted(derived))
    unlisted = tuple(path for path in surplus if path not in waiting_since)
    due = tuple(path for path in surplus if waiting_since.get(path, now) + grace_s <= now)
    waiting = tuple(path for path in surplus if path in waiting_since and path not in due)
    pruned = PruneResult(
        mirror=tree.root,
        applied=apply,
        unlisted=unlisted,
        removed=due,
        waiting=waiting,
        unknown=tree.unknown(),
        size=_size(tree, due),
        unlisted_size=_size(tree, unlisted),
        waiting_size=_size(tree, waiting),
        due={path: waiting_since.get(path, now) + grace_s for path in (*unlisted, *waiting)},
    )
    return pruned, plan


def _size(tree: Tree, paths: Iterable[MirrorPath]) -> int:
    return sum(stored.size for path in paths if (stored := tree.inventory.stored_at(path)))


def _refuse_most_of_mirror(tree: Tree, pruned: PruneResult, *, force: bool) -> None:
    stored = tree.inventory.stored
    going = {*pruned.unlisted, *pruned.removed}.intersection(stored)
    if not force and len(going) * 2 > len(stored):
        raise MachineError(
            f"{len(going)} of {len(stored)} files would go, more than half of the mirror; nothing was changed. "
            "If that is right, add --force."
        )


def _unlist(tree: Tree, plan: Plan, pruned: PruneResult, context: Context, *, grace_s: float) -> None:
    """Write indexes without the unlisted files, before a file is removed: no index ever lists a removed file."""
    unlisted = {**tree.state.unlisted, **dict.fromkeys(pruned.unlisted, time.time())}
    # Recorded first: if we are killed meanwhile, an index that lists them and one that does not are both right.
    tree.record(tree.inventory, locks=plan.pins.locks, unlisted=unlisted)
    apply_plan(tree, replace(plan, kept={}), context, unlisted=unlisted, grace_s=grace_s)


def _remove(tree: Tree, plan: Plan, pruned: PruneResult, context: Context) -> None:
    """Remove the files that are due and the index files that list nothing any more, and record what is left."""
    sidecar_maker = context.sidecar_maker(plan.pins.locks.values())
    needed = needed_indexes(tree, replace(plan, kept={}), {*pruned.removed})
    idle = [
        path
        for path, content in tree.inventory.tree.items()
        if isinstance(content, GeneratedFile) and path not in needed and sidecar_maker.role(path) is None
    ]
    left = {path: content for path, content in tree.inventory.tree.items() if path not in {*pruned.removed, *idle}}
    for path in _without_other_names(tree, (*pruned.removed, *idle), left):
        tree.remove(path)
    tree.record(
        replace(
            tree.inventory,
            tree=left,
            listings={
                path: each
                for path, each in tree.inventory.listings.items()
                if path in left or path in tree.inventory.deferred
            },
        ),
        locks=plan.pins.locks,
        unlisted={path: at for path, at in tree.state.unlisted.items() if path in left},
    )


def _without_other_names(tree: Tree, going: Iterable[MirrorPath], left: Iterable[MirrorPath]) -> Iterator[MirrorPath]:
    """Those of `going` that are no other name of a file in `left`, as `A` and `a` are on a disk that ignores case."""
    names = {path.casefold() for path in left} if tree.is_case_blind else set()
    yield from (path for path in going if path.casefold() not in names)
