"""Tell where the packages of a pack once came from, by the lock that the pack may carry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from pixi_mirror.errors import PixiMirrorError
from pixi_mirror.model.values import Url


@dataclass(frozen=True, slots=True, kw_only=True)
class Origins:
    """Where packages came from, by sha256."""

    urls: Mapping[str, tuple[str | None, str]] = field(default_factory=lambda: MappingProxyType({}))
    """sha256 -> channel and URL, without anything secret."""

    @classmethod
    def read(cls, data: bytes) -> Origins:
        """What a `pixi.lock` tells; of one that cannot be read, nothing: a pack is whole without it."""
        from pixi_mirror.lockfile.entries import CondaBinary
        from pixi_mirror.lockfile.reader import read_lock

        try:
            lock = read_lock(data, name="the pack's pixi.lock")
        except PixiMirrorError:
            return cls()
        found = {}
        for environment in lock.environments.values():
            for entries in environment.packages.values():
                for entry in entries:
                    if isinstance(entry, CondaBinary) and entry.record.get("sha256") and _is_remote(entry.location):
                        channel = f"{Url(entry.channel).stripped}/" if entry.channel else None
                        found[entry.record["sha256"]] = (channel, Url(entry.location).stripped)
        return cls(urls=MappingProxyType(found))

    def of(self, sha256: str) -> tuple[str | None, str | None]:
        """Channel and URL of a package; None: nobody knows."""
        return self.urls.get(sha256, (None, None))


def _is_remote(location: str) -> bool:
    """Whether it means something on another machine, too."""
    return "://" in location and not location.startswith("file:")
