"""Read the directory of a zip archive and single members of it, in bounded memory, strictly after APPNOTE.TXT.

The standard library's `zipfile` holds the whole directory as objects, and only recent patch releases notice members
that overlap; here one entry is held at a time, and what two readers could understand in two ways is refused. The
unpacker of self-extracting packs contains this module, so it runs on Python 3.9.
"""

import os
import stat
import struct
import zlib
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from pixi_mirror.archives.streams import read_exactly

LARGEST_DIRECTORY = 64 << 20
"""Bytes of central directory that are looked at."""
MOST_ENTRIES = 200_000

_END = struct.Struct("<4s4H2LH")
_END_64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR_64 = struct.Struct("<4sLQL")
_ENTRY = struct.Struct("<4s2B5H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_LONGEST_COMMENT = 0xFFFF
_IN_ZIP64 = 0xFFFFFFFF
_ZIP64_FIELD = 1

_ENCRYPTED = 0x1 | 0x40 | 0x2000
_PATCH = 0x20
_SIZES_FOLLOW = 0x8
_UTF8 = 0x800
STORED = 0
_DEFLATED = 8
_UNIX = 3
_SLACK = 1 << 20
"""Bytes that a deflated member may be longer than its content; deflate itself needs 5 for each block."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ZipMember:
    """What the central directory says of one member."""

    name: str
    raw_name: bytes
    flags: int
    method: int
    crc: int
    compressed: int
    """Bytes in the archive."""
    size: int
    """Bytes of content."""
    offset: int
    """Where its local header begins."""
    mode: int
    """As `st_mode`; 0 where no Unix system made it."""

    @property
    def is_link(self) -> bool:
        """Whether extracting it would make a symbolic link."""
        return stat.S_ISLNK(self.mode)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Directory:
    offset: int
    size: int
    entries: int


def read_members(file: BinaryIO) -> Iterator[ZipMember]:
    """Every member in the order of the central directory; after the last it is known that none overlap.

    Raises:
        ValueError: no zip archive, damaged, ambiguous, or its directory is larger than is looked at.
    """
    directory = _directory(file)
    starts, ends = array("Q"), array("Q")
    left = directory.size
    file.seek(directory.offset)
    for _ in range(directory.entries):
        member, length = _entry(file, left)
        left -= length
        # The local header repeats the name; its extra field is unknown before it is read.
        end = member.offset + _LOCAL.size + len(member.raw_name) + member.compressed
        if end > directory.offset:
            raise ValueError(f"{member.name} reaches into the zip directory")
        starts.append(member.offset)
        ends.append(end)
        position = file.tell()
        yield member
        file.seek(position)
    if left:
        raise ValueError("its zip directory holds other bytes than the entries that it announces")
    _refuse_overlaps(starts, ends)


def read_content(file: BinaryIO, member: ZipMember, *, limit: int) -> bytes:
    """The bytes of one member, of at most `limit` bytes, checked against both its sizes and its CRC.

    Raises:
        ValueError: larger, encrypted, compressed in an unknown way, damaged, or described in two different ways.
    """
    name = member.name
    refuse_unreadable(member)
    if member.size > limit or member.compressed > limit + _SLACK:
        raise ValueError(f"{name} is {max(member.size, member.compressed)} bytes long, more than {limit} are not read")
    seek_to_data(file, member)
    raw = read_exactly(file, member.compressed)
    data = raw if member.method == STORED else _inflated(raw, member)
    if len(data) != member.size:
        raise ValueError(f"{name} is not as long as the zip directory says ({member.size} bytes)")
    if zlib.crc32(data) != member.crc:
        raise ValueError(f"{name} is damaged: its CRC-32 is not the one in the zip directory")
    return data


def refuse_unreadable(member: ZipMember) -> None:
    """Refuse a member that is encrypted, or compressed in a way that is not read.

    Raises:
        ValueError: it is one.
    """
    if member.flags & (_ENCRYPTED | _PATCH):
        raise ValueError(f"{member.name} is encrypted or a patch, so it cannot be read")
    if member.method not in (STORED, _DEFLATED):
        # The others are possible, but bzip2 and lzma take as much memory as the archive pleases.
        known = "only 0 (stored) and 8 (deflated) are known"
        raise ValueError(f"{member.name} is compressed by method {member.method}; {known}")


class StoredContent:
    """The bytes of a member that is stored as it is. Its CRC is compared when the last byte is read."""

    def __init__(self, file: BinaryIO, member: ZipMember) -> None:
        """Go to the first byte; nothing else may move the position of `file` meanwhile.

        Raises:
            ValueError: encrypted, compressed, or described in two different ways.
        """
        if member.flags & (_ENCRYPTED | _PATCH) or member.method != STORED or member.size != member.compressed:
            raise ValueError(f"{member.name} is compressed or encrypted where it has to be stored as it is")
        seek_to_data(file, member)
        self._file = file
        self._member = member
        self._left = member.size
        self._crc = 0

    def read(self, size: int, /) -> bytes:
        """Return the next bytes, at most `size`.

        Raises:
            ValueError: the CRC is not the one in the zip directory.
        """
        data = self._file.read(min(size, self._left))
        self._left -= len(data)
        self._crc = zlib.crc32(data, self._crc)
        if data and not self._left and self._crc != self._member.crc:
            raise ValueError(f"{self._member.name} is damaged: its CRC-32 is not the one in the zip directory")
        return data


def _inflated(raw: bytes, member: ZipMember) -> bytes:
    decompressor = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        # One byte more than announced shows that there is more, however much.
        data = decompressor.decompress(raw, member.size + 1)
    except zlib.error as error:
        raise ValueError(f"{member.name} is damaged: {error}") from error
    if len(data) <= member.size and (not decompressor.eof or decompressor.unused_data):
        raise ValueError(f"{member.name} is not as long as the zip directory says: its compressed data end elsewhere")
    return data


def _directory(file: BinaryIO) -> _Directory:
    """Where the central directory is, from the record at the archive's end."""
    end_of_file = file.seek(0, os.SEEK_END)
    tail_start = max(0, end_of_file - _END.size - _LONGEST_COMMENT)
    file.seek(tail_start)
    tail = read_exactly(file, end_of_file - tail_start)
    found = tail.rfind(b"PK\5\6")
    if found < 0 or len(tail) - found < _END.size:
        raise ValueError("this is no zip archive, or it was cut short: its end record is missing")
    _, disk, first_disk, here, entries, size, offset, comment = _END.unpack_from(tail, found)
    if found + _END.size + comment != len(tail):
        raise ValueError("bytes that belong to nothing follow its zip end record")
    end = tail_start + found
    short = (disk, first_disk, here, entries, size, offset)
    record, end = _end_64(file, end, short) or (short, end)
    disk, first_disk, here, entries, size, offset = record
    if disk or first_disk or here != entries:
        raise ValueError("it is one part of a zip archive of several parts")
    if size > LARGEST_DIRECTORY or entries > MOST_ENTRIES:
        raise ValueError(
            f"its zip directory announces {entries} entries in {size} bytes; "
            f"at most {MOST_ENTRIES} in {LARGEST_DIRECTORY} are looked at"
        )
    if offset + size != end:
        raise ValueError("its zip directory is not where its end record says")
    return _Directory(offset=offset, size=size, entries=entries)


def _end_64(file: BinaryIO, end: int, short: tuple[int, ...]) -> tuple[tuple[int, ...], int] | None:
    """The same six numbers from the zip64 end record and where that begins; None: there is none."""
    record_start = end - _LOCATOR_64.size - _END_64.size
    if record_start < 0:
        return None
    file.seek(record_start)
    record, locator = read_exactly(file, _END_64.size), read_exactly(file, _LOCATOR_64.size)
    signature, where_disk, where, disks = _LOCATOR_64.unpack(locator)
    if signature != b"PK\6\7":
        return None
    signature, length, _, _, *rest = _END_64.unpack(record)
    if signature != b"PK\6\6" or where != record_start or where_disk or disks > 1 or length != _END_64.size - 12:
        raise ValueError("its zip64 end record is not where its locator says")
    for one, other, unsaid in zip(short, rest, (*(0xFFFF,) * 4, _IN_ZIP64, _IN_ZIP64)):  # noqa: B905 - as below
        if one not in (other, unsaid):
            raise ValueError("its two zip end records contradict each other")
    return tuple(rest), record_start


def _entry(file: BinaryIO, left: int) -> tuple[ZipMember, int]:
    """The next entry of the directory, of which `left` bytes remain, and its length."""
    if left < _ENTRY.size:
        raise ValueError("its zip directory ends before the entries that it announces")
    fields = _ENTRY.unpack(read_exactly(file, _ENTRY.size))
    signature, _, system, _, flags, method, _, _, crc, compressed, size, *lengths = fields
    name_length, extra_length, comment_length, _, _, attributes, offset = lengths
    length = _ENTRY.size + name_length + extra_length + comment_length
    if signature != b"PK\1\2" or length > left:
        raise ValueError("its zip directory is damaged")
    raw_name = read_exactly(file, name_length)
    extra = read_exactly(file, extra_length)
    read_exactly(file, comment_length)
    size, compressed, offset = _widened(extra, (size, compressed, offset))
    member = ZipMember(
        name=_name(raw_name, flags),
        raw_name=raw_name,
        flags=flags,
        method=method,
        crc=crc,
        compressed=compressed,
        size=size,
        offset=offset,
        mode=attributes >> 16 if system == _UNIX else 0,
    )
    return member, length


def _name(raw: bytes, flags: int) -> str:
    try:
        name = raw.decode("utf-8" if flags & _UTF8 else "cp437")
    except UnicodeDecodeError as error:
        raise ValueError(f"the member name {raw!r} is not UTF-8 as announced") from error
    if "\0" in name:
        raise ValueError(f"the member name {name!r} holds a zero byte")
    return name


def _widened(extra: bytes, numbers: tuple[int, ...]) -> tuple[int, ...]:
    """Size, compressed size and offset, each from the zip64 extra field where 32 bits do not hold it."""
    if _IN_ZIP64 not in numbers:
        return numbers
    field = _extra_field(extra, _ZIP64_FIELD)
    wide = []
    for number in numbers:
        if number != _IN_ZIP64:
            wide.append(number)
            continue
        if len(field) < 8:  # noqa: PLR2004 - bytes of one number
            raise ValueError("its zip directory is damaged: a zip64 field is missing")
        wide.append(int.from_bytes(field[:8], "little"))
        field = field[8:]
    return tuple(wide)


def _extra_field(extra: bytes, wanted: int) -> bytes:
    position = 0
    while position + 4 <= len(extra):
        tag, length = struct.unpack_from("<2H", extra, position)
        if tag == wanted:
            return extra[position + 4 : position + 4 + length]
        position += 4 + length
    return b""


def _refuse_overlaps(starts: "array[int]", ends: "array[int]") -> None:
    spans = sorted(zip(starts, ends))  # noqa: B905 - `strict` is of Python 3.10, and so is `pairwise`
    if any(end > start for (_, end), (start, _) in zip(spans, spans[1:])):  # noqa: B905, RUF007
        raise ValueError("two of its members overlap")


def seek_to_data(file: BinaryIO, member: ZipMember) -> None:
    """Go to the member's first byte, and refuse a local header that contradicts the directory.

    Raises:
        ValueError: it does.
    """
    file.seek(member.offset)
    fields = _LOCAL.unpack(read_exactly(file, _LOCAL.size))
    signature, _, flags, method, _, _, crc, compressed, size, name_length, extra_length = fields
    name = read_exactly(file, name_length)
    same = (signature, name, method) == (b"PK\3\4", member.raw_name, member.method)
    if same and not flags & (_ENCRYPTED | _SIZES_FOLLOW):
        sizes: tuple[int, ...] = (size, compressed)
        if _IN_ZIP64 in sizes:
            sizes = _widened(read_exactly(file, extra_length), sizes)
        same = (crc, *sizes) == (member.crc, member.size, member.compressed)
    if not same or (flags ^ member.flags) & (_ENCRYPTED | _SIZES_FOLLOW):
        raise ValueError(f"{member.name} is described in one way in the zip directory and in another where it stands")
    file.seek(member.offset + _LOCAL.size + name_length + extra_length)
