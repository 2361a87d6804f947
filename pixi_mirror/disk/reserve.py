"""Hold back a little room on the mirror's disk, so that what frees room can begin where there is not a byte left."""

import os
from contextlib import suppress
from pathlib import Path

from pixi_mirror.disk.files import free_bytes

FILE = "reserve"
_LEAST = 256 << 10
_MOST = 16 << 20
_STEP = 64 << 10
"""Sizes are multiples of it, so that an index that grows a little does not have the file made anew."""


def release_reserve(path: Path) -> None:
    """Give the room back where there is no other; without it `prune` could not write an index that lists less."""
    with suppress(OSError):
        if free_bytes(path.parent) < path.lstat().st_size:
            path.unlink()


def keep_reserve(path: Path, *, size: int) -> None:
    """Have a file take as much room as writing `size` bytes anew would; where there is none, there is none."""
    need = min(_MOST, _LEAST + -(-size // _STEP) * _STEP)
    try:
        if path.lstat().st_size >= need:
            return
    except OSError:
        pass
    _remove(path)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), 0o600)
        try:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(descriptor, 0, need)
            else:
                for _ in range(need // _STEP):
                    os.write(descriptor, bytes(_STEP))
        finally:
            os.close(descriptor)
    except OSError:
        _remove(path)


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink()
