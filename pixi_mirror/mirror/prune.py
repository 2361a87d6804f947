"""Unlist what no subscription wants any more, and remove what has been unlisted long enough.

Nothing is removed if a record cannot be read, or if a wanted file is missing.
"""

import os
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from pixi_mirror.context import Context
from pixi_mirror.errors import MachineError, UsageError
from pixi_mirror.mirror.apply import apply_plan
from pixi_mirror.mirror.imported import is_imported, lasting_stamp
from pixi_mirror.mirror.pins import recorded_pins
from pixi_mirror.mirror.plan import Plan, plan_changes
from pixi_mirror.mirror.remove_files import remove_files
from pixi_mirror.mirror.tree import Tree, open_mirror
from pixi_mirror.model.packages import Package, PackageFile
from pixi_mirror.model.values import DAY_S, MirrorPath, Sha256
from pixi_mirror.progress import counted
from pixi_mirror.suggest import advised


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
    kept: tuple[MirrorPath, ...]
    """Files that no subscription wants and that stay, because a generation that is kept lists them."""
    replaced: tuple[Sha256, ...]
    """Files whose place others have taken, and that no generation that is kept lists; they are removed, too."""
    size: int
    """Bytes of the removed files."""
    shared_size: int
    """Bytes of these that stay on the disk, since the cache or another mirror has the same file by a hard link."""
    unlisted_size: int
    """Bytes of the files that indexes listed until now."""
    waiting_size: int
    """Bytes of the waiting files."""
    due: Mapping[MirrorPath, float]
    """When the unlisted and the waiting files can be removed, in seconds since 1970."""

    @property
    def found(self) -> bool:
        """Whether there is anything to do now."""
        return bool(self.unlisted or self.removed or self.replaced)


