"""Read a record of a mirror, its inventory or its state, and say what to do when it is damaged."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from pixi_mirror.errors import MachineError

Parsed = TypeVar("Parsed")


def parsed(path: Path, parse: Callable[[bytes], Parsed], absent: Parsed) -> Parsed:
    """What a record says, or `absent` where there is none.

    Raises:
        MachineError: it does not parse.
    """
    try:
        return parse(path.read_bytes())
    except FileNotFoundError:
        return absent
    except ValueError as error:
        raise MachineError(
            f"{path} does not parse: {error}. Nothing was changed. Restore it from a backup, or move it away and name "
            "the locks again: the next update hashes the files that are there instead of fetching them."
        ) from error
