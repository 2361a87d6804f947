"""What a served mirror has to offer to clients, as URLs; pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from pixi_mirror.errors import PixiMirrorError, UsageError
from pixi_mirror.formats.layout import MAPPING_HOST, url_path
from pixi_mirror.model import Inventory, MirrorPath, Package, Stored


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What a mirror holds, and where it is served; each mapping is of upstream's URL to the URL here."""

    url: str
    """Of the mirror, without trailing slash."""
    channels: dict[str, str]
    """In the order of their priority, as far as environments agree about it; one that is held in part, too."""
    indexes: dict[str, str]
    """Python indexes that have pages here."""
    origins: dict[str, str]
    """Scheme and host of files that are in no channel: of PyPI files, and of conda packages by a direct URL."""
    mapping: dict[str, str]
    """The host of the conda-to-PyPI mapping; empty: nothing of it is here."""
    environment: str = "default"
    """The one that is to be installed, where a client has to be told."""

    @property
    def has_python(self) -> bool:
        """Whether there are PyPI files, and `simple/` with them."""
        return bool(self.indexes or self.origins)

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        host = urlsplit(self.url).hostname or ""
        return host in ("localhost", "::1") or host.startswith("127.")

    @property
    def needs_trust(self) -> str | None:
        """The host that clients must be told to trust, since it is asked over plain http and is not this machine."""
        parts = urlsplit(self.url)
        return None if parts.scheme == "https" or self.is_loopback else parts.netloc


def admit_url(raw: str) -> str:
    """The URL of a mirror as clients are told it, without trailing slash.

    Raises:
        UsageError: it is no plain http or https URL.
    """
    try:
        parts = urlsplit(raw)
        is_plain = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        is_plain = False
    if not is_plain or parts.username is not None or parts.query or parts.fragment or not raw.isprintable():
        raise UsageError(
            "--url takes the http or https URL of the served mirror, such as http://127.0.0.1:8765, without user, "
            f"query and fragment; not {raw.rpartition('@')[2]!r}."
        )
    return raw.rstrip("/")


def offer_of(inventory: Inventory, url: str) -> Offer:
    """What the mirror with this inventory offers at `url`."""
    channels = _channels(inventory, url)
    indexes = {index: f"{url}/{path}" for index, path in sorted(_indexes(inventory))}
    origins = {}
    for package in _stored(inventory):
        if package.kind == "pypi" or not any(package.url.stripped.startswith(f"{channel}/") for channel in channels):
            origins.update(_origin(package, url))
    has_mapping = any(path.startswith(f"{MAPPING_HOST}/") for path in inventory.tree)
    return Offer(
        url=url,
        channels=channels,
        indexes=indexes,
        origins=dict(sorted(origins.items())),
        mapping={f"https://{MAPPING_HOST}": f"{url}/{MAPPING_HOST}"} if has_mapping else {},
    )


def _channels(inventory: Inventory, url: str) -> dict[str, str]:
    named = {
        channel.url: channel.path
        for snapshot in inventory.snapshots
        for cell in snapshot.cells
        for channel in cell.channels
        if not channel.url.startswith("file:")  # no client asks for those over the network
    }
    return {upstream: url if path is None else f"{url}/{path}" for upstream, path in named.items()}


def _indexes(inventory: Inventory) -> Iterator[tuple[str, MirrorPath]]:
    """The indexes whose pages are in the tree, with their paths."""
    for index in {index for package in _known(inventory) for index in package.record.get("indexes", ())}:
        path = url_path(index)
        if f"{path}/index.html" in inventory.tree:
            yield index, path


def _known(inventory: Inventory) -> Iterator[Package]:
    for snapshot in inventory.snapshots:
        yield from (package for package in (*snapshot.packages, *snapshot.tools) if package.kind == "pypi")
    yield from (package for package in inventory.kept.values() if package.kind == "pypi")


def _stored(inventory: Inventory) -> Iterator[Package]:
    every = [package for snapshot in inventory.snapshots for package in (*snapshot.packages, *snapshot.tools)]
    for package in (*every, *inventory.kept.values()):
        if isinstance(inventory.tree.get(package.path), Stored):
            yield package


def _origin(package: Package, url: str) -> dict[str, str]:
    parts = urlsplit(package.url.stripped)
    if parts.scheme not in ("http", "https"):
        return {}
    origin = f"{parts.scheme}://{parts.netloc}"
    try:
        whole, tail = url_path(package.url.stripped), url_path(origin)
    except PixiMirrorError:
        return {}
    # The default conda host leaves its name out of paths: all that it has here is below the root.
    return {origin: f"{url}/{tail}" if whole.startswith(f"{tail}/") else url}
