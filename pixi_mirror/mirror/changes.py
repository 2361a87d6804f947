"""Name what changes in a mirror, package by package: what is added, replaced, restored or no longer wanted."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from typing import Literal, TypeAlias

from pixi_mirror.conda.names import split_stem
from pixi_mirror.model.packages import Package, PackageFile
from pixi_mirror.model.values import MirrorPath
from pixi_mirror.pypi.names import is_wheel_name, wheel_name

Effect: TypeAlias = Literal["added", "replaced", "restored", "removed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageName:
    """How a message calls a file of a mirror."""

    name: str
    version: str
    build: str
    place: str
    """The subdir of a conda package, else the kind of the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageChange:
    """One file that comes, is put right, or is wanted no longer."""

    effect: Effect
    """`removed`: no longer wanted; the file stays until it is pruned."""
    path: MirrorPath
    old_path: MirrorPath | None
    """Of the file that it takes the place of."""
    old: PackageName | None
    new: PackageName | None


def name_of(package: Package) -> PackageName:
    """How to call a package."""
    return PackageName(
        name=package.name,
        version=package.version or "",
        build=package.build or "",
        place=package.subdir or package.kind,
    )


def name_of_path(path: MirrorPath) -> PackageName | None:
    """How to call a file of which the path alone is known; None: it is no package."""
    folder, _, file_name = path.rpartition("/")
    if parts := split_stem(file_name):
        return PackageName(name=parts[0], version=parts[1], build=parts[2], place=folder.rpartition("/")[2])
    if is_wheel_name(file_name):
        wheel = wheel_name(file_name)
        return PackageName(name=wheel.name, version=str(wheel.version), build="", place="pypi")
    return None


def package_changes(
    incoming: Iterable[Package], dropped: Iterable[Package], recorded: Mapping[MirrorPath, PackageFile]
) -> tuple[PackageChange, ...]:
    """What happens to the packages of a mirror.

    Args:
        incoming: packages that are to be brought, or to be deferred and are new.
        dropped: packages that were wanted until now.
        recorded: the files that the mirror recorded before.
    """
    found: list[PackageChange] = []
    new: dict[tuple[str, ...], list[Package]] = {}
    old: dict[tuple[str, ...], list[Package]] = {}
    for package in incoming:
        before = recorded.get(package.path)
        if before is None:
            new.setdefault(_slot(package), []).append(package)
        else:
            effect: Effect = "restored" if package.sha256 in (None, before.sha256) else "replaced"
            found.append(_change(effect, package, package if effect == "replaced" else None))
    for package in dropped:
        old.setdefault(_slot(package), []).append(package)
    for slot in {**new, **old}:
        pairs = zip_longest(*(sorted(each.get(slot, ()), key=lambda package: package.path) for each in (new, old)))
        for comes, goes in pairs:
            found.append(_change("replaced" if comes and goes else "added" if comes else "removed", comes, goes))
    return tuple(sorted(found, key=lambda change: (change.path, change.effect)))


def _slot(package: Package) -> tuple[str, ...]:
    """Where one version of a package takes the place of another."""
    channel = package.path.rpartition("/")[0] if package.kind == "conda" else ""
    return package.kind, package.name, channel


def _change(effect: Effect, comes: Package | None, goes: Package | None) -> PackageChange:
    package = comes or goes
    assert package is not None  # noqa: S101 - a change is of something
    return PackageChange(
        effect=effect,
        path=package.path,
        old_path=None if goes is None else goes.path,
        old=None if goes is None else name_of(goes),
        new=None if comes is None else name_of(comes),
    )
