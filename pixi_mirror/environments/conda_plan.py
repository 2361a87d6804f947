"""Decide, before anything is written, where every file of the conda packages of an environment goes.

Where two packages bring the same path, the file of one of them stays there; that of the other goes to
`__clobbers__/PACKAGE/`, as rattler has it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from pixi_mirror.environments.commands import command_files, launcher_path
from pixi_mirror.environments.conda_archive import CondaArchive, explain_damage
from pixi_mirror.environments.conda_order import ordered
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
