"""Record what a receiver has, and say of each receiver what was exported for it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pixi_mirror.airgap.receipt import Receipt, read_receipt, refuse_foreign_receipt
from pixi_mirror.context import Context
from pixi_mirror.errors import HistoryError, UsageError, WorkspaceError
from pixi_mirror.history.names import CURRENT, find_generation
from pixi_mirror.mirror.generation_file import short
from pixi_mirror.mirror.ledger_file import LEDGER, Acknowledged, How, Ledger, Receiver, dump_ledger
from pixi_mirror.mirror.tree import Tree, open_mirror
from pixi_mirror.model.packages import Stamp
from pixi_mirror.model.values import Sha256
from pixi_mirror.suggest import suggested


@dataclass(frozen=True, slots=True, kw_only=True)
class AcknowledgedGeneration:
    """What a receiver has now, by the ledger."""

    mirror: Path
    receiver: str
    before: Acknowledged | None
    now: Acknowledged
    others: tuple[str, ...]
    """If nothing was ever exported for this receiver: for whom else there were exports."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutstandingFiles:
    """What a receiver lacks of the current generation, as far as is known."""

    files: int
    size: int
    """Bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerView:
    """The ledger of a mirror, with what each receiver lacks."""

    mirror: Path
    number: int | None
    """The current generation; None: there is none yet."""
    receivers: Mapping[str, tuple[Receiver, OutstandingFiles]]


def acknowledge_words(
    mirror: Path, receiver: str, generation: str, fingerprint: str, context: Context
) -> AcknowledgedGeneration:
    """Record that a receiver has a generation, whose fingerprint was read to us.

    Args:
        mirror: its directory.
        receiver: its name.
        generation: the number, as `42` or `g42`.
        fingerprint: its first hexadecimal digits.
        context: of the verb.

    Raises:
        WorkspaceError: there is no such generation.
        HistoryError: it has another fingerprint.
        MachineError: there is no mirror, or it cannot be read or written.
        BusyError: another process is writing the mirror.
    """
    tree = open_mirror(mirror)
    number = find_generation(tree, generation)
    found = tree.generations.generation(number).fingerprint
    if not found.startswith(fingerprint):
        raise HistoryError(
            f"g{number} of {tree.root} has the fingerprint {short(found)}, and not {short(Sha256(fingerprint))}: "
            "nothing was recorded. Have it read again; if it stays so, the far side has another history: use `export "
            "--full` into a new mirror there."
        )
    return _record(tree, receiver, number, found, how="words", context=context)


def acknowledge_receipt(mirror: Path, path: Path, receiver: str | None, context: Context) -> AcknowledgedGeneration:
    """Record what a receipt says.

    Args:
        mirror: its directory.
        path: of the receipt.
        receiver: who sent it; None: the receipt says it.
        context: of the verb.

    Raises:
        UsageError: nobody says who sent the receipt.
        WorkspaceError: the mirror, or the far side, has no generation.
        HistoryError: the receipt is of another mirror, or of another history of this one.
        MachineError: there is no mirror, or something cannot be read or written.
        BusyError: another process is writing the mirror.
    """
    receipt = read_receipt(path)
    tree = open_mirror(mirror)
    refuse_foreign_receipt(tree, _stamp(tree), receipt)
    name = receiver or receipt.receiver
    if name is None:
        raise UsageError(f"{path} does not say who sent it: add --to NAME.")
    number, fingerprint = _generation(receipt, path)
    return _record(tree, name, number, fingerprint, how="receipt", context=context)


def _stamp(tree: Tree) -> Stamp:
    if tree.inventory.stamp is None:
        raise WorkspaceError(f"{tree.root} has no generation yet, so nobody can have one.")
    return tree.inventory.stamp


def _generation(receipt: Receipt, path: Path) -> tuple[int, Sha256]:
    if receipt.number is None or receipt.fingerprint is None:
        raise WorkspaceError(
            f"{path} says that no generation is complete on the far side, so there is nothing to acknowledge. "
            f"`pixi-mirror export --have {path}` brings what is missing there."
        )
    return receipt.number, receipt.fingerprint


def _record(
    tree: Tree, name: str, number: int, fingerprint: Sha256, *, how: How, context: Context
) -> AcknowledgedGeneration:
    with tree.writing(timeout_s=context.lock_timeout_s, verb="ack"):
        ledger = tree.ledger
        receiver = ledger.receiver(name)
        now = Acknowledged(number=number, fingerprint=fingerprint, how=how)
        if receiver != receiver.having(now):
            tree.record_private(LEDGER, dump_ledger(ledger.having(name, receiver.having(now))))
    others = () if receiver.offers else tuple(other for other, each in ledger.receivers.items() if each.offers)
    return AcknowledgedGeneration(mirror=tree.root, receiver=name, before=receiver.acknowledged, now=now, others=others)


def remove_receiver(mirror: Path, name: str, context: Context) -> Receiver:
    """Have the ledger know nothing of a receiver any more; what it was.

    Raises:
        WorkspaceError: it does not know it.
        MachineError: there is no mirror, or it cannot be read or written.
        BusyError: another process is writing the mirror.
    """
    tree = open_mirror(mirror)
    with tree.writing(timeout_s=context.lock_timeout_s, verb="ledger"):
        ledger = tree.ledger
        if name not in ledger.receivers:
            raise WorkspaceError(
                f"the ledger of {tree.root} has no receiver {name}{suggested(name, ledger.receivers)}."
            )
        tree.record_private(LEDGER, dump_ledger(ledger.without(name)))
        return ledger.receiver(name)


def view_ledger(mirror: Path) -> LedgerView:
    """What was exported for whom, and what each receiver lacks of the current generation.

    Raises:
        MachineError: there is no mirror, or its records cannot be read.
    """
    tree = open_mirror(mirror)
    ledger: Ledger = tree.ledger
    number = find_generation(tree, CURRENT) if tree.inventory.stamp is not None else None
    sizes = _sizes(tree, number)
    return LedgerView(
        mirror=mirror,
        number=number,
        receivers={name: (each, _outstanding(tree, sizes, each)) for name, each in sorted(ledger.receivers.items())},
    )


def _sizes(tree: Tree, number: int | None) -> Mapping[Sha256, int]:
    if number is None:
        return {}
    return {file.sha256: file.size for file in tree.generations.inventory(number).stored.values()}


def _outstanding(tree: Tree, sizes: Mapping[Sha256, int], receiver: Receiver) -> OutstandingFiles:
    known = receiver.base
    held = _sizes(tree, known.number) if known is not None else {}
    left = [size for sha256, size in sizes.items() if sha256 not in held]
    return OutstandingFiles(files=len(left), size=sum(left))
