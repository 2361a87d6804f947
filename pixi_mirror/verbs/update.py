"""Bring the mirror to hold what the locks pin; never remove a package."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pixi_mirror.errors import MachineError, PixiMirrorError, SeveralErrors, UsageError, WorkspaceError
from pixi_mirror.mirror import Plan, Wish, planned, refreshes, refusal_of, renewed, settle, stale, wish
from pixi_mirror.model import Layout, MirrorPath, Request, Stored
from pixi_mirror.sources import LockSource
from pixi_mirror.tree import Tree
from pixi_mirror.verbs.equipment import Equipment, known_sources

if TYPE_CHECKING:  # a run with nothing to fetch must not pay for it
    from pixi_mirror.cache import Failed


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the user asks an update for."""

    mirror: Path
    locks: tuple[Path, ...]
    name: str | None
    """The subscription's name; None: it goes by its lock's path."""
    request: Request | None
    """None: no environment or platform was named."""
    flat: bool
    dry_run: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Updated:
    """What an update found and did."""

    mirror: Path
    dry_run: bool
    plan: Plan
    """As found before the run."""
    indexes: tuple[MirrorPath, ...]
    """Index files written, or in a dry run those to be written."""
    fetched: tuple[MirrorPath, ...]
    failed: tuple[Failed, ...]
    error: PixiMirrorError | None
    """Why the run was not a success; None: it was."""


def update(asked: Asked, equipment: Equipment, *, announce: Callable[[Plan], None]) -> Updated:
    """Renew the pins, bring what is missing or changed, index it and record it; a dry run stops before that.

    `announce` hears the plan before the first byte is fetched.

    Raises:
        WorkspaceError: a lock that was named cannot be read, or lacks an environment or platform.
        UnmirrorableError: two locks want different bytes at one path.
        MachineError: the directory, the disk or the cache cannot be used.
        BusyError: another process is writing the mirror.
    """
    tree = Tree(asked.mirror)
    _check(asked, tree)
    with nullcontext() if asked.dry_run else tree.writing(timeout_s=equipment.lock_timeout_s):
        layout = _layout(asked, tree)
        wishes, lost = _wishes(asked, tree)
        renewal = renewed(tree.inventory, tree.state.locks, wishes, layout=layout)
        plan = planned(tree, renewal, layout=layout)
        problem = _problem(plan, (*lost, *renewal.problems))
        refusal = refusal_of(renewal.unacceptable)
        if asked.dry_run or refusal is not None:
            return _result(asked, plan, indexes=stale(tree, plan), error=refusal or problem)
        announce(plan)
        return _carried_out(asked, plan, tree, equipment, problem)


def _carried_out(
    asked: Asked, plan: Plan, tree: Tree, equipment: Equipment, problem: PixiMirrorError | None
) -> Updated:
    fetched: tuple[MirrorPath, ...] = ()
    stored: Mapping[MirrorPath, Stored] = {}
    if plan.to_bring:
        from pixi_mirror.mirror.bringing import bring

        store, batch = equipment.supply(plan.to_bring)
        brought = bring(tree, plan, store, batch, equipment.report)
        if brought.failed:
            return _result(asked, plan, failed=brought.failed, error=_failure(brought.failed, plan))
        fetched, stored = brought.fetched, brought.stored
    indexes = settle(tree, plan, stored)
    return _result(asked, plan, indexes=indexes, fetched=fetched, error=problem)


def _result(
    asked: Asked,
    plan: Plan,
    *,
    indexes: tuple[MirrorPath, ...] = (),
    fetched: tuple[MirrorPath, ...] = (),
    failed: tuple[Failed, ...] = (),
    error: PixiMirrorError | None,
) -> Updated:
    return Updated(
        mirror=asked.mirror,
        dry_run=asked.dry_run,
        plan=plan,
        indexes=indexes,
        fetched=fetched,
        failed=failed,
        error=error,
    )


def _failure(failed: tuple[Failed, ...], plan: Plan) -> PixiMirrorError:
    return SeveralErrors(
        f"{len(failed)} of {len(plan.to_bring)} files could not be brought; the mirror is as it was, "
        "and what did arrive is kept in the cache for the next run:",
        [failure.error for failure in failed],
    )


def _problem(plan: Plan, problems: tuple[WorkspaceError, ...]) -> PixiMirrorError | None:
    if not problems:
        return None
    return WorkspaceError(
        "\n".join(
            [
                f"{len(problems)} of {len(plan.renewal.snapshots)} subscriptions could not be refreshed; what they "
                "wanted last stays:",
                *(f"  {problem}" for problem in problems),
            ]
        ),
        items=[str(problem) for problem in problems],
    )


def _check(asked: Asked, tree: Tree) -> None:
    """Refuse what can never be done before anything is made on disk."""
    if asked.name is not None and len(asked.locks) > 1:
        raise UsageError("--name names one subscription, so it goes with one --lock.")
    if not asked.locks and asked.request is not None:
        raise WorkspaceError("-e, --all-environments and -p choose from a lock: name it with --lock PATH.")
    if not asked.locks and not tree.inventory.snapshots:
        raise WorkspaceError(
            f"{asked.mirror} has no subscription to refresh: name a lock with --lock PATH, "
            "for example `pixi-mirror --lock pixi.lock -e default`."
        )


def _wishes(asked: Asked, tree: Tree) -> tuple[tuple[Wish, ...], tuple[WorkspaceError, ...]]:
    if asked.locks:
        request = asked.request or Request(environments=("default",), platforms=())
        return tuple(wish(LockSource(lock), request, name=asked.name) for lock in asked.locks), ()
    chosen = [
        snapshot for snapshot in tree.inventory.snapshots if asked.name is None or snapshot.id == f"name:{asked.name}"
    ]
    if not chosen:
        known = ", ".join(snapshot.workspace for snapshot in tree.inventory.snapshots)
        raise WorkspaceError(f"{asked.mirror} has no subscription named {asked.name!r}; there are: {known}.")
    return refreshes(chosen, known_sources(tree))


def _layout(asked: Asked, tree: Tree) -> Layout:
    """A mirror keeps the layout that it was begun with."""
    layout = tree.inventory.layout
    if asked.flat and layout == "channels" and tree.inventory.tree:
        raise MachineError(
            f"{asked.mirror} holds one directory per channel already, so it cannot become flat. "
            "Name another directory for the flat mirror."
        )
    return "flat" if asked.flat else layout
