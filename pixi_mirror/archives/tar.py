"""Read a tar archive as a stream, in any dialect and in bounded memory.

This module uses the standard library alone and runs on Python 3.9: the unpacker of self-extracting packs contains it.

The standard library's `tarfile` takes a damaged header for the end of the archive, reads an extended header at any
length that it announces, and keeps every member in memory.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple

from pixi_mirror.archives.streams import ByteStream, read_exactly, read_up_to
from pixi_mirror.archives.tar_headers import (
    check_header,
    decode_name,
    parse_number,
    parse_pax_records,
    parse_pax_size,
    parse_pax_time,
    parse_signed_number,
    parse_sparse_extents,
    text_of_field,
)

BLOCK = 512
"""Bytes of a header; every content is padded to a multiple of it."""
MOST_MEMBERS = 2_000_000
LARGEST_EXTENDED_HEADER = 1 << 20
"""Bytes of a pax header or of a long name in GNU's dialect."""

_PIECE_SIZE = 1 << 17
_MOST_EXTENDED_HEADERS = 16
"""For one member; real writers use three at most."""
_MOST_EXTENTS = 100_000
_LONGEST_PATH, _DEEPEST_PATH = 4096, 200
_KINDS = {
    b"0": "file",
    b"\0": "file",
    b"7": "file",
    b"S": "sparse",
    b"5": "folder",
    b"2": "symlink",
    b"1": "hardlink",
    b"3": "device",
    b"4": "device",
    b"6": "pipe",
}
_WITH_CONTENT = ("file", "sparse", "unknown")
_LONG_NAME, _LONG_TARGET, _PAX, _GLOBAL_PAX = b"L", b"K", (b"x", b"X"), b"g"


class TarMember(NamedTuple):
    """What the headers of one member say. Nothing of it is checked against the rest of the archive."""

    name: str
    """As the archive has it; bytes that are not UTF-8 are escaped as `os.fsdecode` does. `plain_path` checks it."""
    kind: str
    """`file`, `sparse` (a file with holes), `folder`, `symlink`, `hardlink`, `device`, `pipe` or `unknown`."""
    size: int
    """Bytes of content, holes included. All kinds but `file`, `sparse` and `unknown` have no content, whatever this
    says. An archive of few bytes may announce a sparse file of any size."""
    mode: int
    """Permission bits, unchecked."""
    mtime: float
    """Time of the last change, in seconds since 1970."""
    target: str
    """Where a link leads, unchecked; empty for everything else."""


class TarContent:
    """The content of one member. It is read before the next member; what is not read is skipped."""

    def __init__(self, stream: ByteStream, extents: list[tuple[int, int]], size: int, *, seekable: bool) -> None:
        """`extents` are the offset and the length of what the archive stores of the `size` bytes."""
        self._stream = stream
        self._extents = [*extents, (size, 0)]
        self._stored = sum(length for _, length in extents)
        self._left = self._stored + -self._stored % BLOCK
        self._seekable = seekable

    def pieces(self) -> Iterator[bytes]:
        """Yield the content in pieces of at most 128 KiB. It can be iterated once.

        Raises:
            ValueError: the archive ends before the content does.
        """
        position = 0
        for offset, length in self._extents:
            while position < offset:
                hole = bytes(min(offset - position, _PIECE_SIZE))
                position += len(hole)
                yield hole
            while position < offset + length:
                piece = self._stream.read(min(offset + length - position, _PIECE_SIZE))
                if not piece:
                    raise ValueError("it ends in the middle of a member; it was cut short")
                position += len(piece)
                self._left -= len(piece)
                yield piece

    def read(self) -> bytes:
        """Return the whole content. Compare the member's size with a limit first.

        Raises:
            ValueError: as `pieces`.
        """
        return b"".join(self.pieces())

    def skip(self) -> None:
        """Go to the next header.

        Raises:
            ValueError: the archive ends before that.
        """
        if self._seekable and self._left > 1:
            # The last byte is read, so that a file that ends before it is noticed.
            self._stream.seek(self._left - 1, os.SEEK_CUR)  # type: ignore[attr-defined]
            self._left = 1
        while self._left:
            piece = self._stream.read(min(self._left, _PIECE_SIZE))
            if not piece:
                raise ValueError("it ends in the middle of a member; it was cut short")
            self._left -= len(piece)


def read_tar(
    stream: ByteStream, *, needs_end: bool = True, seekable: bool = False, most_members: int = MOST_MEMBERS
) -> Iterator[tuple[TarMember, TarContent]]:
    """Yield every member with its content, up to the first block of zeros; what follows that is not read.

    The dialects are ustar, pax, GNU's and those before POSIX. One member is held at a time, and an extended header of
    at most `LARGEST_EXTENDED_HEADER` bytes.

    Args:
        stream: begins with the first header.
        needs_end: refuse an archive that ends without a block of zeros. Some old writers leave it out.
        seekable: `stream` is a plain file, so content that nobody reads is skipped by `seek`. Do not set it for a
            decompressed stream: checksums would be skipped, too.
        most_members: more of them are refused.

    Raises:
        ValueError: the archive is damaged, cut short, describes a member in two ways, stores a sparse file as pax
            does, or has too many members. The text is a clause that follows the archive's name.
    """
    count = 0
    while (found := _read_member(stream, needs_end=needs_end, is_first=not count)) is not None:
        count += 1
        if count > most_members:
            raise ValueError(f"its tar has more than {most_members} members")
        member, extents = found
        content = TarContent(stream, extents, member.size if member.kind in _WITH_CONTENT else 0, seekable=seekable)
        yield member, content
        content.skip()


