"""Find what the records of one environment require and do not get, in the words of pixi's solver; pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from pixi_mirror.conda.matchspec import MatchSpec
from pixi_mirror.conda.version import CondaVersion
from pixi_mirror.conda.virtual_packages import read_virtual_package
from pixi_mirror.model.packages import Cell, Package, Snapshot
from pixi_mirror.model.values import Json, MirrorPath

_VIRTUAL = "__"
"""What the names of packages that stand for the machine begin with."""
_KINDS: tuple[Literal["depends", "constrains"], ...] = ("depends", "constrains")


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmet:
    """One demand of one package that the others of its environment do not meet."""

    number: int
    """Where its record stands among those that were judged, from 0."""
    kind: Literal["depends", "constrains"]
    package: str
    """Whose demand: `NAME=VERSION=BUILD`."""
    spec: str
    """The demand as the record has it."""
    violator: str | None
    """The package that breaks a constraint, `NAME=VERSION=BUILD`; None: a dependency is missing."""

    @property
    def text(self) -> str:
        """The sentence that pixi-pack says, and `PackageRecord.validate` of py-rattler."""
        if self.violator is None:
            return f"package '{self.package}' has dependency '{self.spec}', which is not in the environment"
        return (
            f"package '{self.package}' has constraint '{self.spec}', which is not satisfied by '{self.violator}' in "
            "the environment"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Unjudged:
    """One demand of one package that could not be judged."""

    number: int
    """Where its record stands among those that were judged, from 0."""
    package: str
    """Whose demand: `NAME=VERSION=BUILD`."""
    spec: str
    """The demand as the record has it."""
    reason: str

    @property
    def text(self) -> str:
        """The whole in one sentence."""
        return f"package '{self.package}' asks for '{self.spec}', which was not judged: {self.reason}"


@dataclass(frozen=True, slots=True)
class _Present:
    """A package that is in the environment, or a virtual one."""

    record: Mapping[str, Json]
    label: str
    version: CondaVersion | None
    """None: its record has no valid one."""


def unmet(records: Iterable[Mapping[str, Json]], *, virtual: Iterable[str] = ()) -> tuple[Unmet, ...]:
    """Every `depends` that no record meets and every `constrains` that one breaks, in the order of the records.

    `virtual` are the virtual packages that are known, as `__glibc=2.28`, as a lock has them; dependencies on others
    are skipped, as are those of `unjudged`. A record needs `name`, `version` and `build`.
    """
    return tuple(found for found in _judged(records, virtual) if isinstance(found, Unmet))


def unjudged(records: Iterable[Mapping[str, Json]]) -> tuple[Unjudged, ...]:
    """Every `depends` and `constrains` that has a condition, is no spec or would take too long, in their order."""
    return tuple(found for found in _judged(records, ()) if isinstance(found, Unjudged))


def _judged(records: Iterable[Mapping[str, Json]], virtual: Iterable[str]) -> Iterator[Unmet | Unjudged]:
    packages = [_present(record) for record in records]
    named: dict[str, list[_Present]] = {}
    for package in (*packages, *map(_virtual, virtual)):
        named.setdefault(package.record["name"].lower(), []).append(package)
    for number, package in enumerate(packages):
        for kind in _KINDS:
            for text in package.record.get(kind) or ():
                yield from _broken(number, package.label, kind, text, named)


def _broken(
    number: int, label: str, kind: Literal["depends", "constrains"], text: str, named: Mapping[str, list[_Present]]
) -> Iterator[Unmet | Unjudged]:
    """What is wrong with one demand: nothing, mostly."""
    try:
        spec = MatchSpec.parse(text)
        # The condition may be about something that is no package, so the demand is left open.
        reason = None if spec.condition is None else f"it holds only if {spec.condition}"
        broken = [] if reason else list(_breakers(spec, kind, named.get(spec.name, [])))
    except ValueError as error:
        broken, reason = [], str(error)
    if reason is not None:
        yield Unjudged(number=number, package=label, spec=text, reason=reason)
    for violator in broken:
        yield Unmet(number=number, kind=kind, package=label, spec=text, violator=violator)


def _breakers(
    spec: MatchSpec, kind: Literal["depends", "constrains"], candidates: list[_Present]
) -> Iterator[str | None]:
    """The packages that break a constraint; None for a dependency that no candidate meets."""
    if kind == "constrains":
        yield from (each.label for each in candidates if not _meets(spec, each))
        return
    is_unknown = spec.name.startswith(_VIRTUAL) and not candidates
    if not is_unknown and not any(_meets(spec, each) for each in candidates):
        yield None


def _meets(spec: MatchSpec, package: _Present) -> bool:
    record = package.record
    return package.version is not None and spec.matches(
        name=record["name"],
        version=package.version,
        build=record["build"],
        build_number=record.get("build_number"),
        record=record,
    )


def _present(record: Mapping[str, Json]) -> _Present:
    try:
        version = CondaVersion.parse(record["version"])
    except ValueError:
        version = None
    return _Present(record, f"{record['name']}={record['version']}={record['build']}", version)


def _virtual(text: str) -> _Present:
    package = read_virtual_package(text)
    return _present({"name": package.name, "version": package.version, "build": package.build, "build_number": 0})


@dataclass(frozen=True, slots=True, kw_only=True)
class UnmetDependency:
    """A demand of a locked package that its environment does not meet."""

    workspace: str
    environment: str
    platform: str
    path: MirrorPath
    """Of the package whose record makes the demand."""
    problem: str
    """What it requires and what there is, in the words of pixi's solver."""


def unmet_dependencies(
    snapshots: Iterable[Snapshot], packages: Mapping[MirrorPath, Package]
) -> tuple[UnmetDependency, ...]:
    """Every demand that is not met in an environment of the snapshots, on each platform that it is locked for.

    `packages` have the records as the mirror's indexes show them. A lock holds what its solver chose, so that what
    does not fit was made so upstream, by a hotfix or by hand, or was left out of the mirror on purpose. What packages
    require of the machine (`__glibc`) is judged where the lock says what it was solved for.
    """
    return tuple(
        UnmetDependency(
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
    """The record of a package, with the keys that the closure needs."""
    return {**package.record, "name": package.name, "version": package.version, "build": package.build}
