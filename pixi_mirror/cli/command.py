"""What a verb is to the command line."""

from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from pixi_mirror.cli.parsing import Parser
from pixi_mirror.errors import DONE, PixiMirrorError
from pixi_mirror.model import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a verb has to say."""

    json: Mapping[str, Json]
    lines: Sequence[str] = ()
    """For people, on stdout."""
    status: int = DONE
    error: PixiMirrorError | None = None
    """Why it failed; its status is then the one that counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One verb."""

    description: str
    declare: Callable[[Parser], None]
    """Adds its options."""
    run: Callable[[Namespace], Outcome]
    """Raises any `PixiMirrorError`."""
    blank: Callable[[Namespace], Mapping[str, Json]] = field(default=lambda _options: {})
    """The keys of its JSON that are known even when it fails at once."""
