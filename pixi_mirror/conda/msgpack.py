"""Read and write MessagePack, as far as sharded repodata uses it; pure.

Both are our own: a page each, and the package `msgpack` would be one more dependency that everybody has to install.
"""

import struct
from collections.abc import Callable, Mapping
from types import MappingProxyType

from pixi_mirror.model.values import Json

_DEEPEST = 64


def unpacked(data: bytes) -> Json:
    """The one value that `data` spells; binary stays `bytes`.

    Raises:
        ValueError: it is cut, followed by more, nested without sense, or of a kind that repodata does not use.
    """
    reader = _Reader(data)
    value = reader.value(_DEEPEST)
    if reader.at != len(data):
        raise ValueError(f"{len(data) - reader.at} bytes follow the MessagePack value")
    return value


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self.at = 0

    def take(self, size: int) -> bytes:
        """Return the next `size` bytes.

        Raises:
            ValueError: there are fewer.
        """
        found = self._data[self.at : self.at + size]
        if len(found) != size:
            raise ValueError("the MessagePack value is cut")
        self.at += size
        return found

    def number(self, width: int, *, signed: bool = False) -> int:
        return int.from_bytes(self.take(width), "big", signed=signed)

    def value(self, depth: int) -> Json:
        """Read one value; `depth` is how many levels it may have.

        Raises:
            ValueError: it is cut, nested too deeply, or of a kind that repodata does not have.
        """
        if depth == 0:
            raise ValueError("the MessagePack value is nested too deeply")
        head = self.number(1)
        for first, last, read in _SHORT:
            if first <= head <= last:
                return read(self, head, depth - 1)
        if head not in _LONG:
            raise ValueError(f"MessagePack code {head:#04x} is not one that repodata uses")
        return _LONG[head](self, head, depth - 1)

    def text(self, size: int) -> str:
        return self.take(size).decode()  # a UnicodeDecodeError is a ValueError

    def array(self, count: int, depth: int) -> list[Json]:
        return [self.value(depth) for _ in range(count)]

    def table(self, count: int, depth: int) -> dict[Json, Json]:
        """Read a map of `count` keys and values.

        Raises:
            ValueError: as `value`, or a key is no text, number or bytes.
        """
        found: dict[Json, Json] = {}
        for _ in range(count):
            key = self.value(depth)
            if not isinstance(key, str | int | bytes):
                raise ValueError("a MessagePack key is no text")  # noqa: TRY004 - what was read is wrong
            found[key] = self.value(depth)
        return found


_Read = Callable[[_Reader, int, int], Json]

_SHORT: tuple[tuple[int, int, _Read], ...] = (
    (0x00, 0x7F, lambda _reader, head, _depth: head),
    (0x80, 0x8F, lambda reader, head, depth: reader.table(head & 0x0F, depth)),
    (0x90, 0x9F, lambda reader, head, depth: reader.array(head & 0x0F, depth)),
    (0xA0, 0xBF, lambda reader, head, _depth: reader.text(head & 0x1F)),
    (0xE0, 0xFF, lambda _reader, head, _depth: head - 0x100),
)
"""Codes that hold their value or its length."""


def _sized(first: int, widths: tuple[int, ...], read: Callable[[_Reader, int, int], Json]) -> dict[int, _Read]:
    """Codes from `first` on, each followed by a length or value of its width."""

    def of_width(width: int) -> _Read:
        return lambda reader, _head, depth: read(reader, width, depth)

    return {first + number: of_width(width) for number, width in enumerate(widths)}


_LONG: Mapping[int, _Read] = MappingProxyType(
    {
        0xC0: lambda _reader, _head, _depth: None,
        0xC2: lambda _reader, _head, _depth: False,
        0xC3: lambda _reader, _head, _depth: True,
        0xCB: lambda reader, _head, _depth: struct.unpack(">d", reader.take(8))[0],
        **_sized(0xC4, (1, 2, 4), lambda reader, width, _depth: reader.take(reader.number(width))),
        **_sized(0xCC, (1, 2, 4, 8), lambda reader, width, _depth: reader.number(width)),
        **_sized(0xD0, (1, 2, 4, 8), lambda reader, width, _depth: reader.number(width, signed=True)),
        **_sized(0xD9, (1, 2, 4), lambda reader, width, _depth: reader.text(reader.number(width))),
        **_sized(0xDC, (2, 4), lambda reader, width, depth: reader.array(reader.number(width), depth)),
        **_sized(0xDE, (2, 4), lambda reader, width, depth: reader.table(reader.number(width), depth)),
    }
)
"""Codes that say how wide the length or the value is that follows."""


def packed(value: Json) -> bytes:
    """The MessagePack of a JSON value, or of one with `bytes` in it: each value in its shortest form, keys in order.

    Raises:
        ValueError: a number has more than 64 bits, or the value is nested without sense.
    """
    out = bytearray()
    _pack(value, out, _DEEPEST - 1)
    return bytes(out)


def _pack(value: Json, out: bytearray, depth: int) -> None:
    if depth < 0:
        raise ValueError("a value is nested too deeply for MessagePack")
    kind = type(value)
    if kind is str:
        data = value.encode()
        _pack_head(len(data), out, short=(0xA0, 31), wide=(0xD9, 0xDA, 0xDB))
        out += data
    elif kind is int:
        _pack_number(value, out)
    elif kind is dict:
        _pack_head(len(value), out, short=(0x80, 15), wide=(None, 0xDE, 0xDF))
        for key in sorted(value):
            _pack(key, out, depth - 1)
            _pack(value[key], out, depth - 1)
    elif kind is list:
        _pack_head(len(value), out, short=(0x90, 15), wide=(None, 0xDC, 0xDD))
        for item in value:
            _pack(item, out, depth - 1)
    elif kind is bytes:
        _pack_head(len(value), out, short=(0, -1), wide=(0xC4, 0xC5, 0xC6))
        out += value
    elif kind is float:
        out += b"\xcb" + struct.pack(">d", value)
    else:
        out.append({None: 0xC0, False: 0xC2, True: 0xC3}[value])


def _pack_head(size: int, out: bytearray, *, short: tuple[int, int], wide: tuple[int | None, int, int]) -> None:
    """Write what kind of value follows, and its length.

    Args:
        size: its length.
        out: is added to.
        short: the first code of those that hold the length themselves, and the largest such length.
        wide: the codes that are followed by a length of 1, 2 and 4 bytes; None: there is none.
    """
    if size <= short[1]:
        out.append(short[0] | size)
    elif size < 1 << 8 and wide[0] is not None:
        out += bytes((wide[0], size))
    elif size < 1 << 16:
        out.append(wide[1])
        out += size.to_bytes(2, "big")
    else:
        out.append(wide[2])
        out += size.to_bytes(4, "big")


def _pack_number(value: int, out: bytearray) -> None:
    if 0 <= value < 1 << 7:
        out.append(value)
        return
    if -(1 << 5) <= value < 0:
        out.append(value + 0x100)
        return
    first, is_signed = (0xCC, False) if value >= 0 else (0xD0, True)
    for power, width in enumerate((1, 2, 4, 8)):
        if -(1 << (8 * width - 1)) <= value < 1 << (8 * width):
            out.append(first + power)
            out += value.to_bytes(width, "big", signed=is_signed)
            return
    raise ValueError(f"the number {value} has more than the 64 bits of MessagePack")
