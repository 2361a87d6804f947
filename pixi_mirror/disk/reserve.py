"""Reserve a little space on the mirror's disk, so that `prune` can begin where the disk is full."""

import os
from contextlib import suppress
from pathlib import Path

from pixi_mirror.disk.directories import free_bytes
from pixi_mirror.disk.files import NO_LINK

FILE = "reserve"
_LEAST = 256 << 10
_MOST = 16 << 20
_STEP = 64 << 10
"""Sizes are multiples of it, so that the file is not made anew each time an index grows a little."""


def release_reserve(path: Path) -> None:
    """Remove the reserve if the disk is full; else `prune` could not write an index that lists less."""
    with suppress(OSError):
        if free_bytes(path.parent) < path.lstat().st_size:
            path.unlink()


def keep_reserve(path: Path, *, size: int) -> None:
    """Make the reserve as large as `size` bytes and a margin; on a full disk there is none."""
    need = min(_MOST, _LEAST + -(-size // _STEP) * _STEP)
    try:
        if path.lstat().st_size >= need:
            return
    except OSError:
        pass
    _remove(path)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | NO_LINK, 0o600)
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
