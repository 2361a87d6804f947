"""Read MessagePack, as far as sharded repodata uses it; pure.

A decoder of our own: it is a page, and the package `msgpack` would be one more dependency to install and to trust for
reading files that a program on this machine has just written.
"""

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
        found = self._data[self.at : self.at + size]
        if len(found) != size:
            raise ValueError("the MessagePack value is cut")
        self.at += size
        return found

    def number(self, width: int, *, signed: bool = False) -> int:
        return int.from_bytes(self.take(width), "big", signed=signed)

    def value(self, depth: int) -> Json:
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
        **_sized(0xC4, (1, 2, 4), lambda reader, width, _depth: reader.take(reader.number(width))),
        **_sized(0xCC, (1, 2, 4, 8), lambda reader, width, _depth: reader.number(width)),
        **_sized(0xD0, (1, 2, 4, 8), lambda reader, width, _depth: reader.number(width, signed=True)),
        **_sized(0xD9, (1, 2, 4), lambda reader, width, _depth: reader.text(reader.number(width))),
        **_sized(0xDC, (2, 4), lambda reader, width, depth: reader.array(reader.number(width), depth)),
        **_sized(0xDE, (2, 4), lambda reader, width, depth: reader.table(reader.number(width), depth)),
    }
)
"""Codes that say how wide the length or the value is that follows."""
