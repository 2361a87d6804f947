"""Read the records of a mirror, and know whether they have changed since."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from pixi_mirror.disk.files import FileIdentity, identity_of, read_bytes
from pixi_mirror.errors import MachineError
from pixi_mirror.mirror.inventory_schema import NewerFormatError

LONGEST_RECORD = 1 << 29
"""In bytes. The inventory of 200 000 packages has half of that."""


class RecordCache:
    """Which records have changed since they were last read. An unchanged run spends its time with reading them."""

    def __init__(self) -> None:
        self._identities: dict[Path, FileIdentity | None] = {}

    def has_changed(self, path: Path) -> bool:
        """Whether a record is another one, or came or went, since this was last asked; true for the first time."""
        try:
            found: FileIdentity | None = identity_of(path.stat())
        except OSError:
            found = None
        changed = path not in self._identities or self._identities[path] != found
        self._identities[path] = found
        return changed


Record = TypeVar("Record")


def read_record(path: Path, parse: Callable[[bytes], Record], absent: Record) -> Record:
    """What a record says, or `absent` if it does not exist.

    Raises:
        MachineError: it does not parse.
    """
    try:
        return parse(read_bytes(path, limit=LONGEST_RECORD))
    except FileNotFoundError:
        return absent
    except NewerFormatError as error:
        raise error.about(path) from error
    except (ValueError, RecursionError) as error:
        why = "it is nested too deep" if isinstance(error, RecursionError) else str(error)
        raise MachineError(
            f"{path} does not parse: {why}. Nothing was changed. Restore it from a backup, or move it away and name "
            "the locks again: the next update hashes the files that are there instead of fetching them."
        ) from error