def plain_path(raw: str) -> str:
    """Return the name of a member as a relative path with single slashes; empty for the archive's own folder.

    Raises:
        ValueError: it leads out of the folder that the archive is extracted into, or cannot be made on this system.
    """
    if _is_plain(raw):
        return raw
    parts = [part for part in raw.split("/") if part not in ("", ".")]
    if len(raw) > _LONGEST_PATH or len(parts) > _DEEPEST_PATH:
        raise ValueError(f"the name of the member {raw[:80]!r}... is {len(raw)} characters long")
    is_strange = raw.startswith("/") or ".." in parts or "\0" in raw
    if is_strange or (os.name == "nt" and any(letter in raw for letter in '\\:<>"|?*')):
        raise ValueError(f"the member {raw!r} would lie outside, or has a name that cannot be made here")
    return "/".join(parts)


def _is_plain(raw: str) -> bool:
    """Whether a name can stay as it is, as nearly all can; what is not so simple is looked at closely."""
    return (
        0 < len(raw) <= _LONGEST_PATH
        and raw[0] not in "/."
        and raw[-1] != "/"
        and "//" not in raw
        and "/." not in raw
        and "\0" not in raw
        and raw.count("/") < _DEEPEST_PATH
        and os.name != "nt"
    )


def _read_member(
    stream: ByteStream, *, needs_end: bool, is_first: bool
) -> tuple[TarMember, list[tuple[int, int]]] | None:
    """Return the next member and the extents of its content; None at the archive's end."""
    announced: dict[str, str] = {}
    for count in range(_MOST_EXTENDED_HEADERS + 1):
        block = read_up_to(stream, BLOCK)
        if not block and not needs_end and not is_first and not count:
            return None
        if len(block) < BLOCK:
            raise ValueError(f"it {'is no tar archive, or ' if is_first else 'ends in the middle; it '}was cut short")
        if not any(block):
            if count:
                raise ValueError("its tar is damaged: it announces a member that does not come")
            return None
        try:
            check_header(block)
        except ValueError as error:
            if is_first and not count:
                raise ValueError("it is no tar archive, or its tar is damaged from its beginning on") from error
            raise
        kind = block[156:157]
        if kind not in (_LONG_NAME, _LONG_TARGET, _GLOBAL_PAX, *_PAX):
            return _describe(stream, block, announced)
        _merge(announced, _read_extended_header(stream, kind, parse_number(block[124:136])), kind)
    raise ValueError("its tar is damaged: one member has too many extended headers")


def _describe(stream: ByteStream, block: bytes, announced: dict[str, str]) -> tuple[TarMember, list[tuple[int, int]]]:
    """Return the member of a header, with what was announced for it, and the extents of its content."""
    name = announced.get("path")
    if name is None:
        raw = text_of_field(block[:100])
        prefix = text_of_field(block[345:500]) if block[257:263] == b"ustar\0" else b""
        name = decode_name(prefix + b"/" + raw if prefix else raw)
    kind = _KINDS.get(block[156:157], "unknown")
    if kind == "file" and name.endswith("/"):
        kind = "folder"  # the dialects before POSIX know folders by it
    size = parse_number(block[124:136]) if "size" not in announced else parse_pax_size(announced["size"])
    extents = [(0, size)] if kind in _WITH_CONTENT else []
    if kind == "sparse":
        extents, size = _read_extents(stream, block, size)
    member = TarMember(
        name=name,
        kind=kind,
        size=size,
        mode=parse_number(block[100:108]),
        mtime=parse_pax_time(announced["mtime"]) if "mtime" in announced else parse_signed_number(block[136:148]),
        target=announced.get("linkpath", decode_name(text_of_field(block[157:257]))) if kind.endswith("link") else "",
    )
    return member, extents


def _read_extended_header(stream: ByteStream, kind: bytes, size: int) -> dict[str, str]:
    """Return what an extended header says of the next member, by the keywords of pax."""
    if size > LARGEST_EXTENDED_HEADER:
        raise ValueError(f"an extended header of its tar is {size} bytes long")
    data = read_exactly(stream, size + -size % BLOCK)[:size]
    if kind == _LONG_NAME:
        return {"path": decode_name(text_of_field(data))}
    if kind == _LONG_TARGET:
        return {"linkpath": decode_name(text_of_field(data))}
    return parse_pax_records(data)


def _merge(announced: dict[str, str], found: dict[str, str], kind: bytes) -> None:
    if kind == _GLOBAL_PAX:
        if found.keys() & {"path", "linkpath", "size"}:
            raise ValueError("its tar is damaged: all its members are announced in one way")
        return  # comments, such as the commit that `git archive` writes, and times
    if found.keys() & announced.keys():
        raise ValueError("its tar is damaged: one member is announced in two ways")
    announced.update(found)


def _read_extents(stream: ByteStream, block: bytes, stored: int) -> tuple[list[tuple[int, int]], int]:
    """Return the extents of a sparse file in GNU's dialect, and its size with the holes.

    The map stands in the header and in blocks after it.
    """
    extents, goes_on = parse_sparse_extents(block[386:482]), block[482]
    while goes_on:
        more = read_exactly(stream, BLOCK)
        extents += parse_sparse_extents(more[:504])
        goes_on = more[504]
        if len(extents) > _MOST_EXTENTS:
            raise ValueError("its tar is damaged: a sparse file of it has too many parts")
    size = parse_number(block[483:495])
    end = 0
    for offset, length in extents:
        if offset < end:
            raise ValueError("its tar is damaged: the parts of a sparse file overlap")
        end = offset + length
    if end > size or sum(length for _, length in extents) != stored:
        raise ValueError("its tar is damaged: the parts of a sparse file are not as long as it says")
    return extents, size
