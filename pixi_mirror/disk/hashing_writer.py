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
"""Shares that may wait to be hashed."""
_SHARE = 1 << 19
"""Bytes that are hashed at once: fewer take less time than having another thread do it."""


class HashingWriter:
    """Counts and hashes what is written through it, in a thread of its own, for the whole block."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write
        self._digest = hashlib.sha256()
        self._pool = ThreadPool(1)
        self._waiting: deque[Future[None]] = deque()
        self._share: list[bytes] = []
        self._share_size = 0
        self.size = 0
        """Bytes so far."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def write(self, data: bytes) -> None:
        """Pass data on."""
        self._share.append(data)
        self._share_size += len(data)
        if self._share_size >= _SHARE:
            self._waiting.append(self._pool.submit(self._hash, self._share))
            self._share, self._share_size = [], 0
        self._write(data)
        self.size += len(data)
        if len(self._waiting) > _UNHASHED:
            self._waiting.popleft().result()

    def _hash(self, share: list[bytes]) -> None:
        for data in share:
            self._digest.update(data)

    @property
    def sha256(self) -> Sha256:
        """Of all data so far."""
        while self._waiting:
            self._waiting.popleft().result()
        self._hash(self._share)
        self._share, self._share_size = [], 0
        return admit_sha256(self._digest.hexdigest())
