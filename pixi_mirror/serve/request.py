"""Parse a request, its head and its target, and refuse what no client of a mirror sends; pure (RFC 9110, RFC 9112)."""

import re
from collections.abc import Mapping
from contextlib import suppress
from ipaddress import ip_address
from typing import NamedTuple
from urllib.parse import unquote, unquote_to_bytes

from pixi_mirror.model.segments import is_portable, requested_segment
from pixi_mirror.model.values import MirrorPath, admit_path
from pixi_mirror.paths import HEALTH, METRICS, PAGES

LONGEST_HEAD = 32 * 1024
"""Bytes of request line and fields together."""

_MOST_FIELDS = 100
_MOST_DIGITS = 18
_REQUEST_LINE = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([\x21-\x7e]+) HTTP/([0-9])\.([0-9])")
_FIELD = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*)")
_SINGLE_FIELDS = ("host", "content-length", "transfer-encoding", "range", "if-range", "if-modified-since")
"""Fields that may stand once only."""
_ABSOLUTE_FORM = re.compile(r"https?://([^/?#]*)", re.IGNORECASE)
_TOKEN_FOLDER = "t"  # noqa: S105 - the first segment of `/t/TOKEN/`, no secret
_PROJECT_LIST = "simple"
"""In a list of Python projects a `t` is a project's name."""


class RequestRefused(Exception):
    """A request that gets a status above 399, after which the connection is closed."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.request_line: tuple[str, str] | None = None
        """Method and target; None: they could not be parsed."""


class BodyFraming(NamedTuple):
    """How the end of a body is found (RFC 9112, 6.3)."""

    length: int | None
    """Bytes; None: the body is chunked."""
    waits: bool
    """Whether the client waits for 100 before it sends the body (RFC 9110, 10.1.1)."""


class HttpRequest(NamedTuple):
    """The head of a request."""

    method: str
    """GET or HEAD; POST or PUT, with a body."""
    target: str
    """As it was sent (RFC 9112, 3.2)."""
    fields: Mapping[str, str]
    """Names in lower case; several fields of one name are joined by commas."""
    keeps_alive: bool
    """Whether the client may send another request over the same connection."""
    framing: BodyFraming | None = None
    """None: the request has no body."""
    client: str = ""
    """The address of the client; as a proxy on this machine says it, if there is one."""

    @property
    def host(self) -> str | None:
        """The authority that the client wants, with its port; None: an HTTP/1.0 client that did not send one."""
        absolute = _ABSOLUTE_FORM.match(self.target)  # RFC 9112, 3.2.2: it takes precedence over the field
        return absolute[1] if absolute else self.fields.get("host")


def parse_request(head: bytes, *, client: str = "", takes_uploads: bool = False) -> HttpRequest:
    """Parse the head of a request.

    Args:
        head: Everything up to and including the empty line.
        client: The address of the other side of the connection.
        takes_uploads: Whether POST and PUT are known methods, which may have a body.

    Raises:
        RequestRefused: the head is malformed or too large, announces a body that no request has here, or has a method
            that is not known.
    """
    first, *lines = [line.removesuffix("\r") for line in head.decode("latin-1").rstrip("\r\n").split("\n")]
    found = _REQUEST_LINE.fullmatch(first)
    if found is None:
        raise RequestRefused(400, "the request line is malformed")
    method, target, major, minor = found.groups()
    try:
        request = _parse_fields_of(method, target, f"{major}.{minor}", lines, takes_uploads=takes_uploads)
    except RequestRefused as refused:
        refused.request_line = method, target
        raise
    return request._replace(client=_client(client, request.fields))


def _client(address: str, fields: Mapping[str, str]) -> str:
    """The address of the client: a proxy on this machine adds that of its own client at the end of a field."""
    forwarded = fields.get("x-forwarded-for", "").rpartition(",")[2].strip()
    with suppress(ValueError):
        if forwarded and ip_address(address).is_loopback:
            return str(ip_address(forwarded))
    return address


def _parse_fields_of(method: str, target: str, version: str, lines: list[str], *, takes_uploads: bool) -> HttpRequest:
    if not version.startswith("1."):
        raise RequestRefused(505, "this server speaks HTTP/1.1")
    is_old = version == "1.0"
    fields = _parse_fields(lines)
    if not is_old and "host" not in fields:
        raise RequestRefused(400, "the field Host is missing")
    framing = None
    if takes_uploads and method in ("POST", "PUT"):
        framing = _body_framing(fields, is_old=is_old)
    elif method not in ("GET", "HEAD"):
        raise RequestRefused(405, "a mirror can only be read")
    else:
        _refuse_body(fields)
    options = {option.strip().lower() for option in fields.get("connection", "").split(",")}
    keeps_alive = "close" not in options and (not is_old or "keep-alive" in options)
    return HttpRequest(method, target, fields, keeps_alive, framing)


def _parse_fields(lines: list[str]) -> Mapping[str, str]:
    if len(lines) > _MOST_FIELDS:
        raise RequestRefused(431, "there are too many fields")
    fields: dict[str, str] = {}
    for line in lines:
        found = _FIELD.fullmatch(line)
        if found is None:
            raise RequestRefused(400, "a field is malformed")
        name, value = found[1].lower(), found[2].rstrip(" \t")
        if name in fields and name in _SINGLE_FIELDS:
            raise RequestRefused(400, "a field that may be there once is repeated")
        fields[name] = f"{fields[name]}, {value}" if name in fields else value
    return fields


def _refuse_body(fields: Mapping[str, str]) -> None:
    """Refuse a body: the server does not read bodies, so it would take the body for the next request."""
    if "transfer-encoding" in fields:
        raise RequestRefused(400, "a request to read has no body")
    if _content_length(fields):
        raise RequestRefused(413, "a request to read has no body")


def _body_framing(fields: Mapping[str, str], *, is_old: bool) -> BodyFraming:
    """Find out how long a body is; whatever two programs could understand in two ways is refused (RFC 9112, 6.3)."""
    expected = fields.get("expect")
    if expected is not None and expected.lower() != "100-continue":
        raise RequestRefused(417, "only 100-continue can be expected")
    waits = expected is not None and not is_old
    coding = fields.get("transfer-encoding")
    if coding is None:
        if "content-length" not in fields:
            raise RequestRefused(411, "the field Content-Length is missing")
        return BodyFraming(_content_length(fields), waits)
    if is_old or "content-length" in fields:
        raise RequestRefused(400, "a chunked body has no Content-Length, and HTTP/1.0 has no chunked body")
    if coding.lower() != "chunked":
        raise RequestRefused(400, "chunked is the only transfer coding of a body here")
    return BodyFraming(None, waits)


def _content_length(fields: Mapping[str, str]) -> int:
    length = fields.get("content-length", "0")
    if not (length.isascii() and length.isdigit()):
        raise RequestRefused(400, "the field Content-Length is malformed")
    if len(length) > _MOST_DIGITS:
        raise RequestRefused(413, "the body is longer than any file")
    return int(length)


class RequestTarget(NamedTuple):
    """The target of a request: the part of the URL behind the host."""

    segments: tuple[str, ...]
    """The path's segments as a mirror names them (`model/segments.py`); `/t/TOKEN` at the start is left out."""
    is_folder: bool
    """Whether the path ends with a slash."""
    query: str
    """As it was sent, without its question mark."""
    token: str | None = None
    """Of `/t/TOKEN`; None: there is none."""
    spelled: tuple[str, ...] = ()
    """The segments as they are spelled, where they may be the names of a mirror's own files; empty: they are not."""

    @property
    def is_page(self) -> bool:
        """Whether it is what our server says of the mirror to people, and no file of it."""
        path = "/".join(self.segments)
        return (not path and self.is_folder) or (path.startswith(f"{PAGES}/") and path not in (HEALTH, METRICS))

    @property
    def paths(self) -> tuple[MirrorPath, ...]:
        """The paths inside a mirror that are meant, the likelier one first; empty: no mirror can have them."""
        paths = []
        for segments in (self.segments, self.spelled):
            with suppress(ValueError):
                paths.append(admit_path("/".join(segments)))
        return tuple(paths)


