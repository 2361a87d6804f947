"""`pixi mirror prune`."""

from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path

from pixi_mirror.commands import options as shared
from pixi_mirror.commands.command import Command, Outcome
from pixi_mirror.commands.options import make_context, make_progress
from pixi_mirror.commands.parsing import Parser
from pixi_mirror.commands.text import counted, files_of, some
from pixi_mirror.commands.values import days
from pixi_mirror.errors import DONE, FOUND
from pixi_mirror.mirror.prune import PruneResult, prune
from pixi_mirror.model.values import Json

_SHOWN = 20


def _declare(parser: Parser) -> None:
    shared.declare_mirror(parser)
    parser.flag("--apply", help="do it, instead of saying what would be done")
    parser.value(
        "--grace",
        convert=days,
        default=7.0,
        metavar="DAYS",
        help="how long a file stays after it was unlisted, for readers under way (default: 7; 0 removes now)",
    )
    parser.flag("--force", help="do it even if more than half of the mirror goes")
    shared.declare_lock_timeout(parser)
    shared.declare_output(parser)


def _run(options: Namespace) -> Outcome:
    pruned = prune(
        Path(options.dir),
        apply=options.apply,
        grace_days=options.grace,
        force=options.force,
        context=make_context(options, make_progress(options)),
    )
    status = FOUND if pruned.found and not pruned.applied else DONE
    return Outcome(json=_json(pruned), lines=_lines(pruned), status=status)


def _lines(pruned: PruneResult) -> list[str]:
    done = pruned.applied
    lines = []
    for title, items in (
        ("unlisted" if done else "would unlist", pruned.unlisted),
        ("removed" if done else "would remove", pruned.removed),
        ("unlisted before, and waiting", pruned.waiting),
        ("not of this mirror, and left alone", pruned.unknown),
    ):
        if items:
            lines += [f"{title}:", *some(items, at_most=_SHOWN)]
    if not pruned.found:
        return [*lines, f"nothing to do: {pruned.mirror} lists nothing that no subscription wants"]
    removed = files_of(len(pruned.removed), pruned.size)
    if done:
        return [*lines, f"unlisted {counted(len(pruned.unlisted), 'file')}, removed {removed}"]
    return [
        *lines,
        f"would unlist {counted(len(pruned.unlisted), 'file')} and remove {removed}; nothing was changed "
        "(--apply does it)",
    ]


def _json(pruned: PruneResult) -> Mapping[str, Json]:
    return {
        "verb": "prune",
        "mirror": str(pruned.mirror),
        "applied": pruned.applied,
        "unlisted": list(pruned.unlisted),
        "removed": list(pruned.removed),
        "waiting": list(pruned.waiting),
        "unknown": list(pruned.unknown),
        "bytes": pruned.size,
    }


def _empty_json(options: Namespace) -> Mapping[str, Json]:
    return {
        "verb": "prune",
        "mirror": str(options.dir),
        "applied": False,
        **{key: [] for key in ("unlisted", "removed", "waiting", "unknown")},
        "bytes": 0,
    }


COMMAND = Command(
    description="""\
Show what no followed lock wants any more. --apply takes it out of the indexes at once and removes the files when
they have been out for --grace days, so run it now and then. Ends with status 1 if there is something to apply.""",
    declare=_declare,
    run=_run,
    empty_json=_empty_json,
    foreign={"--dry-run": "it only says what would go, as long as --apply is not given"},
)
