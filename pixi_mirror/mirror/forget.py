"""Drop a subscription, or some environments of it; its packages stay until they are pruned."""

from dataclasses import dataclass, replace
from pathlib import Path

from pixi_mirror.context import Context
from pixi_mirror.errors import UsageError, WorkspaceError
from pixi_mirror.lockfile.source import LockSource
from pixi_mirror.mirror.apply import apply_plan
from pixi_mirror.mirror.imported import refuse_own_changes
from pixi_mirror.mirror.pins import recorded_pins
from pixi_mirror.mirror.plan import plan_changes
from pixi_mirror.mirror.subscriptions import subscription_of
from pixi_mirror.mirror.tree import Tree, open_mirror
from pixi_mirror.model.packages import Snapshot
from pixi_mirror.model.request import Request
from pixi_mirror.model.values import MirrorPath
from pixi_mirror.pixi.discovery import lock_of
from pixi_mirror.suggest import advised, suggested


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgetResult:
    """What was dropped."""

    mirror: Path
    workspace: str
    environments: tuple[str, ...]
    """Empty: the whole subscription."""
    surplus: tuple[MirrorPath, ...]
    """Packages that no subscription wants now."""
    follows: bool
    """Whether the mirror follows a lock still."""


def forget(
    mirror: Path,
    *,
    lock: Path | None,
    name: str | None,
    environments: tuple[str, ...],
    context: Context,
    manifest: Path | None = None,
) -> ForgetResult:
    """Drop the subscription of a lock, a workspace's manifest or a name, or environments of it.

    Neither lock nor manifest need exist any more.

    Raises:
        UsageError: none or several of lock, manifest and name are given.
        HistoryError: imports fill the mirror.
        WorkspaceError: there is no such subscription, or it does not have such an environment.
        MachineError: there is no mirror, or it cannot be written.
        BusyError: another process is writing the mirror.
    """
    if sum(each is not None for each in (lock, manifest, name)) != 1:
        raise UsageError("name one subscription to forget: -m PATH, --lock PATH or --name NAME.")
    tree = open_mirror(mirror)
    refuse_own_changes(tree, "pixi-mirror forget")
    with tree.writing(timeout_s=context.lock_timeout_s, verb="forget", freeing=True):
        subscription = subscription_of(_location(lock, manifest), name)
        snapshot = _found(tree, subscription, str(lock or manifest or name))
        left = _without(snapshot, environments) if environments else None
        others = tuple(each for each in tree.inventory.snapshots if each.id != subscription)
        snapshots = tuple(sorted((*others, *([left] if left else [])), key=lambda each: each.id))
        locks = {key: path for key, path in tree.state.locks.items() if left or key != subscription}
        pins = replace(recorded_pins(tree.inventory, locks, sources={}), snapshots=snapshots)
        plan = plan_changes(tree, pins, layout=tree.inventory.layout)
        apply_plan(tree, plan, context)
        return ForgetResult(
            mirror=mirror,
            workspace=snapshot.workspace,
            environments=environments if left else (),
            surplus=plan.difference.surplus,
            follows=any(each.hosted is None for each in snapshots),
        )


def _location(lock: Path | None, manifest: Path | None) -> Path:
    if lock is not None:
        return LockSource(lock).location
    return Path() if manifest is None else lock_of(manifest)


def _found(tree: Tree, subscription: str, called: str) -> Snapshot:
    for snapshot in tree.inventory.snapshots:
        if snapshot.id == subscription:
            return snapshot
    known = ", ".join(each.workspace for each in tree.inventory.snapshots if each.hosted is None) or "none"
    raise WorkspaceError(
        f"the mirror has no subscription of {called}; there are: {known} (see {advised('status', tree.root)})."
    )


def _without(snapshot: Snapshot, environments: tuple[str, ...]) -> Snapshot | None:
    """The subscription less some environments; None: nothing is left of it."""
    had = {cell.environment for cell in snapshot.cells}
    if unknown := [name for name in environments if name not in had]:
        raise WorkspaceError(
            f"{snapshot.workspace} is not mirrored with environment {unknown[0]!r}{suggested(unknown[0], had)}."
        )
    cells = tuple(cell for cell in snapshot.cells if cell.environment not in environments)
    if not cells:
        return None
    wanted = {path for cell in cells for path in cell.packages}
    requests = (_request_without(request, environments, had) for request in snapshot.requests)
    return replace(
        snapshot,
        cells=cells,
        packages=tuple(package for package in snapshot.packages if package.path in wanted),
        requests=tuple(request for request in requests if request.environments != ()),
    )


def _request_without(request: Request, environments: tuple[str, ...], had: set[str]) -> Request:
    requested = sorted(had) if request.environments is None else request.environments
    return replace(request, environments=tuple(name for name in requested if name not in environments))
