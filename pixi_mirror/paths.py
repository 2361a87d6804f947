"""The one rule that makes a path inside a mirror of a URL, and the hosts of conda that it knows; pure.

Names are admitted by grammar, never by containment. `model/segments.py` has the rule of a single segment.
"""

import re
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from pixi_mirror.conda.index_files import RESERVED_FILES
from pixi_mirror.conda.names import SUBDIRS
from pixi_mirror.errors import UnmirrorableError, WorkspaceError
from pixi_mirror.model.advisories import FOLDER
from pixi_mirror.model.packages import Channel, Layout
from pixi_mirror.model.segments import is_portable, mirror_segment, requested_segment
from pixi_mirror.model.values import MirrorPath, Url, admit_path, mask_secrets

DEFAULT_HOST = "conda.anaconda.org"
"""Where pixi looks for a channel that is only named."""

MAPPING_HOST = "conda-mapping.prefix.dev"
"""The host that maps conda packages to PyPI projects for pixi."""

PAGES = "-"
"""The folder of what our server says of the mirror, besides its files. No package has such a path."""
HEALTH, METRICS = f"{PAGES}/health", f"{PAGES}/metrics"
"""Which mirror it shows, and how much is in it."""

_DEFAULT_PORTS = {"http": 80, "https": 443, "oci": 443}
_LARGEST_PORT = 65535
_DIGEST_LENGTH = 12
_REMEMBERED = 256
"""Channels and hosts whose place is not worked out again: a lock has thousands of packages, and a few of these."""
# Not in a URL: control characters, which clients leave out, and a backslash, which some clients take for a slash.
_URL = re.compile(r"[^\x00-\x1f\x7f\\]+")
_PARTS = re.compile(r"(https?|s3|oci)://([^/?#]+)(/.*)?", re.IGNORECASE)
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9_](?:[a-z0-9._-]*[a-z0-9])?)(?::([0-9]{1,5}))?")
_BUCKET = re.compile(r"[a-z0-9_](?:[a-z0-9._-]*[a-z0-9])?")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")
_DRIVE = re.compile(r"[A-Za-z]:[/\\]")
_CHANNEL_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./-]*")
_USUAL_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.!+~=@,-]*")
"""The names of packages' files, and of channels that stand at the root of a mirror."""

_RESERVED = frozenset({"simple", "local", "s3", "localhost", FOLDER, *SUBDIRS})
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
    """The path in a mirror of what lies behind `url` (http, https, s3, oci; one trailing slash means nothing).

    It begins with the host in lower case, with `_PORT` unless it is the scheme's default. The segments of the path
    follow, each by the rule of `model/segments.py`. User, `/t/TOKEN/`, query and fragment do not count.

    Raises:
        WorkspaceError: it is no URL, a segment is `.` or `..`, or the path is too long for some systems.
        UnmirrorableError: the scheme is another one.
    """
    _, top, segments = _split(url)
    return _admitted([*top, *segments], url)


