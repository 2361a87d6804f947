"""Say where the packages of a pack once came from, by the lock that the pack may carry.

The lock is searched line by line: a self-extracting pack has no library for its format, and a pack is whole without
these addresses.
"""

import re

_LOCATION = re.compile(r"\s*(?:- )?(?:conda|url): ['\"]?([A-Za-z][A-Za-z0-9+.-]*://[^\s'\"]+)['\"]?")
_CHANNEL = re.compile(r"\s+channel: ['\"]?([A-Za-z][A-Za-z0-9+.-]*://[^\s'\"]+)['\"]?")
_SHA256 = re.compile(r"\s+sha256: ['\"]?([0-9a-f]{64})['\"]?")
_USER = re.compile(r"(?<=://)[^/?#]*@")
_TOKEN = re.compile(r"^([a-z0-9+.-]+://[^/?#]*)/t/[^/?#]+(?=/)", re.IGNORECASE)


def origins_of(lock: bytes) -> dict[str, tuple[str, str]]:
    """Return sha256 -> channel and URL of the packages of a `pixi.lock`, without anything secret."""
    found: dict[str, tuple[str, str]] = {}
    entry: dict[str, str] = {}
    for line in [*lock.decode("utf-8", "replace").splitlines(), "- "]:
        if line.lstrip().startswith("- "):
            _add(found, entry)
            entry = {}
        for key, pattern in (("url", _LOCATION), ("channel", _CHANNEL), ("sha256", _SHA256)):
            match = pattern.fullmatch(line.rstrip())
            if match is not None:
                entry.setdefault(key, match[1])
    return found


def _add(found: dict[str, tuple[str, str]], entry: dict[str, str]) -> None:
    url, sha256 = entry.get("url"), entry.get("sha256")
    if url is None or sha256 is None or url.startswith("file:"):
        return
    channel = entry.get("channel") or url.rsplit("/", 2)[0]
    found[sha256] = (_without_secrets(channel).rstrip("/") + "/", _without_secrets(url))


def _without_secrets(url: str) -> str:
    bare = _USER.sub("", url.partition("#")[0].partition("?")[0])
    return _TOKEN.sub(r"\1", bare)
