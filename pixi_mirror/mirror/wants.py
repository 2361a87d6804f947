"""Say why a package is in a mirror: which locks, environments and platforms want it, and what needs it there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pixi_mirror.mirror.contents import State, known_packages, state_of
from pixi_mirror.mirror.plan import pinned
from pixi_mirror.mirror.requirements_graph import Dependant, RequirementsGraph
from pixi_mirror.mirror.tree import Tree, open_mirror
from pixi_mirror.model.packages import Cell, Package, Snapshot
from pixi_mirror.model.values import MirrorPath
from pixi_mirror.pypi.metadata import metadata_beside
from pixi_mirror.pypi.names import canonical_name
from pixi_mirror.suggest import similar

_GUESSES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownPackage:
    """One file of the package."""

    package: Package
    state: State


@dataclass(frozen=True, slots=True, kw_only=True)
class Want:
    """One environment on one platform that has the package."""

    workspace: str
    lock: str | None
    """The path of its lock; None: this machine does not know it."""
    environment: str | None
    """None: it is needed to build the sdists of the lock, whatever the environment."""
    platform: str | None
    package: Package
    is_build: bool
    """Whether it only serves to build something."""
    dependants: tuple[Dependant, ...]
    """Who needs it there, by name."""
    chain: tuple[Package, ...]
    """From a package that nothing else needs to this one; empty: there is none, or it is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wants:
    """Why the packages of one name are in a mirror."""

    mirror: Path
    name: str
    packages: tuple[KnownPackage, ...]
    """Ordered by version and path; empty: the mirror has none of that name."""
    wants: tuple[Want, ...]
    """In the order of subscriptions, environments and platforms."""
    similar: tuple[str, ...]
    """Names that may have been meant, where there is none of that name."""


def find_wants(mirror: Path, name: str) -> Wants:
    """Who wants the packages of a name.

    Args:
        mirror: its directory.
        name: of a conda package, or of a project in any spelling.

    Raises:
        MachineError: there is no mirror, or it cannot be read.
    """
    tree = open_mirror(mirror)
    inventory = tree.inventory
    known = {**inventory.kept, **known_packages(inventory)}
    named = _matcher(name)
    found = [
        KnownPackage(package=pinned(package, inventory.stored_at(path)), state=state_of(inventory, path))
        for path, package in known.items()
        if named(package)
    ]
    found.sort(key=lambda each: (each.package.version, each.package.path))
    return Wants(
        mirror=mirror,
        name=name,
        packages=tuple(found),
        wants=tuple(_wants(tree, frozenset(each.package.path for each in found))) if found else (),
        similar=() if found else similar(name, {package.name for package in known.values()}, at_most=_GUESSES),
    )


def _matcher(name: str) -> Callable[[Package], bool]:
    conda, project = name.lower(), canonical_name(name)

    def named(package: Package) -> bool:
        if package.kind == "attestations":
            return False
        return package.name == (conda if package.kind == "conda" else project)

    return named


def _wants(tree: Tree, paths: frozenset[MirrorPath]) -> Iterator[Want]:
    requirements = _requirements_reader(tree)
    for snapshot in tree.inventory.followed:
        packages = {package.path: package for package in snapshot.wanted}
        lock = tree.state.locks.get(snapshot.id)
        for cell in snapshot.cells:
            chosen = [packages[path] for path in cell.packages if path in paths]
            if chosen:
                yield from _of_cell(snapshot, lock, cell, chosen, packages=packages, requirements=requirements)
        for tool in snapshot.tools:
            if tool.path in paths:
                yield Want(
                    workspace=snapshot.workspace,
                    lock=lock,
                    environment=None,
                    platform=None,
                    package=tool,
                    is_build=True,
                    dependants=(),
                    chain=(),
                )


def _of_cell(
    snapshot: Snapshot,
    lock: str | None,
    cell: Cell,
    chosen: list[Package],
    *,
    packages: Mapping[MirrorPath, Package],
    requirements: Callable[[MirrorPath], tuple[str, ...]],
) -> Iterator[Want]:
    building = frozenset(cell.build_packages)

    @cache
    def graph(*, is_build: bool) -> RequirementsGraph:
        members = [packages[path] for path in cell.packages if (path in building) == is_build]
        return RequirementsGraph(members, subdir=cell.subdir, requirements=requirements)

    for package in chosen:
        is_build = package.path in building
        of_its_own = graph(is_build=is_build)
        yield Want(
            workspace=snapshot.workspace,
            lock=lock,
            environment=cell.environment,
            platform=cell.platform,
            package=package,
            is_build=is_build,
            dependants=of_its_own.dependants(package),
            chain=of_its_own.chain(package),
        )


def _requirements_reader(tree: Tree) -> Callable[[MirrorPath], tuple[str, ...]]:
    """What reads the requirement lines of a wheel from the metadata beside it; of an sdist nothing is known."""

    @cache
    def requirements(path: MirrorPath) -> tuple[str, ...]:
        listing = tree.inventory.listings.get(path)
        if listing is None or listing.metadata is None or not path.endswith(".whl"):
            return ()
        metadata = metadata_beside(path, tree.read)
        return () if metadata is None else metadata.requires_dist

    return requirements
