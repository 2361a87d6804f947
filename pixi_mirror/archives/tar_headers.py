"""Parse the header blocks of a tar archive, in any dialect; nothing is read beyond the bytes that are given.

This module uses the standard library alone and runs on Python 3.9: the unpacker of self-extracting packs contains it.
"""

from __future__ import annotations

import functools
import re
import zlib

_CHECKSUM = slice(148, 156)
_HALF = 256
_LARGEST_NUMBER = (1 << 63) - 1
_EXTENT_SIZE = 24
_SPARSE_KEYWORDS = ("GNU.sparse.", "SUN.holes", "SCHILY.realsize")
_PAX_KEYWORDS = ("path", "linkpath", "size", "mtime")
_TIME = re.compile(r"-?\d{1,18}(\.\d*)?", re.ASCII)


def check_header(block: bytes) -> None:
    """Compare the checksum of a header with its bytes.

    Raises:
        ValueError: it is wrong.
    """
    announced = parse_number(block[_CHECKSUM])
    # The checksum counts as spaces.
    unsigned = _sum(block[:_HALF]) + _sum(block[_HALF:]) - sum(block[_CHECKSUM]) + 8 * 32
    # Old writers summed the bytes as signed ones.
    if announced != unsigned and announced != unsigned - 256 * sum(byte > 127 for byte in block):  # noqa: PLR2004
        raise ValueError("its tar is damaged: the checksum of a header is wrong")


def _sum(data: bytes) -> int:
    """Return the sum of at most 256 bytes: Adler-32 begins with 1 and adds modulo 65521, which they never reach."""
    return (zlib.adler32(data) & 0xFFFF) - 1


def parse_pax_records(data: bytes) -> dict[str, str]:
    r"""Return the records `"%d %s=%s\n", <length>, <keyword>, <value>` (POSIX pax) that are used here.

    Raises:
        ValueError: they are damaged, or say that the content is stored as a sparse file.
    """
    found: dict[str, str] = {}
    position = 0
    while position < len(data):
        # The length of a record counts its own digits and the line break.
        digits = data[position : position + 20].partition(b" ")[0]
        length = int(digits) if digits.isdigit() else 0
        end = position + length
        keyword, equals, value = data[position + len(digits) + 1 : max(end - 1, position)].partition(b"=")
        if not equals or data[end - 1 : end] != b"\n":
            raise ValueError("its tar is damaged: an extended header of it cannot be read")
        word = decode_name(keyword)
        if word.startswith(_SPARSE_KEYWORDS):
            raise ValueError("a member of its tar is stored as a sparse file, which is not supported in pax archives")
        if word in _PAX_KEYWORDS:
            found[word] = decode_name(value)
        position = end
    return found


def parse_sparse_extents(data: bytes) -> list[tuple[int, int]]:
    """Return the offsets and lengths in one part of GNU's map of a sparse file.

    Raises:
        ValueError: one of them is no number.
    """
    found = []
    for start in range(0, len(data) - _EXTENT_SIZE + 1, _EXTENT_SIZE):
        if not data[start]:
            break
        found.append((parse_number(data[start : start + 12]), parse_number(data[start + 12 : start + _EXTENT_SIZE])))
    return found


def text_of_field(field: bytes) -> bytes:
    """Return a text that ends at a zero byte or with its field."""
    return field.partition(b"\0")[0]


def decode_name(raw: bytes) -> str:
    """Return a name as text; bytes that are not UTF-8 are escaped as `os.fsdecode` does."""
    return raw.decode("utf-8", "surrogateescape")


def parse_number(field: bytes) -> int:
    """Return a number in octal digits, or in GNU's base 256.

    Raises:
        ValueError: it is none, is negative, or needs more than 63 bits.
    """
    value = parse_signed_number(field)
    if not 0 <= value <= _LARGEST_NUMBER:
        raise ValueError(f"its tar is damaged: {field!r} is no number")
    return value


@functools.lru_cache(maxsize=1024)  # modes and times are the same in most headers
def parse_signed_number(field: bytes) -> int:
    """Return a number that may be negative, such as a time before 1970.

    Raises:
        ValueError: it is none.
    """
    if field[0] == 0x80:  # noqa: PLR2004 - the mark of a positive number in base 256
        return int.from_bytes(field[1:], "big")
    if field[0] == 0xFF:  # noqa: PLR2004 - the mark of a negative one
        return int.from_bytes(field[1:], "big") - (1 << 8 * (len(field) - 1))
    digits = text_of_field(field).strip(b" ")
    if digits.strip(b"01234567"):
        raise ValueError(f"its tar is damaged: {field!r} is no number")
    return int(digits or b"0", 8)


def parse_pax_size(text: str) -> int:
    """Return the number of bytes in a pax record.

    Raises:
        ValueError: it is none.
    """
    if not text.isascii() or not text.isdigit() or len(text) > len(str(_LARGEST_NUMBER)) or int(text) > _LARGEST_NUMBER:
        raise ValueError(f"its tar is damaged: {text[:40]!r} in an extended header is no size")
    return int(text)


def parse_pax_time(text: str) -> float:
    """Return the seconds since 1970 in a pax record.

    Raises:
        ValueError: they are no decimal number.
    """
    if not _TIME.fullmatch(text):
        raise ValueError(f"its tar is damaged: {text[:40]!r} in an extended header is no time")
    return float(text)
