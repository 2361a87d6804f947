"""Know which packages a mirror pins; put fetched files into it, and record all that have come meanwhile at once."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from pixi_mirror.cache.batch import ObtainedPackage
from pixi_mirror.cache.store import Store
from pixi_mirror.context import Context
from pixi_mirror.disk.files import FileIdentity, identity_of
from pixi_mirror.errors import BusyError, MachineError, PixiMirrorError
from pixi_mirror.mirror.apply import apply_plan
from pixi_mirror.mirror.bring import ObtainedPackages
from pixi_mirror.mirror.imported import is_imported
from pixi_mirror.mirror.merge import merge
from pixi_mirror.mirror.pins import recorded_pins
from pixi_mirror.mirror.plan import plan_changes
from pixi_mirror.mirror.tree import Tree
from pixi_mirror.mirror.tree_view import INVENTORY, TreeView
from pixi_mirror.model.packages import Inventory, Package, Snapshot
from pixi_mirror.model.values import MirrorPath
from pixi_mirror.progress import counted


class _Pinned(NamedTuple):
    """One version of the inventory."""

    identity: FileIdentity | None
    snapshots: tuple[Snapshot, ...]
    packages: Mapping[MirrorPath, Package]


class PinnedPackages:
    """The packages that the subscriptions of a mirror want and whose hashes are known, by path."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lock = threading.Lock()
        self._pinned = _Pinned(None, (), {})

    @property
    def packages(self) -> Mapping[MirrorPath, Package]:
        """All of them, as they are at an instant after the call; another object whenever they have changed."""
        if self._pinned.identity is None or self._pinned.identity != self._identity():
            with self._lock:
                identity = self._identity()
                if self._pinned.identity is None or self._pinned.identity != identity:
                    self._read(identity)
        return self._pinned.packages

    def update(self, inventory: Inventory) -> None:
        """Take the inventory that this process has just recorded while it still holds the writer's lock."""
        with self._lock:
            if inventory.snapshots == self._pinned.snapshots:
                self._pinned = self._pinned._replace(identity=self._identity())

    def _read(self, identity: FileIdentity | None) -> None:
        try:
            inventory = TreeView(self._root).inventory
        except MachineError:
            return  # it does not parse; the pins of the last one still hold
        if inventory.snapshots == self._pinned.snapshots:
            self._pinned = self._pinned._replace(identity=identity)
            return
        found = merge(inventory.snapshots, layout=inventory.layout, names={}).packages
        packages = {path: package for path, package in found.items() if package.sha256 is not None}
        self._pinned = _Pinned(identity, inventory.snapshots, packages)

    def _identity(self) -> FileIdentity | None:
        try:
            return identity_of((self._root / INVENTORY).stat())
        except OSError:
            return None


class Recorder:
    """Puts files into a mirror; many threads may use it.

    Recording a hundred files costs about as much as recording one. So a thread that comes while another one records
    waits, and then the first of those that wait records the files of all.
    """

    def __init__(self, root: Path, context: Context, pins: PinnedPackages) -> None:
        """Read the mirror's records.

        Raises:
            MachineError: they cannot be read.
        """
        self.tree = Tree(root)
        self._context = context
        self._pins = pins
        self._waiting: dict[MirrorPath, ObtainedPackage] = {}
        self._collecting = threading.Lock()
        self._recording = threading.Lock()

    def record(self, obtained: ObtainedPackage, store: Store) -> Path:
        """Put a file into the mirror and say where it is: there, or in the cache if it could not be put there now."""
        path = obtained.package.path
        with self._collecting:
            self._waiting[path] = obtained
        with self._recording:
            with self._collecting:
                waiting, self._waiting = self._waiting, {}
            if waiting:
                self._record_all(waiting, store)
            where = self.tree.path(path)
            return where if path in self.tree.inventory.tree and where.is_file() else obtained.path

    def _record_all(self, waiting: dict[MirrorPath, ObtainedPackage], store: Store) -> None:
        if is_imported(self.tree):
            return  # what it offers is decided where its archives come from; the files stay in the cache
        try:
            with self.tree.writing(timeout_s=0, verb="serve"):
                self._apply(waiting, store)
                self._pins.update(self.tree.inventory)
        except BusyError:
            pass  # probably an update; the files stay in the cache
        except PixiMirrorError as error:
            self._context.progress.warn(f"{counted(len(waiting), 'fetched file')} left in the cache: {error}")

    def _apply(self, waiting: dict[MirrorPath, ObtainedPackage], store: Store) -> None:
        tree = self.tree
        pins = recorded_pins(tree.inventory, tree.state.locks, sources={})
        plan = plan_changes(tree, pins, layout=tree.inventory.layout)
        wanted = [
            each
            for path, each in waiting.items()
            if path in plan.packages and plan.packages[path].sha256 == each.sha256
            if path in plan.deferred or path in plan.difference.missing
        ]
        if not wanted:
            return
        obtained = [replace(each, package=plan.packages[each.package.path]) for each in wanted]
        apply_plan(tree, plan, self._context, source=ObtainedPackages(obtained, store, self._context.progress))
