"""Match what a mirror holds against the advisories that it carries; no network is used."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pixi_mirror.advisories.carry import HeldDatabase, held_databases
from pixi_mirror.advisories.database import LINES, ZIP, is_zip, lines_of, read_advisories
from pixi_mirror.advisories.findings import Finding, Match, findings_of
from pixi_mirror.advisories.osv import Advisory, read_advisory
from pixi_mirror.advisories.ranges import RangeVerdict, judge
from pixi_mirror.advisories.vex import VexStatement, read_vex
from pixi_mirror.disk.files import explain_errors, read_bytes
from pixi_mirror.errors import MachineError, WorkspaceError
from pixi_mirror.mirror.contents import ContentsFilter, ListedPackage, filter_contents
from pixi_mirror.mirror.tree import Tree, open_mirror
from pixi_mirror.pypi.names import canonical_name
from pixi_mirror.sbom.purl import Purl, package_purl, parse_purl

_LARGEST_VEX = 64 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRequest:
    """What the user asks."""

    mirror: Path
    environments: tuple[str, ...] = ()
    """Look at these only; empty: at everything that the mirror holds."""
    platforms: tuple[str, ...] = ()
    """Names or subdirs, likewise."""
    database: Path | None = None
    """A file or directory of advisories; None: those that the mirror carries."""
    vex: tuple[Path, ...] = ()
    """Documents with what was found out about vulnerabilities."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditResult:
    """What was found."""

    mirror: Path
    databases: tuple[HeldDatabase, ...]
    """Those of the mirror that were read; empty where the user named another."""
    newest: datetime
    """When the advisory that was changed last was changed."""
    advisories: int
    checked: int
    """Package files that are projects of PyPI by their name or purl."""
    unmatched: tuple[ListedPackage, ...]
    """Those that are none as far as is known: nothing is known against them, and nothing for them."""
    findings: tuple[Finding, ...]
    """The worst first."""
    waived: tuple[tuple[Finding, VexStatement], ...]
    unused: tuple[VexStatement, ...]
    """Statements that would have waived something, and nothing was found that they are about."""
    unreasoned: tuple[VexStatement, ...]
    """Statements that say `not_affected` without a reason: they waive nothing."""


def audit(request: AuditRequest) -> AuditResult:
    """Match the packages of a mirror against advisories.

    Raises:
        WorkspaceError: the mirror carries no advisories, or has no environment or platform of such a name.
        MachineError: there is no mirror, or a database or document is damaged or cannot be read.
    """
    tree = open_mirror(request.mirror)
    wanted = ContentsFilter(environments=request.environments, platforms=request.platforms)
    packages = filter_contents(tree.inventory, wanted)
    statements = [statement for path in request.vex for statement in _statements(path)]
    databases = () if request.database is not None else held_databases(tree)
    if request.database is None and not databases:
        raise WorkspaceError(
            f"{request.mirror} carries no advisories, so nothing is known against its packages. Bring some with "
            "`pixi-mirror advisories update --from URL`, or name a database with --database."
        )
    lookup = _Lookup(packages)
    source = _of_file(request.database) if request.database is not None else _of_mirror(tree, databases)
    for advisory in source:
        lookup.take(advisory)
    if lookup.newest is None:
        raise MachineError(f"{request.database} has no advisory in it.")
    found, waived, unused = _waive(findings_of(lookup.matches), statements)
    return AuditResult(
        mirror=request.mirror,
        databases=databases,
        newest=lookup.newest,
        advisories=lookup.count,
        checked=lookup.checked,
        unmatched=tuple(lookup.unmatched),
        findings=found,
        waived=waived,
        unused=unused,
        unreasoned=tuple(each for each in statements if each.status == "not_affected" and not each.waives),
    )


