"""Give a verified file a second place: a hard link, a copy that shares its extents, or a checked copy."""

import errno
import hashlib
import os
import stat
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path

from pixi_mirror.disk.files import NO_LINK, PUBLIC, make_read_only, open_regular
from pixi_mirror.errors import WrongBytesError
from pixi_mirror.model.values import Sha256

_CHUNK = 1 << 20
_FICLONE = 0x40049409
"""Linux's ioctl to share the extents of another file (btrfs, xfs, bcachefs)."""


def link_or_copy(source: Path, target: Path, *, sha256: Sha256, temporary: Path) -> os.stat_result:
    """Make `target` the same bytes as the verified file `source`: a hard link, else a reflink, else a checked copy.

    Raises:
        WrongBytesError: the copied bytes are not what `sha256` promises.
        OSError: neither could be made.
    """
    if not _linked(source, temporary):
        _copied(source, temporary, sha256)
    try:
        os.replace(temporary, target)
    finally:
        # Renaming onto another link of the same inode does nothing and leaves both names (POSIX rename).
        with suppress(FileNotFoundError):
            os.unlink(temporary)
    return os.lstat(target)


def publish(path: Path) -> None:
    """Make a complete temporary file of ours what a stored file is: on the disk, and with the mode of one.

    Raises:
        OSError: the disk refuses.
    """
    with open(open_regular(path), "rb", buffering=0) as file:
        if hasattr(os, "fchmod"):
            os.fchmod(file.fileno(), _public_modes()[0])
        os.fsync(file.fileno())


def _linked(source: Path, target: Path) -> bool:
    try:
        found = os.lstat(source)
        # A link shares owner and mode, so the file must be ours and as readable as a copy would be.
        is_alike = stat.S_IMODE(found.st_mode) in _public_modes()
        if hasattr(os, "getuid") and not (found.st_uid == os.getuid() and is_alike):
            return False
        os.link(source, target, follow_symlinks=False)
    except (OSError, NotImplementedError) as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOENT, errno.ENOSPC, errno.EDQUOT, errno.EIO):
            raise
        return False
    return True


@cache
def _public_modes() -> tuple[int, int]:
    """The mode of a stored file, and of one that an older program stored, which could be written."""
    # The umask can only be read by setting it. Other threads make files too, so it is read once.
    umask = os.umask(0o077)
    os.umask(umask)
    return PUBLIC & ~umask & ~0o222, PUBLIC & ~umask


def _copied(source: Path, target: Path, sha256: Sha256) -> None:
    reader = open_regular(source)
    with open(reader, "rb", buffering=0) as original:
        descriptor = os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL | NO_LINK, PUBLIC)
        try:
            with open(descriptor, "wb", buffering=0) as copy:
                found = _cloned(original.fileno(), copy.fileno()) or _hashed_copy(original.read, copy.write)
                make_read_only(copy.fileno())
                os.fsync(copy.fileno())
            if found not in (True, sha256):
                raise WrongBytesError(  # noqa: TRY301 - the copy is removed like after any other failure
                    f"{source}: expected sha256 {sha256}, found {found}; the cached file has changed on disk. "
                    "Run the same command again: it will be fetched anew."
                )
        except BaseException:
            with suppress(OSError):
                os.unlink(target)
            raise


def _cloned(source: int, target: int) -> bool:
    if sys.platform != "linux":
        return False
    import fcntl

    try:
        fcntl.ioctl(target, _FICLONE, source)
    except OSError:
        return False
    return True


def _hashed_copy(read: Callable[[int], bytes], write: Callable[[memoryview], int]) -> str:
    digest = hashlib.sha256()
    while chunk := read(_CHUNK):
        digest.update(chunk)
        view = memoryview(chunk)
        while view:
            view = view[write(view) :]
    return digest.hexdigest()
