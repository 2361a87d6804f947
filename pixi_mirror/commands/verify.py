"""`pixi mirror verify`."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pixi_mirror.commands import options as shared
from pixi_mirror.commands.command import Command, Outcome
from pixi_mirror.commands.options import make_context, make_progress
from pixi_mirror.commands.parsing import Parser
from pixi_mirror.commands.policy_lines import policy_json, verdict_lines
from pixi_mirror.commands.text import files_of, some
from pixi_mirror.commands.values import path
from pixi_mirror.conda.closure import UnmetDependency
from pixi_mirror.conda.solve import Solution
from pixi_mirror.errors import DONE, FOUND, PixiMirrorError, UsageError, WrongBytesError
from pixi_mirror.mirror.verify import ChangedFile, MissingPackage, VerifyResult, verify
from pixi_mirror.model.values import Json
from pixi_mirror.progress import Progress, counted
from pixi_mirror.suggest import advised

if TYPE_CHECKING:  # a run that needs them not must not pay for them
    from pixi_mirror.provenance.check import AttestationsResult
    from pixi_mirror.provenance.signers import TrustedSigners

_SHOWN = 20
_HOLE = "the mirror does not have it whole"
_DIGITS = 12
"""Of a hash, to people; the JSON has all."""


def _declare(parser: Parser) -> None:
    shared.declare_mirror(parser)
    parser.flag("--repair", help="fetch again what is missing or wrong, and write the indexes anew")
    parser.flag("--quick", help="hash only what has changed its size, time or inode (default: hash every file)")
    parser.flag(
        "--strict",
        help="let it be a finding, too, if locked packages do not fit together, or foreign files lie there",
    )
    parser.flag("--solve", help="solve every environment again from the mirror (needs py-rattler)")
    parser.value(
        "--report",
        convert=path,
        metavar="FILE",
        help="write what was found to a file, as JSON, or as a page to print if it ends with .html: with the digest of "
        "every file, licences, generations, advisories, and what was left out",
    )
    parser.value(
        "--sign",
        convert=path,
        metavar="KEY",
        help="sign the report with this SSH key, in FILE.sig (ssh-keygen runs)",
    )
    parser.flag("--attestations", help="verify who has built packages, too, without a network (needs sigstore)")
    parser.value(
        "--trusted-root",
        convert=path,
        metavar="FILE",
        help="whom to trust for --attestations: the trusted_root.json of an instance of Sigstore",
    )
    shared.declare_lock_timeout(parser)
    shared.declare_network(parser)
    shared.declare_output(parser)


def _run(options: Namespace) -> Outcome:
    report = make_progress(options)
    context = make_context(options, report)
    signers = _signers(options)
    sign = _signature_maker(options)
    found = verify(Path(options.dir), repair=options.repair, solve=options.solve, quick=options.quick, context=context)
    strictly = options.strict and (found.unmet_dependencies or found.unknown)
    signed = None if signers is None else _check(found, signers, report)
    is_forged = signed is not None and bool(signed.failed)
    against = found.policy is not None and found.policy.findings
    status = FOUND if found.left or found.unsolvable or strictly or against or is_forged else DONE
    for note in found.policy.notes if found.policy is not None else ():
        report.warn(note)
    error = found.error
    if error is not None and error.status == WrongBytesError.status:
        # The mirror is wrong, which is status 1; 6 is for bytes that others promised.
        report.warn(str(error))
        status, error = FOUND, None
    result = {**_json(found, error, strict=options.strict), "attestations": None}
    lines = verify_lines(found, strict=options.strict)
    if signed is not None:
        from pixi_mirror.commands.attestation_lines import attestation_lines, attestations_json

        lines += attestation_lines(signed)
        result["attestations"] = attestations_json(signed)
    if options.report:
        from pixi_mirror.commands.evidence import evidence

        result |= evidence(found)
    return Outcome(json=result, lines=lines, status=status, error=error, sign_report=sign)


def _signers(options: Namespace) -> TrustedSigners | None:
    """Whom to trust; None: attestations are not to be verified."""
    if not options.attestations:
        return None
    if options.trusted_root is None:
        raise UsageError(
            "--attestations needs --trusted-root FILE: the `trusted_root.json` of the instance of Sigstore whose "
            "signatures count. Bring it from a place that you trust, and not with the packages."
        )
    from pixi_mirror.provenance.signers import TrustedSigners

    return TrustedSigners(options.trusted_root)


def _check(found: VerifyResult, signers: TrustedSigners, report: Progress) -> AttestationsResult:
    from pixi_mirror.mirror.tree import open_mirror
    from pixi_mirror.provenance.check import check_attestations

    return check_attestations(open_mirror(found.mirror), found.looked, signers, report)


def _signature_maker(options: Namespace) -> Callable[[bytes], bytes] | None:
    """What signs the report; None: it is not to be signed."""
    if options.sign is None:
        return None
    if options.report is None:
        raise UsageError("--sign signs the report; say with --report FILE where that is to be written.")
    from pixi_mirror.airgap.signatures import require_key, sign_manifest
    from pixi_mirror.commands.report_file import PURPOSE

    require_key(options.sign)
    return lambda data: sign_manifest(data, options.sign, environ=os.environ, namespace=PURPOSE)


def verify_lines(found: VerifyResult, *, strict: bool = False) -> list[str]:
    """What a verification found, for people."""
    lines = []
    mended = {*found.repaired}
    for title, items in (
        ("missing", [each for each in found.missing if each not in mended and each not in found.unreadable]),
        ("cannot be read", [why for bad, why in found.unreadable.items() if bad not in mended]),
        ("changed", [_changed(each) for each in found.changed if each.path not in mended]),
        (
            "indexes that are wrong",
            [f"{each.path}: {each.problem}" for each in found.indexes if each.path not in mended],
        ),
        ("not of this mirror, and left alone", list(found.unknown)),
        ("repaired", list(found.repaired)),
    ):
        if items:
            lines += [f"{title}:", *some(items, at_most=_SHOWN)]
    lacking = sorted({_cell(hole) for hole in found.closure if hole.path not in mended})
    if lacking:
        lines += ["cannot be installed from here as it is:", *some(lacking, at_most=_SHOWN)]
    lines += verdict_lines(found.policy)
    lines += _misfit_lines(found)
    lines += _solved_lines(found)
    read = counted(found.indexes_read, "index", "indexes")
    looked = "looked (--quick) at" if found.quick else "hashed"
    checked = f"{found.mirror}: {looked} {files_of(found.files, found.size)}, and read back {read} among them"
    if not found.left:
        against = len(found.policy.findings) if found.policy is not None else 0
        but = f", and {counted(against, 'finding')} against the policy" if against else ""
        return [*lines, f"{checked}; all is as recorded{but}{_strictly(found) if strict else ''}"]
    fetched = any(each not in found.elsewhere for each in found.left)
    repair = f" ({advised('verify --repair', found.mirror)} fetches what is wrong)"
    remedy = "" if mended or found.error or not fetched else repair
    return [*lines, f"{checked}; {counted(len(found.left), 'file')} wrong{remedy}", *_ways_elsewhere(found)]


def _ways_elsewhere(found: VerifyResult) -> list[str]:
    """What mends the files that no repair fetches, one sentence a way."""
    ways = set()
    for each in found.left:
        if (database := found.elsewhere.get(each)) is not None:
            command = f"advisories update --from SOURCE --name {database.name}"
            update = advised(command, found.mirror)
            ways.add(f"bring the advisories {database.name} again, with {update}; they came from {database.source}")
        elif each in found.elsewhere:
            prune = advised("prune --apply --grace 0", found.mirror)
            ways.add(f"{prune} removes what is damaged and no lock wants, if no generation keeps it")
    return sorted(ways)


def _strictly(found: VerifyResult) -> str:
    """What `--strict` finds where all is as recorded."""
    unmet = len(found.unmet_dependencies)
    findings = [
        *([f"{counted(len(found.unknown), 'file')} not of this mirror"] if found.unknown else []),
        *([f"{counted(unmet, 'dependency', 'dependencies')} not met"] if unmet else []),
    ]
    return f", and --strict finds {' and '.join(findings)}" if findings else ""


def _misfit_lines(found: VerifyResult) -> list[str]:
    where: dict[str, list[str]] = {}
    for each in found.unmet_dependencies:
        where.setdefault(each.problem, []).append(_cell(each))
    if not where:
        return []
    problems = [
        f"{problem} ({cells[0]}{f' and {len(cells) - 1} more' if len(cells) > 1 else ''})"
        for problem, cells in where.items()
    ]
    return ["does not fit together, though the locks have it so:", *some(problems, at_most=_SHOWN)]


def _solved_lines(found: VerifyResult) -> list[str]:
    if found.solutions is None:
        return []
    lines = []
    if found.unsolvable:
        unsolvable = [f"{_cell(each)}: {each.problem}" for each in found.unsolvable]
        lines += ["not solved as locked:", *some(unsolvable, at_most=_SHOWN)]
    lines += _other_lines(
        "by names alone a solve takes others, since the mirror holds what several environments want:",
        {each: each.otherwise for each in found.solutions},
    )
    lines += _other_lines(
        "by names alone and under strict channel priority, where the first channel that has a name is the only one for "
        "it, a solve takes others:",
        {each: each.strict or () for each in found.solutions},
    )
    solved = len(found.solutions) - len(found.unsolvable)
    return [*lines, f"{found.mirror}: {solved} of {counted(len(found.solutions), 'environment')} solved as locked"]


def _other_lines(title: str, others: Mapping[Solution, tuple[str, ...]]) -> list[str]:
    lines = []
    for solution, differences in others.items():
        if differences:
            lines += [f"  {_cell(solution)}:", *(f"  {line}" for line in some(differences, at_most=3))]
    return [title, *lines] if lines else []


def _cell(each: Solution | UnmetDependency | MissingPackage) -> str:
    return f"{each.environment} of {each.workspace} on {each.platform}"


def _changed(changed: ChangedFile) -> str:
    return f"{changed.path}: sha256 {changed.found[:_DIGITS]}... instead of {changed.expected[:_DIGITS]}..."


def _json(found: VerifyResult, error: PixiMirrorError | None, *, strict: bool) -> Mapping[str, Json]:
    warnings = [str(found.error)] if found.error is not None and error is None else []
    if not strict:
        warnings += [f"{_cell(each)}: {each.problem}" for each in found.unmet_dependencies]
    return {
        "verb": "verify",
        "mirror": str(found.mirror),
        "policy": policy_json(found.policy),
        "checked": {"files": found.files, "bytes": found.size, "indexes": found.indexes_read},
        "missing": list(found.missing),
        "unreadable": [{"path": bad, "problem": why} for bad, why in found.unreadable.items()],
        "changed": [{"path": each.path, "expected": each.expected, "found": each.found} for each in found.changed],
        "unknown": list(found.unknown),
        "indexes": [{"path": each.path, "problem": each.problem} for each in found.indexes],
        "closure": [
            *({**_of_cell(hole), "path": hole.path, "problem": _HOLE} for hole in found.closure),
            *({**_of_cell(each), "path": each.path, "problem": each.problem} for each in found.unmet_dependencies),
        ],
        "repaired": list(found.repaired),
        "solved": None
        if found.solutions is None
        else [
            {
                **_of_cell(each),
                "problem": each.problem,
                "otherwise": list(each.otherwise),
                "strict": None if each.strict is None else list(each.strict),
            }
            for each in found.solutions
        ],
        "warnings": warnings,
    }


def _of_cell(each: Solution | UnmetDependency | MissingPackage) -> dict[str, Json]:
    return {"workspace": each.workspace, "environment": each.environment, "platform": each.platform}


def _empty_json(options: Namespace) -> Mapping[str, Json]:
    return {
        "verb": "verify",
        "mirror": str(options.dir),
        "checked": {"files": 0, "bytes": 0, "indexes": 0},
        **{
            key: []
            for key in ("missing", "unreadable", "changed", "unknown", "indexes", "closure", "repaired", "warnings")
        },
        "solved": None,
        "policy": None,
        "attestations": None,
    }


COMMAND = Command(
    description="""\
Hash every file again, read every index back, and say what differs from the mirror's inventory. Ends with status 1
if anything does, and after --repair if anything is left.""",
    declare=_declare,
    run=_run,
    empty_json=_empty_json,
)
