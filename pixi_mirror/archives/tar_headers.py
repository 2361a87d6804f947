"""Tell what one header block of a tar says, in any dialect; nothing is read beyond the bytes that were given.

`tarfile` takes a damaged header for the end of the archive, and believes what an extended one claims.
"""

from dataclasses import dataclass

BLOCK = 512
"""Bytes of a header, and what every content is padded to."""

_CHECKSUM = slice(148, 156)
_POSIX = b"ustar\0"
_LARGEST = (1 << 63) - 1
_NEGATIVE, _POSITIVE = 0xFF, 0x80
_SPARSE_PAIR = 24
_CONCERNS_CONTENT = ("GNU.sparse.", "SUN.holes", "SCHILY.realsize")


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What stands in one block."""

    name: bytes
    kind: bytes
    """One letter: `0` a file, `5` a folder, `L` and `x` what announces the next header's name, and more."""
    size: int
    """Bytes of content that follow."""
    mode: int
    block: bytes
    """The whole of it."""


def header(block: bytes) -> Header:
    """What a block says that is not all zeros.

    Raises:
        ValueError: its checksum is wrong, or a number of it is none.
    """
    told = _number(block[_CHECKSUM])
    plain = block[:148] + b" " * 8 + block[156:]
    signed = sum(byte - 256 if byte > 127 else byte for byte in plain)  # noqa: PLR2004 - as old writers summed
    if told not in (sum(plain), signed):
        raise ValueError("its tar is damaged: the checksum of a header is wrong")
    name = _text(block[:100])
    if block[257:263] == _POSIX and (prefix := _text(block[345:500])):
        name = prefix + b"/" + name
    return Header(
        name=name, kind=block[156:157], size=_number(block[124:136]), mode=_number(block[100:108]), block=block
    )


def extended(data: bytes) -> dict[str, str]:
    """The keys and values of a pax header.

    Raises:
        ValueError: it is damaged, or says that a content is stored in a way of its own.
    """
    found: dict[str, str] = {}
    while data:
        digits, _, _ = data[:20].partition(b" ")
        length = int(digits) if digits.isdigit() else 0
        key, equals, value = data[len(digits) + 1 : length - 1].partition(b"=")
        if not equals or data[length - 1 : length] != b"\n":
            raise ValueError("its tar is damaged: an extended header of it cannot be read")
        data = data[length:]
        word = key.decode(errors="replace")
        if word.startswith(_CONCERNS_CONTENT):
            raise ValueError("a member of its tar is stored as a sparse file, which is not supported in pax archives")
        if word in ("path", "size"):
            try:
                found[word] = value.decode()
            except UnicodeDecodeError:
                raise ValueError(f"the name {value[:80]!r} is not UTF-8") from None
    return found


def extended_size(text: str) -> int:
    """The number in the `size` of a pax header.

    Raises:
        ValueError: it is none.
    """
    if not text.isascii() or not text.isdigit() or len(text) > len(str(_LARGEST)) or int(text) > _LARGEST:
        raise ValueError(f"its tar is damaged: {text[:40]!r} is no size")
    return int(text)


def sparse_pairs(data: bytes) -> list[tuple[int, int]]:
    """The pairs of offset and length in a GNU map of what a sparse file has beside its holes, as far as it goes.

    Raises:
        ValueError: a number is none.
    """
    pairs = []
    for start in range(0, len(data) - _SPARSE_PAIR + 1, _SPARSE_PAIR):
        if not data[start]:
            break
        pairs.append((_number(data[start : start + 12]), _number(data[start + 12 : start + _SPARSE_PAIR])))
    return pairs


def real_size(block: bytes) -> int:
    """The size of a sparse file with its holes.

    Raises:
        ValueError: it is no number.
    """
    return _number(block[483:495])


def _text(field: bytes) -> bytes:
    return field.partition(b"\0")[0]


def _number(field: bytes) -> int:
    """A number in octal digits, or in GNU's base 256."""
    if field[0] in (_NEGATIVE, _POSITIVE):
        number = int.from_bytes(field[1:], "big")
        if field[0] == _POSITIVE and number <= _LARGEST:
            return number
    else:
        digits = _text(field).strip(b" ")
        if not digits.strip(b"01234567"):
            return int(digits or b"0", 8)
    raise ValueError(f"its tar is damaged: {field!r} is no number")
