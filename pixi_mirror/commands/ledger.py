"""`pixi mirror ledger`."""

from argparse import Namespace
from collections.abc import Mapping

from pixi_mirror.airgap.acknowledge import LedgerView, OutstandingFiles, view_ledger
from pixi_mirror.commands import options as shared
from pixi_mirror.commands.ack import acknowledged_json
from pixi_mirror.commands.command import Command, Outcome
from pixi_mirror.commands.parsing import Parser
from pixi_mirror.commands.text import files_of
from pixi_mirror.mirror.generation_file import short
from pixi_mirror.mirror.ledger_file import ExportOffer, How, Receiver
from pixi_mirror.model.values import Json

_HOW: Mapping[How, str] = {
    "receipt": "by its receipt",
    "words": "by its fingerprint",
    "assumed": "assumed, and not acknowledged",
}


def _declare(parser: Parser) -> None:
    shared.declare_mirror(parser)
    shared.declare_output(parser)


def _run(options: Namespace) -> Outcome:
    found = view_ledger(options.dir)
    return Outcome(json=_json(found), lines=_lines(found))


def _lines(found: LedgerView) -> list[str]:
    if not found.receivers:
        return [f"nothing was exported for anybody: {found.mirror} has no receivers (see `pixi-mirror export --to`)"]
    return [line for name, (each, left) in found.receivers.items() for line in _receiver_lines(name, each, left, found)]


def _receiver_lines(name: str, receiver: Receiver, left: OutstandingFiles, found: LedgerView) -> list[str]:
    known = receiver.acknowledged
    has = "has acknowledged nothing" if known is None else f"has g{known.number} ({_HOW[known.how]})"
    lacks = (
        f"lacks {files_of(left.files, left.size)} of g{found.number}"
        if left.files
        else f"lacks no file of g{found.number}"
    )
    return [f"{name}: {has}; {lacks}", *(f"  {_offered(offer)}" for offer in receiver.outstanding)]


def _offered(offer: ExportOffer) -> str:
    base = "full" if offer.base is None else f"from g{offer.base}"
    what = files_of(offer.files, offer.bytes)
    return f"exported g{offer.number}  {short(offer.fingerprint)}  {base}  {what}: not acknowledged"


def _json(found: LedgerView) -> Mapping[str, Json]:
    return {
        "verb": "ledger",
        "mirror": str(found.mirror),
        "current": found.number,
        "receivers": [
            {
                "receiver": name,
                "acknowledged": acknowledged_json(receiver.acknowledged),
                "outstanding_files": left.files,
                "outstanding_bytes": left.size,
                "exports": [_offer_json(offer, receiver) for offer in receiver.offers],
            }
            for name, (receiver, left) in found.receivers.items()
        ],
    }


def _offer_json(offer: ExportOffer, receiver: Receiver) -> Json:
    return {
        "generation": offer.number,
        "fingerprint": offer.fingerprint,
        "base": offer.base,
        "manifest": offer.export,
        "files": offer.files,
        "bytes": offer.bytes,
        "acknowledged": offer not in receiver.outstanding,
    }


def _empty_json(options: Namespace) -> Mapping[str, Json]:
    return {"verb": "ledger", "mirror": str(options.dir), "current": None, "receivers": []}


COMMAND = Command(
    description="""\
Say for each receiver which generation it has acknowledged, which exports for it nobody has acknowledged, and how much
it lacks of the current generation. `prune` keeps the files of exports that nobody has acknowledged.""",
    declare=_declare,
    run=_run,
    empty_json=_empty_json,
)
