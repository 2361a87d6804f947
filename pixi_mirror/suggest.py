"""Guess what a mistyped word was meant to be."""

import re
from collections.abc import Iterable


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that is most like another, or that another is the beginning of; None: none is like it."""
    from difflib import get_close_matches  # only a failing run needs it

    # All options begin with the same dashes, which make none of them more alike.
    words = {each.lower().lstrip("-"): each for each in known}
    typed = word.lower().lstrip("-")
    begun = [each for each in words if each.startswith(typed)] if len(typed) > 1 else []
    close = get_close_matches(typed, list(words), n=1)
    if begun:
        return words[min(begun, key=lambda each: (not each.startswith(f"{typed}-"), len(each)))]
    return words[close[0]] if close else None


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
