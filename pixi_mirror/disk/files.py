"""Read and write single files safely, and tell by a file's identity, without reading it, whether it has changed.

It imports as little as possible: an unchanged run of `update` needs it, and is mostly start-up.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from typing import TYPE_CHECKING, NamedTuple, cast

from pixi_mirror.errors import DiskFullError, MachineError, PixiMirrorError

if TYPE_CHECKING:
    from pathlib import Path

    from pixi_mirror.model.values import Sha256

NO_LINK = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
"""Flags of `os.open` with which no symbolic link is followed and no byte is translated."""
NO_WAIT = getattr(os, "O_NONBLOCK", 0)
"""With it, the opening of a FIFO does not wait for its other end."""
NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | NO_LINK
"""To write a file that is not there yet, under whatever kind of name."""
READ_THROUGH_LINKS = (os.O_RDONLY | NO_LINK | NO_WAIT) & ~getattr(os, "O_NOFOLLOW", 0)
"""To read a file that a user names, perhaps by a link; what kind of file it is, `fstat` tells afterwards."""

PUBLIC = 0o644
"""The mode of a file that is served, before the umask."""
_WRITING = 0o222
_READ_AT_ONCE = 1 << 18
"""Bytes up to which a file is hashed in one piece."""


def make_read_only(descriptor: int) -> None:
    """Take from everybody the right to write an open file of ours.

    A file of the cache and of several mirrors is one file with several names: who edited it in place in one of them
    would change all. On Windows such a file could not be replaced or removed, so it stays as it is there.
    """
    if sys.platform != "win32":
        os.fchmod(descriptor, stat.S_IMODE(os.fstat(descriptor).st_mode) & ~_WRITING)


def overwrite_end(path: Path, data: bytes, *, size: int, end: bytes) -> FileIdentity | None:
    """Write `data` over the last bytes of a file, which it survives a power loss with, and give its new identity.

    Where the disk refuses in between, the file gets its end back. A process that is killed may leave half of the data.

    Args:
        path: of a file of ours.
        data: what is to stand there; it is longer than `end`.
        size: of the file, in bytes; None is returned where it has another one, or a second name.
        end: its last bytes, in the place of which the data come.

    Raises:
        OSError: the disk refuses.
    """
    status = os.lstat(path)
    if not stat.S_ISREG(status.st_mode) or status.st_size != size or status.st_nlink > 1:
        return None
    with open(open_own(path, os.O_RDWR), "r+b", buffering=0) as file:
        try:
            file.seek(size - len(end))
            write_whole(file, data)
            os.fsync(file.fileno())
        except BaseException:
            with suppress(OSError):
                file.seek(size - len(end))
                write_whole(file, end)
                file.truncate(size)
            raise
        return identity_of(os.fstat(file.fileno()))


class FileIdentity(NamedTuple):
    """What changes whenever a file does, unless somebody hides the change."""

    size: int
    mtime_ns: int
    inode: int
    ctime_ns: int | None
    """None if the file has several links, because each new or removed link changes it."""


def identity_of(found: os.stat_result) -> FileIdentity:
    """The identity of a file, by its status."""
    return FileIdentity(
        found.st_size, found.st_mtime_ns, found.st_ino, found.st_ctime_ns if found.st_nlink == 1 else None
    )


def is_same(recorded: FileIdentity, found: os.stat_result) -> bool:
    """Whether a file is still the one whose identity was recorded."""
    now = identity_of(found)
    return recorded[:3] == now[:3] and (None in (recorded.ctime_ns, now.ctime_ns) or recorded.ctime_ns == now.ctime_ns)


@contextmanager
def explain_errors(what: str, where: Path | str) -> Iterator[None]:
    """Turn an `OSError` into a `MachineError` that says what was being done, where, and what to do.

    Args:
        what: the task, as it follows "cannot": `write`, or `read the users of`.
        where: the path.

    Raises:
        DiskFullError: the block found no room on the disk.
        MachineError: it failed with another `OSError`.
    """
    try:
        yield
    except PixiMirrorError:
        raise
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise DiskFullError(
                f"cannot {what} {where}: {error.strerror}. Free some space and run the same command again."
            ) from error
        reads = what.startswith(_READING) and not what.startswith("read or write")
        raise MachineError(f"cannot {what} {where}: {_reason(error, reads=reads)}") from error


_READING = ("read", "look", "find", "reach")
"""How those tasks begin that write nothing."""


def _reason(error: OSError, *, reads: bool) -> str:
    text = error.strerror or str(error)
    if reads and error.errno in (errno.EACCES, errno.EPERM):
        return f"{text}. Run this as a user who may read it, or change its permissions."
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"{text}. Choose a directory that you may write, or change its permissions."
    if error.errno == errno.EEXIST:
        return f"{text}, and is no directory. Choose another name."
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return f"{text}. Raise the limit of open files or use fewer --jobs."
    return f"{text}."


def open_regular(path: Path | str, *, follow_links: bool = False) -> int:
    """Open a regular file for reading, and return its descriptor.

    Args:
        path: of the file.
        follow_links: whether the last component of the path may be a symbolic link.

    Raises:
        OSError: as `open`; `ELOOP` for a symbolic link, `EINVAL` for another file that is not regular.
    """
    descriptor = os.open(path, READ_THROUGH_LINKS if follow_links else os.O_RDONLY | NO_LINK | NO_WAIT)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "Not a regular file", str(path))
    return descriptor


def hash_file(path: Path) -> tuple[Sha256, os.stat_result]:
    """The sha256 of a regular file, and its status from before the first byte was read.

    Raises:
        OSError: it cannot be read.
    """
    descriptor = open_regular(path)
    with open(descriptor, "rb", buffering=0) as file:
        found = os.fstat(file.fileno())
        # `file_digest` makes a buffer of its own, which takes longer than to hash a small file.
        is_small = found.st_size <= _READ_AT_ONCE
        digest = hashlib.sha256(file.read()) if is_small else hashlib.file_digest(file, "sha256")
        return cast("Sha256", digest.hexdigest()), found


def read_bytes(path: Path, *, limit: int | None = None) -> bytes:
    """All bytes of a small regular file.

    Raises:
        OSError: it cannot be read, or is a link or no regular file.
        ValueError: it has more bytes than `limit`.
    """
    with open(open_regular(path), "rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        if limit is not None and size > limit:
            raise ValueError(f"it is {size} bytes long, and more than {limit} are not read")
        return file.read()


def open_own(path: Path, flags: int, *, mode: int = 0o600) -> int:
    """Open a file that is written in place, make it if it is absent, and return its descriptor.

    Raises:
        OSError: as `open`; `EINVAL` for a file that is not regular or has a second name, which another user may have
            made to have us write into a file of theirs.
    """
    # The flags must not have O_TRUNC: it would empty a file with a second name before we can see that it has one.
    descriptor = os.open(path, flags | os.O_CREAT | NO_LINK | NO_WAIT, mode)
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
        os.close(descriptor)
        raise OSError(errno.EINVAL, f"{path} is not a regular file with this one name; remove it")
    return descriptor


def append_line(path: Path, line: str, *, synced: bool = False) -> None:
    """Add a line to a small private file, with one write, so that lines of several processes do not mix.

    Args:
        path: of the file, which is made if it is absent.
        line: without the line break.
        synced: whether the line survives a power loss; the caller syncs the directory of a new file.

    Raises:
        OSError: it cannot be written, is a link or a FIFO, or has a second name.
    """
    descriptor = open_own(path, os.O_WRONLY | os.O_APPEND)
    try:
        os.write(descriptor, f"{line}\n".encode())
        if synced:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_synced(target: Path, data: bytes, *, temporary: Path, mode: int = PUBLIC) -> os.stat_result:
    """Put `data` at `target`, whole or not at all; the caller syncs the directory."""
    descriptor = os.open(temporary, NEW_FILE, mode)
    try:
        with open(descriptor, "wb", buffering=0) as file:
            write_whole(file, data)
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise
    return os.lstat(target)


def forget_cached_bytes(path: Path) -> None:
    """Have the next reader of a synced file get its bytes from the disk, where the system can be asked for that."""
    if hasattr(os, "posix_fadvise"):
        with suppress(OSError):
            descriptor = open_regular(path)
            try:
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(descriptor)


def write_whole(file: FileIO, data: bytes) -> None:
    """Write all of `data` to an unbuffered file, which may take a part of it at a time."""
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]


def fresh_name() -> str:
    """A new random name for a temporary file."""
    return os.urandom(8).hex()
