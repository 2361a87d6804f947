"""Read zstd frames with the library that is there: Python's own from 3.14 on, else the extra `zstd`; pure."""

from collections.abc import Callable
from functools import cache

_LONGEST = 1 << 30
"""Bytes that a compressed file may become: no index that anybody could read is larger."""


def is_readable() -> bool:
    """Whether this Python can decompress zstd."""
    return _reader() is not None


def decompressed(data: bytes) -> bytes:
    """The bytes that a zstd frame holds.

    Raises:
        ValueError: it is damaged, cut or too large, or there is no library to read it; the text is a sentence.
    """
    reader = _reader()
    if reader is None:
        raise ValueError("it cannot be read back without a zstd library: use Python 3.14, or install the extra `zstd`")
    found = reader(data)
    if len(found) > _LONGEST:
        raise ValueError(f"it would be more than {_LONGEST} bytes long")
    return found


@cache
def _reader() -> Callable[[bytes], bytes] | None:
    return _own() or _installed()


def _own() -> Callable[[bytes], bytes] | None:
    try:
        from compression import zstd
    except ImportError:
        return None

    def read(data: bytes) -> bytes:
        decompressor = zstd.ZstdDecompressor()
        try:
            found: bytes = decompressor.decompress(data, _LONGEST + 1)
        except zstd.ZstdError as error:
            raise ValueError(f"it is no zstd: {error}") from None
        if not decompressor.eof and len(found) <= _LONGEST:
            raise ValueError("its zstd frame is cut")
        return found

    return read


def _installed() -> Callable[[bytes], bytes] | None:
    try:
        import zstandard
    except ImportError:
        return None

    def read(data: bytes) -> bytes:
        decompressor = zstandard.ZstdDecompressor().decompressobj()
        try:
            size = zstandard.frame_content_size(data)
            if size > _LONGEST:
                raise ValueError(f"it would be {size} bytes long")
            found: bytes = decompressor.decompress(data)
        except zstandard.ZstdError as error:
            raise ValueError(f"it is no zstd: {error}") from None
        if not decompressor.eof:
            raise ValueError("its zstd frame is cut")
        return found

    return read
