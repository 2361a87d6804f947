"""Say which channel a conda package comes from, whether or not an environment names that channel."""

from collections.abc import Iterable, Mapping

from pixi_mirror.model.packages import Channel, Package
from pixi_mirror.model.values import admit_path


def home_channel(package: Package) -> Channel | None:
    """The channel in which a package lies here and upstream; None: it lies in no subdir, or on this machine's disk."""
    upstream, _, name = package.url.stripped.rpartition("/")
    upstream, _, subdir = upstream.rpartition("/")
    place, _, here = package.path.rpartition("/")[0].rpartition("/")
    if package.kind != "conda" or not name or not subdir == here == package.subdir:
        return None
    return Channel(url=upstream, path=admit_path(place) if place else None)


def home_channels(packages: Iterable[Package]) -> Mapping[Channel, frozenset[str]]:
    """The channels that packages come from, each with the subdirs that they lie in; sorted by URL."""
    found: dict[Channel, set[str]] = {}
    for package in packages:
        channel = home_channel(package)
        if channel is not None and package.subdir is not None:
            found.setdefault(channel, set()).add(package.subdir)
    return {channel: frozenset(found[channel]) for channel in sorted(found, key=lambda each: each.url)}
