"""What was exported for whom, and what they have acknowledged: `.pixi-mirror/ledger.json`, which is never served."""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Literal, TypeAlias

from pixi_mirror.disk.files import explain_errors, read_bytes
from pixi_mirror.errors import MachineError
from pixi_mirror.mirror.inventory_schema import NewerFormatError, require_format
from pixi_mirror.model.values import Json, Sha256, admit_sha256

LEDGER = "ledger.json"
"""The name of the file."""

How: TypeAlias = Literal["receipt", "words", "assumed"]
"""How it is known that a receiver has a generation: by its receipt, by a fingerprint that was read to us, or it is only
assumed because the user said so."""

_FORMAT = 1
_LONGEST = 1 << 26
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_MOST_OFFERS = 100
"""Of one receiver; older ones are forgotten."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportOffer:
    """One export for a receiver."""

    number: int
    fingerprint: Sha256
    base: int | None
    """The generation whose files were left out; None: no file was left out."""
    export: Sha256
    """Of its manifest."""
    files: int
    bytes: int
    """Of these files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledged:
    """The generation that a receiver has."""

    number: int
    fingerprint: Sha256
    how: How


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """A far side, as the near side knows it."""

    offers: tuple[ExportOffer, ...] = ()
    """The last exports, the oldest first."""
    acknowledged: Acknowledged | None = None
    """By a receipt or by words."""
    assumed: Acknowledged | None = None
    """What is assumed beyond that; it takes nothing away from what was acknowledged."""

    @property
    def base(self) -> Acknowledged | None:
        """What the next export leaves out: the later one of what was acknowledged and what is assumed."""
        return self.assumed or self.acknowledged

    @property
    def outstanding(self) -> tuple[ExportOffer, ...]:
        """The exports of generations that nobody has acknowledged; what is only assumed is not acknowledged."""
        number = self.acknowledged.number if self.acknowledged is not None else 0
        return tuple(offer for offer in self.offers if offer.number > number)

    def having(self, acknowledged: Acknowledged) -> "Receiver":
        """The same after an acknowledgement, by which nothing needs to be assumed any more."""
        return replace(self, acknowledged=acknowledged, assumed=None)

    def assuming(self, number: int, fingerprint: Sha256) -> "Receiver":
        """The same where a generation is assumed to have arrived, unless that one or a later one was acknowledged."""
        if self.acknowledged is not None and self.acknowledged.number >= number:
            return self
        return replace(self, assumed=Acknowledged(number=number, fingerprint=fingerprint, how="assumed"))

    def with_offer(self, offer: ExportOffer) -> "Receiver":
        """The same after one more export; the last one again is no other."""
        if self.offers[-1:] == (offer,):
            return self
        return replace(self, offers=(*self.offers, offer)[-_MOST_OFFERS:])


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """All receivers, by name."""

    receivers: Mapping[str, Receiver] = field(default_factory=dict)

    def receiver(self, name: str) -> Receiver:
        """One of them; one that nothing is known of has no exports."""
        return self.receivers.get(name, Receiver())

    def having(self, name: str, receiver: Receiver) -> "Ledger":
        """The same with a receiver as it is now."""
        return Ledger(receivers={**self.receivers, name: receiver})

    def without(self, name: str) -> "Ledger":
        """The same without a receiver."""
        return Ledger(receivers={other: each for other, each in self.receivers.items() if other != name})

    @property
    def unacknowledged(self) -> frozenset[int]:
        """The generations that were exported and that some receiver has not acknowledged."""
        return frozenset(offer.number for each in self.receivers.values() for offer in each.outstanding)


def admit_receiver(raw: str) -> str:
    """The name of a receiver.

    Raises:
        ValueError: it is none.
    """
    if not _NAME.fullmatch(raw):
        raise ValueError(f"{raw[:80]!r} is no name for a receiver: letters, digits, `.`, `_` and `-`")
    return raw


def dump_ledger(ledger: Ledger) -> bytes:
    """The bytes of the file."""
    receivers = {name: asdict(each) for name, each in sorted(ledger.receivers.items())}
    return json.dumps({"format": _FORMAT, "receivers": receivers}, sort_keys=True, indent=1).encode() + b"\n"


def read_ledger(private: Path) -> Ledger:
    """The ledger of a mirror, given the mirror's private part.

    Raises:
        MachineError: it cannot be read or does not parse.
    """
    path = private / LEDGER
    with explain_errors("read", path):
        try:
            return _parse(read_bytes(path, limit=_LONGEST))
        except FileNotFoundError:
            return Ledger()
        except NewerFormatError as error:
            raise error.about(path) from error
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise MachineError(
                f"{path} does not parse: {error}. Nothing was changed. Restore it from a backup, or remove it: then "
                "nothing counts as acknowledged, and the next export for a receiver is full."
            ) from error


def _parse(data: bytes) -> Ledger:
    raw = json.loads(data)
    require_format(raw["format"], newest=_FORMAT)
    return Ledger(receivers={admit_receiver(name): _receiver(row) for name, row in raw["receivers"].items()})


def _receiver(row: Json) -> Receiver:
    known = None if row["acknowledged"] is None else _acknowledged(row["acknowledged"])
    assumed = None if row.get("assumed") is None else _acknowledged(row["assumed"])
    if known is not None and known.how == "assumed":  # an earlier build had one place for both
        known, assumed = None, known
    return Receiver(offers=tuple(_offer(each) for each in row["offers"]), acknowledged=known, assumed=assumed)


def _offer(row: Json) -> ExportOffer:
    return ExportOffer(
        number=int(row["number"]),
        fingerprint=admit_sha256(row["fingerprint"]),
        base=None if row["base"] is None else int(row["base"]),
        export=admit_sha256(row["export"]),
        files=int(row["files"]),
        bytes=int(row["bytes"]),
    )


def _acknowledged(row: Json) -> Acknowledged:
    if row["how"] not in ("receipt", "words", "assumed"):
        raise ValueError(f"{str(row['how'])[:40]!r} is no way to acknowledge")
    return Acknowledged(number=int(row["number"]), fingerprint=admit_sha256(row["fingerprint"]), how=row["how"])
