"""`pixi mirror audit`."""

from argparse import Namespace
from collections.abc import Mapping

from pixi_mirror.advisories.audit import AuditRequest, AuditResult, audit
from pixi_mirror.advisories.findings import Finding
from pixi_mirror.advisories.severity import FAIL_LEVELS
from pixi_mirror.advisories.vex import VexStatement
from pixi_mirror.commands import options as shared
from pixi_mirror.commands.command import Command, Outcome
from pixi_mirror.commands.database_lines import age, age_in_days, database_json
from pixi_mirror.commands.options import make_progress
from pixi_mirror.commands.package_rows import targets_json
from pixi_mirror.commands.parsing import Parser
from pixi_mirror.commands.values import path
from pixi_mirror.errors import DONE, FOUND
from pixi_mirror.model.values import Json
from pixi_mirror.progress import counted

_SHOWN = 3
"""Environments and names that a line has; the JSON has all."""


def _declare(parser: Parser) -> None:
    shared.declare_mirror(parser)
    parser.values("-e", "--environment", metavar="NAME", help="look only at this environment of the followed locks")
    parser.values("-p", "--platform", metavar="PLATFORM", help="look only at this platform: a name or a subdir")
    parser.value(
        "--fail-on",
        choices=FAIL_LEVELS,
        help="end with status 1 only for findings of this severity, a higher or an unknown one (default: any)",
    )
    parser.values(
        "--vex",
        convert=path,
        metavar="FILE",
        help="what was found out about vulnerabilities (OpenVEX, or CycloneDX): `not_affected` with a reason, and "
        "`fixed`, take findings away",
    )
    parser.value(
        "--database",
        convert=path,
        metavar="FILE",
        help="use these advisories (all.zip, a JSON file, a directory), not those that the mirror carries",
    )
    shared.declare_output(parser)


def _run(options: Namespace) -> Outcome:
    report = make_progress(options)
    found = audit(
        AuditRequest(
            mirror=options.dir,
            environments=tuple(dict.fromkeys(options.environment)),
            platforms=tuple(dict.fromkeys(options.platform)),
            database=options.database,
            vex=tuple(options.vex),
        )
    )
    for warning in (warnings := _warnings(found)):
        report.warn(warning)
    counting = [each for each in found.findings if options.fail_on is None or each.severity.reaches(options.fail_on)]
    return Outcome(
        json=_json(options, found, warnings),
        lines=() if options.json else _lines(options, found, counting),  # of a large mirror it takes a while
        status=FOUND if counting else DONE,
    )


def _warnings(found: AuditResult) -> list[str]:
    unused = [
        f"{each.document}: the statement about {' or '.join(sorted(each.vulnerability))} takes no finding away"
        for each in found.unused
    ]
    reasons = [
        f"{each.document}: the statement about {' or '.join(sorted(each.vulnerability))} gives no reason, so it takes "
        "no finding away"
        for each in found.unreasoned
    ]
    return [*reasons, *unused]


def _lines(options: Namespace, found: AuditResult, counting: list[Finding]) -> list[str]:
    lines = [line for each in found.findings for line in _finding_lines(each)]
    if found.waived:
        lines.append("waived:")
        lines += [
            f"  {_title(each)}: {says.status}, {says.justification or says.document}" for each, says in found.waived
        ]
    looked = f"{options.dir}: {counted(found.checked, 'package file')} looked up in " + counted(
        found.advisories, "advisory", "advisories"
    )
    unmatched = f"; of {len(found.unmatched)} no project of PyPI is known" if found.unmatched else ""
    lines.append(f"{looked}, {age(found.newest)}{unmatched}")
    if not found.findings:
        return [*lines, "nothing is known against them"]
    below = f", {len(counting)} of them {options.fail_on} or worse" if options.fail_on else ""
    return [*lines, f"{counted(len(found.findings), 'finding')}{below}"]


def _title(each: Finding) -> str:
    project = "" if each.kind == "pypi" else f" (conda; {each.project} on PyPI)"
    return f"{each.names[0]} in {each.package} {each.version}{project}"


def _finding_lines(each: Finding) -> list[str]:
    others = f" ({_shortened(each.names[1:])})" if each.names[1:] else ""
    score = "" if each.severity.score is None else f" {each.severity.score:.1f}"
    first, _, rest = _title(each).partition(" ")
    lines = [f"{each.severity.level}{score}: {first}{others} {rest}"]
    if each.summary:
        lines.append(f"  {each.summary}")
    if not each.is_decided:
        lines.append("  its versions cannot be compared (PEP 440), so nobody can say whether it is affected")
    lines.append(f"  fixed in {_shortened(each.fixed)}" if each.fixed else "  no fixed version is known")
    where = [f"{target.workspace}/{target.environment}/{target.platform}" for target in each.targets]
    lines.append(f"  in {_shortened(where)}" if where else "  no environment wants it")
    return lines


def _shortened(words: list[str] | tuple[str, ...]) -> str:
    more = len(words) - _SHOWN
    return ", ".join(words[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _json(options: Namespace, found: AuditResult, warnings: list[str]) -> Mapping[str, Json]:
    return {
        "verb": "audit",
        "mirror": str(options.dir),
        "databases": [database_json(each.path, each.database) for each in found.databases],
        "newest": found.newest.isoformat(timespec="seconds"),
        "age_days": age_in_days(found.newest),
        "advisories": found.advisories,
        "checked": found.checked,
        "unmatched": [each.package.path for each in found.unmatched],
        "findings": [_finding_json(each) for each in found.findings],
        "waived": [{**_finding_json(each), "waiver": _statement_json(says)} for each, says in found.waived],
        "warnings": warnings,
    }


def _finding_json(each: Finding) -> Mapping[str, Json]:
    return {
        "id": each.names[0],
        "aliases": list(each.names[1:]),
        "advisories": list(each.advisories),
        "kind": each.kind,
        "name": each.package,
        "project": each.project,
        "version": each.version,
        "severity": each.severity.level,
        "score": each.severity.score,
        "summary": each.summary,
        "fixed": list(each.fixed),
        "decided": each.is_decided,
        "paths": [file.package.path for file in each.files],
        "targets": targets_json(each.targets),
    }


def _statement_json(says: VexStatement) -> Mapping[str, Json]:
    return {"document": says.document, "status": says.status, "justification": says.justification}


def _empty_json(options: Namespace) -> Mapping[str, Json]:
    return {
        "verb": "audit",
        "mirror": str(options.dir),
        "newest": None,
        "age_days": None,
        **dict.fromkeys(("advisories", "checked"), 0),
        **{key: [] for key in ("databases", "unmatched", "findings", "waived", "warnings")},
    }


COMMAND = Command(
    description="""\
Match the packages of the mirror against the advisories that it carries, without a network: PyPI files by their project,
conda packages by the project of PyPI that their lock names for them. Ends with status 1 if there is a finding, and with
status 3 if there is nothing to look them up in.""",
    declare=_declare,
    run=_run,
    empty_json=_empty_json,
)
