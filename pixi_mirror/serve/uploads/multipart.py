"""Parse a multipart form as it comes, in bounded memory; pure (RFC 7578, RFC 2046).

It is written by hand, because uploads should need nothing besides Python, and because every length has a limit here. A
client of packages sends one file and up to some thousand short fields, one for each dependency and classifier.
"""

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple
from urllib.parse import unquote

from pixi_mirror.serve.request import RequestRefused

MOST_PARTS = 10_000
"""Packages with more than a thousand dependencies and extras exist, and each is a field of its own."""
_LONGEST_HEAD = 16 * 1024
_LONGEST_OUTSIDE = 64 * 1024
"""Bytes before the first part and behind the last one, which mean nothing."""
_CONTENT_TYPE = re.compile(r"multipart/form-data\s*;(.*)", re.IGNORECASE | re.DOTALL)
_DISPOSITION = re.compile(r"form-data\s*(;.*)?", re.IGNORECASE | re.DOTALL)
_PARAMETER = re.compile(r';?\s*([!#$%&\'*+.^_`|~0-9A-Za-z-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s";]*))\s*', re.DOTALL)
_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]")
_QUOTED = re.compile(r"\\(.)", re.DOTALL)


class FormPart(NamedTuple):
    """The head of a part."""

    name: str
    file_name: str | None
    """None: it is a field."""
    fields: Mapping[str, str]
    """Names in lower case."""


def boundary_of(content_type: str | None) -> bytes:
    """The boundary between the parts of a form.

    Raises:
        RequestRefused: the body is no form, or the boundary is none.
    """
    found = _CONTENT_TYPE.fullmatch((content_type or "").strip())
    if found is None:
        raise RequestRefused(415, "the body is no multipart/form-data")
    boundary = _parameters(found[1]).get("boundary", "")
    if not _BOUNDARY.fullmatch(boundary):
        raise RequestRefused(400, "the boundary of the form is malformed")
    return boundary.encode()


class MultipartReader:
    """The parts of one form, one after the other."""

    def __init__(self, read: Callable[[], bytes], boundary: bytes) -> None:
        """Read nothing yet.

        Args:
            read: The next bytes of the body; empty: it has ended.
            boundary: Between the parts.
        """
        self._read = read
        self._delimiter = b"\r\n--" + boundary
        # The first delimiter may stand at the very beginning.
        self._buffer = bytearray(b"\r\n")
        self._parts = 0

    def next_part(self) -> FormPart | None:
        """The head of the next part; what is left of the one before is skipped; None: there is no further one.

        Raises:
            RequestRefused: the form is malformed, is too long in a place that means nothing, or has too many parts.
        """
        skipped = 0
        while piece := self.read():
            skipped += len(piece)
            if not self._parts and skipped > _LONGEST_OUTSIDE:
                raise RequestRefused(400, "the form does not begin")
        del self._buffer[: len(self._delimiter)]
        while len(self._buffer) < 2:  # noqa: PLR2004 - what follows the delimiter: `--` or the end of the line
            self._more()
        if self._buffer.startswith(b"--"):
            self._skip_epilogue()
            return None
        self._parts += 1
        if self._parts > MOST_PARTS:
            raise RequestRefused(400, f"the form has more than {MOST_PARTS} fields")
        return _part_of(self._head())

    def read(self) -> bytes:
        """The next bytes of the part; empty: it has ended.

        Raises:
            RequestRefused: the body ends before the part.
        """
        while True:
            at = self._buffer.find(self._delimiter)
            # The end of what has come may be the beginning of a delimiter.
            safe = at if at >= 0 else len(self._buffer) - len(self._delimiter) + 1
            if at == 0:
                return b""
            if safe > 0:
                piece = bytes(self._buffer[:safe])
                del self._buffer[:safe]
                return piece
            self._more()

    def value(self, *, longest: int) -> bytes:
        """All bytes of the part.

        Raises:
            RequestRefused: there are more than `longest`, or the body ends before the part.
        """
        value = bytearray()
        while piece := self.read():
            value += piece
            if len(value) > longest:
                raise RequestRefused(400, "a field of the form is too long")
        return bytes(value)

    def _more(self) -> None:
        piece = self._read()
        if not piece:
            raise RequestRefused(400, "the form is cut off")
        self._buffer += piece

    def _head(self) -> bytes:
        # A part without fields has the empty line at once, so the end of the delimiter's line counts as one.
        while (end := self._buffer.find(b"\r\n\r\n")) < 0 and len(self._buffer) <= _LONGEST_HEAD:
            self._more()
        if not 0 <= end <= _LONGEST_HEAD:
            raise RequestRefused(400, "the head of a field of the form is too long")
        head = bytes(self._buffer[:end])
        # The value begins behind the empty line; an empty value ends with the line break of the next delimiter.
        del self._buffer[: end + 4]
        return head

    def _skip_epilogue(self) -> None:
        left = _LONGEST_OUTSIDE - len(self._buffer)
        while left >= 0 and (piece := self._read()):
            left -= len(piece)
        if left < 0:
            raise RequestRefused(400, "the form goes on behind its end")


def _part_of(head: bytes) -> FormPart:
    first, *lines = head.decode(errors="replace").split("\r\n")
    if first.strip(" \t"):
        raise RequestRefused(400, "the boundary of the form is malformed")
    fields = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise RequestRefused(400, "the head of a field of the form is malformed")
        fields[name.strip().lower()] = value.strip()
    found = _DISPOSITION.fullmatch(fields.get("content-disposition", ""))
    parameters = _parameters(found[1] or "") if found else {}
    if "name" not in parameters:
        raise RequestRefused(400, "a field of the form has no name")
    return FormPart(parameters["name"], _file_name(parameters), fields)


def _file_name(parameters: Mapping[str, str]) -> str | None:
    extended = parameters.get("filename*")  # RFC 7578 forbids it, and some libraries send it all the same
    if extended is not None:
        return unquote(extended.rpartition("'")[2], errors="replace")
    return parameters.get("filename")


def _parameters(text: str) -> dict[str, str]:
    """The parameters of a field's value; the first one of a name counts."""
    found: dict[str, str] = {}
    at = 0
    while match := _PARAMETER.match(text, at):
        quoted, bare = match[2], match[3]
        found.setdefault(match[1].lower(), bare if quoted is None else _QUOTED.sub(r"\1", quoted))
        at = match.end()
    if text[at:].strip("; \t"):
        raise RequestRefused(400, "a field of the form is malformed")
    return found
