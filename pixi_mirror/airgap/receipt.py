"""What a far side has, as a small file that is carried back: a receipt."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pixi_mirror.airgap.candidates import unusable_record
from pixi_mirror.airgap.manifest import parse_manifest
from pixi_mirror.disk.files import explain_errors, open_regular
from pixi_mirror.errors import HistoryError, MachineError, WorkspaceError
from pixi_mirror.mirror.generation_file import short
from pixi_mirror.mirror.ledger_file import admit_receiver
from pixi_mirror.mirror.tree import Tree, open_mirror
from pixi_mirror.model.packages import Stamp
from pixi_mirror.model.values import Json, Sha256, admit_sha256

RECEIVER = "receiver"
"""The private file of a far side with the name under which it is exported to."""

_FORMAT = 1
_LONGEST = 128 << 20
"""In bytes; a row has 67."""
_MIRROR = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What a far side has."""

    mirror: str
    """The random name of the mirror in which its generations are made."""
    number: int | None
    """The generation that it offers; None: none was complete yet."""
    fingerprint: Sha256 | None
    receiver: str | None
    """The name of the far side; None: nobody gave it one."""
    files: tuple[Sha256, ...]
    """All whole files that it has, listed or not."""


def make_receipt(mirror: Path, *, receiver: str | None = None) -> Receipt:
    """The receipt of a mirror that imports fill, or of any other one.

    Args:
        mirror: its directory.
        receiver: its name; None: that under which the last import was exported for it.

    Raises:
        WorkspaceError: it has no generation yet, and nothing of one.
        MachineError: there is no mirror, or it cannot be read.
    """
    tree = open_mirror(mirror)
    stamp, staged = tree.inventory.stamp, tree.staged
    origin = origin_of(tree)
    if origin is None:
        raise WorkspaceError(f"{mirror} has no generation yet, so there is nothing that could be acknowledged.")
    stored, held = tree.inventory.stored, tree.held()
    files = {file.sha256 for path, file in stored.items() if held.get(path) == file.sha256}
    return Receipt(
        mirror=origin,
        number=None if stamp is None else stamp.number,
        fingerprint=None if stamp is None else stamp.fingerprint,
        receiver=receiver or _recorded_receiver(tree),
        files=tuple(sorted(files | staged.whole(staged.names()))),
    )


def origin_of(tree: Tree) -> str | None:
    """The random name of the mirror whose generations are here, or wait here; None: there are none.

    Raises:
        MachineError: what waits cannot be used.
    """
    if tree.inventory.stamp is not None:
        return tree.inventory.stamp.mirror
    for number in tree.staged.records():
        data = tree.staged.record(number, "json")
        if data is not None:
            try:
                return parse_manifest(data).mirror
            except ValueError as error:
                raise unusable_record(tree.staged, number, error) from error
    return None


def _recorded_receiver(tree: Tree) -> str | None:
    data = tree.read_private(RECEIVER)
    try:
        return None if data is None else admit_receiver(data.decode().strip())
    except ValueError:
        return None


def receipt_json(receipt: Receipt) -> Mapping[str, Json]:
    """The receipt as JSON."""
    return {
        "verb": "receipt",
        "format": _FORMAT,
        "id": receipt.mirror,
        "generation": receipt.number,
        "fingerprint": receipt.fingerprint,
        "receiver": receipt.receiver,
        "files": list(receipt.files),
    }


def read_receipt(path: Path) -> Receipt:
    """The receipt in a file that came from a far side.

    Raises:
        MachineError: it cannot be read, or is no receipt.
    """
    with explain_errors("read", path), open(open_regular(path, follow_links=True), "rb") as file:
        data = file.read(_LONGEST + 1)
    try:
        if len(data) > _LONGEST:
            raise ValueError(f"it is longer than {_LONGEST} bytes")  # noqa: TRY301 - said as any other fault
        raw = json.loads(data)
        if raw["format"] != _FORMAT:
            raise ValueError(f"it has format {str(raw['format'])[:20]}, and this program reads {_FORMAT}")  # noqa: TRY301
        return _receipt(raw)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise MachineError(
            f"{path} is no receipt: {_fault(error)}. Make one on the far side with `pixi-mirror receipt > FILE`."
        ) from error


def _fault(error: Exception) -> str:
    """What is wrong with a file that is no receipt, for somebody who does not know how one is written."""
    if isinstance(error, (json.JSONDecodeError, UnicodeDecodeError)):
        return "it is no JSON"
    if isinstance(error, KeyError):
        return f"it has no {error}"
    return str(error) if isinstance(error, ValueError) else "it is not built like one"


def _receipt(raw: Json) -> Receipt:
    number, fingerprint = raw["generation"], raw["fingerprint"]
    if not _MIRROR.fullmatch(raw["id"]) or (number is None) != (fingerprint is None):
        raise ValueError("it names no mirror, or half of a generation")
    if number is not None and (type(number) is not int or number < 1):
        raise ValueError(f"{str(number)[:40]!r} is no generation")
    return Receipt(
        mirror=raw["id"],
        number=number,
        fingerprint=None if fingerprint is None else admit_sha256(fingerprint),
        receiver=None if raw["receiver"] is None else admit_receiver(raw["receiver"]),
        files=tuple(admit_sha256(each) for each in raw["files"]),
    )


def refuse_foreign_receipt(tree: Tree, stamp: Stamp, receipt: Receipt) -> None:
    """Refuse a receipt of another mirror, or of another history of this one.

    Raises:
        HistoryError: it is one.
        MachineError: the history cannot be read.
    """
    if receipt.mirror != stamp.mirror:
        raise HistoryError(
            f"the receipt is of the mirror {receipt.mirror[:8]}, and {tree.root} is {stamp.mirror[:8]}: another one."
        )
    number, fingerprint = receipt.number, receipt.fingerprint
    if number is None or fingerprint is None:
        return
    if number > stamp.last:
        raise HistoryError(
            f"the receipt is of g{number}, and {tree.root} has made generations up to g{stamp.last} only: it was "
            "restored from a backup or copied since. Use `export --full`."
        )
    if number in tree.generations.numbers():
        known = tree.generations.generation(number).fingerprint
        if known != fingerprint:
            raise HistoryError(
                f"the receipt is of a g{number} with the fingerprint {short(fingerprint)}, and that of {tree.root} has "
                f"{short(known)}: the two have gone different ways. Use `export --full` into a new mirror."
            )
