"""Keep the standard streams usable: open what the caller has closed, and end well where stdout cannot be written."""

import os
import sys
from contextlib import suppress
from typing import TextIO

from pixi_mirror.errors import DONE, MachineError


def open_closed_streams() -> None:
    """Let what a caller has closed (`>&-`) lead nowhere: else the next file that we open gets its number."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115 - it is open to the end


def unprinted(error: OSError) -> int:
    """The exit status of a run whose results could not be printed; a reader that has gone away is no failure."""
    _discard(sys.stdout)
    if isinstance(error, BrokenPipeError):  # as `| head` does
        return DONE
    with suppress(OSError):
        print(f"pixi-mirror: the results cannot be printed: {error.strerror}.", file=sys.stderr)
    return MachineError.status


def give_up_notes() -> None:
    """Forget what cannot be said on stderr: Python would make of it an exit status of its own."""
    try:
        sys.stderr.flush()
    except OSError:
        _discard(sys.stderr)


def _discard(stream: TextIO) -> None:
    """Have what is still to be flushed lead nowhere, so that it raises no second time."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
