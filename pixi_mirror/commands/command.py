"""What a verb is to the command line."""

from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from pixi_mirror.commands.parsing import Parser
from pixi_mirror.errors import DONE, PixiMirrorError

# Named tuples, because `dataclasses` would double the imports of a run with nothing to do.


class Outcome(NamedTuple):
    """The result of a verb."""

    json: Mapping[str, Any]
    lines: Sequence[str] = ()
    """For people, on stdout."""
    status: int = DONE
    is_requested: bool = False
    """Whether the lines are what the user wants to have, so that `--quiet` does not take them away."""
    error: PixiMirrorError | None = None
    """Why it failed; the exit status is then the error's."""
    sign_report: Callable[[bytes], bytes] | None = None
    """Gives the signature of the report; None: it gets none."""


class Command(NamedTuple):
    """One verb."""

    description: str
    declare: Callable[[Parser], None]
    """Adds its options."""
    run: Callable[[Namespace], Outcome]
    """Raises any `PixiMirrorError`."""
    empty_json: Callable[[Namespace], Mapping[str, Any]]
    """Its JSON if it fails at once: every key that it has otherwise, without content."""
    foreign: Mapping[str, str] = {}
    """Options that users of other programs try, with what to do here instead."""
