"""Decide, before anything is written, where every file of the conda packages of an environment goes.

Where two packages bring the same path, the file of one of them stays there; that of the other goes to
`__clobbers__/PACKAGE/`, as rattler has it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from pixi_mirror.environments.commands import command_files, launcher_path
from pixi_mirror.environments.conda_archive import CondaArchive, explain_damage
from pixi_mirror.environments.conda_paths import PackagePaths
from pixi_mirror.environments.prefix import Prefix

CLOBBERED = "__clobbers__"
RECORDS = "conda-meta"
"""The folder by which everybody knows a conda environment."""


class PlannedPackage(NamedTuple):
    """A package and where its files go."""

    archive: CondaArchive
    paths: PackagePaths
    moved: dict[str, str]
    """Path in the prefix -> where the file goes in its stead, because another package has that path."""

    def place_of(self, path: str) -> str:
        """Return where a file goes that belongs at `path`."""
        return self.moved.get(path, path)


def plan_packages(packages: Sequence[tuple[CondaArchive, PackagePaths]], prefix: Prefix) -> list[PlannedPackage]:
    """Return the packages in the order given, each with where its files go.

    Raises:
        WrongBytesError: a package contradicts itself, or brings what is written afterwards.
    """
    claims = _Claims({f"{RECORDS}/{archive.stem}.json" for archive, _ in packages} | {f"{RECORDS}/history"})
    launcher = launcher_path(prefix)
    has_launcher = any(row.path == launcher for _, paths in packages for row in paths.rows)
    order = ordered([archive.record for archive, _ in packages])
    planned = {}
    # The last one in the order has the first choice.
    for number in reversed(order):
        archive, paths = packages[number]
        with explain_damage(archive.file_name):
            moved = claims.add(archive.name, _places(paths, prefix, has_launcher=has_launcher))
        planned[number] = PlannedPackage(archive, paths, moved)
    return [planned[number] for number in range(len(packages))]


def _places(paths: PackagePaths, prefix: Prefix, *, has_launcher: bool) -> list[str]:
    found = [row.path for row in paths.rows if row.kind != "folder"]
    for point in paths.commands:
        assert prefix.python is not None  # noqa: S101 - `package_paths` has looked
        program, launcher = prefix.python.program, b"" if has_launcher else None
        found += [each.path for each in command_files(point, prefix, program=program, launcher=launcher)]
    return found


class _Claims:
    """Which package has which path."""

    def __init__(self, reserved: set[str]) -> None:
        self._reserved = reserved
        self._files: dict[str, str] = {}
        """Path -> package."""
        self._folders: dict[str, str] = {"": ""}
        """Path -> the first package that brings something below it."""

    def add(self, name: str, paths: list[str]) -> dict[str, str]:
        """Claim paths for a package; those that others have, and where its files go in their stead.

        Raises:
            ValueError: the package has something below one of its own files, or what is written afterwards.
        """
        moved = {}
        for path in paths:
            if path in self._reserved:
                raise ValueError(f"it brings {path}, which is written for every environment")
            other = self._holder(path)
            if other is None or (other == name and path in self._files):
                self._claim(path, name)
                continue
            if other == name:
                raise ValueError(f"it has {path} as a file or a link, and something below it")
            moved[path] = f"{CLOBBERED}/{name}/{path}"
        for place in moved.values():
            if self._holder(place) is not None:
                raise ValueError(f"the place for its second copy, {place}, is taken")
            self._claim(place, name)
        return moved

    def _holder(self, path: str) -> str | None:
        """The package that has a path, one above it or something below it; None: nobody."""
        if path in self._files:
            return self._files[path]
        if path in self._folders:
            return self._folders[path]
        folder = path.rpartition("/")[0]
        while folder not in self._folders:
            if folder in self._files:
                return self._files[folder]
            folder = folder.rpartition("/")[0]
        return None

    def _claim(self, path: str, name: str) -> None:
        self._files[path] = name
        folder = path.rpartition("/")[0]
        while folder not in self._folders:
            self._folders[folder] = name
            folder = folder.rpartition("/")[0]


_NAME = re.compile(r"[^\s=<>!~\[;,]+")


class _Node(NamedTuple):
    depends: tuple[str, ...]
    """Names, sorted, of packages that are there."""
    is_noarch: bool


def ordered(records: Sequence[dict[str, Any]]) -> list[int]:
    """Return the positions of the records in that order.

    Of a package and one that depends on it in a circle, such as python and pip, the one for a platform does without
    the one for all.
    """
    positions = {str(record["name"]).lower(): number for number, record in enumerate(records)}
    nodes = {name: _node(records[number], positions) for name, number in positions.items()}
    kept = {name: _without_circles(name, nodes) for name in nodes}
    needed = {each for depends in kept.values() for each in depends}
    roots = sorted(name for name in nodes if name not in needed)
    found: dict[str, None] = {}
    # What is left when no root reaches it depends on each other in a circle.
    for start in (roots, sorted(nodes, reverse=True)):
        _visit(start, kept, found)
    return [positions[name] for name in found]


def _node(record: dict[str, Any], known: dict[str, int]) -> _Node:
    names = {found[0].lower() for spec in record.get("depends") or () if (found := _NAME.match(str(spec).strip()))}
    return _Node(tuple(sorted(names & known.keys())), bool(record.get("noarch")))


def _without_circles(name: str, nodes: dict[str, _Node]) -> tuple[str, ...]:
    node = nodes[name]
    if node.is_noarch:
        return node.depends
    return tuple(each for each in node.depends if not (nodes[each].is_noarch and _reaches(each, name, nodes)))


def _reaches(start: str, end: str, nodes: dict[str, _Node]) -> bool:
    seen, waiting = {start}, [start]
    while waiting:
        for each in nodes[waiting.pop()].depends:
            if each == end:
                return True
            if each not in seen:
                seen.add(each)
                waiting.append(each)
    return False


def _visit(roots: list[str], kept: dict[str, tuple[str, ...]], found: dict[str, None]) -> None:
    """Add the names that the roots reach, each after those that it depends on; the last root comes first."""
    entered = set(found)
    waiting = [(name, False) for name in roots]
    while waiting:
        name, is_done = waiting.pop()
        if is_done:
            found[name] = None
        elif name not in entered:
            entered.add(name)
            waiting.append((name, True))
            waiting += [(each, False) for each in kept[name]]
