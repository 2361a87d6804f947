"""Count and hash bytes while they are written."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Self

from pixi_mirror.model.values import Sha256, admit_sha256
from pixi_mirror.threads import ThreadPool

if TYPE_CHECKING:
    from concurrent.futures import Future

_UNHASHED = 8
"""Chunks that may wait to be hashed."""
_SMALL = 1 << 19
"""Bytes up to which hashing takes less time than having another thread do it."""


class HashingWriter:
    """Counts and hashes what is written through it, in a thread of its own, for the whole block."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write
        self._digest = hashlib.sha256()
        self._pool = ThreadPool(1)
        self._waiting: deque[Future[None]] = deque()
        self.size = 0
        """Bytes so far."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def write(self, data: bytes) -> None:
        """Pass data on."""
        if len(data) < _SMALL and not self._waiting:
            self._digest.update(data)  # another thread would take longer to begin
        else:
            self._waiting.append(self._pool.submit(self._digest.update, data))
        self._write(data)
        self.size += len(data)
        if len(self._waiting) > _UNHASHED:
            self._waiting.popleft().result()

    @property
    def sha256(self) -> Sha256:
        """Of all data so far."""
        while self._waiting:
            self._waiting.popleft().result()
        return admit_sha256(self._digest.hexdigest())
