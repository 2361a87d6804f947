"""Run the real pixi-policy on a workspace or on a lock, and read its report."""

import json
import os
import shutil
import sys
import tomllib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pixi_mirror.disk.files import explain_errors
from pixi_mirror.errors import MachineError, ProgramError
from pixi_mirror.model.policy import PolicyFinding
from pixi_mirror.model.values import Json, mask_secrets
from pixi_mirror.process import Output, run_program

NAME = "pixi-policy"
FILE = "pixi-policy.toml"
"""What its file is called beside a manifest."""
LOCK = "pixi.lock"
_MANIFESTS = ("pixi.toml", "pyproject.toml")
_CHECKED, _FOUND, _UNREADABLE = 0, 1, 2
"""Its exit statuses. Data out of reach end with 1, too, as findings whose rule ends with `.unavailable`."""
_UNAVAILABLE = ".unavailable"
_TIMEOUT_S = 600.0
_OFFLINE = "PIXI_POLICY_OFFLINE"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramReport:
    """What pixi-policy found in one workspace."""

    findings: tuple[PolicyFinding, ...] = ()
    """Of both severities."""
    waived: tuple[PolicyFinding, ...] = ()
    unavailable: tuple[str, ...] = ()
    """Data out of reach."""
    problem: str | None = None
    """Why it could not judge; None: it did."""


class PolicyProgram:
    """The pixi-policy of this machine."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        """Find it: on PATH, or beside the Python that runs this.

        Raises:
            ProgramError: it is not there.
        """
        beside = shutil.which(NAME, path=os.path.dirname(sys.executable))
        found = shutil.which(NAME, path=environ.get("PATH", os.defpath)) or beside
        if found is None:
            raise ProgramError(
                f"{NAME} is not installed, and the policy is for it. Install it with `pip install {NAME}` or `pixi "
                f"global install {NAME}`; or give rules of pixi-mirror alone, in a file with the table [mirror]."
            )
        self._program = found
        self._environ = dict(environ)

    def resolve(self, policy: Path, manifest: Path) -> str:
        """The text of a policy with all that it extends.

        Args:
            policy: its file.
            manifest: of a workspace, or its lock, without which the program does nothing.

        Raises:
            MachineError: it is no policy.
            ProgramError: the program cannot be run.
        """
        done = self._run(
            "show", "--resolved", "--policy", str(policy), "--manifest-path", str(manifest), cwd=policy.parent
        )
        if done.status != _CHECKED:
            raise MachineError(
                f"{policy} is no policy that {NAME} can read; nothing was changed. It says: {_words(done)}"
            )
        return done.stdout

    def check(self, policy: Path, manifest: Path, *, offline: bool) -> ProgramReport:
        """Judge what a lock has, all environments and platforms of it.

        Args:
            policy: the file of the policy.
            manifest: of the workspace, with the lock beside it; or a `pixi.lock` alone.
            offline: whether it may ask nobody over a network.

        Raises:
            ProgramError: the program cannot be run, or its report does not parse.
        """
        words = ("--manifest-path", str(manifest), "--policy", str(policy), "--format", "json", "--color", "never")
        done = self._run(*words, cwd=manifest.parent, offline=offline)
        if done.status not in (_CHECKED, _FOUND):
            return ProgramReport(problem=_words(done))
        try:
            return read_report(json.loads(done.stdout))
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise ProgramError(
                f"the report of {NAME} cannot be read ({error!r}); it ended with {done.status}."
            ) from None

    def _run(self, *words: str, cwd: Path, offline: bool = False) -> Output:
        environ = {**self._environ, **({_OFFLINE: "1"} if offline else {})}
        return run_program([self._program, *words], cwd=cwd, environ=environ, timeout_s=_TIMEOUT_S)


def _words(done: Output) -> str:
    """What the program says, as one paragraph, without the frame that it draws."""
    lines = (
        line.strip().lstrip("\u00d7\u2502\u256d\u2570\u00b7\u2500\u252c ").strip()
        for line in mask_secrets(done.last_words).splitlines()
    )
    return " ".join(filter(None, lines))


def read_report(raw: Json) -> ProgramReport:
    """The report of a run with `--format json`.

    Raises:
        KeyError, TypeError, ValueError: it is none.
    """
    found = list(_findings(raw["findings"]))
    reached = tuple(each for each in found if not each.rule.endswith(_UNAVAILABLE))
    return ProgramReport(
        findings=reached,
        waived=tuple(_findings(raw.get("waived", []))),
        unavailable=tuple(
            f"{each.rule}: {each.message}"
            for each in found
            if each.rule.endswith(_UNAVAILABLE) and each.severity == "error"
        ),
    )


def _findings(rows: Json) -> Iterator[PolicyFinding]:
    for row in rows:
        environment, platform = row.get("environment") or "", row.get("platform") or ""
        yield PolicyFinding(
            rule=str(row["rule"]),
            severity="error" if row["severity"] == "error" else "warning",
            package=row.get("package"),
            version=row.get("version"),
            message=str(row["message"]),
            help=str(row.get("help") or ""),
            where=(f"{environment}/{platform}",) if environment else (),
        )


def narrowed(report: ProgramReport, workspace: str, cells: Collection[tuple[str, str]]) -> ProgramReport:
    """The report without what is about environments and platforms that nobody mirrors; the rest of each finding once.

    Args:
        report: of a workspace.
        workspace: its name.
        cells: environments and names of platforms that are mirrored.
    """
    places = {f"{environment}/{platform}" for environment, platform in cells}
    return replace(
        report,
        findings=tuple(_merged(report.findings, workspace, places)),
        waived=tuple(_merged(report.waived, workspace, places)),
    )


def _merged(findings: Collection[PolicyFinding], workspace: str, places: Collection[str]) -> Iterator[PolicyFinding]:
    groups: dict[PolicyFinding, list[str]] = {}
    for finding in findings:
        if not finding.where or finding.where[0] in places:
            groups.setdefault(replace(finding, where=()), []).extend(finding.where)
    for same, where in groups.items():
        yield replace(same, where=tuple(f"{workspace}/{place}" for place in where))


def manifest_beside(lock: Path) -> Path | None:
    """The manifest of the workspace that a `pixi.lock` belongs to; None: there is none beside it."""
    if lock.name != LOCK:
        return None
    for name in _MANIFESTS:
        manifest = lock.with_name(name)
        if manifest.is_file() and (name != "pyproject.toml" or "[tool.pixi" in _text(manifest)):
            return manifest
    return None


def _text(path: Path) -> str:
    with explain_errors("read", path):
        return path.read_text(encoding="utf-8", errors="replace")


_HEADER = "["
_JUDGED_ELSEWHERE = ("manifest", "lock", "advisories", "freshness", "hygiene")
"""Tables that need the manifest, pixi or a network: where a mirror alone is judged, they cannot be."""


def offline_part(text: str) -> tuple[str, tuple[str, ...]]:
    """The part of a resolved policy that can be judged without manifest and network; and the tables left out.

    Raises:
        ValueError: it is no policy, or it names other files or URLs to be read, as no resolved one does.
    """
    kept, left_out, skips = [], [], False
    for line in text.splitlines():
        if line.startswith(_HEADER):
            table = line.strip("[] ").partition(".")[0].partition("]")[0].strip('"')
            skips = table in _JUDGED_ELSEWHERE
            if skips and table not in left_out:
                left_out.append(table)
        if not skips:
            kept.append(line)
    part = "\n".join(kept) + "\n"
    if "policy" in tomllib.loads(part):
        raise ValueError("it extends other policies, which are not read")
    return part, tuple(left_out)
