"""Order conda versions, and compare prefixes of them, as CEP 33 and the solvers that follow it do; pure.

A version is cut into an epoch, segments and local segments, a segment into numbers and words: `1!2.0rc1+3` is the
epoch 1, the segments `[2] [0 rc 1]` and the local segment `[3]`. What is missing counts as 0, without end.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache, total_ordering
from itertools import zip_longest
from typing import Any, TypeAlias

_SEGMENTS = r"[0-9A-Za-z]+(?:[-_.][0-9A-Za-z]+)*(?:[-_.]?[-_])?"
_VERSION = re.compile(
    rf"(?:(?P<epoch>[0-9]+)!)?(?P<main>{_SEGMENTS})(?:\+(?P<local>{_SEGMENTS}))?", re.ASCII | re.IGNORECASE
)
_SEGMENT = re.compile(r"([-_.]?)([0-9A-Za-z]+|[-_]$)")
_RUN = re.compile(r"[0-9]+|[A-Za-z]+|[-_]")
_LONGEST_NUMBER = 20
"""Digits; solvers hold a number in 64 bits."""

_Component: TypeAlias = tuple[int, int | str]
"""Its rank and its value. CEP 33: `dev` is below all, then `_`, words and numbers; `post` is above all."""
_Segment: TypeAlias = tuple[_Component, ...]
_Key: TypeAlias = tuple[Any, ...]

_DEV, _UNDERSCORE, _WORD, _NUMBER, _POST = range(5)
_ZERO: _Component = (_NUMBER, 0)


@total_ordering
@dataclass(frozen=True, slots=True, eq=False)
class CondaVersion:
    """A conda version; equal are those that no solver tells apart, as `1.0`, `1` and `1.0.0`."""

    text: str
    """As it was spelled."""
    epoch: int
    segments: tuple[_Segment, ...]
    local: tuple[_Segment, ...]
    key: _Key = field(repr=False)
    """What it is compared by."""

    @staticmethod
    def parse(text: str) -> "CondaVersion":
        """The version that `text` spells.

        Raises:
            ValueError: CEP 33 has no such version.
        """
        return _parsed(text)

    def starts_with(self, prefix: "CondaVersion") -> bool:
        """Whether it is one of `prefix.*`."""
        return (
            self.epoch == prefix.epoch
            and _start_with(self.segments, prefix.segments)
            and _start_with(self.local, prefix.local)
        )

    def is_compatible_with(self, limit: "CondaVersion") -> bool:
        """Whether it is one of `~=limit`: not less, and the same but for the last segment of `limit`."""
        return (
            self >= limit
            and self.epoch == limit.epoch
            and _start_with(self.segments, limit.segments[:-1])
            and _start_with(self.local, limit.local)
        )

    def __eq__(self, other: object) -> bool:
        return self.key == other.key if isinstance(other, CondaVersion) else NotImplemented

    def __lt__(self, other: "CondaVersion") -> bool:
        return bool(self.key < other.key)

    def __hash__(self) -> int:
        return hash(self.key)

    def __str__(self) -> str:
        return self.text


@lru_cache(maxsize=1 << 14)
def _parsed(text: str) -> CondaVersion:
    found = _VERSION.fullmatch(text)
    # CEP 33 takes underscores or dashes for a separator, not both.
    if found is None or ("-" in text and "_" in text):
        raise ValueError(f"{text!r} is no version of a conda package")
    epoch = _number(found["epoch"] or "0")
    segments, local = _segments(found["main"]), _segments(found["local"] or "")
    key = (epoch, _key(map(_segment_key, segments), _NOTHING), _key(map(_segment_key, local), _NOTHING))
    return CondaVersion(text, epoch, segments, local, key)


def _segments(text: str) -> tuple[_Segment, ...]:
    found: list[_Segment] = []
    for separator, content in _SEGMENT.findall(text):
        if content in ("-", "_"):
            # A last underscore stands for itself: alone it belongs to the segment before it.
            if separator:
                found.append((_ZERO, (_UNDERSCORE, "")))
            else:
                found[-1] += ((_UNDERSCORE, ""),)
            continue
        components = tuple(_component(run) for run in _RUN.findall(content))
        # CEP 33: a segment that begins with a word begins with 0, so that `1.1` is more than `1.a1`.
        found.append(components if content[0].isdigit() else (_ZERO, *components))
    return tuple(found)


def _component(run: str) -> _Component:
    if run.isdigit():
        return _NUMBER, _number(run)
    word = run.lower()
    return {"dev": (_DEV, ""), "post": (_POST, "")}.get(word, (_WORD, word))


def _number(digits: str) -> int:
    if len(digits) > _LONGEST_NUMBER:
        raise ValueError(f"a version has a number of {len(digits)} digits, and solvers hold {_LONGEST_NUMBER}")
    return int(digits)


def _key(values: Iterable[Any], default: Any) -> _Key:  # noqa: ANN401 - components, or keys of segments
    """Return a tuple that orders the values as if each list of them were filled up with `default` without end.

    So `1` and `1.0` give the same key. Each value that is not the default becomes a part of three: -1 if it is less and
    1 if it is more than the default; how many defaults stand before it, negative where it is more, because it makes the
    version greater the sooner it comes; and the value. The end is 0, between the two.
    """
    key: list[Any] = []
    defaults = 0
    for value in values:
        if value == default:
            defaults += 1
            continue
        key.append((-1, defaults, value) if value < default else (1, -defaults, value))
        defaults = 0
    return (*key, (0,))


def _segment_key(segment: _Segment) -> _Key:
    return _key(segment, _ZERO)


_NOTHING = _segment_key(())
"""The key of a segment that is not there."""


def _start_with(segments: tuple[_Segment, ...], prefix: tuple[_Segment, ...]) -> bool:
    """Whether the segments are those of the prefix, of which the last may go on, and then any others."""
    has_more = False
    for mine, wanted in zip_longest(segments, prefix):
        if wanted is None:
            return True
        if has_more and mine is not None:
            return False
        components = mine or ()
        has_more = len(components) > len(wanted)
        for position, component in enumerate(wanted):
            if component != (components[position] if position < len(components) else _ZERO):
                return False
    return True
