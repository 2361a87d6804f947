"""`pixi mirror unpin`."""

from argparse import Namespace
from collections.abc import Mapping

from pixi_mirror.commands import options as shared
from pixi_mirror.commands.command import Command, Outcome
from pixi_mirror.commands.options import make_context, make_progress
from pixi_mirror.commands.parsing import Parser
from pixi_mirror.history.names import unpin
from pixi_mirror.model.values import Json
from pixi_mirror.suggest import advised


def _declare(parser: Parser) -> None:
    parser.positional("name", default=None, help="the name to take away")
    shared.declare_mirror_option(parser)
    shared.declare_lock_timeout(parser)
    shared.declare_output(parser)


def _run(options: Namespace) -> Outcome:
    shared.require_words("unpin", NAME=options.name)
    named = unpin(options.output, options.name, make_context(options, make_progress(options)))
    return Outcome(
        json={"verb": "unpin", "mirror": str(named.mirror), "number": named.number, "name": named.name},
        lines=[f"g{named.number} is {named.name} no longer; {advised('prune', named.mirror)} may remove its files"],
    )


def _empty_json(options: Namespace) -> Mapping[str, Json]:
    return {"verb": "unpin", "mirror": str(options.output), "number": None, "name": options.name}


COMMAND = Command(
    description="""\
Take a name away from its generation, which stays in the history. If no other name and no --keep holds its files, the
next `pixi-mirror prune --apply` removes those that no followed lock wants.""",
    declare=_declare,
    run=_run,
    empty_json=_empty_json,
)
