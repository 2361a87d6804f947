"""Say whether what environments are locked to fits together: every `depends` met, no `constrains` broken."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from pixi_mirror.conda.closure import unmet
from pixi_mirror.model.packages import Cell, Package, Snapshot
from pixi_mirror.model.values import MirrorPath


@dataclass(frozen=True, slots=True, kw_only=True)
class Misfit:
    """A demand of a locked package that its environment does not meet."""

    workspace: str
    environment: str
    platform: str
    path: MirrorPath
    """Of the package whose record makes the demand."""
    problem: str
    """What it asks for and what there is, in the words of pixi's solver."""


def misfits(snapshots: Iterable[Snapshot], packages: Mapping[MirrorPath, Package]) -> tuple[Misfit, ...]:
    """Every demand that is not met in an environment of the snapshots, on each platform that it is locked for.

    `packages` have the records as the mirror's indexes show them. A lock holds what its solver chose, so that what
    does not fit was made so upstream, by a hotfix or by hand, or was left out of the mirror on purpose. What packages
    ask of the machine (`__glibc`) is judged where the lock says what it was solved for.
    """
    return tuple(
        Misfit(
            workspace=snapshot.workspace,
            environment=cell.environment,
            platform=cell.platform,
            path=path,
            problem=problem,
        )
        for snapshot in snapshots
        for cell in snapshot.cells
        for path, problem in _of_cell(cell, packages)
    )


def _of_cell(cell: Cell, packages: Mapping[MirrorPath, Package]) -> Iterator[tuple[MirrorPath, str]]:
    # What only serves to build source packages is in prefixes of their own, of which the lock says no more.
    paths = {*cell.packages} - {*cell.build_packages}
    installed = [packages[path] for path in sorted(paths) if path in packages and packages[path].kind == "conda"]
    for each in unmet([_record(package) for package in installed], virtual=cell.virtual_packages):
        yield installed[each.number].path, each.text


def _record(package: Package) -> Mapping[str, object]:
    """Its record, of which only what the closure asks for is sure to be there."""
    return {**package.record, "name": package.name, "version": package.version, "build": package.build}
