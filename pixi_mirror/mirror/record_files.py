"""Read a record of a mirror, its inventory or its state: once, and saying what to do when it is damaged."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from pixi_mirror.disk.files import bytes_of
from pixi_mirror.disk.identity import Identity, identity_of
from pixi_mirror.errors import MachineError

Parsed = TypeVar("Parsed")

_LONGEST = 1 << 29
"""Bytes; a record of 200 000 packages has half of that."""


class Seen:
    """Which records have changed since they were last read; reading is what an unchanged run spends its time on."""

    def __init__(self) -> None:
        self._identities: dict[Path, Identity | None] = {}

    def is_news(self, path: Path) -> bool:
        """Whether a record is another, or gone or there, than when this was last asked."""
        try:
            found: Identity | None = identity_of(path.stat())
        except OSError:
            found = None
        news = path not in self._identities or self._identities[path] != found
        self._identities[path] = found
        return news


def parsed(path: Path, parse: Callable[[bytes], Parsed], absent: Parsed) -> Parsed:
    """What a record says, or `absent` where there is none.

    Raises:
        MachineError: it does not parse.
    """
    try:
        return parse(bytes_of(path, limit=_LONGEST))
    except FileNotFoundError:
        return absent
    except (ValueError, RecursionError) as error:
        why = "it is nested too deep" if isinstance(error, RecursionError) else str(error)
        raise MachineError(
            f"{path} does not parse: {why}. Nothing was changed. Restore it from a backup, or move it away and name "
            "the locks again: the next update hashes the files that are there instead of fetching them."
        ) from error
