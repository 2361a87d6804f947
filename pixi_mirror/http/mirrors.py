"""pixi's `[mirrors]`: which URL is requested in place of another. It counts the failures of targets."""

import re
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from pixi_mirror.model.values import Url

_AUTHORITY = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)")
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


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

    def choose(self, url: Url) -> MirroredUrl | None:
        """The URL to request for `url`; None: its key has no targets, so that it is not to be requested.

        Of several targets it takes the one with the fewest failures, of equal ones the first. As in rattler, the user
        of the URL does not count; the target does not get it.
        """
        plain = _without_user(url.raw)
        for key, targets in self._table:
            if plain.startswith(key):
                if not targets:
                    return None
                with self._lock:
                    target = min(targets, key=self._failures.__getitem__)
                # A key that leads to itself exempts its URLs, which keep their user.
                mirrored = url if target == key else Url(target + plain[len(key) :])
                return MirroredUrl(url=mirrored, key=key, target=target)
        return MirroredUrl(url=url, key=None, target=None)

    def count_failure(self, target: str | None) -> None:
        """Count a server error or a broken connection against a target; None: nothing is counted."""
        if target is not None:
            with self._lock:
                self._failures[target] += 1


def _without_user(url: str) -> str:
    """The URL as rattler compares it with keys: no user, no default port, scheme and host in lower case."""
    found = _AUTHORITY.match(url)
    if found is None:
        return url
    scheme, host = found[1].lower(), found[2].rpartition("@")[2].lower()
    return f"{scheme}://{host.removesuffix(_DEFAULT_PORTS.get(scheme, '/'))}{url[found.end() :]}"


def _slashed(prefix: str) -> str:
    return prefix if prefix.endswith("/") else prefix + "/"
