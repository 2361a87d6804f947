"""The packages that a mirror pins, as its inventory has them now, for many threads."""

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from pixi_mirror.disk.files import FileIdentity, identity_of
from pixi_mirror.errors import MachineError
from pixi_mirror.mirror.merge import merge
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
