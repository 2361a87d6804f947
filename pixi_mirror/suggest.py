"""Guess what a mistyped word was meant to be, and say what to run."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

DEFAULT_MIRROR = "mirror"
"""The directory of the mirror where nobody names one."""


def advised(command: str, mirror: Path) -> str:
    """What to run on a mirror, as it is typed: `pixi-mirror verify --repair -o far`."""
    where = "" if str(mirror) == DEFAULT_MIRROR else f" -o {shlex.quote(str(mirror))}"
    return f"`pixi-mirror {command}{where}`"


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that is most like another, or that another is the beginning of; None: none is like it."""
    return next(iter(similar(word, known, at_most=1)), None)


def similar(word: str, known: Iterable[str], *, at_most: int) -> tuple[str, ...]:
    """The known words that begin with another, then those that are like it, the nearest first."""
    from difflib import get_close_matches  # only a failing run needs it

    # All options begin with the same dashes, which make none of them more alike.
    words = {each.lower().lstrip("-"): each for each in known}
    typed = word.lower().lstrip("-")
    begun = [each for each in words if each.startswith(typed)] if len(typed) > 1 else []
    begun.sort(key=lambda each: (not each.startswith(f"{typed}-"), len(each)))
    found = dict.fromkeys((*begun, *get_close_matches(typed, list(words), n=at_most)))
    return tuple(words[each] for each in found)[:at_most]


def perhaps(word: str, known: Iterable[str]) -> str:
    """`, perhaps 'prod' was meant`, or nothing where no known word is like it."""
    close = nearest(word, known)
    return "" if close is None else f", perhaps {close!r} was meant"


def suggested(word: str, known: Iterable[str]) -> str:
    """`, perhaps 'prod' was meant; there are: dev, prod`: the end of a sentence that there is no such thing."""
    names = sorted(known)
    parts = [part for part in re.split("[,; ]+", word) if part]
    advice = perhaps(word, names)
    if len(parts) > 1 and {*parts} <= {*names}:
        advice = "; name one at a time, with an option for each"
    return f"{advice}; there are: {', '.join(names) or 'none'}"
