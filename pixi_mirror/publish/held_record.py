"""The record at a destination: read once, and swapped under the condition that nobody else has swapped it meanwhile."""

from dataclasses import dataclass
from pathlib import Path

from pixi_mirror.errors import FarSideError
from pixi_mirror.mirror.tree import Tree
from pixi_mirror.mirror.tree_view import PUBLISHED
from pixi_mirror.model.values import MirrorPath, sha256_of
from pixi_mirror.publish.compare import MAY_CHANGE
from pixi_mirror.publish.destination import Destination, Upload
from pixi_mirror.publish.record import Record, dump_record, parse_record

NO_TAG = '"00000000000000000000000000000000"'
"""A tag that no file has."""


def find_record(destination: Destination) -> tuple[bytes, str] | None:
    """The record at a destination with its tag; None: nothing at all is there.

    Raises:
        FarSideError: somebody else has put something there, or it cannot be read.
    """
    found = destination.read(PUBLISHED)
    if found is None and not destination.is_empty():
        raise FarSideError(
            f"{destination.name} holds other things and no {PUBLISHED}; nothing was changed. Name an empty place, or a "
            "prefix below it."
        )
    return found


@dataclass(slots=True, kw_only=True)
class HeldRecord:
    """What a destination is known to hold, by the record there that was read or written last."""

    destination: Destination
    record: Record
    tag: str | None
    """Of the record there; None: there is none yet."""

    @classmethod
    def opened(cls, destination: Destination, tree: Tree) -> "HeldRecord":
        """Read the record of a destination to which the mirror is published, or is to be.

        Raises:
            FarSideError: somebody else has put something there, or the record cannot be read.
            FetchError: the destination cannot be reached.
        """
        found = find_record(destination)
        stamp = tree.inventory.stamp
        mirror = None if stamp is None else stamp.mirror
        if found is None:
            return cls(destination=destination, record=Record(mirror=mirror), tag=None)
        record = parse_record(found[0], destination.name)
        if record.mirror is not None and mirror is not None and record.mirror != mirror:
            raise FarSideError(
                f"{destination.name} holds another mirror (its id is {record.mirror}, this one's is {mirror}); "
                "nothing was changed. Name another place."
            )
        return cls(destination=destination, record=record, tag=found[1])

    def keep(self, record: Record) -> None:
        """Write the record, if the one there is still the one that was read or written last.

        Raises:
            FarSideError: it is not: somebody else publishes there.
        """
        upload = _upload(record)
        tag = self.destination.create(upload) if self.tag is None else self.destination.swap(upload, self.tag)
        if tag is None:
            raise others_publish(self.destination, PUBLISHED)
        self.record, self.tag = record, tag
        self.destination.settle()

    def require_conditions(self) -> None:
        """Refuse a store that overwrites under a condition that does not hold: two publishers would harm each other.

        Raises:
            FarSideError: it does.
        """
        if self.destination.swap(_upload(self.record), NO_TAG) is not None:
            raise FarSideError(
                f"{self.destination.name}: the store ignores the conditions of a request (If-Match), so two publishers "
                "could overwrite each other's work unnoticed; only the record was written. If nobody else ever "
                "publishes there, say so with --only-publisher."
            )

    def require_ours(self) -> None:
        """Look at the record once more, after some time: some stores let two swaps at one instant both succeed.

        Raises:
            FarSideError: it is another one than was written last.
        """
        held = self.destination.look(PUBLISHED)
        if held is None or held.tag != self.tag:
            raise others_publish(self.destination, PUBLISHED)


def others_publish(destination: Destination, path: MirrorPath) -> FarSideError:
    """The error for a file that is another one than this run has read or written."""
    return FarSideError(
        f"{destination.name}/{path} has changed since it was read or written: somebody else publishes there at the "
        "same time. Publish again with --check when nobody else does."
    )


def _upload(record: Record) -> Upload:
    data = dump_record(record)
    return Upload(
        path=PUBLISHED, source=Path(PUBLISHED), data=data, sha256=sha256_of(data), size=len(data),
        content_type="application/json", cache_control=MAY_CHANGE,
    )  # fmt: skip
