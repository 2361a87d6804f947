"""`pixi mirror receipt`."""

import json
from argparse import Namespace
from collections.abc import Mapping

from pixi_mirror.airgap.receipt import make_receipt, receipt_json
from pixi_mirror.commands import options as shared
from pixi_mirror.commands.command import Command, Outcome
from pixi_mirror.commands.parsing import Parser
from pixi_mirror.commands.values import receiver
from pixi_mirror.model.values import Json


def _declare(parser: Parser) -> None:
    shared.declare_mirror(parser)
    parser.value(
        "--to",
        convert=receiver,
        metavar="NAME",
        help="under which name exports are made for this mirror (default: that of the last import)",
    )
    shared.declare_output(parser)


def _run(options: Namespace) -> Outcome:
    found = receipt_json(make_receipt(options.dir, receiver=options.to))
    return Outcome(json=found, lines=json.dumps(found, indent=1).splitlines(), is_requested=True)


def _empty_json(_options: Namespace) -> Mapping[str, Json]:
    return {"verb": "receipt", **dict.fromkeys(("format", "id", "generation", "fingerprint", "receiver")), "files": []}


COMMAND = Command(
    description="""\
Print what this mirror has, as a small file to be carried back to where its archives come from: which generation, and
the sha256 of every file. There, `pixi-mirror ack RECEIPT` records it, and `pixi-mirror export --have RECEIPT` brings
exactly what it lacks.""",
    declare=_declare,
    run=_run,
    empty_json=_empty_json,
)
