"""How long to wait before asking again: back-off, and what hosts have asked for, kept for all threads."""

import random
import re
import threading
import time
from email.utils import parsedate_to_datetime

_LONGEST_BACK_OFF_S = 30.0
_SECONDS = re.compile(r"[0-9]{1,12}")


def back_off_s(attempt: int, *, first_s: float) -> float:
    """Seconds before attempt number `attempt` (the first is 1): exponential from `first_s`, with full jitter."""
    if attempt == 1:
        return 0.0
    longest = min(_LONGEST_BACK_OFF_S, first_s * 2.0 ** min(attempt - 2, 16))
    return random.uniform(0.0, longest)  # noqa: S311 - it spreads requests, it guards nothing


def retry_after_s(value: str | None, date: str | None) -> float | None:
    """Seconds that a `Retry-After` asks for, given the answer's own `Date`; None if it asks for nothing.

    RFC 9110 10.2.3: seconds or an HTTP-date. A date is compared with the server's clock where it tells it.
    """
    if value is None:
        return None
    value = value.strip()
    if _SECONDS.fullmatch(value):
        return float(value)
    until = _timestamp(value)
    if until is None:
        return None
    now = _timestamp(date)
    return max(0.0, until - (time.time() if now is None else now))


def _timestamp(date: str | None) -> float | None:
    try:
        return parsedate_to_datetime(date).timestamp() if date else None
    except (ValueError, OverflowError, TypeError):
        return None


class Patience:
    """Which hosts have asked to be left alone, and until when; for many threads."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}
        self._lock = threading.Lock()

    def hold(self, host: str, seconds: float) -> None:
        """Leave a host alone; a longer wait that is already agreed stays."""
        until = time.monotonic() + seconds
        with self._lock:
            self._until[host] = max(until, self._until.get(host, until))

    def remaining_s(self, host: str) -> float:
        """Seconds for which a host is still to be left alone."""
        with self._lock:
            until = self._until.get(host)
        return 0.0 if until is None else max(0.0, until - time.monotonic())
