"""Files that are written for a while: each is gone after the block, and those of killed processes go with the next."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path
from typing import NamedTuple

from pixi_mirror.disk import directories, files


class HeldFile(NamedTuple):
    """A new file of ours."""

    path: Path
    file: FileIO
    """Open for writing, unbuffered: `files.write_whole` writes all of a piece."""


@contextmanager
def held_file(folder: Path) -> Iterator[HeldFile]:
    """Make a file in a private folder; after the block it is removed, unless it was renamed or removed meanwhile.

    A lock is held on it. A file that nobody holds was left by a killed process, and is removed first.

    Raises:
        OSError: the disk refuses.
        MachineError: the folder is another user's.
    """
    folder.mkdir(mode=0o700, exist_ok=True)
    directories.refuse_foreign(folder)
    for leftover in folder.iterdir():
        _remove_if_left(leftover)
    while True:
        path = folder / files.fresh_name()
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | files.NO_LINK, 0o600)
        _hold(descriptor)
        if path.exists():  # else another process has taken it for a leftover before it was held
            break
        os.close(descriptor)
    try:
        with open(descriptor, "wb", buffering=0) as file:
            yield HeldFile(path, file)
    finally:
        with suppress(OSError):
            path.unlink()


def _hold(descriptor: int) -> None:
    if sys.platform != "win32":  # there an open file cannot be removed
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX)


def _remove_if_left(path: Path) -> None:
    """Remove a file whose process has ended: such a process holds no lock any more."""
    with suppress(OSError):
        if sys.platform == "win32":
            path.unlink()
            return
        import fcntl

        descriptor = files.open_regular(path)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()
        finally:
            os.close(descriptor)
