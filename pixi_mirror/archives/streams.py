"""Read byte streams that may give fewer bytes than they are asked for, such as pipes.

This module uses the standard library alone and runs on Python 3.9: the unpacker of self-extracting packs contains it.
"""

from __future__ import annotations

from typing import Protocol

_PIECE_SIZE_OF_STREAMS = 1 << 20


class ByteStream(Protocol):
    """Anything that is read in order. `read` gives fewer bytes than `size` at will, and none at the end."""

    def read(self, size: int, /) -> bytes:
        """Return the next bytes."""
        ...


def read_exactly(stream: ByteStream, size: int) -> bytes:
    """Return the next `size` bytes.

    Raises:
        ValueError: the stream ends before.
    """
    data = read_up_to(stream, size)
    if len(data) < size:
        raise ValueError("it ends in the middle; it was cut short")
    return data


def read_up_to(stream: ByteStream, size: int) -> bytes:
    """Return the next `size` bytes, or those up to the end; a pipe gives fewer at a time."""
    start = stream.read(min(size, _PIECE_SIZE_OF_STREAMS)) if size else b""
    if len(start) == size or not start:
        return start
    pieces, left = [start], size - len(start)
    while left and (piece := stream.read(min(left, _PIECE_SIZE_OF_STREAMS))):
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)


class PrefixedStream:
    """A stream whose first bytes were read already and are given again."""

    def __init__(self, start: bytes, stream: ByteStream) -> None:
        """`start` comes before what `stream` still gives."""
        self._start = start
        self._stream = stream

    def read(self, size: int, /) -> bytes:
        """Return the next bytes, at most `size`."""
        if not self._start:
            return self._stream.read(size)
        data, self._start = self._start[:size], self._start[size:]
        return data
