"""Conda packages of locks that have little more than URLs: the record and the channels that the URLs tell; pure."""

import re
from collections.abc import Iterable
from dataclasses import replace

from pixi_mirror.lockfile.entries import CondaBinary, Entry
from pixi_mirror.lockfile.fields import Malformed
from pixi_mirror.lockfile.records import conda_binary, location_parts
from pixi_mirror.lockfile.versions import VERSIONS
from pixi_mirror.model.values import Json

_LIKE_PIXI = VERSIONS[6]
"""A version of `pixi.lock` that leaves out what a location tells, as these locks do."""
_MASKED_TOKEN = re.compile(r"(?<=[^/:])/t/\*+(?=/)")
_MASKED_USER = re.compile(r"(?<=://)[^/?#@]*:\*+@")
"""What micromamba writes in place of a token and of a password: no server knows them."""
_BARE_URL = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)


def from_location(location: str, entry: dict[str, Json]) -> CondaBinary:
    """The package at a location; name, version, build and subdir are those that the location tells.

    Args:
        location: a URL or a path.
        entry: what the lock says of it, with the keys of a `pixi.lock`.

    Raises:
        Malformed: the location is not that of a conda package in a subdir, or a value is not what it should be.
    """
    bare = _MASKED_USER.sub("", _MASKED_TOKEN.sub("", location, count=1))
    parts = location_parts(bare)
    if parts.parts is None or not parts.parent:
        raise Malformed("its location is not SUBDIR/NAME-VERSION-BUILD.conda or .tar.bz2")
    subdir = {} if "subdir" in entry or bare.lower().startswith(("http:", "https:")) else {"subdir": parts.parent}
    found = conda_binary({**entry, **subdir}, bare, _LIKE_PIXI, {})
    if found.channel is None or _BARE_URL.match(found.channel):
        return found
    return replace(found, channel=None)


def channels_of(entries: Iterable[Entry], priorities: Iterable[str] = ()) -> tuple[str, ...]:
    """The URLs of the channels that conda packages come from, with a final slash.

    Args:
        entries: of a lock.
        priorities: channels as the lock names them, by URL or by name, the first one first; others follow as found.
    """
    order = [channel.rstrip("/").rpartition("://")[2].rpartition("@")[2] for channel in priorities]
    found = dict.fromkeys(
        f"{entry.channel}/" for entry in entries if isinstance(entry, CondaBinary) and entry.channel is not None
    )

    def rank(url: str) -> int:
        bare = url.rstrip("/").rpartition("://")[2].rpartition("@")[2]
        return next((place for place, name in enumerate(order) if f"/{bare}".endswith(f"/{name}")), len(order))

    return tuple(sorted(found, key=rank))
