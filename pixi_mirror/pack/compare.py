"""Say what an environment lacks of a pack, and what it has that the pack does not hold."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pixi_mirror.disk.files import explain_errors
from pixi_mirror.environments.added_files import owned_paths
from pixi_mirror.environments.conda_archive import CondaArchive
from pixi_mirror.environments.conda_meta import InstalledConda, installed_conda
from pixi_mirror.environments.installed_wheels import InstalledWheel, installed_wheels
from pixi_mirror.environments.prefix import PrefixPython, python_of
from pixi_mirror.environments.wheel_archive import PackedWheel
from pixi_mirror.errors import MachineError
from pixi_mirror.pack.read import OpenedPack


@dataclass(frozen=True, slots=True, kw_only=True)
class PackDifference:
    """What an environment lacks of a pack, and what it has besides."""

    archives: tuple[CondaArchive, ...]
    """Conda packages to be installed."""
    surplus: tuple[InstalledConda, ...]
    """Conda packages to be removed, those that another of their name takes the place of included."""
    wheels: tuple[PackedWheel, ...]
    """Wheels to be installed."""
    stale: tuple[InstalledWheel, ...]
    """Python packages of an earlier pack, to be removed."""
    owned: frozenset[str]
    """The paths in the environment that belong to its packages."""
    is_whole: bool
    """Whether all of these are there."""

    @property
    def is_empty(self) -> bool:
        """Whether the environment is what the pack holds."""
        return self.is_whole and not (self.archives or self.surplus or self.wheels or self.stale)


def compare_environment(pack: OpenedPack, place: Path) -> PackDifference:
    """Return what is to be done to make the environment at a place what a pack holds; it need not be there.

    Raises:
        MachineError: the pack holds what cannot be in one environment, or the environment cannot be read.
    """
    with explain_errors("read", place):
        held = installed_conda(place)
    wanted = {archive.name: archive for archive in pack.archives}
    archives = tuple(each for each in pack.archives if each.name not in held or not held[each.name].is_made_of(each))
    changed = {each.name for each in archives}
    surplus = tuple(each for name, each in sorted(held.items()) if name not in wanted or name in changed)
    python, old = python_in(pack), _held_python(held, pack)
    if pack.wheels and python is None:
        raise MachineError(
            "No python record found. The pack holds wheels, and no Python to install them for: add python to the "
            "dependencies of its environment, and pack it again."
        )
    _refuse_twins(pack.wheels)
    ours = _own_wheels(place, held, old)
    kept = {each.name: each for each in ours if python == old}
    wheels = tuple(each for each in pack.wheels if each.name not in kept or not kept[each.name].is_made_of(each))
    staying = {each.name for each in pack.wheels} - {each.name for each in wheels}
    owned = owned_paths(held.values(), ours)
    return PackDifference(
        archives=archives,
        surplus=surplus,
        wheels=wheels,
        stale=tuple(each for each in ours if each.name not in staying),
        owned=frozenset(owned),
        is_whole=all(os.path.lexists(place / path) for path in owned),
    )


def _own_wheels(place: Path, held: Mapping[str, InstalledConda], python: PrefixPython | None) -> list[InstalledWheel]:
    """The Python packages that came from a pack or a lock, and not with a conda package."""
    if python is None:
        return []
    of_conda = {path.rpartition("/")[0] for each in held.values() for path in each.files if ".dist-info/" in path}
    return [each for each in installed_wheels(place, python) if each.is_ours and each.folder not in of_conda]


def python_in(pack: OpenedPack) -> PrefixPython | None:
    """Return the Python of a pack; None: it has none.

    Raises:
        MachineError: its record is that of no Python.
    """
    record = next((each.record for each in pack.archives if each.name == "python"), None)
    return _described(record["version"], record.get("python_site_packages_path"), pack) if record else None


def _held_python(held: Mapping[str, InstalledConda], pack: OpenedPack) -> PrefixPython | None:
    """The Python that is installed; None: there is none."""
    record = held.get("python")
    return _described(record.version, record.site_packages, pack) if record else None


def _described(version: str, site_packages: str | None, pack: OpenedPack) -> PrefixPython:
    try:
        return python_of(version, site_packages, subdir=pack.metadata.platform)
    except ValueError as error:
        raise MachineError(f"the record of Python cannot be used: {error}. Make the pack again.") from None


def _refuse_twins(wheels: Sequence[PackedWheel]) -> None:
    seen: dict[str, PackedWheel] = {}
    for each in wheels:
        other = seen.setdefault(each.name, each)
        if other is not each:
            raise MachineError(
                f"the pack holds {other.file_name} and {each.file_name}, and an environment can have one package of "
                f"the name {each.name}. Make the pack again, into a new folder, or remove one of them from it."
            )
