"""The one rule that makes a path inside a mirror of a URL, and the hosts of conda that it knows; pure.

Names are admitted by grammar, never by containment: every hostile name tried passed a normpath and prefix check.
"""

import re
from pathlib import Path
from typing import NamedTuple

from pixi_mirror.conda.index_files import RESERVED_FILES
from pixi_mirror.conda.names import SUBDIRS
from pixi_mirror.errors import UnmirrorableError, WorkspaceError
from pixi_mirror.model.packages import Channel, Layout
from pixi_mirror.model.values import MirrorPath, Url, admit_path

DEFAULT_HOST = "conda.anaconda.org"
"""Where pixi looks for a channel that is only named."""

MAPPING_HOST = "conda-mapping.prefix.dev"
"""Whom pixi asks which PyPI projects a conda package stands for."""

HEALTH = "-/health"
"""Where a server of ours tells which mirror it shows: no path of a package, for no host or channel is named so."""

_DEFAULT_PORTS = {"http": 80, "https": 443}
_LARGEST_PORT = 65535
_DIGEST_LENGTH = 12
# What RFC 3986 lets stand in a URL, and brackets around an IPv6 host; a backslash is a slash to some readers.
_URL = re.compile(r"[A-Za-z0-9:/?#@!$&'()*+,;=._~%\[\]-]+")
_PARTS = re.compile(r"(https?|s3)://([^/]+)(/.*)?", re.IGNORECASE)
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9_](?:[a-z0-9._-]*[a-z0-9])?)(?::([0-9]{1,5}))?")
_TOKENS = re.compile(r"/t/[^/?#]+")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")
_DRIVE = re.compile(r"[A-Za-z]:[/\\]")
_CHANNEL_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./-]*")

_RESERVED = frozenset({"simple", "local", "s3", "localhost", *SUBDIRS})
"""What a mirror's root holds besides the channels of the default host; names with a dot are hosts or files."""
_LIKE_A_HOST = re.compile(r".*_[0-9]+|ipv6_.*")
"""How a host with a port, and an IPv6 address, are spelled in a path."""


def is_pseudo(url: str) -> bool:
    """Whether `url` is `nodefaults`, a channel that has no content and must never be fetched from."""
    return url.rstrip("/").lower() in ("nodefaults", f"https://{DEFAULT_HOST}/nodefaults")


def is_local(location: str) -> bool:
    """Whether `location` is a path or a `file:` URL."""
    scheme = _SCHEME.match(location)
    return scheme is None or scheme[1].lower() == "file"


def url_path(url: str) -> MirrorPath:
    """The path in a mirror of what lies behind `url` (http, https, s3; one trailing slash means nothing).

    Host in lower case, `_PORT` unless it is the scheme's default, then the path, each segment decoded once. User,
    `/t/TOKEN/`, query and fragment do not count.

    Raises:
        WorkspaceError: a segment is not a safe name.
        UnmirrorableError: the scheme is another one.
    """
    _, top, segments = _split(url)
    return _admitted([*top, *segments], url)


def channel(url: str, layout: Layout) -> Channel:
    """The channel behind `url`, as a lock or a manifest names it: a URL, a path, or a name at the default host.

    Raises:
        WorkspaceError: a segment is not a safe name.
        UnmirrorableError: its scheme is not supported.
    """
    if _is_path(url) or url.lower().startswith("file:"):
        canonical = file_url(url.rstrip("/\\") or url)
        path = MirrorPath(f"local/channel-{_digest(canonical)}")
        return Channel(url=Url(canonical).stripped, path=None if layout == "flat" else path)
    if _SCHEME.match(url) is None:
        if not _CHANNEL_NAME.fullmatch(url):
            raise WorkspaceError(
                f"{url!r} is not the name of a channel. Correct it in the manifest and run `pixi lock`."
            )
        url = f"https://{DEFAULT_HOST}/{url}"
    origin, top, segments = _split(url)
    for segment in segments:
        if segment.lower() in RESERVED_FILES:
            raise _unsafe(url, f"{segment!r} is the name of an index file")
    if segments and segments[-1] in SUBDIRS:
        raise _unsafe(url, f"it ends in the subdir {segments[-1]!r}, which no channel may (CEP 26)")
    path = _admitted([*top, *segments], url)
    path_of_url = Url(url).stripped.partition("://")[2].partition("/")[2].rstrip("/")
    return Channel(
        url=f"{origin}/{path_of_url}".rstrip("/"),
        path=None if layout == "flat" else path,
        has_token=Url(url).has_token,
    )


def file_url(location: str) -> str:
    """The one `file:` URL of a path or of a `file:` URL in any spelling; a relative path stays relative."""
    from urllib.parse import quote, unquote

    if location.lower().startswith("file:"):
        path = unquote(re.sub(r"\Afile:(?://(?:localhost(?=/))?)?", "", location, flags=re.IGNORECASE))
    else:
        path = location
    if _DRIVE.match(path):
        path = "/" + path.replace("\\", "/")
    return "file://" + quote(path, safe="/:!$&'()*+,;=@~")


