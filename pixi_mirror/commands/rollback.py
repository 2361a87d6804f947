"""`pixi mirror rollback`."""

from argparse import Namespace
from collections.abc import Mapping

from pixi_mirror.commands import options as shared
from pixi_mirror.commands.command import Command, Outcome
from pixi_mirror.commands.options import make_context, make_progress
from pixi_mirror.commands.parsing import Parser
from pixi_mirror.history.rollback import RollbackResult, rollback
from pixi_mirror.mirror.generation_file import short
from pixi_mirror.model.values import Json
from pixi_mirror.progress import counted
from pixi_mirror.suggest import advised


def _declare(parser: Parser) -> None:
    parser.positional("generation", default=None, help="its number, or a name that it has")
    shared.declare_mirror_option(parser)
    shared.declare_lock_timeout(parser)
    shared.declare_output(parser)


def _run(options: Namespace) -> Outcome:
    shared.require_words("rollback", GENERATION=options.generation)
    done = rollback(options.output, options.generation, make_context(options, make_progress(options)))
    return Outcome(json=_json(done), lines=_lines(done))


def _lines(done: RollbackResult) -> list[str]:
    if done.was == done.number and not done.restored:
        return [f"nothing to do: g{done.number} is current, and every file that it lists is whole"]
    changes = f"{counted(len(done.listed), 'file')} listed again, {len(done.unlisted)} listed no longer"
    restored = f", {len(done.restored)} with their old bytes" if done.restored else ""
    return [
        f"{done.mirror} is g{done.number} ({short(done.fingerprint)}) again, after g{done.was}: {changes}{restored}",
        f"no file was removed; the mirror follows the same locks, and the next {advised('update', done.mirror)} goes "
        "forward again",
    ]


def _json(done: RollbackResult) -> Mapping[str, Json]:
    return {
        "verb": "rollback",
        "mirror": str(done.mirror),
        "was": done.was,
        "current": done.number,
        "fingerprint": done.fingerprint,
        "listed": list(done.listed),
        "unlisted": list(done.unlisted),
        "restored": list(done.restored),
    }


def _empty_json(options: Namespace) -> Mapping[str, Json]:
    return {
        "verb": "rollback",
        "mirror": str(options.output),
        "was": None,
        "current": None,
        "fingerprint": None,
        "listed": [],
        "unlisted": [],
        "restored": [],
    }


COMMAND = Command(
    description="""\
Let the mirror offer again what it offered in an earlier generation, and nothing else. Every file of that generation is
hashed first; if one is missing or damaged, nothing is changed (status 10). No file is removed, and the mirror follows
the same locks as before: the next update goes forward again, to a generation with a new number.""",
    declare=_declare,
    run=_run,
    empty_json=_empty_json,
)
