"""Read zstd frames with the library that is there: Python's own from 3.14 on, else the extra `zstd`; pure."""

from collections.abc import Callable
from functools import cache

LONGEST = 1 << 26
"""Bytes that a compressed file may become unless more is expected: a few of them can spell gigabytes."""

_PIECE = 256
"""Bytes that are decompressed at once: a block of 4 bytes can spell 128 KiB."""


def is_readable() -> bool:
    """Whether this Python can decompress zstd."""
    return _reader() is not None


def decompressed(data: bytes, *, limit: int = LONGEST) -> bytes:
    """The bytes that a zstd frame holds, `limit` of them at most.

    Raises:
        ValueError: it is damaged, cut or too large, or there is no library to read it; the text is a sentence.
    """
    reader = _reader()
    if reader is None:
        raise ValueError("it cannot be read back without a zstd library: use Python 3.14, or install the extra `zstd`")
    found = reader(data, limit)
    if len(found) > limit:
        raise ValueError(f"it would be more than {limit} bytes long")
    return found


@cache
def _reader() -> Callable[[bytes, int], bytes] | None:
    return _own() or _installed()


def _own() -> Callable[[bytes, int], bytes] | None:
    try:
        from compression import zstd
    except ImportError:
        return None

    def read(data: bytes, limit: int) -> bytes:
        decompressor = zstd.ZstdDecompressor()
        try:
            found: bytes = decompressor.decompress(data, limit + 1)
        except zstd.ZstdError as error:
            raise ValueError(f"it is no zstd: {error}") from None
        if not decompressor.eof and len(found) <= limit:
            raise ValueError("its zstd frame is cut")
        return found

    return read


def _installed() -> Callable[[bytes, int], bytes] | None:
    try:
        import zstandard
    except ImportError:
        return None

    def read(data: bytes, limit: int) -> bytes:
        decompressor = zstandard.ZstdDecompressor().decompressobj()
        found = bytearray()
        try:
            size = zstandard.frame_content_size(data)  # -1: the frame does not tell
            if size > limit:
                raise ValueError(f"it would be {size} bytes long")
            for start in range(0, len(data), _PIECE):
                found += decompressor.decompress(data[start : start + _PIECE])
                if decompressor.eof or len(found) > limit:
                    return bytes(found)
        except zstandard.ZstdError as error:
            raise ValueError(f"it is no zstd: {error}") from None
        raise ValueError("its zstd frame is cut")

    return read