def local_path(url: str) -> Path:
    """The path on this machine that a `file:` URL names."""
    from urllib.parse import urlsplit
    from urllib.request import url2pathname

    return Path(url2pathname(urlsplit(url).path))


def local_url(location: str, base: str) -> str:
    """The `file:` URL of a path or `file:` URL of a lock; relative paths start at `base`, a `file:///dir/` URL."""
    if _SCHEME.match(location) or location.startswith(("/", "\\")) or _DRIVE.match(location):
        return file_url(location)
    from urllib.parse import quote, urljoin

    return urljoin(base, quote(location.replace("\\", "/")))


def unsafe_segment(segment: str) -> str | None:
    """Why `segment`, decoded, cannot stand in a mirror's path; None: it can."""
    if "/" in segment or "\\" in segment:
        return f"{segment[:80]!r} holds a slash"
    try:
        admit_path(segment)
    except ValueError:
        return f"{segment[:80]!r} is not a name that is safe on every system"
    return None


class _Split(NamedTuple):
    origin: str
    """Scheme and host, without the scheme's default port."""
    top: list[str]
    """What stands before the URL's path: the host, `s3` and the bucket, or nothing for the default host."""
    segments: list[str]


def _split(url: str) -> _Split:
    if not _URL.fullmatch(url):
        raise _unsafe(url, "it holds characters that no URL may hold")
    bare = Url(url).stripped
    parts = _PARTS.fullmatch(bare)
    if parts is None:
        scheme = _SCHEME.match(url)
        if scheme is not None and scheme[1].lower() not in ("http", "https", "s3"):
            raise UnmirrorableError(
                f"{Url(url)}: {scheme[1].lower()} URLs are not supported yet; only http, https, s3 and local files are."
            )
        raise _unsafe(url, "it is not SCHEME://HOST/PATH")
    scheme_name, host = parts[1].lower(), parts[2].lower()
    segments = [_decoded(segment, url) for segment in (parts[3] or "/").removesuffix("/").split("/")[1:]]
    if segments and segments[0] == "t":
        raise _unsafe(url, "it holds a token (/t/TOKEN/) with no channel after it")
    if scheme_name == "s3":
        return _Split(f"s3://{host}", ["s3", host], segments)
    place = _host(host, scheme_name, url)
    origin = f"{scheme_name}://{host.removesuffix(f':{_DEFAULT_PORTS[scheme_name]}')}"
    if place == DEFAULT_HOST and scheme_name == "https" and segments and _is_free(segments[0]):
        return _Split(origin, [], segments)
    return _Split(origin, [place], segments)


def _is_free(first: str) -> bool:
    """Whether a channel of the default host that begins so may stand at the root of a mirror."""
    return "." not in first and first.lower() not in _RESERVED and not _LIKE_A_HOST.fullmatch(first.lower())


def _host(host: str, scheme: str, url: str) -> str:
    parts = _HOST.fullmatch(host)
    if parts is None or _LIKE_A_HOST.fullmatch(parts[1]):
        raise _unsafe(url, "its host is not a name or an address")
    name, port = parts[1], int(parts[2] or _DEFAULT_PORTS[scheme])
    if not 0 < port <= _LARGEST_PORT:
        raise _unsafe(url, "its port is not a number from 1 to 65535")
    if name.startswith("["):
        import ipaddress

        try:
            address = ipaddress.IPv6Address(name[1:-1])
        except ValueError:
            raise _unsafe(url, "its host is not an IPv6 address") from None
        name = "ipv6_" + address.compressed.replace(":", "-")
    return name if port == _DEFAULT_PORTS[scheme] else f"{name}_{port}"


def _decoded(segment: str, url: str) -> str:
    from urllib.parse import unquote

    decoded = unquote(segment)
    if unquote(decoded) != decoded:
        raise _unsafe(url, f"{segment[:80]!r} is encoded twice")
    problem = unsafe_segment(decoded)
    if problem is not None:
        raise _unsafe(url, problem)
    return decoded


def _admitted(segments: list[str], url: str) -> MirrorPath:
    try:
        return admit_path("/".join(segments))
    except ValueError:
        raise _unsafe(url, "it makes no path that is safe on every system") from None


def _unsafe(url: str, problem: str) -> WorkspaceError:
    # A token with nothing after it, and a second one, are masked here: this URL is not one that `Url` knows.
    shown = _TOKENS.sub("/t/***", str(Url(url)))
    shown = shown if len(shown) <= 200 else shown[:200] + "..."  # noqa: PLR2004 - about two lines
    return WorkspaceError(
        f"the URL {shown!r} cannot stand in a mirror: {problem}. Nothing was written; correct the manifest or the lock."
    )


def _is_path(url: str) -> bool:
    return url.startswith(("./", "../", "/", ".\\", "..\\", "\\")) or url in (".", "..") or bool(_DRIVE.match(url))


def _digest(canonical: str) -> str:
    import hashlib

    return hashlib.sha256(canonical.encode()).hexdigest()[:_DIGEST_LENGTH]
