"""What a destination holds, as its own record says, the last file that is written."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from pixi_mirror.errors import FarSideError
from pixi_mirror.mirror.tree_view import PUBLISHED
from pixi_mirror.model.values import MirrorPath, Sha256, admit_path, admit_sha256, canonical

_FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedFile:
    """A file that a publisher has written."""

    sha256: Sha256
    size: int
    tag: str | None
    """That the destination gave it, of a file whose bytes may change; None: they never do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What publishers of one mirror have written to one destination."""

    mirror: str | None
    """The random name of the mirror; None: an older program wrote it, which gave none."""
    files: Mapping[MirrorPath, PublishedFile] = field(default_factory=dict)
    pending: Mapping[MirrorPath, tuple[Sha256, ...]] = field(default_factory=dict)
    """What a run that is under way, or was killed, may have written besides."""
    unwanted: Mapping[MirrorPath, int] = field(default_factory=dict)
    """Files that the mirror holds no longer, each with the second since 1970 at which that was first seen."""

    removing: tuple[MirrorPath, ...] = ()
    """Files that a run which is under way, or was killed, removes. No index lists them; nothing may be put there."""

    def knows(self, path: MirrorPath, sha256: Sha256 | None) -> bool:
        """Whether a publisher of this mirror has written these bytes there."""
        written = self.files.get(path)
        return sha256 is not None and (
            sha256 in self.pending.get(path, ()) or (written is not None and written.sha256 == sha256)
        )


def dump_record(record: Record) -> bytes:
    """The bytes of the record: one file a line."""
    rows = {path: [each.sha256, each.size, each.tag] for path, each in sorted(record.files.items())}
    files = ",\n".join(f"{canonical(path).decode()}:{canonical(row).decode()}" for path, row in rows.items())
    head = {
        "format": _FORMAT,
        "mirror": record.mirror,
        "pending": record.pending,
        "unwanted": record.unwanted,
        "removing": list(record.removing),
    }
    return canonical(head)[:-1] + b',"files":{\n' + files.encode() + b"\n}}\n"


def parse_record(data: bytes, destination: str) -> Record:
    """The record that the bytes spell.

    Raises:
        FarSideError: they spell none, or one of a newer format.
    """
    try:
        raw = json.loads(data)
        if raw["format"] != _FORMAT:
            raise FarSideError(
                f"{destination}: its record {PUBLISHED} has format {raw['format']}, and this program reads {_FORMAT}. "
                "Publish with a newer pixi-mirror."
            )
        return Record(
            mirror=raw["mirror"],
            files=MappingProxyType(
                {
                    admit_path(path): PublishedFile(sha256=admit_sha256(row[0]), size=int(row[1]), tag=row[2])
                    for path, row in raw["files"].items()
                }
            ),
            pending={admit_path(path): tuple(map(admit_sha256, row)) for path, row in raw["pending"].items()},
            unwanted={admit_path(path): int(since) for path, since in raw["unwanted"].items()},
            removing=tuple(map(admit_path, raw["removing"])),
        )
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError) as error:
        raise FarSideError(
            f"{destination}: its record {PUBLISHED} does not parse ({str(error)[:100]}); nothing was changed. Publish "
            "to another place, or remove what is there."
        ) from error
