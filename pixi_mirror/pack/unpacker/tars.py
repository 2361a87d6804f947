"""Read a tar as a stream, of any dialect, and refuse one that is damaged or cut anywhere; it makes nothing."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from pixi_mirror.pack.unpacker.refusal import WRONG_BYTES, Refusal, plain

_BLOCK = 512
_CHUNK = 1 << 20
_LONGEST_HEADER = 1 << 20
_FILES = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE)
_KINDS = {tarfile.DIRTYPE: "folder", tarfile.SYMTYPE: "softlink", tarfile.LNKTYPE: "hardlink"}


class Member(NamedTuple):
    """One thing in a tar."""

    name: str
    """A plain relative path; empty: the tar's own folder."""
    kind: str
    """`file`, `folder`, `softlink` or `hardlink`."""
    size: int
    """Bytes of a file; else 0."""
    mode: int
    time: float
    """Of the last change, in seconds."""
    target: str
    """What a link says, unchecked; else empty."""


class Body:
    """The content of a member, to be read before the next member is asked for."""

    def __init__(self, stream: BinaryIO, size: int, where: str) -> None:
        self._stream = stream
        self._where = where
        self.left = size

    def chunks(self) -> Iterator[bytes]:
        """What has not been read yet.

        Raises:
            Refusal: the tar ends before.
        """
        while self.left:
            data = self._stream.read(min(self.left, _CHUNK))
            if not data:
                raise _cut(self._where)
            self.left -= len(data)
            yield data

    def pass_over(self, padding: int) -> None:
        """Go on behind it."""
        if self._stream.seekable():
            self._stream.seek(self.left + padding, 1)
            self.left = 0
        for _ in self.chunks():
            pass
        if not self._stream.seekable() and padding:
            _exactly(self._stream, padding, self._where)


def members(stream: BinaryIO, where: str) -> Iterator[tuple[Member, Body]]:
    """Everything in a tar, in its order; a stream that can seek is not read where nobody looks.

    Raises:
        Refusal: it is damaged, cut short, names something outside, or holds what is neither file, folder nor link.
    """
    told: dict[str, str] = {}
    while True:
        block = _exactly(stream, _BLOCK, where)
        if not block.strip(b"\0"):
            return
        try:
            header = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        except tarfile.TarError as error:
            raise _damaged(where, error) from error
        padding = -header.size % _BLOCK
        if header.type in (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE):
            if not 0 <= header.size <= _LONGEST_HEADER:
                raise _damaged(where, f"an extended header of {header.size} bytes")
            data = _exactly(stream, header.size + padding, where)[: header.size]
            told.update(_told(header.type, data, where))
            continue
        member = _member(header, told, where)
        body = Body(stream, member.size, where)
        yield member, body
        body.pass_over(-member.size % _BLOCK)
        told = {}


def _member(header: tarfile.TarInfo, told: dict[str, str], where: str) -> Member:
    name = plain(told.get("path", header.name), where)
    kind = "file" if header.type in _FILES else _KINDS.get(header.type)
    if kind is None or any(key.startswith("GNU.sparse") for key in told):
        raise Refusal(f"{where} holds {name!r}, which is neither file, folder nor link: nothing is made of it")
    try:
        size = int(told.get("size", header.size)) if kind == "file" else 0
        time = float(told.get("mtime", header.mtime))
    except ValueError as error:
        raise _damaged(where, error) from error
    if size < 0:
        raise _damaged(where, f"{name!r} has {size} bytes")
    target = told.get("linkpath", header.linkname) if kind.endswith("link") else ""
    return Member(name, kind, size, header.mode, time, target)


def _told(kind: bytes, data: bytes, where: str) -> dict[str, str]:
    """What an extended header says of the next member, by the words of pax."""
    if kind == tarfile.XGLTYPE:
        return {}  # of all members: comments, such as the commit of `git archive`
    if kind != tarfile.XHDTYPE:
        word = "path" if kind == tarfile.GNUTYPE_LONGNAME else "linkpath"
        return {word: data.rstrip(b"\0").decode("utf-8", "surrogateescape")}
    found = {}
    while data.strip(b"\0"):
        length, _, _ = data.partition(b" ")
        if not length.isdigit() or len(length) > 7 or not len(length) < int(length) <= len(data):  # noqa: PLR2004 - a MiB
            raise _damaged(where, "an extended header")
        record, data = data[len(length) + 1 : int(length) - 1], data[int(length) :]
        key, _, value = record.partition(b"=")
        found[key.decode("utf-8", "replace")] = value.decode("utf-8", "surrogateescape")
    return found


def _exactly(stream: BinaryIO, size: int, where: str) -> bytes:
    data = b""
    while len(data) < size:
        more = stream.read(size - len(data))
        if not more:
            raise _cut(where)
        data += more
    return data


def _cut(where: str) -> Refusal:
    return Refusal(f"{where} ends in the middle: it was cut short. Copy it again", status=WRONG_BYTES)


def _damaged(where: str, why: object) -> Refusal:
    return Refusal(f"{where} is no tar, or a damaged one: {why}. Copy it again", status=WRONG_BYTES)
