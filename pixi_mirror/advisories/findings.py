"""Make findings of matches: one for each vulnerability of a release, however many advisories describe it; pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from pixi_mirror.advisories.osv import Advisory, Affected
from pixi_mirror.advisories.ranges import RangeVerdict, fixes, in_order
from pixi_mirror.advisories.severity import Severity, highest
from pixi_mirror.mirror.contents import ListedPackage
from pixi_mirror.model.packages import Kind, Target

_PREFERRED = ("CVE-", "GHSA-", "PYSEC-")
"""By which of its names a vulnerability is called: the one that most tools know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """An advisory that is about a release in a mirror."""

    advisory: Advisory
    affected: Affected
    version: str
    verdict: RangeVerdict
    files: Sequence[ListedPackage]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A vulnerability of one release: of all files of it that are of one kind."""

    names: tuple[str, ...]
    """All names of the vulnerability, the one by which it is called first."""
    advisories: tuple[str, ...]
    """Ids of the advisories that say so."""
    kind: Kind
    package: str
    """The name of the conda package, or of the project."""
    project: str
    """The project of PyPI, normalised."""
    version: str
    severity: Severity
    summary: str
    fixed: tuple[str, ...]
    """Later versions in which it is fixed, the nearest first; empty: none is known."""
    is_decided: bool
    """Whether the versions could be compared; if not, nobody knows, and it stays a finding."""
    files: tuple[ListedPackage, ...]

    @property
    def targets(self) -> tuple[Target, ...]:
        """Who wants it."""
        return tuple(dict.fromkeys(target for each in self.files for target in each.targets))


def findings_of(matches: Iterable[Match]) -> tuple[Finding, ...]:
    """The findings, the worst first, then by package."""
    by_release: dict[tuple[Kind, str, str, str], list[Match]] = {}
    files: dict[tuple[Kind, str, str, str], dict[str, ListedPackage]] = {}
    for match in matches:
        for each in match.files:
            package = each.package
            release = (package.kind, package.name, match.affected.project, match.version)
            if not (known := by_release.setdefault(release, [])) or known[-1] is not match:
                known.append(match)
            files.setdefault(release, {})[package.path] = each
    found = [
        _finding(release, group, tuple(files[release].values()))
        for release, of_release in by_release.items()
        for group in _groups(of_release)
    ]
    return tuple(
        sorted(found, key=lambda each: (-each.severity.rank, each.package, each.version, each.names, each.kind))
    )


def _groups(matches: Iterable[Match]) -> Iterator[list[Match]]:
    """The matches, those together whose advisories share a name, also by way of another one."""
    groups: list[tuple[set[str], list[Match]]] = []
    for match in matches:
        names, members = {match.advisory.id, *match.advisory.aliases}, [match]
        apart = []
        for each in groups:
            if names.isdisjoint(each[0]):
                apart.append(each)
            else:
                names |= each[0]
                members = [*each[1], *members]
        groups = [*apart, (names, members)]
    return (members for _, members in groups)


def _finding(release: tuple[Kind, str, str, str], group: Sequence[Match], files: tuple[ListedPackage, ...]) -> Finding:
    kind, package, project, version = release
    decided = [match for match in group if match.verdict is RangeVerdict.AFFECTED] or group
    names = {name for match in group for name in (match.advisory.id, *match.advisory.aliases)}
    fixed = {text for match in group for text in fixes(version, match.affected)}
    return Finding(
        names=tuple(sorted(names, key=_preference)),
        advisories=tuple(sorted({match.advisory.id for match in group})),
        kind=kind,
        package=package,
        project=project,
        version=version,
        severity=highest(each for match in group for each in (match.affected.severity, match.advisory.severity)),
        summary=next((match.advisory.summary for match in decided if match.advisory.summary), ""),
        fixed=in_order(fixed),
        is_decided=any(match.verdict is RangeVerdict.AFFECTED for match in group),
        files=files,
    )


def _preference(name: str) -> tuple[int, str]:
    place = next((number for number, prefix in enumerate(_PREFERRED) if name.startswith(prefix)), len(_PREFERRED))
    return place, name
