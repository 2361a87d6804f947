"""How what is found against a policy reads to people and as JSON."""

from collections.abc import Mapping

from pixi_mirror.commands.text import some
from pixi_mirror.model.policy import PolicyFinding, PolicyVerdict
from pixi_mirror.model.values import Json

_SHOWN = 20


def policy_json(verdict: PolicyVerdict | None) -> Json:
    """What was found, as JSON; None: there is no policy."""
    if verdict is None:
        return None
    return {
        "name": verdict.policy.name,
        "findings": list(map(_finding_json, verdict.findings)),
        "warnings": list(map(_finding_json, verdict.warnings)),
        "waived": list(map(_finding_json, verdict.waived)),
        "unavailable": list(verdict.unavailable),
        "notes": list(verdict.notes),
    }


def verdict_lines(verdict: PolicyVerdict | None) -> list[str]:
    """What was found, for people; nothing if there is no policy."""
    if verdict is None:
        return []
    name = verdict.policy.name
    lines = []
    for title, findings in (
        (f"against the policy {name}:", verdict.findings),
        (f"the policy {name} warns of:", verdict.warnings),
    ):
        if findings:
            advised = [f"{each.text}; {each.help}" if each.help else each.text for each in findings]
            lines += [title, *some(advised, at_most=_SHOWN)]
    return lines


def _finding_json(finding: PolicyFinding) -> Mapping[str, Json]:
    return {
        "rule": finding.rule,
        "package": finding.package,
        "version": finding.version,
        "message": finding.message,
        "help": finding.help,
        "paths": list(finding.paths),
        "where": list(finding.where),
    }
