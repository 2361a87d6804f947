"""`pixi mirror pin`."""

from argparse import Namespace
from collections.abc import Mapping

from pixi_mirror.commands import options as shared
from pixi_mirror.commands.command import Command, Outcome
from pixi_mirror.commands.options import make_context, make_progress
from pixi_mirror.commands.parsing import Parser
from pixi_mirror.history.names import pin
from pixi_mirror.model.values import Json
from pixi_mirror.suggest import advised


def _declare(parser: Parser) -> None:
    parser.positional("generation", default=None, help="its number, a name that it has, or `current`")
    parser.positional("name", default=None, help="the name: letters, digits, `.`, `_` and `-`")
    shared.declare_mirror_option(parser)
    shared.declare_lock_timeout(parser)
    shared.declare_output(parser)


def _run(options: Namespace) -> Outcome:
    shared.require_words("pin", GENERATION=options.generation, NAME=options.name)
    context = make_context(options, make_progress(options))
    named = pin(options.output, options.generation, options.name, context)
    return Outcome(
        json={"verb": "pin", "mirror": str(named.mirror), "number": named.number, "name": named.name},
        lines=[f"g{named.number} is {named.name} now; {advised('prune', named.mirror)} keeps its files"],
    )


def _empty_json(options: Namespace) -> Mapping[str, Json]:
    return {"verb": "pin", "mirror": str(options.output), "number": None, "name": options.name}


COMMAND = Command(
    description="Give a generation of the mirror a name. `pixi-mirror prune` keeps the files of all that have one.",
    declare=_declare,
    run=_run,
    empty_json=_empty_json,
)
