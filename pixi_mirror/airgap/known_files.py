"""Decide what an export leaves out: what the receiver is known to have, and never what was merely sent."""

from dataclasses import dataclass
from pathlib import Path

from pixi_mirror.airgap.receipt import read_receipt, refuse_foreign_receipt
from pixi_mirror.errors import HistoryError, UsageError, WorkspaceError
from pixi_mirror.mirror.generation_file import short
from pixi_mirror.mirror.ledger_file import Acknowledged, Receiver
from pixi_mirror.mirror.tree import Tree
from pixi_mirror.model.values import Sha256


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportChoice:
    """What the user says of the receiver."""

    full: bool = False
    receiver: str | None = None
    receipt: Path | None = None
    overlap: int = 0
    """How many of the last exports for the receiver are brought again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """What the receiver has."""

    number: int | None
    """The generation; 0: none is complete; None: nothing is known to be there."""
    held: frozenset[Sha256]
    """Files that are left out."""
    why: str
    """A clause for people: why just these."""
    receiver: str | None = None
    """Who that is, where a receipt says it."""


def choose_base(tree: Tree, choice: ExportChoice) -> Base:
    """What an export leaves out.

    Raises:
        UsageError: the choices exclude each other, or there is none.
        HistoryError: the receipt, or what was acknowledged, is not of this mirror's history.
        MachineError: the receipt, the ledger or the history cannot be read.
    """
    _refuse_contradiction(choice)
    ledger = tree.ledger
    if choice.full:
        return Base(number=None, held=frozenset(), why="--full was given")
    if choice.receipt is not None:
        base = _of_receipt(tree, choice.receipt)
        receiver = ledger.receiver(choice.receiver or base.receiver or "")
    else:
        receiver = ledger.receiver(choice.receiver or "")
        if receiver.base is None:
            why = f"{choice.receiver} has acknowledged nothing yet"
            return Base(number=None, held=frozenset(), why=why)
        base = _of_acknowledged(tree, choice.receiver or "", receiver.base)
    again = _overlap(tree, receiver, choice.overlap)
    if not again:
        return base
    why = f"{base.why}, and the last {choice.overlap} exports are brought again"
    return Base(number=base.number, held=base.held - again, why=why, receiver=base.receiver)


def _refuse_contradiction(choice: ExportChoice) -> None:
    if choice.full and choice.receipt is not None:
        raise UsageError("--full leaves nothing out and --have leaves out what a receipt has: choose one.")
    if not choice.full and choice.receipt is None and choice.receiver is None:
        raise UsageError(
            "say for whom: `--to NAME` brings what that receiver has not acknowledged, `--have RECEIPT` what a receipt "
            "lacks, and `--full` everything; see `pixi-mirror export --help`."
        )
    if choice.overlap and (choice.full or choice.receiver is None):
        raise UsageError("--overlap is of the exports for a receiver: name it with --to, and leave --full out.")


def _of_receipt(tree: Tree, path: Path) -> Base:
    receipt = read_receipt(path)
    stamp = tree.inventory.stamp
    if stamp is None:
        raise WorkspaceError(f"{tree.root} has no generation yet.")
    refuse_foreign_receipt(tree, stamp, receipt)
    has = f"g{receipt.number}" if receipt.number is not None else "parts of a generation"
    return Base(
        number=receipt.number or 0,
        held=frozenset(receipt.files),
        why=f"the receipt says that {receipt.receiver or 'the far side'} has {has}",
        receiver=receipt.receiver,
    )


def _of_acknowledged(tree: Tree, receiver: str, known: Acknowledged) -> Base:
    if known.number in tree.generations.numbers():
        found = tree.generations.generation(known.number).fingerprint
        if found != known.fingerprint:
            raise HistoryError(
                f"{receiver} has g{known.number} with the fingerprint {short(known.fingerprint)}, and that of "
                f"{tree.root} has {short(found)}: the two have gone different ways. Use `export --full` into a new "
                "mirror."
            )
    how = "is assumed to have" if known.how == "assumed" else "has acknowledged"
    return Base(number=known.number, held=_files(tree, known.number), why=f"{receiver} {how} g{known.number}")


def _files(tree: Tree, number: int) -> frozenset[Sha256]:
    return frozenset(file.sha256 for file in tree.generations.inventory(number).stored.values())


def _overlap(tree: Tree, receiver: Receiver, count: int) -> frozenset[Sha256]:
    """The files of the last exports: of each those that the generation has and its base did not have."""
    found: frozenset[Sha256] = frozenset()
    for offer in receiver.offers[-count:] if count else ():
        found |= _files(tree, offer.number) - (_files(tree, offer.base) if offer.base else frozenset())
    return found
