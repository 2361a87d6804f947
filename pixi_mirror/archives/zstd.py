"""Decompress zstd as a stream, in bounded memory, with the library that is there; without one it says what to do."""

from collections.abc import Callable
from functools import cache
from typing import Any, Protocol

from pixi_mirror.errors import ProgramError


class Readable(Protocol):
    """Something that gives its next bytes, at most `size` of them; none at its end."""

    def read(self, size: int, /) -> bytes:
        """The next bytes."""
        ...


def require_zstd() -> None:
    """Refuse to begin what needs to read zstd where nothing can.

    Raises:
        ProgramError: there is no zstd library; the message says how to get one.
    """
    if _library() is None:
        raise ProgramError(
            "packages in the format .conda are compressed with zstd, and this Python has no library to read it: use "
            "Python 3.14 or newer, or install the extra `zstd` (`pip install 'pixi-mirror[zstd]'`)."
        )


def decompressing(file: Readable) -> Readable:
    """The content of the zstd frames in `file`; reading raises `ValueError` where they are damaged.

    Raises:
        ProgramError: there is no zstd library.
    """
    require_zstd()
    opened, error = _library() or (None, ValueError)
    assert opened is not None  # noqa: S101 - it has just been required
    return _Decompressing(opened(file), error)


class _Decompressing:
    """A stream of a zstd library that complains with `ValueError`."""

    def __init__(self, stream: Readable, error: type[Exception]) -> None:
        self._stream = stream
        self._error = error

    def read(self, size: int, /) -> bytes:
        """The next bytes."""
        try:
            return self._stream.read(size)
        except (self._error, EOFError) as error:
            raise ValueError(f"its compressed data are damaged: {error}") from error


@cache
def _library() -> tuple[Callable[[Readable], Readable], type[Exception]] | None:
    """What opens a stream, and what that raises; None: there is no library."""
    try:
        from compression import zstd
    except ImportError:
        pass
    else:
        return zstd.ZstdFile, zstd.ZstdError
    try:
        import zstandard
    except ImportError:
        return None

    def opened(file: Any) -> Readable:  # noqa: ANN401 - its annotation asks for more than it uses
        # The longest window stays the library's default, 128 MiB: that bounds the memory, and `zstd -22` fits.
        stream: Readable = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True)
        return stream

    return opened, zstandard.ZstdError
