"""The one table of HTTP statuses: what each means for a request, and whether it is tried again. And how long to wait.

To have another status tried again, add one line to `STATUSES`.
"""

import random
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from types import MappingProxyType

SUCCESS = frozenset({200, 206, 412, 416})
"""Statuses with an answer that the body reader understands. 412 and 416 answer a resumed request (RFC 9110, 15.5)."""

REDIRECTS = frozenset({301, 302, 303, 307, 308})
"""Statuses that send the client to another URL, which stands in `Location`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusRule:
    """What a status that is neither a success nor a redirect means."""

    sentence: str
    """Half a sentence for the message. `{origin}`, `{status}` and `{credentials}` are filled in."""
    advice: str = ""
    """What the user can do; a whole sentence, or nothing."""
    asks_login: bool = False
    """Whether the advice is to give other credentials: the request says how."""
    retry: bool = False
    """Whether another attempt may succeed."""
    honours_retry_after: bool = False
    """Whether `Retry-After` makes every request to the host wait: RFC 9110 10.2.3 for 503, RFC 6585 4 for 429."""
    next_mirror: bool = False
    """Whether it counts as a failure of the target of `[mirrors]`, so that the next attempt asks another target."""


_LATER = "Run the same command again later; it goes on from there."
_REFUSED = StatusRule(sentence="{origin} answered with status {status}; {credentials}", asks_login=True)
_ABSENT = StatusRule(
    sentence="{origin} does not have it (status {status})",
    advice="It was removed upstream, or the mirror that [mirrors] names does not hold it.",
)
_BUSY = StatusRule(
    sentence="{origin} answered with status {status}", advice=_LATER, retry=True, honours_retry_after=True
)
_SERVER_ERROR = StatusRule(
    sentence="{origin} answered with status {status}",
    advice=_LATER,
    retry=True,
    honours_retry_after=True,
    next_mirror=True,
)
_OTHER = StatusRule(sentence="{origin} answered with status {status}")
_FIRST_SERVER_ERROR = 500

STATUSES: Mapping[int, StatusRule] = MappingProxyType(
    {
        401: _REFUSED,
        403: _REFUSED,
        404: _ABSENT,
        408: _BUSY,
        410: _ABSENT,
        429: _BUSY,
    }
)
"""The statuses with a rule of their own. From 500 on each is a server error; of every other nothing is known."""


def rule_of(status: int) -> StatusRule:
    """What `status` means; it is neither in `SUCCESS` nor in `REDIRECTS`. A proxy's answer to CONNECT counts, too."""
    return STATUSES.get(status, _SERVER_ERROR if status >= _FIRST_SERVER_ERROR else _OTHER)


_LONGEST_BACK_OFF_S = 30.0
_SECONDS = re.compile(r"[0-9]{1,12}")


def back_off_s(attempt: int, *, first_s: float) -> float:
    """Seconds to wait before an attempt: exponential from `first_s`, with full jitter.

    Args:
        attempt: its number; the first attempt is 1 and does not wait.
        first_s: the longest wait before the second attempt, in seconds.
    """
    if attempt == 1:
        return 0.0
    longest = min(_LONGEST_BACK_OFF_S, first_s * 2.0 ** min(attempt - 2, 16))
    return random.uniform(0.0, longest)  # noqa: S311 - it spreads requests, it guards nothing


def retry_after_s(value: str | None, date: str | None) -> float | None:
    """Seconds that a `Retry-After` header asks for; None: nothing.

    RFC 9110 10.2.3: it is a number of seconds or an HTTP-date. A date is compared with the server's clock if `date`,
    the response's own `Date` header, tells it.
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


class HostPauses:
    """Which hosts have asked for a pause with `Retry-After`, and until when. Many threads use one object."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}
        self._lock = threading.Lock()

    def pause(self, host: str, seconds: float) -> None:
        """Send a host no request for so many seconds; a longer pause that is already noted stays."""
        until = time.monotonic() + seconds
        with self._lock:
            self._until[host] = max(until, self._until.get(host, until))

    def remaining_s(self, host: str) -> float:
        """Seconds until the host's pause ends; 0: it has none."""
        with self._lock:
            until = self._until.get(host)
        return 0.0 if until is None else max(0.0, until - time.monotonic())
