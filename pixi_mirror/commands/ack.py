"""`pixi mirror ack`."""

import os
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path

from pixi_mirror.airgap.acknowledge import AcknowledgedGeneration, acknowledge_receipt, acknowledge_words
from pixi_mirror.commands import options as shared
from pixi_mirror.commands.command import Command, Outcome
from pixi_mirror.commands.options import make_context, make_progress
from pixi_mirror.commands.parsing import Parser
from pixi_mirror.commands.values import admitted, fingerprint, receiver
from pixi_mirror.errors import UsageError
from pixi_mirror.mirror.generation_file import short
from pixi_mirror.mirror.ledger_file import Acknowledged, admit_receiver
from pixi_mirror.model.values import Json
from pixi_mirror.suggest import suggested


def _declare(parser: Parser) -> None:
    parser.words("what", help="a receipt; or the receiver's name, a generation as g42, and its fingerprint")
    shared.declare_mirror_option(parser)
    parser.value("--to", convert=receiver, metavar="NAME", help="who sent the receipt, where it does not say so")
    shared.declare_lock_timeout(parser)
    shared.declare_output(parser)


def _run(options: Namespace) -> Outcome:
    words: list[str] = options.what
    report = make_progress(options)
    context = make_context(options, report)
    if len(words) == 1 and not _is_only_a_name(words[0]):
        done = acknowledge_receipt(options.output, Path(words[0]), options.to, context)
    elif len(words) > 2:  # noqa: PLR2004 - the name, the generation, and the groups of the fingerprint
        name = admitted("NAME", words[0], receiver)
        digits = admitted("FINGERPRINT", "".join(words[2:]), fingerprint)
        done = acknowledge_words(options.output, name, words[1], digits, context)
    else:
        given = f"{' '.join(words)} does not say what was received, and is no file: " if words else ""
        raise UsageError(
            f"{given}give a receipt, `pixi-mirror ack RECEIPT`, or the receiver's name with a generation and its "
            "fingerprint, as `pixi-mirror log` shows them there: `pixi-mirror ack NAME g42 7f3a-91c2-5d08-e1b4-c6f7`."
        )
    if done.others:
        report.warn(f"nothing was ever exported for {done.receiver}{suggested(done.receiver, done.others)}.")
    return Outcome(json=_json(done), lines=_lines(done))


def _is_only_a_name(word: str) -> bool:
    """Whether a word is the name of a receiver, without what it has, and no receipt."""
    try:
        return not os.path.lexists(word) and not word.endswith(".json") and admit_receiver(word) == word
    except ValueError:
        return False


def _lines(done: AcknowledgedGeneration) -> list[str]:
    before = (
        f", after g{done.before.number}" if done.before is not None and done.before.number != done.now.number else ""
    )
    return [f"{done.receiver} has g{done.now.number} ({short(done.now.fingerprint)}){before}"]


def _json(done: AcknowledgedGeneration) -> Mapping[str, Json]:
    return {
        "verb": "ack",
        "mirror": str(done.mirror),
        "receiver": done.receiver,
        "acknowledged": acknowledged_json(done.now),
        "before": acknowledged_json(done.before),
    }


def acknowledged_json(known: Acknowledged | None) -> Json:
    """What a receiver has, as JSON."""
    if known is None:
        return None
    return {"generation": known.number, "fingerprint": known.fingerprint, "how": known.how}


def _empty_json(options: Namespace) -> Mapping[str, Json]:
    return {
        "verb": "ack",
        "mirror": str(options.output),
        **dict.fromkeys(("receiver", "acknowledged", "before")),
    }


COMMAND = Command(
    description="""\
Record what a receiver has, by its receipt or by a fingerprint that was read over the telephone. `pixi-mirror export
--to NAME` leaves out what is recorded so, and nothing else.""",
    declare=_declare,
    run=_run,
    empty_json=_empty_json,
)
