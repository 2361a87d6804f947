"""Judge what a mirror is to hold, or holds, by its policy: by our own rules, and by the program pixi-policy."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from pixi_mirror.context import Context
from pixi_mirror.disk.files import explain_errors
from pixi_mirror.errors import FetchError, PixiMirrorError, PolicyError, ProgramError
from pixi_mirror.lockfile.formats.detection import PIXI, format_of
from pixi_mirror.mirror.plan import Plan, sized
from pixi_mirror.mirror.tree import Tree
from pixi_mirror.model.packages import Inventory, Listing, Package, Snapshot
from pixi_mirror.model.policy import PolicyFinding, PolicyRecord, PolicyVerdict
from pixi_mirror.model.values import MirrorPath
from pixi_mirror.policy.files import rules_of
from pixi_mirror.policy.inventory_lock import lock_of_snapshot
from pixi_mirror.policy.judge import JudgedPackage, judge_packages, unsettled
from pixi_mirror.policy.program import (
    FILE,
    LOCK,
    NAME,
    PolicyProgram,
    ProgramReport,
    manifest_beside,
    narrowed,
    offline_part,
)
from pixi_mirror.policy.rules import Rules
from pixi_mirror.process import scratch_directory
from pixi_mirror.progress import counted
from pixi_mirror.pypi.licenses import license_of_metadata, read_license
from pixi_mirror.pypi.metadata import metadata_beside

_SHOWN = 20
"""Findings that a message names; `items` has all."""
_LONGEST_LOCK = 1 << 28


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyInputs:
    """What is judged besides the plan."""

    listings: Mapping[MirrorPath, Listing]
    """What index pages say of PyPI files, as far as it is known now."""
    read: Callable[[MirrorPath], bytes | None]
    """Gives a small file of the mirror; None: it is not there."""


def policy_inputs(tree: Tree, listings: Mapping[MirrorPath, Listing]) -> PolicyInputs:
    """What is judged of a mirror besides the plan, with what is known of its PyPI files."""
    held = tree.inventory.tree
    return PolicyInputs(listings=listings, read=lambda path: tree.read(path) if path in held else None)


def judge_own_rules(plan: Plan, policy: PolicyRecord, inputs: PolicyInputs, now: datetime) -> PolicyVerdict:
    """Judge every wanted package by our own rules.

    Raises:
        MachineError: the recorded rules cannot be read.
    """
    rules = rules_of(policy)
    packages = [
        _judged(plan, package, rules, inputs) for package in plan.packages.values() if package.kind != "attestations"
    ]
    own = judge_packages(packages, rules, now)
    missing = unsettled(packages, rules)
    return PolicyVerdict(
        policy=policy,
        findings=tuple(each for each in own.findings if each.severity == "error"),
        warnings=tuple(each for each in own.findings if each.severity == "warning"),
        waived=own.waived,
        unavailable=tuple(
            f"mirror.unavailable: the index {index} could not be asked about {count} of its files"
            for index, count in sorted(missing.items())
        ),
    )


def _judged(plan: Plan, package: Package, rules: Rules, inputs: PolicyInputs) -> JudgedPackage:
    listing = inputs.listings.get(package.path)
    return JudgedPackage(
        package=sized(package, listing),
        listing=listing,
        targets=plan.targets.get(package.path, ()),
        has_license=None if rules.missing_license == "allow" else _has_license(package, inputs),
    )


def _has_license(package: Package, inputs: PolicyInputs) -> bool | None:
    if package.kind == "conda":
        return read_license(package.record.get("license")) is not None
    metadata = metadata_beside(package.path, inputs.read) if package.kind == "pypi" else None
    if metadata is None:
        return None
    return license_of_metadata(metadata.license_expression, metadata.license, metadata.classifiers) is not None


def with_program(verdict: PolicyVerdict, reports: Iterable[tuple[Snapshot, ProgramReport]]) -> PolicyVerdict:
    """The verdict with what pixi-policy found in the workspaces, as far as it is about what is mirrored of them."""
    findings: list[PolicyFinding] = []
    waived, unavailable, notes = [*verdict.waived], [*verdict.unavailable], [*verdict.notes]
    for snapshot, report in reports:
        cells = [(cell.environment, cell.platform) for cell in snapshot.cells]
        about = narrowed(report, snapshot.workspace, cells)
        findings += about.findings
        waived += about.waived
        unavailable += about.unavailable
        if about.problem is not None:
            notes.append(
                f"{NAME} cannot judge {snapshot.workspace}: {about.problem} The rules of pixi-mirror itself were "
                "judged all the same."
            )
    return replace(
        verdict,
        findings=(*verdict.findings, *(each for each in findings if each.severity == "error")),
        warnings=(*verdict.warnings, *(each for each in findings if each.severity == "warning")),
        waived=tuple(waived),
        unavailable=tuple(dict.fromkeys(unavailable)),
        notes=tuple(notes),
    )


def resolved_policy(policy: Path, locks: Iterable[Path], context: Context) -> str:
    """The text of a policy of pixi-policy with all that it extends, to be recorded.

    Raises:
        ProgramError: the program is not there, or cannot be run.
        MachineError: the policy does not parse.
    """
    program = PolicyProgram(context.environ)
    with scratch_directory() as folder:
        stand_in = folder / LOCK  # the program wants a workspace even to print a policy
        stand_in.write_text("version: 6\nenvironments: {}\npackages: []\n", encoding="utf-8")
        known = next((lock for lock in locks if lock.is_file()), None)
        manifest = None if known is None else manifest_beside(known)
        return program.resolve(policy.absolute(), manifest or stand_in)


def judge_workspaces(
    snapshots: Sequence[Snapshot], locks: Mapping[str, Path], policy: Path | str, context: Context
) -> Iterator[tuple[Snapshot, ProgramReport]]:
    """Run pixi-policy on the real workspaces of subscriptions.

    Args:
        snapshots: of the subscriptions.
        locks: subscription id -> path of its lock, as far as this machine knows it.
        policy: the file of the policy, or its text.
        context: of the verb.

    Raises:
        ProgramError: the program is not there, cannot be run, or cannot judge a workspace that has a manifest.
    """
    program = PolicyProgram(context.environ)
    with scratch_directory() as folder:
        if isinstance(policy, str):
            (folder / FILE).write_text(policy, encoding="utf-8")
        file = folder / FILE if isinstance(policy, str) else policy.absolute()
        for number, snapshot in enumerate(snapshots):
            lock = locks.get(snapshot.id)
            yield snapshot, _judge_workspace(program, file, lock, folder / str(number))


def _judge_workspace(program: PolicyProgram, policy: Path, lock: Path | None, folder: Path) -> ProgramReport:
    if lock is None or not lock.is_file():
        return ProgramReport(problem="its lock is not here.")
    with explain_errors("read", lock):
        data = lock.read_bytes()[:_LONGEST_LOCK]
    if format_of(lock.name, data) != PIXI:
        return ProgramReport(problem=f"{lock.name} is no pixi.lock.")
    manifest = manifest_beside(lock)
    if manifest is not None:
        report = program.check(policy, manifest, offline=False)
        if report.problem is not None:
            raise ProgramError(f"{NAME} cannot judge {manifest}: {report.problem}")
        return report
    if lock.name != LOCK:
        folder.mkdir()
        lock = folder / LOCK
        lock.write_bytes(data)
    return program.check(policy, lock, offline=False)


def judge_inventory(inventory: Inventory, text: str, context: Context) -> Iterator[tuple[Snapshot, ProgramReport]]:
    """Run pixi-policy, without a network, on locks that are written from what a mirror records.

    Raises:
        ProgramError: the program is not there, or cannot be run, or what is recorded is no policy.
    """
    program = PolicyProgram(context.environ)
    try:
        part, left_out = offline_part(text)
    except ValueError as error:
        raise ProgramError(f"what is recorded for {NAME} cannot be used: {error}.") from error
    with scratch_directory() as folder:
        (folder / FILE).write_text(part, encoding="utf-8")
        for number, snapshot in enumerate(inventory.followed):
            place = folder / str(number)
            place.mkdir()
            (place / LOCK).write_text(lock_of_snapshot(snapshot), encoding="utf-8")
            yield snapshot, program.check(folder / FILE, place / LOCK, offline=True)
    if left_out:
        context.progress.note(
            f"{NAME}: [{'], ['.join(left_out)}] need the manifest or a network: `update` judges them, `verify` does not"
        )


def judge_mirror(tree: Tree, plan: Plan, context: Context) -> PolicyVerdict | None:
    """Judge what a mirror holds by the policy that it records, without a network; None: it records none.

    Data out of reach and a missing program are notes here: the mirror may be where neither can be had.

    Raises:
        MachineError: the recorded rules cannot be read.
    """
    policy = tree.inventory.policy
    if policy is None:
        return None
    inputs = policy_inputs(tree, tree.inventory.listings)
    verdict = judge_own_rules(plan, policy, inputs, datetime.now(tz=UTC))
    if policy.program is not None:
        try:
            verdict = with_program(verdict, judge_inventory(tree.inventory, policy.program, context))
        except ProgramError as error:
            verdict = replace(verdict, notes=(*verdict.notes, f"{error} Its part of the policy was not judged."))
    return replace(verdict, unavailable=(), notes=(*verdict.notes, *verdict.unavailable))


def policy_error(verdict: PolicyVerdict, *, what: str) -> PixiMirrorError | None:
    """The error that says what is against the policy, or which data are out of reach; None: nothing is.

    Args:
        verdict: what was found.
        what: what follows from that, as `nothing was brought`.
    """
    if verdict.findings:
        lines = [finding.text for finding in verdict.findings]
        shown = [_with_help(finding) for finding in verdict.findings[:_SHOWN]]
        more = [f"  and {len(lines) - _SHOWN} more"] if len(lines) > _SHOWN else []
        head = f"{counted(len(lines), 'finding')} against the policy {verdict.policy.name}; {what}:"
        return PolicyError("\n".join([head, *shown, *more]), items=lines)
    if verdict.unavailable:
        head = f"the policy {verdict.policy.name} could not be judged, since data are out of reach; {what}:"
        return FetchError("\n".join([head, *(f"  {each}" for each in verdict.unavailable)]), items=verdict.unavailable)
    return None


def _with_help(finding: PolicyFinding) -> str:
    return f"  {finding.text}" + (f"; {finding.help}" if finding.help else "")
