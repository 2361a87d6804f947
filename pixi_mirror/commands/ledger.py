"""`pixi mirror ledger`."""

from argparse import Namespace
from collections.abc import Mapping, Sequence

from pixi_mirror.airgap.acknowledge import LedgerView, OutstandingFiles, remove_receiver, view_ledger
from pixi_mirror.commands import options as shared
from pixi_mirror.commands.ack import acknowledged_json
from pixi_mirror.commands.command import Command, Outcome
from pixi_mirror.commands.options import make_context, make_progress
from pixi_mirror.commands.parsing import Parser
from pixi_mirror.commands.text import files_of
from pixi_mirror.commands.values import receiver
from pixi_mirror.mirror.generation_file import short
from pixi_mirror.mirror.ledger_file import ExportOffer, How, Receiver
from pixi_mirror.model.values import Json
from pixi_mirror.progress import counted

_HOW: Mapping[How, str] = {
    "receipt": "by its receipt",
    "words": "by its fingerprint",
}


def _declare(parser: Parser) -> None:
    shared.declare_mirror(parser)
    parser.value(
        "--remove",
        convert=receiver,
        metavar="NAME",
        help="forget this receiver, for example one that was named by mistake: its exports, and what it has",
    )
    shared.declare_lock_timeout(parser)
    shared.declare_output(parser)


def _run(options: Namespace) -> Outcome:
    removed: Sequence[str] = ()
    lines: list[str] = []
    if options.remove is not None:
        context = make_context(options, make_progress(options))
        was = remove_receiver(options.dir, options.remove, context)
        removed = [options.remove]
        has = "" if was.acknowledged is None else f", and that it has g{was.acknowledged.number}"
        lines.append(f"removed {options.remove}: {counted(len(was.offers), 'export')}{has}; no file was removed")
    found = view_ledger(options.dir)
    return Outcome(json=_json(found, removed), lines=lines or _lines(found))


def _lines(found: LedgerView) -> list[str]:
    if not found.receivers:
        return [f"nothing was exported for anybody: {found.mirror} has no receivers (see `pixi-mirror export --to`)"]
    return [line for name, (each, left) in found.receivers.items() for line in _receiver_lines(name, each, left, found)]


def _receiver_lines(name: str, receiver: Receiver, left: OutstandingFiles, found: LedgerView) -> list[str]:
    known, assumed = receiver.acknowledged, receiver.assumed
    has = "has acknowledged nothing" if known is None else f"has g{known.number} ({_HOW[known.how]})"
    if assumed is not None:
        has += f", and is assumed to have g{assumed.number}"
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


def _json(found: LedgerView, removed: Sequence[str]) -> Mapping[str, Json]:
    return {
        "verb": "ledger",
        "mirror": str(found.mirror),
        "removed": list(removed),
        "current": found.number,
        "receivers": [
            {
                "receiver": name,
                "acknowledged": acknowledged_json(receiver.acknowledged),
                "assumed": acknowledged_json(receiver.assumed),
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
    return {"verb": "ledger", "mirror": str(options.dir), "removed": [], "current": None, "receivers": []}


COMMAND = Command(
    description="""\
Say for each receiver which generation it has acknowledged, which exports for it nobody has acknowledged, and how much
it lacks of the current generation. `prune` keeps the files of exports that nobody has acknowledged. --remove forgets a
receiver; then the next export for that name is full.""",
    declare=_declare,
    run=_run,
    empty_json=_empty_json,
)
