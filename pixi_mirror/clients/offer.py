"""What a served mirror offers to clients, as URLs; pure."""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from pixi_mirror.errors import PixiMirrorError, UsageError
from pixi_mirror.git.package import has_user, repository_path, repository_url
from pixi_mirror.http.origins import is_loopback
from pixi_mirror.model.hosted import SCHEME, hosted_channels, is_hosted_url
from pixi_mirror.model.packages import Inventory, Package, home_channel, home_channels
from pixi_mirror.model.segments import request_path
from pixi_mirror.model.values import MirrorPath
from pixi_mirror.paths import DEFAULT_HOST, MAPPING_HOST, url_path
from pixi_mirror.pypi.index_urls import IndexUrl, index_urls
from pixi_mirror.pypi.simple import PAGE_HTML

_LEADS = ("http", "https")
# What RFC 3986 lets stand in a URL, less what would begin a query or a fragment.
_URL = re.compile(r"[A-Za-z0-9:/@!$&'()*+,;=._~%\[\]-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class HostedOffer:
    """A name under which a mirror takes uploads."""

    name: str
    url: str
    """Of the channel; `simple/` and `legacy/` are below it."""
    conda: bool
    pypi: bool


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
    """Scheme and host of files that are in no channel: of PyPI files, and of conda packages by a direct URL. More of
    the URL, where that alone would lead elsewhere, and for a page of links on a host without such files."""
    mapping: dict[str, str]
    """The host of the conda-to-PyPI mapping: pixi cannot lock without it; empty: the mirror holds nothing."""
    hosted: dict[str, str] = field(default_factory=dict)
    """Channels of the mirror's own, by name -> the URL here; they come before all others."""
    kept: dict[str, str] = field(default_factory=dict)
    """Channels that no environment names any more, of which there still are packages."""
    with_token: tuple[str, ...] = ()
    """Channels in whose URL a lock has a token."""
    has_python: bool = True
    """Whether there are PyPI files, and `simple/` with them."""
    repositories: dict[str, str] = field(default_factory=dict)
    """Git repositories that are here in part: the history of the commits that locks pin."""
    hosted_names: tuple[HostedOffer, ...] = ()
    """All hosted names, ordered, with what each of them takes."""
    with_user: tuple[str, ...] = ()
    """Those in whose URL a lock has a user."""
    upstream: tuple[str, ...] = ()
    """Scheme and host of everything that the locks name."""
    is_only: bool = False
    """Whether the client is to ask no other host."""
    directory: str = ""
    """Absolute, of the mirror on this machine, for a program that reads it there."""
    environment: str = "default"
    """The one to install, for a client whose configuration names one."""

    @property
    def has_packages(self) -> bool:
        """Whether there is anything to lead a client to."""
        return bool(self.channels or self.indexes or self.origins or self.kept or self.hosted)

    @property
    def shut(self) -> tuple[str, ...]:
        """The hosts upstream that the client is to ask for nothing."""
        return self.upstream if self.is_only else ()

    @property
    def host(self) -> str:
        """The mirror's host, without port."""
        return urlsplit(self.url).hostname or ""

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return is_loopback(self.host)

    @property
    def git_notes(self) -> tuple[str, ...]:
        """For clients that run git, which reads a configuration of its own."""
        if not self.repositories:
            return ()
        number = len(self.repositories)
        named = f"{number} git repositories are" if number > 1 else "a git repository is"
        write = f"pixi-mirror config --for git --url {self.url} --write"
        return (f"{named} here, too: lead git to the mirror with `{write}`.",)

    @property
    def needs_trust(self) -> str | None:
        """The host that clients must be told to trust, because it serves plain http and is not this machine."""
        parts = urlsplit(self.url)
        return None if parts.scheme == "https" or self.is_loopback else parts.netloc


def admit_url(raw: str) -> str:
    """Check the URL of a mirror; the result has no trailing slash.

    Raises:
        UsageError: it is no plain http or https URL.
    """
    try:
        parts = urlsplit(raw)
        is_plain = parts.scheme in _LEADS and parts.hostname and parts.port != 0
    except ValueError:
        is_plain = False
    if not is_plain or parts.username is not None or not _URL.fullmatch(raw):
        shown = re.sub(r"([?#]).+", r"\1***", raw.rpartition("@")[2], flags=re.DOTALL)
        raise UsageError(
            "--url takes the http or https URL of the served mirror, such as http://127.0.0.1:8765, without user, "
            f"query and fragment; not {shown!r}."
        )
    return raw.rstrip("/")


def offer_of(inventory: Inventory, url: str) -> Offer:
    """What a mirror offers where it is served at `url`."""
    channels = _channels(inventory, url)
    indexes = {index: f"{url}/{request_path(path)}" for index, path in sorted(_indexes(inventory))}
    origins: dict[str, str] = {}
    kept: dict[str, str] = {}
    has_python = False
    for package, is_wanted in _held(inventory):
        has_python = has_python or package.kind == "pypi"
        if is_hosted_url(package.url.raw):
            continue
        if package.kind == "conda" and any(package.url.stripped.startswith(f"{channel}/") for channel in channels):
            continue
        # Only its channel leads here; everything else on its host stays upstream's.
        if not is_wanted and (channel := _channel_of(package, url)):
            kept.update(channel)
        else:
            origins.update(_origin(package, url) or _channel_of(package, url))
    for upstream, path in sorted(_pages_of_links(inventory)):
        if not any(f"{upstream}/".startswith(f"{origin}/") for origin in origins):
            origins[upstream] = f"{url}/{path}"
    hosted = {each.url.removeprefix(SCHEME): f"{url}/{each.path}" for each in hosted_channels(inventory.snapshots)}
    has_packages = bool(channels or indexes or origins or kept)
    return Offer(
        url=url,
        channels=channels,
        indexes=indexes,
        origins=dict(sorted(origins.items())),
        mapping={f"https://{MAPPING_HOST}": f"{url}/{MAPPING_HOST}"} if has_packages else {},
        hosted=hosted,
        kept=dict(sorted(kept.items())),
        with_token=tuple(sorted(_with_token(inventory))),
        has_python=has_python,
        repositories=dict(sorted(_repositories(inventory, url))),
        hosted_names=tuple(sorted(_hosted(inventory, url), key=lambda each: each.name)),
        with_user=tuple(
            sorted({repository_url(each) for each, _ in _held(inventory) if each.kind == "git" and has_user(each)})
        ),
        upstream=tuple(sorted(_upstream(inventory))),
    )


def leads_to(url: object, bases: Collection[str]) -> bool:
    """Whether a URL is one of these, or below one of them."""
    return isinstance(url, str) and any(f"{url}/".startswith(f"{base}/") for base in bases)


def _upstream(inventory: Inventory) -> set[str]:
    packages = (each.url.stripped for each in inventory.wanted if not is_hosted_url(each.url.raw))
    urls = {*_channels(inventory, ""), *packages, *(index.url for index in _index_urls(inventory))}
    parts = map(urlsplit, urls)
    return {f"{each.scheme}://{each.netloc}" for each in parts if each.scheme in _LEADS}


def _with_token(inventory: Inventory) -> set[str]:
    cells = [cell for snapshot in inventory.snapshots for cell in snapshot.cells]
    return {channel.url for cell in cells for channel in cell.channels if channel.has_token}


def _repositories(inventory: Inventory, url: str) -> Iterator[tuple[str, str]]:
    for package, _ in _held(inventory):
        if package.kind == "git":
            yield repository_url(package), f"{url}/{request_path(repository_path(package))}"


def _channels(inventory: Inventory, url: str) -> dict[str, str]:
    named = {
        channel.url: channel.path
        for snapshot in inventory.snapshots
        for cell in snapshot.cells
        for channel in cell.channels
        if not channel.url.startswith("file:")  # clients read those from the disk
    }
    # A channel may bring in others (CEP 42), and old locks name another one than their packages come from.
    held = (package for package, is_wanted in _held(inventory) if is_wanted)
    homes = home_channels(package for package in held if not is_hosted_url(package.url.raw))
    named |= {channel.url: channel.path for channel in homes if channel.url not in named}
    return {upstream: url if path is None else f"{url}/{request_path(path)}" for upstream, path in named.items()}


def _indexes(inventory: Inventory) -> Iterator[tuple[str, MirrorPath]]:
    """The indexes whose pages are in the tree, with their paths."""
    for index in _index_urls(inventory):
        if is_hosted_url(index.url):
            continue
        if index.path is not None and f"{index.path}/{PAGE_HTML}" in inventory.tree and not index.is_page_of_links:
            yield index.url, index.path


def _hosted(inventory: Inventory, url: str) -> Iterator[HostedOffer]:
    for each in inventory.hosted:
        if each.hosted is not None:
            yield HostedOffer(
                name=each.workspace, url=f"{url}/{each.workspace}", conda=each.hosted.conda, pypi=each.hosted.pypi
            )


def _pages_of_links(inventory: Inventory) -> Iterator[tuple[str, str]]:
    """Of each page of links in the tree the longest beginning of its URL that can be a key, and its path.

    A key ends with a slash, so it is what stands before the last segment of the URL.
    """
    for index in _index_urls(inventory):
        page = index.page_of_links
        if page is not None and page in inventory.tree:
            upstream, _, name = index.url.rpartition("/")
            # A URL that names a folder, with or without slash at its end, has its page inside of that.
            is_file = page == index.path
            yield upstream, (page if is_file or not name else page.rpartition("/")[0]).rpartition("/")[0]


def _index_urls(inventory: Inventory) -> frozenset[IndexUrl]:
    return frozenset(index for package in _known(inventory) for index in index_urls(package))


def _known(inventory: Inventory) -> Iterator[Package]:
    for snapshot in inventory.snapshots:
        # No lock names a hosted index, so no client is led from one to the mirror.
        wanted = snapshot.wanted if snapshot.hosted is None else ()
        yield from (package for package in wanted if package.kind == "pypi")
    yield from (package for package in inventory.kept.values() if package.kind == "pypi")


def _held(inventory: Inventory) -> Iterator[tuple[Package, bool]]:
    """Packages that are there or deferred; and whether an environment wants them."""
    for packages, is_wanted in ((inventory.wanted, True), (inventory.kept.values(), False)):
        for package in packages:
            is_here = package.path in inventory.deferred or inventory.stored_at(package.path)
            if is_here and package.kind != "attestations":  # a client that has the package finds it beside that
                yield package, is_wanted


def _origin(package: Package, url: str) -> dict[str, str]:
    """The shortest beginning of the package's URL below which every path is the same here; empty: there is none."""
    parts = urlsplit(package.url.stripped)
    if parts.scheme not in _LEADS:
        return {}
    origin = f"{parts.scheme}://{parts.netloc}"
    try:
        whole, tail = url_path(package.url.stripped), url_path(origin)
    except PixiMirrorError:
        return {}
    if whole != package.path:
        return {}
    if not whole.startswith(f"{tail}/"):
        # Paths of the default conda host do not have its name: what it has is below the root here.
        return {origin: url}
    if tail == DEFAULT_HOST:
        # Names that would collide there are below a folder of that name, so each has a line of its own.
        first = parts.path.split("/")[1]
        return {f"{origin}/{first}": f"{url}/{tail}/{first}"}
    return {origin: f"{url}/{tail}"}


def _channel_of(package: Package, url: str) -> dict[str, str]:
    """The channel of the package, and where that is here; empty: it is in none."""
    channel = home_channel(package)
    if channel is None:
        return {}
    return {channel.url: f"{url}/{request_path(channel.path)}" if channel.path is not None else url}
