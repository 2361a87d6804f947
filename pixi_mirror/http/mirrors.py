"""pixi's `[mirrors]`: which URL is requested in place of another. It counts the failures of targets."""

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from pixi_mirror.model.values import Url


@dataclass(frozen=True, slots=True, kw_only=True)
class MirroredUrl:
    """The URL that is requested in place of another."""

    url: Url
    key: str | None
    """The key of `[mirrors]` that the other URL begins with; None: none matched."""
    target: str | None
    """The target of `[mirrors]` that `url` begins with; None: no key matched."""

    def canonical(self, url: Url) -> Url:
        """The URL that upstream has for `url`, which was reached in the end: below the key in place of the target.

        A URL that is not below the target, because a redirect led elsewhere, stays as it is.
        """
        if self.key is None or self.target is None:
            return url
        target, reached = Url(self.target).stripped, url.stripped
        return Url(self.key + reached[len(target) :]) if reached.startswith(target) else url


class MirrorTable:
    """The table of `[mirrors]`, and how often each target has failed so far. Many threads use one object."""

    def __init__(self, table: Mapping[str, tuple[str, ...]]) -> None:
        # pixi.md 8.2: keys and values get a trailing `/`, and the longest path comes first.
        slashed = {_slashed(key): tuple(_slashed(target) for target in targets) for key, targets in table.items()}
        self._table = sorted(slashed.items(), key=lambda entry: len(entry[0]), reverse=True)
        self._failures: Counter[str] = Counter()
        self._lock = threading.Lock()

    def choose(self, url: Url) -> MirroredUrl:
        """The URL to request for `url`: of several targets that with the fewest failures, of equal ones the first."""
        for key, targets in self._table:
            if targets and url.raw.startswith(key):
                with self._lock:
                    target = min(targets, key=self._failures.__getitem__)
                return MirroredUrl(url=Url(target + url.raw[len(key) :]), key=key, target=target)
        return MirroredUrl(url=url, key=None, target=None)

    def count_failure(self, target: str | None) -> None:
        """Count a server error or a broken connection against a target; None: nothing is counted."""
        if target is not None:
            with self._lock:
                self._failures[target] += 1


def _slashed(prefix: str) -> str:
    return prefix if prefix.endswith("/") else prefix + "/"
