"""Read a file that may be a part of another one, such as a package inside the tar of a pack."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, NamedTuple

_BUFFER_SIZE = 1 << 16


class StoredFile(NamedTuple):
    """Where the bytes of a file are."""

    path: Path
    """The file on this disk that holds them."""
    offset: int
    """Where they begin in it."""
    size: int
    """Bytes."""

    def open(self) -> io.BufferedReader:
        """Open it for reading and seeking; each call has a position of its own, so threads can read at once.

        Raises:
            OSError: it cannot be opened.
        """
        return io.BufferedReader(_Window(self), _BUFFER_SIZE)


class _Window(io.RawIOBase):
    """One stretch of a file, as a file."""

    def __init__(self, stored: StoredFile) -> None:
        super().__init__()
        self._file = stored.path.open("rb", buffering=0)
        self._start, self._size, self._position = stored.offset, stored.size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0, /) -> int:
        self._position = max(0, offset + (0, self._position, self._size)[whence])
        return self._position

    def readinto(self, buffer: Any, /) -> int:  # noqa: ANN401 - what can be written to has a name from Python 3.12 on
        view = memoryview(buffer)[: max(0, self._size - self._position)]
        self._file.seek(self._start + self._position)
        count = self._file.readinto(view) if view else 0
        self._position += count or 0
        return count or 0

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()
