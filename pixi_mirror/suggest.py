"""Guess what a mistyped word was meant to be."""

from collections.abc import Iterable


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that is most like another; None: none is like it."""
    return next(iter(similar(word, known, at_most=1)), None)


def similar(word: str, known: Iterable[str], *, at_most: int) -> tuple[str, ...]:
    """The known words that are like another, the nearest first."""
    from difflib import get_close_matches  # only a failing run needs it

    words = {each.lower(): each for each in known}
    return tuple(words[each] for each in get_close_matches(word.lower(), list(words), n=at_most))


def perhaps(word: str, known: Iterable[str]) -> str:
    """`, perhaps 'prod' was meant`, or nothing where no known word is like it."""
    close = nearest(word, known)
    return "" if close is None else f", perhaps {close!r} was meant"


def suggested(word: str, known: Iterable[str]) -> str:
    """`, perhaps 'prod' was meant; there are: dev, prod`: the end of a sentence that there is no such thing."""
    names = sorted(known)
    return f"{perhaps(word, names)}; there are: {', '.join(names) or 'none'}"
