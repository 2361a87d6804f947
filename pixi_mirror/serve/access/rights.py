"""Decide whether a right covers a path of a mirror.

A right is a path of the mirror: a channel, an index, or anything below. It lets its owner read what is there, and the
Python files that are listed there, because an index without its files would be of no use. In a segment of a right, `*`
stands for any characters. `/` is everything that locks have brought: what was uploaded is read by those alone who have
a right to it by name, so that no user learns what another team has.
"""

import os
from collections.abc import Callable, Collection, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

from pixi_mirror.disk.files import FileIdentity, identity_of
from pixi_mirror.errors import PixiMirrorError
from pixi_mirror.mirror.tree_view import INVENTORY, TreeView
from pixi_mirror.model.packages import Inventory, Package
from pixi_mirror.model.values import MirrorPath, admit_path
from pixi_mirror.paths import METRICS
from pixi_mirror.pypi.index_urls import index_of
from pixi_mirror.pypi.simple import METADATA, PAGE_HTML, PAGE_JSON, PROVENANCE, SIMPLE

EVERYTHING = MirrorPath("/")
"""The right to read all that is not hosted."""
_ANY = "*"
_OF_ALL = frozenset({INVENTORY, METRICS, SIMPLE, f"{SIMPLE}/{PAGE_HTML}", f"{SIMPLE}/{PAGE_JSON}"})
"""What shows something of everything in the mirror."""


class Shown(NamedTuple):
    """Where the contents of a path are listed."""

    pages: Collection[str] = ()
    """The pages that list a Python file, as paths in the mirror; empty: none, or it is no Python file."""
    hosted: Collection[Collection[str]] = ()
    """What of the hosted channels and indexes the path shows: of each group, the right to one path is needed."""


ShownAt = Callable[[str], Shown]


def admit_right(raw: str) -> MirrorPath:
    """Parse a right; slashes around it mean nothing.

    Raises:
        ValueError: it is no path that a mirror can have, or its first segment has a `*`.
    """
    stripped = raw.strip("/")
    if not stripped and raw:
        return EVERYTHING
    if _ANY in stripped.partition("/")[0]:
        raise ValueError(f"{raw!r} begins with a segment that is not spelled out")
    admit_path(stripped.replace(_ANY, "x"))
    return MirrorPath(stripped)


def covers(rights: Collection[MirrorPath], path: str, shown_at: ShownAt) -> bool:
    """Whether one of several rights covers what is at a path; `""` is the root."""
    shown = shown_at(path)
    if shown.hosted:
        return all(any(is_within(each, right) for each in group for right in rights) for group in shown.hosted)
    return any(right == EVERYTHING or is_within(each, right) for each in (path, *shown.pages) for right in rights)


def is_within(path: str, right: str) -> bool:
    """Whether a path is that of a right, or below it."""
    if _ANY not in right:
        return path == right or path.startswith(f"{right}/")
    segments, patterns = path.split("/"), right.split("/")
    return len(segments) >= len(patterns) and all(map(fnmatchcase, segments, patterns))


def touches(rights: Collection[MirrorPath], place: str) -> bool:
    """Whether one of several rights is to a place, to something above it, or to something below it."""
    return any(is_within(place, right) or is_within(right, place) for right in rights if right != EVERYTHING)


class ListingPages:
    """The pages that list the files of the current inventory; many threads may use it."""

    def __init__(self, root: Path) -> None:
        """Note the mirror; nothing is read before the first call."""
        self._root = root
        self._last: tuple[FileIdentity | None, _Listed] = (None, _Listed({}, {}, ()))

    def __call__(self, path: str) -> Shown:
        """Where the contents of a path are listed: of a file, or of the one whose core metadata or provenance it is."""
        return self._listed().shown(path)

    @property
    def hosted_names(self) -> Collection[str]:
        """The hosted channels and indexes of the mirror."""
        return self._listed().hosted_names

    def _listed(self) -> "_Listed":
        try:
            identity = identity_of(os.stat(self._root / INVENTORY))
        except OSError:
            return self._last[1]
        last, listed = self._last
        if last == identity:
            return listed
        try:
            listed = _listed_in(TreeView(self._root).inventory)
        except PixiMirrorError:  # the inventory does not parse; the pages of the last one still hold
            return listed
        self._last = identity, listed
        return listed


class _Listed(NamedTuple):
    """What one version of the inventory says."""

    pages: Mapping[str, tuple[str, ...]]
    """Path of a Python file -> the pages that list it."""
    hosted_pages: Mapping[str, tuple[str, ...]]
    """Page of the merged index -> the pages of hosted indexes with the same project."""
    hosted_names: Collection[str]

    def shown(self, path: str) -> Shown:
        pages = self.pages.get(path.removesuffix(METADATA).removesuffix(PROVENANCE), ())
        first, _, rest = path.partition("/")
        if first in self.hosted_names:
            own = tuple(page for page in pages if is_within(page, first))
            return Shown(hosted=((path, *own),))
        if path in _OF_ALL:
            return Shown(hosted=tuple((name,) for name in sorted(self.hosted_names)))
        project = f"{SIMPLE}/{rest.partition('/')[0]}"
        hosted = self.hosted_pages.get(project, ()) if first == SIMPLE else ()
        return Shown(pages, tuple((page,) for page in hosted))


def _listed_in(inventory: Inventory) -> _Listed:
    pages: dict[str, set[str]] = {}
    for package in (*inventory.wanted, *inventory.kept.values()):
        if package.kind == "pypi":
            pages.setdefault(package.path, set()).update(_pages_of(package, inventory))
    hosted: dict[str, set[str]] = {}
    for snapshot in inventory.hosted:
        for package in snapshot.packages:
            if package.kind == "pypi":
                page = f"{snapshot.workspace}/{SIMPLE}/{package.name}"
                hosted.setdefault(f"{SIMPLE}/{package.name}", set()).add(page)
    return _Listed(_sorted(pages), _sorted(hosted), frozenset(each.workspace for each in inventory.hosted))


def _sorted(found: Mapping[str, Collection[str]]) -> Mapping[str, tuple[str, ...]]:
    return {key: tuple(sorted(values)) for key, values in found.items()}


def _pages_of(package: Package, inventory: Inventory) -> Iterator[str]:
    yield f"{SIMPLE}/{package.name}"
    index = index_of(package, inventory.listings.get(package.path))
    if index is not None and index.path is not None:
        yield index.path if index.is_page_of_links else f"{index.path}/{package.name}"