class _Lookup:
    """The packages of a mirror by project, and the advisories that are about them."""

    def __init__(self, packages: Iterable[ListedPackage]) -> None:
        self.unmatched: list[ListedPackage] = []
        self.checked = self.count = 0
        self.newest: datetime | None = None
        self.matches: list[Match] = []
        self._files: dict[str, dict[str, list[ListedPackage]]] = {}
        for each in packages:
            releases = set(_releases(each))
            self.checked += bool(releases)
            if not releases:
                self.unmatched.append(each)
            for project, version in releases:
                self._files.setdefault(project, {}).setdefault(version, []).append(each)

    def take(self, advisory: Advisory) -> None:
        self.count += 1
        self.newest = advisory.modified if self.newest is None else max(self.newest, advisory.modified)
        if advisory.is_withdrawn:
            return
        for affected in advisory.affected:
            for version, files in self._files.get(affected.project, {}).items():
                verdict = judge(version, affected)
                if verdict is not RangeVerdict.UNAFFECTED:
                    self.matches.append(
                        Match(advisory=advisory, affected=affected, version=version, verdict=verdict, files=files)
                    )


def _releases(each: ListedPackage) -> Iterator[tuple[str, str]]:
    """The projects of PyPI that a package is, each with its version there."""
    package = each.package
    if package.kind == "pypi":
        yield canonical_name(package.name), package.version
    for text in package.record.get("purls") or () if package.kind == "conda" else ():
        purl = parse_purl(text)
        if purl is not None and purl.kind == "pypi":
            yield purl.name, purl.version or package.version


def _of_mirror(tree: Tree, databases: Sequence[HeldDatabase]) -> Iterator[Advisory]:
    for each in databases:
        path = tree.path(each.path)
        hashed = tree.hash_file(each.path)
        if hashed is None or hashed[0] != each.sha256:
            state = "is missing" if hashed is None else "is damaged"
            raise MachineError(
                f"{path} {state}: nothing was audited. Bring it again with `pixi-mirror advisories update --from "
                f"SOURCE --name {each.database.name}`; it came from {each.database.source}."
            )
        yield from _read(path, ZIP if each.path.endswith(ZIP) else LINES)


def _of_file(path: Path) -> Iterator[Advisory]:
    if not path.exists():
        raise MachineError(f"--database: there is no file or directory {path}.")
    with explain_errors("read", path):
        if path.is_file() and is_zip(path):
            yield from _read(path, ZIP)
            return
        try:
            lines = lines_of(path).splitlines()
        except ValueError as error:
            raise _unreadable(path, error) from error
    yield from map(read_advisory, lines)


def _read(path: Path, suffix: str) -> Iterator[Advisory]:
    try:
        with explain_errors("read", path):
            yield from read_advisories(path, suffix)
    except ValueError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: ValueError) -> MachineError:
    return MachineError(f"{path} is no database of advisories, or it was cut short: {error}. Nothing was audited.")


def _statements(path: Path) -> tuple[VexStatement, ...]:
    try:
        with explain_errors("read", path):
            return read_vex(read_bytes(path, limit=_LARGEST_VEX), path.name)
    except ValueError as error:
        raise MachineError(f"--vex: {path} cannot be used: {error}. Nothing was audited.") from error


def _waive(
    findings: Iterable[Finding], statements: Sequence[VexStatement]
) -> tuple[tuple[Finding, ...], tuple[tuple[Finding, VexStatement], ...], tuple[VexStatement, ...]]:
    """The findings that stay, those that are waived, and the statements that waive nothing."""
    by_name: dict[str, list[VexStatement]] = {}
    for statement in sorted(statements, key=lambda each: each.order):
        for name in statement.vulnerability:
            by_name.setdefault(name, []).append(statement)
    left, waived = [], []
    used: set[int] = set()
    for finding in findings:
        last = _last_statement(finding, by_name)
        if last is not None:
            used.add(id(last))
        if last is not None and last.waives:
            waived.append((finding, last))
        else:
            left.append(finding)
    unused = tuple(each for each in statements if each.waives and id(each) not in used)
    return tuple(left), tuple(waived), unused


def _last_statement(finding: Finding, by_name: Mapping[str, list[VexStatement]]) -> VexStatement | None:
    """What was said last of a vulnerability in all files of a finding; None: nothing."""
    known = {id(each): each for name in finding.names for each in by_name.get(name, ())}.values()
    if not known:
        return None
    # A conda package is named by its own purl, or by that of the project of PyPI that it is.
    project = Purl("pypi", finding.project, finding.version, {})
    packages = [[project, *filter(None, [parse_purl(package_purl(each.package))])] for each in finding.files]
    about = [each for each in known if each.is_about(finding.names, packages)]
    return max(about, key=lambda each: each.order, default=None)
