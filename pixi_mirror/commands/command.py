"""What a verb is to the command line."""

from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from pixi_mirror.commands.parsing import Parser
from pixi_mirror.errors import DONE, PixiMirrorError

# Named tuples, for `dataclasses` alone would double what a run with nothing to do imports.


class Outcome(NamedTuple):
    """What a verb has to say."""

    json: Mapping[str, Any]
    lines: Sequence[str] = ()
    """For people, on stdout."""
    status: int = DONE
    error: PixiMirrorError | None = None
    """Why it failed; its status is then the one that counts."""


class Command(NamedTuple):
    """One verb."""

    description: str
    declare: Callable[[Parser], None]
    """Adds its options."""
    run: Callable[[Namespace], Outcome]
    """Raises any `PixiMirrorError`."""
    blank: Callable[[Namespace], Mapping[str, Any]]
    """Its JSON when it fails at once, with every key that it has otherwise."""