def parse_target(raw: str) -> RequestTarget | None:
    """Parse a request's target; None: no mirror can have it.

    The path is split first, then each segment is decoded once and named by the rule that names files in a mirror. So a
    slash or backslash that is percent-encoded stays a part of a name, and no dots lead anywhere. Links of `simple/`
    spell the paths of files as they are on the disk, with their `=XX`, because every web server finds them so.
    """
    path, _, query = _origin_form(raw).partition("?")
    if not path.startswith("/"):
        return None
    parts = path[1:].split("/")
    is_folder = parts[-1] == ""
    if is_folder:
        parts.pop()
    token = None
    if len(parts) > 1 and unquote(parts[0]) == _TOKEN_FOLDER:
        token = unquote(parts[1])
        del parts[:2]
    segments = tuple(name for part in parts if (name := requested_segment(part)) is not None)
    if len(segments) != len(parts):
        return None
    spelled = (
        tuple(unquote(part, errors="replace") for part in parts) if any("=3D" in each for each in segments) else ()
    )
    return RequestTarget(segments, is_folder, query, token, spelled if all(map(is_portable, spelled)) else ())


def masked(raw: str) -> str:
    """A target for the log: `/t/TOKEN` and the query are masked, the host of an absolute form is left out."""
    path, question_mark, _ = _origin_form(raw).partition("?")
    parts = path.split("/")
    decoded = [unquote_to_bytes(part) for part in parts]
    for number in range(1, len(parts) - 1):
        is_token = decoded[number] == _TOKEN_FOLDER.encode() and decoded[number - 1] != _PROJECT_LIST.encode()
        if is_token and parts[number + 1]:
            parts[number + 1] = "***"
    return "/".join(parts) + ("?***" if question_mark else "")


def _origin_form(raw: str) -> str:
    """RFC 9112, 3.2.2: "a server MUST accept the absolute-form in requests"."""
    found = _ABSOLUTE_FORM.match(raw)
    if found is None:
        return raw
    rest = raw[found.end() :]
    return rest if rest.startswith("/") else f"/{rest}"
