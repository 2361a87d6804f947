"""`pixi mirror log`."""

from argparse import Namespace
from collections.abc import Mapping

from pixi_mirror.commands import options as shared
from pixi_mirror.commands.change_lines import moment, moment_json
from pixi_mirror.commands.command import Command, Outcome
from pixi_mirror.commands.parsing import Parser
from pixi_mirror.commands.text import files_of
from pixi_mirror.history.log import HistoryLog, list_generations
from pixi_mirror.mirror.generation_file import Generation, short
from pixi_mirror.model.values import Json

_BEFORE = "found"
"""What stands for the verb of a generation that was there before this program recorded any."""


def _declare(parser: Parser) -> None:
    shared.declare_mirror_option(parser)
    shared.declare_output(parser)


def _run(options: Namespace) -> Outcome:
    found = list_generations(options.output)
    return Outcome(json=_json(found), lines=_lines(found))


def _lines(found: HistoryLog) -> list[str]:
    if not found.generations:
        return [f"{found.mirror} has no generation yet: its next change by this program records the first"]
    return [_line(found, generation) for generation in found.generations]


def _line(found: HistoryLog, generation: Generation) -> str:
    mark = "*" if found.stamp is not None and generation.number == found.stamp.number else " "
    names = f"  ({', '.join(names)})" if (names := found.names.get(generation.number)) else ""
    changes = f"+{generation.files_added} -{generation.files_removed}"
    number = f"g{generation.number}".ljust(len(str(found.generations[0].number)) + 1)
    return (
        f"{mark} {number}  {short(generation.fingerprint)}  {moment(generation.made_at)}  "
        f"{generation.verb or _BEFORE:<8}  {changes:>8}  {files_of(generation.files, generation.size)}{names}"
    )


def _json(found: HistoryLog) -> Mapping[str, Json]:
    return {
        "verb": "log",
        "mirror": str(found.mirror),
        "id": found.stamp.mirror if found.stamp is not None else None,
        "current": found.stamp.number if found.stamp is not None else None,
        "generations": [
            {
                "number": generation.number,
                "fingerprint": generation.fingerprint,
                "parent": generation.parent,
                "verb": generation.verb or _BEFORE,
                "made_at": moment_json(generation.made_at),
                "files": generation.files,
                "bytes": generation.size,
                "files_added": generation.files_added,
                "files_removed": generation.files_removed,
                "names": list(found.names.get(generation.number, ())),
            }
            for generation in found.generations
        ],
    }


def _empty_json(options: Namespace) -> Mapping[str, Json]:
    return {"verb": "log", "mirror": str(options.output), "id": None, "current": None, "generations": []}


COMMAND = Command(
    description="""\
List the generations of the mirror, the newest first: what it offered after each complete change. `*` marks the one that
is current. The groups of letters are the first 80 bits of its fingerprint: two mirrors with the same fingerprint
offer the same files.""",
    declare=_declare,
    run=_run,
    empty_json=_empty_json,
)
