"""Say an error, a warning or a hint on stderr: in colour on a terminal, in plain text elsewhere."""

import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Literal, TextIO, TypeAlias

from pixi_mirror.commands.text import plain

Kind: TypeAlias = Literal["error", "warning", "hint"]

_COLOURS: Mapping[Kind, str] = {"error": "\x1b[1;31m", "warning": "\x1b[1;33m", "hint": "\x1b[1;36m"}
_OFF = "\x1b[0m"
_PLAIN: Mapping[Kind, str] = {"error": "pixi-mirror: ", "warning": "warning: ", "hint": ""}


def has_colours(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Whether a stream is to have colours: a terminal, unless `NO_COLOR` is set, or where `CLICOLOR_FORCE` is."""
    if environ.get("NO_COLOR"):
        return False
    if environ.get("CLICOLOR_FORCE", "0") not in ("", "0"):
        return True
    return is_terminal(stream) and environ.get("TERM") != "dumb"


def is_terminal(stream: TextIO) -> bool:
    """Whether a person reads the stream."""
    try:
        return stream.isatty()
    except (OSError, ValueError, AttributeError):
        return False


def marked(kind: Kind, message: str, stream: TextIO) -> str:
    """The message with its kind before it, as it is shown on a stream."""
    text = plain(message)
    if has_colours(stream, os.environ):
        return f"{_COLOURS[kind]}{kind}:{_OFF} {text}"
    return f"{kind}: {text}" if is_terminal(stream) else f"{_PLAIN[kind]}{text}"


def say_error(message: str) -> None:
    """Print an error; on a terminal the command that tells more is a hint on a line of its own."""
    head, _, command = message.rpartition("; see ")
    if head and command.startswith("`") and (is_terminal(sys.stderr) or has_colours(sys.stderr, os.environ)):
        say("error", f"{head}.")
        say("hint", f"see {command}")
    else:
        say("error", message)


def say(kind: Kind, message: str) -> None:
    """Print it on stderr; if that is gone, nothing is lost but the message."""
    with suppress(OSError, ValueError):
        print(marked(kind, message, sys.stderr), file=sys.stderr, flush=True)
