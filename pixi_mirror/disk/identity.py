"""Tell, without reading it, whether a file is the one that was hashed; pure over what `stat` said."""

import os
from typing import NamedTuple


class FileIdentity(NamedTuple):
    """What changes whenever a file does, short of somebody hiding it."""

    size: int
    mtime_ns: int
    inode: int
    ctime_ns: int | None
    """Only while the file has one link: linking and unlinking a sibling change it."""


def identity_of(found: os.stat_result) -> FileIdentity:
    """The identity to record for a file."""
    return FileIdentity(
        found.st_size, found.st_mtime_ns, found.st_ino, found.st_ctime_ns if found.st_nlink == 1 else None
    )


def is_same(recorded: FileIdentity, found: os.stat_result) -> bool:
    """Whether a file is still the one whose identity was recorded."""
    now = identity_of(found)
    return recorded[:3] == now[:3] and (None in (recorded.ctime_ns, now.ctime_ns) or recorded.ctime_ns == now.ctime_ns)
