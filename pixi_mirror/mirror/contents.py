"""List the packages that a mirror holds or lists, filtered, by its inventory alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import translate
from pathlib import Path
from typing import Literal, TypeAlias

from pixi_mirror.errors import WorkspaceError
from pixi_mirror.git.package import repository_url
from pixi_mirror.lockfile.selection import matching_platforms
from pixi_mirror.mirror.plan import pinned
from pixi_mirror.mirror.tree import open_mirror
from pixi_mirror.model.packages import Cell, Channel, Inventory, Kind, Package, Snapshot, Target, home_channel
from pixi_mirror.model.values import MirrorPath
from pixi_mirror.pypi.index_urls import index_of
from pixi_mirror.suggest import suggested

State: TypeAlias = Literal["here", "deferred", "missing", "surplus"]
"""`deferred`: it comes when a client first asks for it; `surplus`: it is here, and no lock wants it any more."""

_SEPARATORS = re.compile(r"[-_.]+")
"""What is one hyphen in the normalised name of a Python project (PEP 503)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentsFilter:
    """Which packages are listed: those that fit one value of each kind that is given."""

    names: tuple[str, ...] = ()
    """Globs."""
    channels: tuple[str, ...] = ()
    """URLs, names as `conda-forge`, or directories in the mirror; conda packages alone have channels."""
    environments: tuple[str, ...] = ()
    platforms: tuple[str, ...] = ()
    """Names of platforms, or subdirs."""
    kinds: tuple[Kind, ...] = ()
    """Empty: all but attestations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedPackage:
    """One file of the mirror's packages."""

    package: Package
    """With the hash and the size of the file, if it is here."""
    origin: str | None
    """URL of the channel, the index or the git repository that it comes from; None: of none."""
    state: State
    targets: tuple[Target, ...]
    """Who wants it, as far as an environment does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedContents:
    """What was listed."""

    mirror: Path
    packages: tuple[ListedPackage, ...]
    """Ordered by name, version and path."""

    @property
    def size(self) -> int:
        """Bytes of the packages that are here."""
        return sum(each.package.size or 0 for each in self.packages if each.state in ("here", "surplus"))


def list_contents(mirror: Path, wanted: ContentsFilter) -> ListedContents:
    """The packages of a mirror that a filter lets through; no file of them is looked at.

    Raises:
        WorkspaceError: no environment, platform or channel of the mirror is as the filter says.
        MachineError: there is no mirror, or it cannot be read.
    """
    return ListedContents(mirror=mirror, packages=filter_contents(open_mirror(mirror).inventory, wanted))


def filter_contents(inventory: Inventory, wanted: ContentsFilter) -> tuple[ListedPackage, ...]:
    """The packages of an inventory that a filter lets through, ordered by name, version and path.

    Raises:
        WorkspaceError: no environment, platform or channel of it is as the filter says.
    """
    packages = {**known_packages(inventory), **inventory.kept}
    targets = _targets(inventory.followed, wanted)
    accepts = _accepts(wanted, packages.values())
    is_chosen = bool(wanted.environments or wanted.platforms)
    found = [
        ListedPackage(
            package=pinned(package, inventory.stored_at(path)),
            origin=_origin(package, inventory),
            state=state_of(inventory, path),
            targets=targets.get(path, ()),
        )
        for path, package in packages.items()
        if accepts(package) and (path in targets or not is_chosen)
    ]
    found.sort(key=lambda each: (each.package.name, each.package.version, each.package.path))
    return tuple(found)


def known_packages(inventory: Inventory) -> dict[MirrorPath, Package]:
    """The packages that the snapshots want, each once; its metadata are those of the first that wants it."""
    found: dict[MirrorPath, Package] = {}
    for package in inventory.wanted:
        found.setdefault(package.path, package)
    return found


def state_of(inventory: Inventory, path: MirrorPath) -> State:
    """What the inventory says of a package."""
    if path in inventory.deferred:
        return "deferred"
    if path in inventory.kept:
        return "surplus"
    return "here" if path in inventory.tree else "missing"


def _targets(snapshots: Iterable[Snapshot], wanted: ContentsFilter) -> Mapping[MirrorPath, tuple[Target, ...]]:
    """Who wants each package, of the environments and platforms that the filter lets through."""
    found: dict[MirrorPath, tuple[Target, ...]] = {}
    for snapshot, cell in choose_cells(snapshots, wanted.environments, wanted.platforms):
        target = Target(workspace=snapshot.workspace, environment=cell.environment, platform=cell.platform)
        for path in cell.packages:
            found[path] = (*found.get(path, ()), target)
    return found


def choose_cells(
    snapshots: Iterable[Snapshot], environments: Collection[str], platforms: Collection[str]
) -> tuple[tuple[Snapshot, Cell], ...]:
    """The environments that a user has chosen, on the chosen platforms.

    Args:
        snapshots: of the mirror.
        environments: their names; empty: all.
        platforms: names of platforms, or subdirs; empty: all.

    Raises:
        WorkspaceError: no snapshot has an environment or a platform of such a name.
    """
    snapshots = tuple(snapshots)
    _refuse_unknown(environments, platforms, [cell for snapshot in snapshots for cell in snapshot.cells])
    return tuple(
        (snapshot, cell)
        for snapshot in snapshots
        for names in (_chosen_platforms(platforms, snapshot.cells),)
        for cell in snapshot.cells
        if cell.platform in names and (not environments or cell.environment in environments)
    )


def _chosen_platforms(platforms: Iterable[str], cells: Iterable[Cell]) -> set[str]:
    subdirs = {cell.platform: cell.subdir for cell in cells}
    if not platforms:
        return {*subdirs}
    return {name for requested in platforms for name in matching_platforms(requested, subdirs)}


def _refuse_unknown(environments: Iterable[str], platforms: Iterable[str], cells: Iterable[Cell]) -> None:
    cells = tuple(cells)
    known_environments = {cell.environment for cell in cells}
    for name in environments:
        if name not in known_environments:
            raise WorkspaceError(
                f"no lock that the mirror follows has the environment {name!r}{suggested(name, known_environments)}."
            )
    subdirs = {cell.platform: cell.subdir for cell in cells}
    for name in platforms:
        if not matching_platforms(name, subdirs):
            known = suggested(name, {*subdirs, *subdirs.values()})
            raise WorkspaceError(f"no lock that the mirror follows has the platform {name!r}{known}.")


def _accepts(wanted: ContentsFilter, packages: Iterable[Package]) -> Callable[[Package], bool]:
    """What says whether name, channel and kind of a package are as the filter says."""
    globs = [_glob(name) for name in wanted.names]
    channels = {*_channels(wanted.channels, packages)}

    def accepts(package: Package) -> bool:
        if package.kind not in wanted.kinds if wanted.kinds else package.kind == "attestations":
            return False
        if globs and not any(glob(package) for glob in globs):
            return False
        return not wanted.channels or home_channel(package) in channels

    return accepts


def _glob(name: str) -> Callable[[Package], bool]:
    """What says whether the name of a package is as a glob says; `_`, `.` and `-` are one in names of projects."""
    of_conda = re.compile(translate(name.lower()))
    of_project = re.compile(translate(_SEPARATORS.sub("-", name.lower())))
    return lambda package: bool((of_project if package.kind == "pypi" else of_conda).match(package.name.lower()))


def _channels(names: Iterable[str], packages: Iterable[Package]) -> Iterator[Channel]:
    known = {channel for package in packages if (channel := home_channel(package)) is not None} if names else set()
    for name in names:
        bare = name.rstrip("/")
        matching = [
            channel for channel in known if bare in (channel.url, channel.path) or channel.url.endswith(f"/{bare}")
        ]
        if not matching:
            raise WorkspaceError(
                f"no package of the mirror comes from a channel {name!r}"
                f"{suggested(name, {channel.path or channel.url for channel in known})}."
            )
        yield from matching


def _origin(package: Package, inventory: Inventory) -> str | None:
    match package.kind:
        case "pypi":
            index = index_of(package, inventory.listings.get(package.path))
            return None if index is None else index.url
        case "git":
            return repository_url(package)
        case _:
            channel = home_channel(package)
            return None if channel is None else channel.url