@lru_cache(maxsize=_REMEMBERED)
def channel(url: str, layout: Layout) -> Channel:
    """The channel behind `url`, as a lock or a manifest names it: a URL, a path, or a name at the default host.

    Raises:
        WorkspaceError: it is no name and no URL, a segment is `.` or `..`, or the path collides with that of an index.
        UnmirrorableError: its scheme is not supported.
    """
    if _is_path(url) or url.lower().startswith("file:"):
        canonical = file_url(url.rstrip("/\\") or url)
        path = MirrorPath(f"local/channel-{_digest(canonical)}")
        return Channel(url=Url(canonical).stripped, path=None if layout == "flat" else path)
    if _SCHEME.match(url) is None:
        if not _CHANNEL_NAME.fullmatch(url):
            raise WorkspaceError(
                f"{mask_secrets(url)!r} is not the name of a channel. Correct it in the manifest and run `pixi lock`."
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


def own_path(location: str, file_name: str) -> MirrorPath:
    """A path for a file whose URL has none in a mirror: its name, below a digest of its URL. No mirror has it."""
    return admit_path(f"local/url-{_digest(Url(location).stripped)}/{file_name}")


def unsafe_file_name(name: str) -> str | None:
    """Why `name`, decoded, cannot be the name of a package's file in a mirror; None: it can."""
    if "/" in name or "\\" in name:
        return f"{name[:80]!r} holds a slash"
    if not _USUAL_NAME.fullmatch(name) or not is_portable(name):
        return f"{name[:80]!r} is not a name that is safe on every system"
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
        if scheme is not None and scheme[1].lower() not in ("http", "https", "s3", "oci"):
            raise UnmirrorableError(
                f"{Url(url)}: {scheme[1].lower()} URLs are not supported yet; only http, https, s3, oci and local "
                "files are."
            )
        raise _unsafe(url, "it is not SCHEME://HOST/PATH")
    scheme_name, host = parts[1].lower(), parts[2].lower()
    segments = [_segment(segment, url) for segment in (parts[3] or "/").removesuffix("/").split("/")[1:]]
    if segments and segments[0] == "t":
        raise _unsafe(url, "it holds a token (/t/TOKEN/) with no channel after it")
    if scheme_name == "s3":
        if not _BUCKET.fullmatch(host):
            raise _unsafe(url, "its bucket is not a name")
        return _Split(f"s3://{host}", ["s3", host], segments)
    try:
        place = _host(host, scheme_name)
    except ValueError as error:
        raise _unsafe(url, str(error)) from None
    origin = f"{scheme_name}://{host.removesuffix(f':{_DEFAULT_PORTS[scheme_name]}')}"
    if place == DEFAULT_HOST and scheme_name == "https" and segments and is_free_at_root(segments[0]):
        return _Split(origin, [], segments)
    return _Split(origin, [place], segments)


def is_free_at_root(first: str) -> bool:
    """Whether a channel whose path begins with this name may stand at the root of a mirror."""
    taken = first.lower() in _RESERVED or _LIKE_A_HOST.fullmatch(first.lower()) is not None
    return _USUAL_NAME.fullmatch(first) is not None and "." not in first and not taken


@lru_cache(maxsize=_REMEMBERED)
def _host(host: str, scheme: str) -> str:
    """The name in a mirror of a host, with its port unless it is the scheme's default.

    Raises:
        ValueError: it is none; the text says why.
    """
    parts = _HOST.fullmatch(host)
    if parts is None:
        raise ValueError("its host is not a name or an address")
    name, port = parts[1], int(parts[2] or _DEFAULT_PORTS[scheme])
    if not 0 < port <= _LARGEST_PORT:
        raise ValueError("its port is not a number from 1 to 65535")
    if name.startswith("["):
        import ipaddress

        try:
            address = ipaddress.IPv6Address(name[1:-1])
        except ValueError:
            raise ValueError("its host is not an IPv6 address") from None
        name = "ipv6_" + address.compressed.replace(":", "-")
    elif _LIKE_A_HOST.fullmatch(name):
        name = name.replace("_", "=5F")  # a host whose own name is spelled as one with a port
    else:
        name = mirror_segment(name.encode())
    return name if port == _DEFAULT_PORTS[scheme] else f"{name}_{port}"


def _segment(segment: str, url: str) -> str:
    if _USUAL_NAME.fullmatch(segment) and "=" not in segment and is_portable(segment):
        return segment
    name = requested_segment(segment)
    if name is None:
        raise _unsafe(url, f"{segment[:80]!r} means another folder")
    return name


def _admitted(segments: list[str], url: str) -> MirrorPath:
    try:
        return admit_path("/".join(segments))
    except ValueError:
        raise _unsafe(url, "its path is too long for some systems") from None


def _unsafe(url: str, problem: str) -> WorkspaceError:
    # Such a URL may have its password anywhere, so more is masked than in a `Url`.
    shown = mask_secrets(str(Url(url)))
    shown = shown if len(shown) <= 200 else shown[:200] + "..."  # noqa: PLR2004 - about two lines
    return WorkspaceError(
        f"the URL {shown!r} cannot stand in a mirror: {problem}. Nothing was written; correct the manifest or the lock."
    )


def _is_path(url: str) -> bool:
    return url.startswith(("./", "../", "/", ".\\", "..\\", "\\")) or url in (".", "..") or bool(_DRIVE.match(url))


def _digest(canonical: str) -> str:
    import hashlib

    return hashlib.sha256(canonical.encode()).hexdigest()[:_DIGEST_LENGTH]
