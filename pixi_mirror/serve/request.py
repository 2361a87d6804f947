"""Parse the head of a request, and refuse what no client of a mirror sends; pure (RFC 9110, RFC 9112)."""

import re
from collections.abc import Mapping
from typing import NamedTuple

LONGEST_HEAD = 32 * 1024
"""Bytes of request line and fields together."""

_MOST_FIELDS = 100
_REQUEST_LINE = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([\x21-\x7e]+) HTTP/([0-9])\.([0-9])")
_FIELD = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*)")
_ONLY_ONCE = ("host", "content-length", "transfer-encoding", "range", "if-range", "if-modified-since")


class RequestRefused(Exception):
    """A request that is answered with a status above 399, after which the connection is closed."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.asked: tuple[str, str] | None = None
        """Method and target; None: not even these could be understood."""


class HttpRequest(NamedTuple):
    """What was asked."""

    method: str
    """GET or HEAD."""
    target: str
    fields: Mapping[str, str]
    """Names in lower case; what was given several times is joined by commas."""
    may_go_on: bool
    """Whether the client would send another request over the same connection."""


def parse_request(head: bytes) -> HttpRequest:
    """The request that a head spells, the empty line at its end included.

    Raises:
        Refused: it is malformed, too large, has a body or asks for something else than to read.
    """
    first, *lines = [line.removesuffix("\r") for line in head.decode("latin-1").rstrip("\r\n").split("\n")]
    found = _REQUEST_LINE.fullmatch(first)
    if found is None:
        raise RequestRefused(400, "the request line is malformed")
    method, target, major, minor = found.groups()
    try:
        return _read(method, target, f"{major}.{minor}", lines)
    except RequestRefused as refused:
        refused.asked = method, target
        raise


def _read(method: str, target: str, version: str, lines: list[str]) -> HttpRequest:
    if not version.startswith("1."):
        raise RequestRefused(505, "this server speaks HTTP/1.1")
    is_old = version == "1.0"
    fields = _fields(lines)
    if not is_old and "host" not in fields:
        raise RequestRefused(400, "the field Host is missing")
    if method not in ("GET", "HEAD"):
        raise RequestRefused(405, "a mirror can only be read")
    _refuse_body(fields)
    options = {option.strip().lower() for option in fields.get("connection", "").split(",")}
    may_go_on = "close" not in options and (not is_old or "keep-alive" in options)
    return HttpRequest(method, target, fields, may_go_on)


def _fields(lines: list[str]) -> Mapping[str, str]:
    if len(lines) > _MOST_FIELDS:
        raise RequestRefused(431, "there are too many fields")
    fields: dict[str, str] = {}
    for line in lines:
        found = _FIELD.fullmatch(line)
        if found is None:
            raise RequestRefused(400, "a field is malformed")
        name, value = found[1].lower(), found[2].rstrip(" \t")
        if name in fields and name in _ONLY_ONCE:
            raise RequestRefused(400, "a field that may be there once is repeated")
        fields[name] = f"{fields[name]}, {value}" if name in fields else value
    return fields


def _refuse_body(fields: Mapping[str, str]) -> None:
    """Bodies are not read: what follows the head would be taken for the next request, or the other way round."""
    if "transfer-encoding" in fields:
        raise RequestRefused(400, "a request to read has no body")
    length = fields.get("content-length", "0")
    if not (length.isascii() and length.isdigit()):
        raise RequestRefused(400, "the field Content-Length is malformed")
    if length.strip("0"):
        raise RequestRefused(413, "a request to read has no body")
