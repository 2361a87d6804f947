"""Decompress gzip, bzip2, xz and zstd as streams, in bounded memory and up to a limit; write frames of zstd.

This module uses the standard library alone and runs on Python 3.9: the unpacker of self-extracting packs contains it.
Only zstd needs `backports.zstd` below Python 3.14; it has the interface of the standard library.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from typing import Any, Protocol

from pixi_mirror.archives.streams import ByteStream

LARGEST_DOCUMENT = 1 << 26
"""Bytes that a compressed document may become unless more is expected: a few of them can spell gigabytes."""

MAGIC = {
    "gzip": b"\x1f\x8b",
    "bzip2": b"BZh",
    "xz": b"\xfd7zXZ\0",
    "zstd": b"\x28\xb5\x2f\xfd",
}
"""How a stream of each kind begins."""
LONGEST_MAGIC = 6

_OUTPUT_SIZE = 1 << 16
_SMALLEST_INPUT, _LARGEST_INPUT = 1 << 14, 1 << 16
"""A decompressor copies what follows a stream: with small pieces, many tiny streams cost little. The pieces grow while
one stream goes on, because each of them costs as much as a thread does to take its turn."""
_SKIPPABLE_ZSTD = tuple(bytes((0x50 + number, 0x2A, 0x4D, 0x18)) for number in range(16))
_XZ_MEMORY = 128 << 20
"""Bytes; `xz -9` needs 65 MiB to be read, and a file may announce that it needs 4 GiB."""
_ZSTD_WINDOW_LOG = 27
"""The largest window is 128 MiB, as the library and the program have it; `zstd -22` fits."""


class _Engine(Protocol):
    """What the standard library's decompressors have in common."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class Decompressor:
    """Decompresses streams of one kind that follow one another, as their bytes come."""

    def __init__(self, kind: str, *, may_have_rest: bool = False) -> None:
        """Begin before the first byte.

        Args:
            kind: a key of `MAGIC`.
            may_have_rest: bytes after the last stream that begin no other one are ignored, as `gzip` does.
        """
        self._kind = kind
        self._may_have_rest = may_have_rest
        self._engine: _Engine | None = None
        self._error: type[Exception] = ValueError
        self._start = b""
        self._has_ended = False
        self._input_size = _SMALLEST_INPUT

    @property
    def is_complete(self) -> bool:
        """Whether the bytes so far are whole streams; no byte at all is complete, too."""
        return self._has_ended or (not self._start and (self._engine is None or self._engine.eof))

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield what the next bytes become, in pieces of at most 64 KiB. All of it has to be taken.

        Raises:
            ValueError: the bytes are damaged, or need more memory than is allowed.
        """
        start = 0
        while start < len(data):
            end = start + self._input_size
            self._input_size = min(2 * self._input_size, _LARGEST_INPUT)
            yield from self._feed(data[start:end])
            start = end

    def _feed(self, data: bytes) -> Iterator[bytes]:
        while not self._has_ended:
            if self._engine is None or self._engine.eof:
                if not data:
                    return
                self._start += data
                if not self._begins():
                    return
                self._engine, self._error = _make_engine(self._kind)
                data, self._start = self._start, b""
                self._input_size = _SMALLEST_INPUT
            try:
                piece = self._engine.decompress(data, _OUTPUT_SIZE)
            except self._error as error:
                raise ValueError(f"its compressed data are damaged: {error}") from error
            data = self._engine.unused_data if self._engine.eof else b""
            if piece:
                yield piece
            if not self._engine.eof and self._engine.needs_input:
                return

    def _begins(self) -> bool:
        """Whether another stream begins here; else there is none, or more bytes have to come first."""
        start, magic = self._start, MAGIC[self._kind]
        if start.startswith(magic) or (self._kind == "zstd" and start.startswith(_SKIPPABLE_ZSTD)):
            return True
        if len(start) < len(magic) and (magic.startswith(start) or self._kind == "zstd"):
            return False
        if not self._may_have_rest or self._engine is None:
            raise ValueError(f"its compressed data are damaged: they are no {self._kind}")
        self._has_ended = True
        return False


class DecompressedStream:
    """The decompressed bytes of a stream, to be read in order."""

    def __init__(self, stream: ByteStream, *, kinds: tuple[str, ...], limit: int | None = None) -> None:
        """Begin where `stream` is; nothing is read yet.

        Args:
            stream: what is compressed.
            kinds: keys of `MAGIC`. The first bytes say which of them it is.
            limit: bytes; reading more of them raises `ValueError`.
        """
        self._stream = stream
        self._kinds = kinds
        self._limit = limit
        self._pieces = self._decompressed()
        self._rest = memoryview(b"")
        self.position = 0
        """How many bytes were given."""

    def read(self, size: int, /) -> bytes:
        """Return the next `size` bytes, or those up to the end.

        Raises:
            ValueError: the data are of another kind, damaged, cut short, or longer than the limit.
        """
        if size <= len(self._rest):  # as most headers and small files
            data, self._rest = bytes(self._rest[:size]), self._rest[size:]
        else:
            data = self._gather(size)
        self.position += len(data)
        if self._limit is not None and self.position > self._limit:
            raise ValueError(f"it would become more than {self._limit} bytes, far more than its size allows for")
        return data

    def _gather(self, size: int) -> bytes:
        pieces, left = [], size
        while left:
            if not self._rest:
                self._rest = memoryview(next(self._pieces, b""))
                if not self._rest:
                    break
            piece, self._rest = self._rest[:left], self._rest[left:]
            pieces.append(piece)
            left -= len(piece)
        return b"".join(pieces)

    def drain(self) -> None:
        """Read to the end: a checksum stands behind the last byte.

        Raises:
            ValueError: as `read`.
        """
        while self.read(_OUTPUT_SIZE):
            pass

    def _decompressed(self) -> Iterator[bytes]:
        data = self._stream.read(_OUTPUT_SIZE)
        while len(data) < LONGEST_MAGIC and (more := self._stream.read(_OUTPUT_SIZE)):
            data += more
        kind = compression_of(data)
        if kind is None or kind not in self._kinds:
            raise ValueError(f"it is not compressed with {' or '.join(self._kinds)}")
        decompressor = Decompressor(kind, may_have_rest=kind != "zstd")
        while data:
            yield from decompressor.feed(data)
            data = self._stream.read(_OUTPUT_SIZE)
        if not decompressor.is_complete:
            raise ValueError("its compressed data end in the middle; it was cut short")


def compression_of(start: bytes) -> str | None:
    """Return the key of `MAGIC` for a file that begins so; None: it is not compressed in a known way."""
    if start.startswith(_SKIPPABLE_ZSTD):
        return "zstd"
    return next((kind for kind, magic in MAGIC.items() if start.startswith(magic)), None)


def decompress_zstd(data: bytes, *, limit: int = LARGEST_DOCUMENT) -> bytes:
    """Return what zstd frames hold, at most `limit` bytes.

    Raises:
        ValueError: they are damaged, cut short or too large. The text is a sentence.
    """
    announced = _zstd_size(data)
    if announced is not None and announced > limit:
        raise ValueError(f"it would be {announced} bytes long")
    decompressor = Decompressor("zstd")
    found = bytearray()
    for piece in decompressor.feed(data):
        found += piece
        if len(found) > limit:
            raise ValueError(f"it would be more than {limit} bytes long")
    if not data or not decompressor.is_complete:
        raise ValueError("its zstd frame is cut short")
    return bytes(found)


def compress_zstd(contents: Iterable[bytes], *, level: int) -> list[bytes]:
    """Return a zstd frame for each of the contents, which says how long its content is; equal input, equal bytes.

    Some clients (conda) decompress in one call, and such a call needs the length.
    """
    zstd = zstd_library()
    compressor = zstd.ZstdCompressor(level=level)  # a new one for each would take ten times as long for a small content
    return [compressor.compress(content, mode=zstd.ZstdCompressor.FLUSH_FRAME) for content in contents]


def _zstd_size(data: bytes) -> int | None:
    """Return how long the first frame says that its content is; None: it does not say, or it is no frame."""
    zstd = zstd_library()
    try:
        size: int | None = zstd.get_frame_info(data).decompressed_size
    except zstd.ZstdError:
        return None
    return size


class _GzipEngine:
    """zlib's decompressor with the interface of the others."""

    def __init__(self) -> None:
        import zlib

        self._engine = zlib.decompressobj(16 + zlib.MAX_WBITS)

    @property
    def eof(self) -> bool:
        return self._engine.eof

    @property
    def needs_input(self) -> bool:
        return not self._engine.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._engine.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._engine.decompress(self._engine.unconsumed_tail + data, max_length)


@functools.cache  # a failed import is looked for in every folder, each time
def zstd_library() -> Any:  # noqa: ANN401 - one of two modules with one interface
    """Return the standard library's module for zstd, or `backports.zstd`.

    Raises:
        ImportError: there is neither. Only an unpacker on a bare Python meets that.
    """
    try:
        from compression import zstd
    except ImportError:
        from backports import zstd
    return zstd


def _make_engine(kind: str) -> tuple[_Engine, type[Exception]]:
    """Return what reads one stream, and what it raises for wrong bytes."""
    if kind == "gzip":
        import zlib

        return _GzipEngine(), zlib.error
    if kind == "bzip2":
        import bz2

        return bz2.BZ2Decompressor(), OSError
    if kind == "xz":
        import lzma

        return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY), lzma.LZMAError
    zstd = zstd_library()
    options = {zstd.DecompressionParameter.window_log_max: _ZSTD_WINDOW_LOG}
    return zstd.ZstdDecompressor(options=options), zstd.ZstdError
