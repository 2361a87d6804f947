"""pixi's `[mirrors]`: which URL is asked in place of another; it alone counts the failures of targets."""

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from pixi_mirror.model.values import Url


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """What is asked in place of a URL."""

    url: Url
    target: str | None
    """Of `[mirrors]`; None: nothing is rewritten."""


class Mirrors:
    """The table of `[mirrors]` and how often each target has failed so far; for many threads."""

    def __init__(self, table: Mapping[str, tuple[str, ...]]) -> None:
        # pixi.md 8.2: keys and values get a trailing `/`, the longest path comes first.
        slashed = {_slashed(key): tuple(_slashed(target) for target in targets) for key, targets in table.items()}
        self._table = sorted(slashed.items(), key=lambda entry: len(entry[0]), reverse=True)
        self._failures: Counter[str] = Counter()
        self._lock = threading.Lock()

    def chosen(self, url: Url) -> Chosen:
        """What to ask for `url`: of several targets the one with the fewest failures, the first of equals."""
        for key, targets in self._table:
            if targets and url.raw.startswith(key):
                with self._lock:
                    target = min(targets, key=self._failures.__getitem__)
                return Chosen(url=Url(target + url.raw[len(key) :]), target=target)
        return Chosen(url=url, target=None)

    def blame(self, target: str | None) -> None:
        """Count a server error or a broken transport against a target."""
        if target is not None:
            with self._lock:
                self._failures[target] += 1


def _slashed(prefix: str) -> str:
    return prefix if prefix.endswith("/") else prefix + "/"
