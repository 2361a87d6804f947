"""Tell where the Python files of a mirror are listed: who may read an index may read the files that it lists."""

import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from pixi_mirror.disk.identity import FileIdentity, identity_of
from pixi_mirror.errors import PixiMirrorError
from pixi_mirror.mirror.tree_view import INVENTORY, TreeView
from pixi_mirror.model.packages import Inventory, Package
from pixi_mirror.model.values import MirrorPath
from pixi_mirror.paths import url_path
from pixi_mirror.pypi.index import index_of
from pixi_mirror.pypi.simple import METADATA, SIMPLE


class ListingPages:
    """Where the files of the inventory are listed, as it stands; many threads may use it."""

    def __init__(self, root: Path) -> None:
        """Nothing is read before it is asked for."""
        self._root = root
        self._known: tuple[FileIdentity | None, Mapping[str, tuple[str, ...]]] = (None, {})

    def __call__(self, path: MirrorPath) -> Collection[str]:
        """The paths of the pages that list a file, or whose file it is core metadata of; empty: there are none."""
        return self._places().get(path.removesuffix(METADATA), ())

    def _places(self) -> Mapping[str, tuple[str, ...]]:
        try:
            identity = identity_of(os.stat(self._root / INVENTORY))
        except OSError:
            return self._known[1]
        seen, places = self._known
        if seen == identity:
            return places
        try:
            places = dict(_places(TreeView(self._root).inventory))
        except PixiMirrorError:  # it does not parse; what was known is better than nothing
            return places
        self._known = identity, places
        return places


def _places(inventory: Inventory) -> Iterator[tuple[str, tuple[str, ...]]]:
    found: dict[str, set[str]] = {}
    pinned = (package for snapshot in inventory.snapshots for package in snapshot.wanted)
    for package in (*pinned, *inventory.kept.values()):
        if package.kind == "pypi":
            found.setdefault(package.path, set()).update(_places_of(package, inventory))
    for path, places in found.items():
        yield path, tuple(places)


def _places_of(package: Package, inventory: Inventory) -> Iterator[str]:
    yield f"{SIMPLE}/{package.name}"
    index = index_of(package, inventory.listings.get(package.path))
    if index is not None:
        is_of_pages = index in package.record["indexes"]
        yield f"{url_path(index)}/{package.name}" if is_of_pages else url_path(index)
