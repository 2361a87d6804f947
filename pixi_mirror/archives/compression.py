"""Decompress a file as a stream, in bounded memory and up to a limit, whatever the compressed bytes claim."""

import bz2
import lzma
import zlib
from collections.abc import Iterator
from typing import BinaryIO, Protocol

_CHUNK = 1 << 16
_LONGEST_MAGIC = 6
_XZ_MEMORY = 128 << 20
"""Bytes; `xz -9` needs 65 MiB to be read, and a file may ask for 4 GiB."""


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class _Gzip:
    """zlib's decompressor, with the manners of those of bz2 and lzma."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(16 + zlib.MAX_WBITS)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def needs_input(self) -> bool:
        return not self._inner.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, max_length)


def _decompressor(start: bytes) -> _Decompressor | None:
    """What reads a compressed stream that begins so; None: it begins like none that is known."""
    if start.startswith(b"\x1f\x8b"):
        return _Gzip()
    if start.startswith(b"BZh"):
        return bz2.BZ2Decompressor()
    if start.startswith(b"\xfd7zXZ\0"):
        return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)
    return None


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    """The decompressed bytes, in pieces of 64 KiB at most; what follows the last stream is not looked at."""
    data = file.read(_CHUNK)
    decompressor = _decompressor(data)
    if decompressor is None:
        raise ValueError("it is not compressed with gzip, bzip2 or xz")
    while decompressor is not None:
        while not decompressor.eof:
            try:
                piece = decompressor.decompress(data, _CHUNK)
            # bz2 complains of wrong bytes with an OSError.
            except (zlib.error, lzma.LZMAError, OSError, EOFError) as error:
                raise ValueError(f"its compressed data are damaged: {error}") from error
            yield piece
            data = file.read(_CHUNK) if decompressor.needs_input and not decompressor.eof else b""
            if not data and not piece and decompressor.needs_input and not decompressor.eof:
                raise ValueError("its compressed data end in the middle; it was cut short")
        data = decompressor.unused_data
        if len(data) < _LONGEST_MAGIC:
            data += file.read(_CHUNK)
        decompressor = _decompressor(data)


class Stream:
    """The first `limit` decompressed bytes of a file, to be taken or skipped in order."""

    def __init__(self, file: BinaryIO, *, limit: int) -> None:
        """Begin where `file` stands; nothing is read yet."""
        self._pieces = _pieces(file)
        self._rest = memoryview(b"")
        self._limit = limit
        self.taken = 0
        """Bytes taken or skipped so far."""

    def take_some(self, size: int) -> bytes:
        """The next `size` bytes, or fewer where the stream or the limit ends.

        Raises:
            ValueError: the compressed data are damaged, or cut short.
        """
        return b"".join(self._next(size))

    def take(self, size: int) -> bytes:
        """Exactly the next `size` bytes.

        Raises:
            ValueError: there are fewer, or as `take_some`.
        """
        data = self.take_some(size)
        if len(data) < size:
            raise ValueError("it ends in the middle of a member; it was cut short")
        return data

    def skip(self, size: int) -> None:
        """Go on by exactly `size` bytes.

        Raises:
            ValueError: there are fewer, or as `take_some`.
        """
        if sum(len(piece) for piece in self._next(size)) < size:
            raise ValueError("it ends in the middle of a member; it was cut short")

    def drain(self) -> None:
        """Go on to the end or the limit: a checksum stands behind the last byte.

        Raises:
            ValueError: as `take_some`.
        """
        for _ in self._next(self._limit):
            pass

    def _next(self, size: int) -> Iterator[memoryview]:
        left = min(size, self._limit - self.taken)
        while left > 0:
            if not self._rest:
                fresh = next(self._pieces, None)
                if fresh is None:
                    return
                self._rest = memoryview(fresh)
            piece, self._rest = self._rest[:left], self._rest[left:]
            left -= len(piece)
            self.taken += len(piece)
            yield piece
