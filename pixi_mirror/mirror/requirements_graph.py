"""Which packages of one environment need which others, by their records and the metadata of their wheels."""

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from pixi_mirror.lockfile.fields import Malformed
from pixi_mirror.lockfile.formats.python_platforms import marker_evaluator, python_environments
from pixi_mirror.model.packages import Package
from pixi_mirror.model.values import MirrorPath
from pixi_mirror.pypi.names import projects_in_purls
from pixi_mirror.pypi.requirements import extras_of, marker_of, required_name

_SPEC_NAME = re.compile(r"(?:[^\s\[]*::)?([A-Za-z0-9_][A-Za-z0-9_.-]*)")
"""The name in a match spec, behind the channel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependant:
    """A package that needs another one."""

    package: Package
    requirement: str
    """As its record or its metadata have it."""


class RequirementsGraph:
    """The packages of one environment on one platform, with who needs whom."""

    def __init__(
        self, packages: Iterable[Package], *, subdir: str, requirements: Callable[[MirrorPath], tuple[str, ...]]
    ) -> None:
        """Read what each package needs.

        Args:
            packages: of the environment.
            subdir: of its platform.
            requirements: gives the requirement lines (PEP 508) of a PyPI file, none if they are not known.
        """
        packages = tuple(packages)
        self._dependants: dict[MirrorPath, list[Dependant]] = {}
        conda = [package for package in packages if package.kind == "conda"]
        named = _by_name((package.name, package) for package in conda)
        for package in conda:
            for spec in package.record.get("depends") or ():
                if (name := name_of_spec(spec)) is not None:
                    self._add(named.get(name, ()), package, spec)
        self._add_python(packages, conda, subdir, requirements)

    def _add_python(
        self,
        packages: Iterable[Package],
        conda: Iterable[Package],
        subdir: str,
        requirements: Callable[[MirrorPath], tuple[str, ...]],
    ) -> None:
        wheels = [package for package in packages if package.kind in ("pypi", "git")]
        if not wheels:
            return
        projects = _by_name(
            (
                *((package.name, package) for package in wheels),
                *((project, package) for package in conda for project in _projects(package)),
            )
        )
        lines = {package.path: requirements(package.path) for package in wheels}
        python = next((package.version for package in conda if package.name == "python"), None)
        holds = _evaluator(python, subdir, _wanted_extras(lines.values()))
        for package in wheels:
            for line in lines[package.path]:
                needed = projects.get(required_name(line), ())
                if needed and holds(line, package.name):
                    self._add(needed, package, line)

    def _add(self, needed: Iterable[Package], dependant: Package, requirement: str) -> None:
        for each in needed:
            if each.path != dependant.path:
                found = self._dependants.setdefault(each.path, [])
                found.append(Dependant(package=dependant, requirement=requirement))

    def dependants(self, package: Package) -> tuple[Dependant, ...]:
        """Who needs a package, by name."""
        found = self._dependants.get(package.path, ())
        return tuple(sorted(found, key=lambda each: (each.package.name, each.package.path, each.requirement)))

    def chain(self, package: Package) -> tuple[Package, ...]:
        """The shortest way to a package from one that nothing else needs, this one first.

        Empty: those that need it need each other in a circle, and nothing stands outside of it.
        """
        came_from: dict[MirrorPath, Package | None] = {package.path: None}
        waiting = deque([package])
        while waiting:
            each = waiting.popleft()
            dependants = self.dependants(each)
            if not dependants:
                return tuple(_back(each, came_from))
            for dependant in dependants:
                if dependant.package.path not in came_from:
                    came_from[dependant.package.path] = each
                    waiting.append(dependant.package)
        return ()


def name_of_spec(spec: str) -> str | None:
    """The name of the conda package that a dependency of a record needs; None: it names none."""
    found = _SPEC_NAME.match(spec)
    return None if found is None else found[1].lower()


def _by_name(pairs: Iterable[tuple[str, Package]]) -> Mapping[str, list[Package]]:
    found: dict[str, list[Package]] = {}
    for name, package in pairs:
        found.setdefault(name, []).append(package)
    return found


def _back(package: Package | None, came_from: Mapping[MirrorPath, Package | None]) -> Iterator[Package]:
    while package is not None:
        yield package
        package = came_from[package.path]


def _projects(package: Package) -> list[str]:
    """The projects of PyPI that a conda package stands for; its own name where the record does not say."""
    purls = package.record.get("purls")
    return [package.name] if purls is None else projects_in_purls(purls)


def _wanted_extras(lines: Iterable[tuple[str, ...]]) -> Mapping[str, set[str]]:
    """The extras of each project that another one asks for."""
    found: dict[str, set[str]] = {}
    for line in (line for of_one in lines for line in of_one if "[" in line):
        found.setdefault(required_name(line), set()).update(extras_of(line))
    return found


def _evaluator(python: str | None, subdir: str, extras: Mapping[str, set[str]]) -> Callable[[str, str], bool]:
    """What says whether a requirement line of a project counts in the environment; one that is in doubt does."""
    holds = marker_evaluator(python_environments(None) if python is None else (python,))

    def counts(line: str, project: str) -> bool:
        marker = marker_of(line)
        if marker is None:
            return True
        chosen = ("", *sorted(extras.get(project, ())))
        try:
            return any(holds(marker, subdir, (("extra", extra),)) for extra in chosen)
        except (Malformed, KeyError):  # a platform that Python's markers do not know
            return True

    return counts
