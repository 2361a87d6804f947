"""Parse the field `Range` into the bytes of a file that it requests; pure (RFC 9110, 14)."""

import re
from itertools import pairwise
from typing import NamedTuple

_RANGES = re.compile(r"bytes[ \t]*=[ \t]*(.*)", re.IGNORECASE)
_SPEC = re.compile(r"([0-9]{1,19})-([0-9]{0,19})|-([0-9]{1,19})")
_MOST = 32
"""RFC 9110, 14.2: "a server that supports range requests MAY ignore a Range header field" that asks for many."""


class Span(NamedTuple):
    """Consecutive bytes of a file."""

    start: int
    stop: int
    """The offset behind the last byte."""

    @property
    def length(self) -> int:
        """In bytes, at least one."""
        return self.stop - self.start


def spans(field: str, size: int) -> tuple[Span, ...] | None:
    """Parse `Range` for a file of `size` bytes; empty: the file has none of them; None: send the whole file.

    None stands for a field that is malformed, has another unit than bytes, or has overlapping or too many parts.
    """
    found = _RANGES.fullmatch(field)
    if found is None:
        return None
    specs = [spec.strip(" \t") for spec in found[1].split(",")]
    specs = [spec for spec in specs if spec]  # RFC 9110, 5.6.1: empty elements of a list do not count
    matches = [each for each in map(_SPEC.fullmatch, specs) if each]
    if not specs or len(specs) > _MOST or len(matches) != len(specs):
        return None
    wanted = []
    for first, last, suffix in (match.groups() for match in matches):
        if suffix is not None:
            wanted.append(Span(max(0, size - int(suffix)), size))
        elif last and int(last) < int(first):
            return None  # RFC 9110, 14.1.1: "An int-range is invalid if the last-pos value is present and less"
        else:
            wanted.append(Span(int(first), min(size, int(last) + 1) if last else size))
    there = [span for span in wanted if span.start < span.stop]
    ordered = sorted(there)
    if any(one.stop > other.start for one, other in pairwise(ordered)):
        return None
    return tuple(there)
