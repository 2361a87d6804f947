"""`pixi mirror verify`."""

from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path

from pixi_mirror.cli import options as shared
from pixi_mirror.cli.command import Command, Outcome
from pixi_mirror.cli.parsing import Parser
from pixi_mirror.cli.words import counted, files_of, some
from pixi_mirror.errors import DONE, FOUND, PixiMirrorError, WrongBytesError
from pixi_mirror.model import Json
from pixi_mirror.verbs.verify import Verified, verify

_SHOWN = 20


def _declare(parser: Parser) -> None:
    shared.declare_mirror(parser)
    parser.flag("--repair", help="fetch what is bad again, and write the indexes anew")
    shared.declare_lock_timeout(parser)
    shared.declare_network(parser)
    shared.declare_output(parser)


def _run(options: Namespace) -> Outcome:
    report = shared.report_for(options)
    found = verify(Path(options.dir), repair=options.repair, equipment=shared.equipment_for(options, report))
    status = FOUND if found.left else DONE
    error = found.error
    if error is not None and error.status == WrongBytesError.status:
        # What is wrong here is the mirror, and that is status 1; 6 is for what others promised.
        report.warn(str(error))
        status, error = FOUND, None
    return Outcome(json=_json(found, error), lines=_lines(found), status=status, error=error)


def _lines(found: Verified) -> list[str]:
    read = counted(found.indexes_read, "index", "indexes")
    lines = []
    for title, items in (
        ("missing", list(found.missing)),
        ("changed", [f"{each.path}: expected {each.expected}, found {each.found}" for each in found.changed]),
        ("indexes that are wrong", [f"{each.path}: {each.problem}" for each in found.indexes]),
        ("not of this mirror, and left alone", list(found.unknown)),
        ("repaired", list(found.repaired)),
    ):
        if items:
            lines += [f"{title}:", *some(items, at_most=_SHOWN)]
    environments = sorted({f"{hole.workspace} {hole.environment} {hole.platform}" for hole in found.closure})
    if environments and found.left:
        lines += ["environments that could not be installed from here:", *some(environments, at_most=_SHOWN)]
    checked = f"{files_of(found.files, found.size)} and {read} checked"
    if not found.left:
        return [*lines, f"{found.mirror}: {checked}, all as recorded"]
    wrong = counted(len(found.left), "file")
    return [*lines, f"{found.mirror}: {checked}; {wrong} wrong (`pixi-mirror verify --repair` fetches them again)"]


def _json(found: Verified, error: PixiMirrorError | None) -> Mapping[str, Json]:
    return {
        "verb": "verify",
        "mirror": str(found.mirror),
        "checked": {"files": found.files, "bytes": found.size, "indexes": found.indexes_read},
        "missing": list(found.missing),
        "changed": [{"path": each.path, "expected": each.expected, "found": each.found} for each in found.changed],
        "unknown": list(found.unknown),
        "indexes": [{"path": each.path, "problem": each.problem} for each in found.indexes],
        "closure": [
            {
                "workspace": hole.workspace,
                "environment": hole.environment,
                "platform": hole.platform,
                "path": hole.path,
            }
            for hole in found.closure
        ],
        "repaired": list(found.repaired),
        "warnings": [str(found.error)] if found.error is not None and error is None else [],
    }


def _blank(options: Namespace) -> Mapping[str, Json]:
    return {"verb": "verify", "mirror": str(options.dir)}


COMMAND = Command(
    description="Hash every file again, read every index back, and say what differs from the inventory.",
    declare=_declare,
    run=_run,
    blank=_blank,
)