def prune(mirror: Path, *, apply: bool, grace_days: float, force: bool, context: Context, keep: int = 0) -> PruneResult:
    """Plan a prune, and carry it out if `apply` is true.

    Args:
        mirror: its directory.
        apply: whether to change anything.
        grace_days: how long a file stays after it was unlisted.
        force: whether more than half of the mirror may go.
        context: of the verb.
        keep: how many of the last generations keep their files, besides those that have a name.

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
        return _plan_prune(tree, apply=False, grace_s=grace_s, keep=keep)[0]
    with tree.writing(timeout_s=context.lock_timeout_s, verb="prune", freeing=True):
        pruned, plan = _plan_prune(tree, apply=True, grace_s=grace_s, keep=keep)
        _refuse_most_of_mirror(tree, pruned, force=force)
        _unlist(tree, plan, pruned, context, grace_s=grace_s)
        listed = replace(plan, kept=_listed_by_import(tree, plan))
        remove_files(tree, listed, pruned.removed, context, stamp=lasting_stamp(tree))
        for sha256 in pruned.replaced:
            tree.remove_replaced(sha256)
        return pruned


def _plan_prune(tree: Tree, *, apply: bool, grace_s: float, keep: int) -> tuple[PruneResult, Plan]:
    pins = recorded_pins(tree.inventory, tree.state.locks, sources={})
    if not pins.snapshots:
        raise MachineError(
            f"{tree.root} has no subscription, so everything in it would go; nothing was changed. "
            "Subscribe to a lock first, or delete the directory yourself."
        )
    plan = plan_changes(tree, pins, layout=tree.inventory.layout)
    if wrong := (*plan.difference.missing, *plan.difference.changed):
        raise MachineError(
            f"{counted(len(wrong), 'file')} missing or wrong of those that the locks pin, the first is {wrong[0]}; "
            f"nothing was changed. Run {advised('verify --repair', tree.root)} or {advised('update', tree.root)} first."
        )
    now = time.time()
    waiting_since = tree.state.unlisted
    derived = tree.inventory.generated.keys() & waiting_since
    staying = _listed_by_import(tree, plan)
    surplus = (*plan.difference.surplus, *sorted(plan.gone), *sorted(derived))
    surplus = tuple(path for path in surplus if path not in staying)
    unlisted = tuple(path for path in surplus if path not in waiting_since)
    listed = files_of_generations(tree, keep=keep)
    kept = frozenset(path for path in surplus if (path, tree.inventory.stored_at(path)) in listed)
    due = tuple(path for path in surplus if waiting_since.get(path, now) + grace_s <= now and path not in kept)
    shas = {file.sha256 for _, file in listed}
    replaced = tuple(sha256 for sha256 in tree.all_replaced() if sha256 not in shas)
    elsewhere = {*unlisted, *due, *kept}
    waiting = tuple(path for path in surplus if path not in elsewhere)
    pruned = PruneResult(
        mirror=tree.root,
        applied=apply,
        unlisted=unlisted,
        removed=due,
        waiting=waiting,
        unknown=tree.unknown(),
        kept=tuple(path for path in surplus if path in kept),
        replaced=replaced,
        size=_size(tree, due),
        shared_size=_size(tree, (path for path in due if _is_linked(tree, path))),
        unlisted_size=_size(tree, unlisted),
        waiting_size=_size(tree, waiting),
        due={path: waiting_since.get(path, now) + grace_s for path in (*unlisted, *waiting) if path not in kept},
    )
    return pruned, plan


def _size(tree: Tree, paths: Iterable[MirrorPath]) -> int:
    return sum(stored.size for path in paths if (stored := tree.inventory.stored_at(path)))


def _is_linked(tree: Tree, path: MirrorPath) -> bool:
    with suppress(OSError):
        return os.lstat(tree.path(path)).st_nlink > 1
    return False


def files_of_generations(tree: Tree, *, keep: int = 0) -> frozenset[tuple[MirrorPath, PackageFile]]:
    """The files that kept generations list: the last `keep`, named ones, and exported ones that wait for an answer.

    Raises:
        MachineError: the history cannot be read.
    """
    known = tree.generations
    numbers = {*known.names().values(), *tree.ledger.unacknowledged}
    if keep and (stamp := tree.inventory.stamp) is not None:
        # One that is missing below the last is an error. A mirror that was copied without its history begins later.
        first = min(known.numbers(), default=stamp.last)
        numbers.update(range(max(first, stamp.last - keep + 1), stamp.last + 1))
    return frozenset(item for number in sorted(numbers) for item in known.inventory(number).stored.items())


def _listed_by_import(tree: Tree, plan: Plan) -> Mapping[MirrorPath, Package]:
    """Surplus packages that stay listed, because an import listed them: what is listed is decided at its origin."""
    return plan.kept if is_imported(tree) else {}


def _refuse_most_of_mirror(tree: Tree, pruned: PruneResult, *, force: bool) -> None:
    stored = tree.inventory.stored
    going = ({*pruned.unlisted, *pruned.removed} - {*pruned.kept}).intersection(stored)
    if not force and len(going) * 2 > len(stored):
        raise MachineError(
            f"{len(going)} of {len(stored)} files would go, more than half of the mirror; nothing was changed. "
            "If that is right, add --force."
        )


def _unlist(tree: Tree, plan: Plan, pruned: PruneResult, context: Context, *, grace_s: float) -> None:
    """Write indexes without the unlisted files, before a file is removed: no index ever lists a removed file."""
    unlisted = {**tree.state.unlisted, **dict.fromkeys(pruned.unlisted, time.time())}
    # Recorded first: if we are killed meanwhile, an index that lists them and one that does not are both right.
    stamp = lasting_stamp(tree)
    tree.record(tree.inventory, locks=plan.pins.locks, unlisted=unlisted, stamp=stamp)
    listed = replace(plan, kept=_listed_by_import(tree, plan))
    apply_plan(tree, listed, context, unlisted=unlisted, grace_s=grace_s, stamp=stamp)
