"""Tell which bytes of a file the field `Range` asks for; pure (RFC 9110, 14)."""

import re
from itertools import pairwise
from typing import NamedTuple

_RANGES = re.compile(r"bytes[ \t]*=[ \t]*(.*)", re.IGNORECASE)
_SPEC = re.compile(r"([0-9]{1,19})-([0-9]{0,19})|-([0-9]{1,19})")
_MOST = 32
"""RFC 9110, 14.2: "a server that supports range requests MAY ignore a Range header field" that asks for many."""


class Span(NamedTuple):
    """Some bytes of a file in a row."""

    start: int
    stop: int
    """Behind the last."""

    @property
    def length(self) -> int:
        """In bytes, at least one."""
        return self.stop - self.start


def spans(field: str, size: int) -> tuple[Span, ...] | None:
    """The parts of a file of `size` bytes that are asked for; empty: none can be had; None: the whole is to be sent.

    What is malformed, in another unit than bytes, overlapping or in too many parts counts as if nothing was asked.
    """
    found = _RANGES.fullmatch(field)
    if found is None:
        return None
    specs = [spec.strip(" \t") for spec in found[1].split(",")]
    specs = [spec for spec in specs if spec]  # RFC 9110, 5.6.1: empty elements of a list do not count
    matches = [each for each in map(_SPEC.fullmatch, specs) if each]
    if not specs or len(specs) > _MOST or len(matches) != len(specs):
        return None
    asked = []
    for first, last, suffix in (match.groups() for match in matches):
        if suffix is not None:
            asked.append(Span(max(0, size - int(suffix)), size))
        elif last and int(last) < int(first):
            return None  # RFC 9110, 14.1.1: "An int-range is invalid if the last-pos value is present and less"
        else:
            asked.append(Span(int(first), min(size, int(last) + 1) if last else size))
    there = [span for span in asked if span.start < span.stop]
    ordered = sorted(there)
    if any(one.stop > other.start for one, other in pairwise(ordered)):
        return None
    return tuple(there)
