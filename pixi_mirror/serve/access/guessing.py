"""Limit how fast passwords can be guessed, so that those who guess cannot lock others out.

scrypt makes each guess expensive, for the server too. So two are computed at a time, those of one address wait in at
most half of the places, and who was wrong ten times at an address under one name may try again every six seconds. A
right password that was right before, and a token, never come here.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

AT_ONCE = 2
MOST_WAITING = 128
"""Threads; further requests get "come again", so that there are always threads for known clients."""
_WAIT_S = 10.0
_AT_FIRST = 10
"""Wrong passwords for one name from one address before there is a pause."""
_PAUSE_S = 6.0
"""After which one more is computed."""
_MOST_GUESSERS = 10_000


class TooManyWaiting(Exception):
    """Too many requests wait for their passwords to be computed."""


class TooManyWrong(Exception):
    """The same name was tried with too many wrong passwords from the same address."""


class GuessLimits:
    """Who may have a password computed, and when; many threads may use it."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        """Begin with nobody; `now_s` is a clock that never goes back, in seconds."""
        self._now_s = now_s
        self._places = threading.BoundedSemaphore(AT_ONCE)
        self._lock = threading.Lock()
        self._waiting: dict[str, int] = {}
        """By address."""
        self._free_at_s: OrderedDict[tuple[str, str], float] = OrderedDict()
        """When an address has paid for all its wrong passwords for a name; the one that was wrong last comes last."""

    @contextmanager
    def computing(self, address: str, name: str) -> Iterator[Callable[[], None]]:
        """Wait for one of the places in which passwords are computed.

        Yields:
            To be called if the password was wrong.

        Raises:
            TooManyWaiting: too many wait already, or for too long.
            TooManyWrong: this address was wrong too often under this name.
        """
        guesser = address, name
        with self._lock:
            self._refuse_wrong(guesser)
            mine = self._waiting.get(address, 0)
            if sum(self._waiting.values()) >= MOST_WAITING + AT_ONCE or mine >= MOST_WAITING // 2 + AT_ONCE:
                raise TooManyWaiting
            self._waiting[address] = mine + 1
        try:
            if not self._places.acquire(timeout=_WAIT_S):
                raise TooManyWaiting
            try:
                with self._lock:
                    self._refuse_wrong(guesser)  # what it tried meanwhile counts
                yield lambda: self._note_wrong(guesser)
            finally:
                self._places.release()
        finally:
            with self._lock:
                self._waiting[address] -= 1
                if not self._waiting[address]:
                    del self._waiting[address]

    def _refuse_wrong(self, guesser: tuple[str, str]) -> None:
        if self._free_at_s.get(guesser, 0.0) - self._now_s() > _PAUSE_S * (_AT_FIRST - 1):
            raise TooManyWrong

    def _note_wrong(self, guesser: tuple[str, str]) -> None:
        with self._lock:
            now_s = self._now_s()
            free_at_s = max(now_s, self._free_at_s.pop(guesser, 0.0)) + _PAUSE_S
            if len(self._free_at_s) >= _MOST_GUESSERS:
                self._free_at_s.popitem(last=False)
            self._free_at_s[guesser] = free_at_s
