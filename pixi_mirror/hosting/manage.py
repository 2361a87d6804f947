"""Make and remove hosted names."""

from dataclasses import replace
from pathlib import Path

from pixi_mirror.context import Context
from pixi_mirror.errors import UnmirrorableError
from pixi_mirror.hosting.audit import record_audit
from pixi_mirror.hosting.names import HostedName, hosted_names, refuse_taken_name, require_hosted
from pixi_mirror.mirror.apply import apply_plan
from pixi_mirror.mirror.imported import refuse_own_changes
from pixi_mirror.mirror.pins import recorded_pins
from pixi_mirror.mirror.plan import Plan, plan_changes
from pixi_mirror.mirror.remove_files import remove_files
from pixi_mirror.mirror.tree import Tree, open_mirror
from pixi_mirror.model.hosted import hosted_id
from pixi_mirror.model.packages import HostedKinds, Snapshot
from pixi_mirror.model.values import sha256_of
from pixi_mirror.progress import counted


def add_hosted_name(mirror: Path, name: str, kinds: HostedKinds, *, user: str, context: Context) -> HostedName:
    """Make a hosted name; a directory that is no mirror yet becomes one.

    Raises:
        UnmirrorableError: it is no name, reserved or taken, or the mirror is flat.
        HistoryError: imports fill the mirror.
        MachineError: the mirror cannot be read or written.
        BusyError: another process is writing the mirror.
    """
    tree = Tree(mirror)
    refuse_own_changes(tree, "pixi-mirror host add")
    refuse_taken_name(tree, name)  # before a directory is made for it
    with tree.writing(timeout_s=context.lock_timeout_s, verb="host add"):
        refuse_taken_name(tree, name)
        made = Snapshot(
            id=hosted_id(name),
            workspace=name,
            source_sha256=sha256_of(hosted_id(name).encode()),
            newest_timestamp=0,
            requests=(),
            cells=(),
            packages=(),
            refused=(),
            hosted=kinds,
        )
        record_audit(tree, action="add", name=name, user=user)
        apply_plan(tree, _planned(tree, (*tree.inventory.snapshots, made)), context)
    return next(each for each in hosted_names(tree) if each.name == name)


def remove_hosted_name(mirror: Path, name: str, *, with_files: bool, user: str, context: Context) -> HostedName:
    """Remove a hosted name, with the files that it holds if `with_files` allows that.

    Args:
        mirror: its directory.
        name: of the hosted channel and index.
        with_files: whether it may hold files.
        user: who does it, for the audit log.
        context: of the verb.

    Raises:
        UnmirrorableError: there is no such name, or it holds files and `with_files` is false.
        HistoryError: imports fill the mirror.
        MachineError: the mirror cannot be read or written.
        BusyError: another process is writing the mirror.
    """
    tree = open_mirror(mirror)
    refuse_own_changes(tree, "pixi-mirror host remove")
    with tree.writing(timeout_s=context.lock_timeout_s, verb="host remove", freeing=True):
        snapshot = require_hosted(tree, name)
        if snapshot.packages and not with_files:
            raise UnmirrorableError(
                f"{name} holds {counted(len(snapshot.packages), 'file')}, such as {snapshot.packages[0].path}; nothing "
                f"was changed. `pixi-mirror host delete FILE --from {name}` removes one, and `pixi-mirror host remove "
                f"{name} --with-files` all of them."
            )
        gone = next(each for each in hosted_names(tree) if each.name == name)
        record_audit(tree, action="remove", name=name, user=user)
        left = tuple(each for each in tree.inventory.snapshots if each.id != snapshot.id)
        paths = frozenset(package.path for package in snapshot.packages)
        plan = _planned(tree, left)
        plan = replace(plan, kept={path: each for path, each in plan.kept.items() if path not in paths})
        apply_plan(tree, plan, context)
        here = [path for path in paths if path in tree.inventory.tree]
        remove_files(tree, plan, here, context, below=f"{name}/")
    return gone


def _planned(tree: Tree, snapshots: tuple[Snapshot, ...]) -> Plan:
    ordered = tuple(sorted(snapshots, key=lambda each: each.id))
    pins = replace(recorded_pins(tree.inventory, tree.state.locks, sources={}), snapshots=ordered)
    return plan_changes(tree, pins, layout=tree.inventory.layout)
