"""Know what a mirror pins, as its inventory says now, for many threads."""

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from pixi_mirror.disk.identity import FileIdentity, identity_of
from pixi_mirror.errors import MachineError
from pixi_mirror.mirror.compare import merge
from pixi_mirror.mirror.tree_view import INVENTORY, TreeView
from pixi_mirror.model.packages import Inventory, Package, Snapshot
from pixi_mirror.model.values import MirrorPath


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
        self._known = _Pinned(None, (), {})

    @property
    def packages(self) -> Mapping[MirrorPath, Package]:
        """All of them, as they are at an instant after this was asked; another object whenever they have changed."""
        if self._known.identity is None or self._known.identity != self._identity():
            with self._lock:
                identity = self._identity()
                if self._known.identity is None or self._known.identity != identity:
                    self._learn(identity)
        return self._known.packages

    def note(self, inventory: Inventory) -> None:
        """Hear what the inventory is that somebody in this process has just recorded, and still may write."""
        with self._lock:
            if inventory.snapshots == self._known.snapshots:
                self._known = self._known._replace(identity=self._identity())

    def _learn(self, identity: FileIdentity | None) -> None:
        try:
            inventory = TreeView(self._root).inventory
        except MachineError:
            return  # it does not parse; what was known is better than nothing
        if inventory.snapshots == self._known.snapshots:
            self._known = self._known._replace(identity=identity)
            return
        found = merge(inventory.snapshots, layout=inventory.layout, names={}).packages
        packages = {path: package for path, package in found.items() if package.sha256 is not None}
        self._known = _Pinned(identity, inventory.snapshots, packages)

    def _identity(self) -> FileIdentity | None:
        try:
            return identity_of((self._root / INVENTORY).stat())
        except OSError:
            return None
