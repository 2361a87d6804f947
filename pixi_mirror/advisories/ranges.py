"""Decide whether a version is affected, by the rules of the format OSV and in the order of PEP 440; pure.

A specifier would decide otherwise: `<2.0` leaves out 2.0rc1, and `>1.5` leaves out 1.5.post1. So every event of a range
is compared by itself, as the format's own algorithm has it (osv-schema, "Evaluation").
"""

from collections.abc import Iterable, Sequence
from enum import Enum
from functools import lru_cache

from packaging.version import InvalidVersion, Version

from pixi_mirror.advisories.osv import Affected, Event

_BEGINNING = "0"
"""Of `introduced`: before every version, pre-releases of 0 too."""
_ANY = "*"
"""Of `limit`: there is none."""
_ORDER = {"fixed": 0, "introduced": 1, "last_affected": 2}
"""Of events at one version: what is fixed and introduced again there is affected."""


class RangeVerdict(Enum):
    """Whether a version is affected."""

    AFFECTED = "affected"
    UNAFFECTED = "unaffected"
    UNDECIDED = "undecided"
    """It, or an event of a range, is no version of PEP 440, so that nobody can say which comes first."""


@lru_cache(maxsize=65536)
def parsed(text: str) -> Version | None:
    """The version without its local part, which names a build and no other release; None: it is none of PEP 440."""
    try:
        found = Version(text)
    except InvalidVersion:
        return None
    return Version(found.public) if found.local is not None else found


def judge(version: str, affected: Affected) -> RangeVerdict:
    """Whether a version is affected: it is in `versions`, or in one of the ranges."""
    known = parsed(version)
    if version in affected.versions:
        return RangeVerdict.AFFECTED
    if known is None:
        return RangeVerdict.UNDECIDED if affected.ranges else RangeVerdict.UNAFFECTED
    if any(parsed(each) == known for each in affected.versions):
        return RangeVerdict.AFFECTED
    verdicts = [_judge_range(known, events) for events in affected.ranges]
    if RangeVerdict.AFFECTED in verdicts:
        return RangeVerdict.AFFECTED
    return RangeVerdict.UNDECIDED if RangeVerdict.UNDECIDED in verdicts else RangeVerdict.UNAFFECTED


def _judge_range(version: Version, events: Sequence[Event]) -> RangeVerdict:
    limits = [event.version for event in events if event.kind == "limit"]
    if limits and not (below := _is_below(version, limits)):
        return RangeVerdict.UNDECIDED if below is None else RangeVerdict.UNAFFECTED
    steps: list[tuple[Version, int, str]] = []
    is_affected = False
    for event in events:
        if event.kind == "introduced" and event.version == _BEGINNING:
            is_affected = True
        elif event.kind in _ORDER:
            at = parsed(event.version)
            if at is None:
                return RangeVerdict.UNDECIDED
            steps.append((at, _ORDER[event.kind], event.kind))
    for at, _, kind in sorted(steps):
        if kind == "introduced" and version >= at:
            is_affected = True
        elif (kind == "fixed" and version >= at) or (kind == "last_affected" and version > at):
            is_affected = False
    return RangeVerdict.AFFECTED if is_affected else RangeVerdict.UNAFFECTED


def _is_below(version: Version, limits: Iterable[str]) -> bool | None:
    """Whether a version is below one of the limits; None: not as far as they are versions."""
    limits = tuple(limits)
    if _ANY in limits:
        return True
    known = [parsed(limit) for limit in limits]
    if any(limit is not None and version < limit for limit in known):
        return True
    return None if None in known else False


def fixes(version: str, affected: Affected) -> tuple[str, ...]:
    """The fixed versions that come after a version; after one that is none of PEP 440, all of them."""
    known = parsed(version)
    if known is None:
        return affected.fixed
    return tuple(text for text in affected.fixed if (at := parsed(text)) is not None and at > known)


def in_order(versions: Iterable[str]) -> tuple[str, ...]:
    """Versions as texts, in rising order; what is none of PEP 440 comes last."""
    return tuple(sorted(versions, key=lambda text: (parsed(text) is None, parsed(text) or Version("0"), text)))
