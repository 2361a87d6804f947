"""Write a `pixi.lock` of what a mirror holds for one workspace, so that pixi-policy can judge it anywhere."""

from collections.abc import Iterator, Mapping

from pixi_mirror.git.package import repository_url
from pixi_mirror.lockfile.writer import (
    CondaLockEntry,
    LockDescription,
    LockEntry,
    LockEnvironment,
    LockPlatform,
    PypiLockEntry,
    lock_text,
)
from pixi_mirror.model.packages import Cell, Package, Snapshot
from pixi_mirror.model.values import MirrorPath

_REMOTE = ("http://", "https://", "s3://")
_PARTS = 3
"""Of the name of a conda package's file: name, version, build."""


def lock_of_snapshot(snapshot: Snapshot) -> str:
    """The text of a lock of version 7 with the environments and platforms that are mirrored.

    What only serves to build is left out, and so is what comes from this machine: a lock names it by a path that no
    mirror records.
    """
    packages = {package.path: package for package in snapshot.packages}
    names = dict.fromkeys(cell.environment for cell in snapshot.cells)
    platforms = {cell.platform: LockPlatform(name=cell.platform, subdir=cell.subdir) for cell in snapshot.cells}
    environments = {
        name: _environment([c for c in snapshot.cells if c.environment == name], packages) for name in names
    }
    return lock_text(LockDescription(environments=environments, platforms=tuple(platforms.values()), version=7))


def _environment(cells: list[Cell], packages: Mapping[MirrorPath, Package]) -> LockEnvironment:
    channels = dict.fromkeys(channel.url for cell in cells for channel in cell.channels)
    installed = {cell.platform: tuple(_entries(cell, packages)) for cell in cells}
    indexes = dict.fromkeys(
        url for cell in cells for path in cell.packages for url in packages[path].record.get("indexes", ())
    )
    return LockEnvironment(channels=tuple(channels), packages=installed, indexes=tuple(indexes))


def _entries(cell: Cell, packages: Mapping[MirrorPath, Package]) -> Iterator[LockEntry]:
    builds = {*cell.build_packages}
    for path in cell.packages:
        package = packages[path]
        url = package.url.stripped
        match package.kind:
            case "conda" if path not in builds and url.startswith(_REMOTE) and _is_named_as_usual(package):
                yield CondaLockEntry(url=url, record=package.record)
            case "pypi" if path not in builds and url.startswith(_REMOTE):
                index = next(iter(package.record.get("indexes", ())), None)
                yield PypiLockEntry(
                    url=url, name=package.name, version=package.version, sha256=package.sha256, index=index
                )
            case "git" if path not in builds:
                yield PypiLockEntry(url=f"git+{repository_url(package)}#{package.version}", name=package.name)
            case _:
                pass


def _is_named_as_usual(package: Package) -> bool:
    """Whether the file is called NAME-VERSION-BUILD, from which the format derives the three."""
    return len(package.path.rpartition("/")[2].rsplit("-", _PARTS - 1)) == _PARTS
