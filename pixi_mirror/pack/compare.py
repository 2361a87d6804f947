"""Say what an environment lacks of a pack, and what it has that the pack does not hold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pixi_mirror.environments.distributions import Distribution, Python, distributions, python_of
from pixi_mirror.environments.prefix import Archive, Installed, installed
from pixi_mirror.environments.wheels import Wheel, require_wheel_installer
from pixi_mirror.errors import MachineError
from pixi_mirror.pack.read import Pack


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What an environment lacks of a pack, and what it has besides."""

    archives: tuple[Archive, ...]
    """Conda packages to be installed."""
    surplus: tuple[Installed, ...]
    """Conda packages to be removed, those that another of their name takes the place of included."""
    wheels: tuple[Wheel, ...]
    """Wheels to be installed."""
    stale: tuple[Distribution, ...]
    """Python packages of an earlier pack, to be removed."""
    stale_in: Python | None
    """The Python that these were installed for; None: there is none, and so none of them."""

    @property
    def is_empty(self) -> bool:
        """Whether the environment is what the pack holds."""
        return not (self.archives or self.surplus or self.wheels or self.stale)


def difference(pack: Pack, place: Path) -> Difference:
    """What is to be done to make the environment at a place what a pack holds; it need not be there.

    Raises:
        ProgramError: the pack holds wheels, and there is no library to install them.
        MachineError: the pack holds what cannot be in one environment, or the environment cannot be read.
    """
    held = installed(place)
    wanted = {archive.name: archive for archive in pack.archives}
    archives = tuple(each for each in pack.archives if each.name not in held or not held[each.name].is_made_of(each))
    changed = {each.name for each in archives}
    surplus = tuple(each for name, each in sorted(held.items()) if name not in wanted or name in changed)
    python, old = python_in(pack), _held_python(held, pack)
    if pack.wheels:
        require_wheel_installer()
        if python is None:
            raise MachineError(
                "No python record found. The pack holds wheels, and no Python to install them for: add python to the "
                "dependencies of its environment, and pack it again."
            )
    _refuse_twins(pack.wheels)
    of_conda = {folder for each in held.values() for folder in each.dist_infos}
    ours = [each for each in distributions(place, old) if each.is_ours and each.folder not in of_conda] if old else []
    kept = {each.name: each for each in ours if python == old}
    wheels = tuple(each for each in pack.wheels if not _is_made_of(kept.get(each.name), each))
    staying = {each.name for each in pack.wheels} - {each.name for each in wheels}
    return Difference(
        archives=archives,
        surplus=surplus,
        wheels=wheels,
        stale=tuple(each for each in ours if each.name not in staying),
        stale_in=old,
    )


def _is_made_of(distribution: Distribution | None, wheel: Wheel) -> bool:
    if distribution is None or distribution.version != wheel.version:
        return False
    return distribution.sha256 in (None, wheel.sha256)


def python_in(pack: Pack) -> Python | None:
    """The Python of a pack; None: it has none.

    Raises:
        MachineError: its record is that of no Python.
    """
    record = next((each.record for each in pack.archives if each.name == "python"), None)
    return _told(record["version"], record.get("python_site_packages_path"), pack) if record else None


def _held_python(held: Mapping[str, Installed], pack: Pack) -> Python | None:
    """The Python that is installed; None: there is none."""
    record = held.get("python")
    return _told(record.version, record.site_packages, pack) if record else None


def _told(version: str, site_packages: str | None, pack: Pack) -> Python:
    try:
        return python_of(version, site_packages, subdir=pack.metadata.platform)
    except ValueError as error:
        raise MachineError(f"the record of Python cannot be used: {error}. Make the pack again.") from None


def _refuse_twins(wheels: Sequence[Wheel]) -> None:
    seen: dict[str, Wheel] = {}
    for each in wheels:
        other = seen.setdefault(each.name, each)
        if other is not each:
            raise MachineError(
                f"the pack holds {other.path.name} and {each.path.name}, and an environment can have one package of "
                f"the name {each.name}. Make the pack again, into a new folder, or remove one of them from it."
            )
