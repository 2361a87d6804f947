"""Decide whether a right covers a path of a mirror.

A right is a path of the mirror: a channel, an index, or anything below. It lets its owner read what is there, and the
Python files that are listed there, because an index without its files would be of no use.
"""

import os
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path

from pixi_mirror.disk.files import FileIdentity, identity_of
from pixi_mirror.errors import PixiMirrorError
from pixi_mirror.mirror.tree_view import INVENTORY, TreeView
from pixi_mirror.model.packages import Inventory, Package
from pixi_mirror.model.values import MirrorPath, admit_path
from pixi_mirror.pypi.index_urls import index_of
from pixi_mirror.pypi.simple import METADATA, SIMPLE

ListedAt = Callable[[MirrorPath], Collection[str]]
"""The pages that list a Python file, as paths in the mirror; empty: none, or it is no Python file."""


def admit_right(raw: str) -> MirrorPath:
    """Parse a right; slashes around it mean nothing.

    Raises:
        ValueError: it is no path that a mirror can have.
    """
    return admit_path(raw.strip("/"))


def covers(rights: Collection[MirrorPath], path: str, listed_at: ListedAt) -> bool:
    """Whether one of several rights covers what is at a path."""
    if any(_is_within(path, right) for right in rights):
        return True
    if not path:
        return False
    try:
        pages = listed_at(admit_path(path))
    except ValueError:
        return False
    return any(_is_within(page, right) for page in pages for right in rights)


def _is_within(path: str, right: MirrorPath) -> bool:
    return path == right or path.startswith(f"{right}/")


class ListingPages:
    """The pages that list the files of the current inventory; many threads may use it."""

    def __init__(self, root: Path) -> None:
        """Note the mirror; nothing is read before the first call."""
        self._root = root
        self._last: tuple[FileIdentity | None, Mapping[str, tuple[str, ...]]] = (None, {})

    def __call__(self, path: MirrorPath) -> Collection[str]:
        """The paths of the pages that list a file, or the wheel whose core metadata it is; empty: none does."""
        return self._pages().get(path.removesuffix(METADATA), ())

    def _pages(self) -> Mapping[str, tuple[str, ...]]:
        try:
            identity = identity_of(os.stat(self._root / INVENTORY))
        except OSError:
            return self._last[1]
        last, pages = self._last
        if last == identity:
            return pages
        try:
            pages = dict(_listing_pages(TreeView(self._root).inventory))
        except PixiMirrorError:  # the inventory does not parse; the pages of the last one still hold
            return pages
        self._last = identity, pages
        return pages


def _listing_pages(inventory: Inventory) -> Iterator[tuple[str, tuple[str, ...]]]:
    found: dict[str, set[str]] = {}
    for package in (*inventory.wanted, *inventory.kept.values()):
        if package.kind == "pypi":
            found.setdefault(package.path, set()).update(_pages_of(package, inventory))
    for path, pages in found.items():
        yield path, tuple(pages)


def _pages_of(package: Package, inventory: Inventory) -> Iterator[str]:
    yield f"{SIMPLE}/{package.name}"
    index = index_of(package, inventory.listings.get(package.path))
    if index is not None and index.path is not None:
        yield index.path if index.is_page_of_links else f"{index.path}/{package.name}"
