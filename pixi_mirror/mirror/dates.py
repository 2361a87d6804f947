"""When a mirror was last refreshed and last verified.

Each date is a small private file of its own and no part of the mirror's state: a refresh that finds nothing to do
records its date too, and must neither write the state nor make its memo out of date. Nothing depends on the dates, so
a date that cannot be written is no failure. This module imports almost nothing, because an unchanged run is mostly
start-up.
"""

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

from pixi_mirror.disk.files import open_own, read_bytes

Event: TypeAlias = Literal["refresh", "verify"]

_PRIVATE = ".pixi-mirror"
_LATEST = 253402300799
"""The end of the year 9999, which is the last that has a date."""
_WIDTH = 20
"""Bytes of a date, so that a later one overwrites an earlier one as a whole."""


class Dates(NamedTuple):
    """In seconds since 1970; None: it never happened, or this user may not know."""

    refreshed: int | None
    """When every lock that the mirror follows was last read, and the mirror held all that they pin."""
    verified: int | None
    """When every file was last hashed and all was as recorded."""


def record_date(mirror: str | Path, event: Event) -> None:
    """Record that the event has ended well now."""
    with suppress(OSError):
        descriptor = open_own(_file(mirror, event), os.O_WRONLY)
        try:
            os.write(descriptor, f"{int(time.time()):<{_WIDTH - 1}}\n".encode())
        finally:
            os.close(descriptor)


def read_dates(mirror: str | Path) -> Dates:
    """The recorded dates of a mirror."""
    return Dates(_read(_file(mirror, "refresh")), _read(_file(mirror, "verify")))


def dates_json(dates: Dates) -> dict[str, str | None]:
    """The dates in the form of RFC 3339."""
    from datetime import UTC, datetime  # a refresh with nothing to do must not pay for it

    def written(at: int | None) -> str | None:
        return None if at is None else datetime.fromtimestamp(at, tz=UTC).isoformat(timespec="seconds")

    return {"refreshed": written(dates.refreshed), "verified": written(dates.verified)}


def _read(path: Path) -> int | None:
    try:
        return min(max(int(read_bytes(path, limit=_WIDTH)), 0), _LATEST)
    except (OSError, ValueError):
        return None


def _file(mirror: str | Path, event: Event) -> Path:
    return Path(mirror, _PRIVATE, f"last-{event}")
