"""Make, check, list, sync and remove directories; keep a reserve of space on a disk."""

import errno
import os
import stat
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pixi_mirror.disk.files import NO_LINK, explain_errors
from pixi_mirror.errors import MachineError


def make_directory(directory: Path, *, below: Path | None = None) -> set[Path]:
    """Make a directory and the missing ones above it, and return the directories that have to be synced for that.

    Raises:
        OSError: one of them cannot be made, or one that lies `below` a directory is a link.
    """
    if below is None or directory == below:
        if directory.is_dir():
            return set()
        below = None
    unsynced = make_directory(directory.parent, below=below)
    if below is not None and is_true_directory(directory):
        return unsynced
    with suppress(FileExistsError):
        directory.mkdir(mode=0o755)  # others may look, whatever the umask lets them do
    return {*unsynced, directory.parent}


def require_writable(directory: Path, *, own: str) -> None:
    """Look whether a directory can be written, or made if it is not there; nothing is made.

    Args:
        directory: the one to write.
        own: the name of a directory of ours in it, which need not be there.

    Raises:
        OSError: this user may not, the disk is read-only, or a file stands where a directory has to be.
        MachineError: ours is one of another user, or others may write it.
    """
    if os.path.lexists(directory / own):
        refuse_foreign(directory / own)
    while not os.path.lexists(directory) and directory != directory.parent:
        directory = directory.parent
    if not directory.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
    if not os.access(directory, os.W_OK | os.X_OK):
        is_read_only = hasattr(os, "statvfs") and os.statvfs(directory).f_flag & os.ST_RDONLY
        reason = errno.EROFS if is_read_only else errno.EACCES
        raise OSError(reason, os.strerror(reason))


def is_true_directory(directory: Path) -> bool:
    """Whether there is a directory of that name that is no link.

    Raises:
        OSError: there is something else, for example a link to a directory.
    """
    try:
        status = os.lstat(directory)
    except FileNotFoundError:
        return False
    if not stat.S_ISDIR(status.st_mode):
        raise OSError(errno.ENOTDIR, f"{directory} is a link or a file where a directory of ours is due; remove it")
    return True


def refuse_foreign(directory: Path) -> None:
    """Refuse a directory of ours in which another user could plant files.

    Raises:
        MachineError: it belongs to somebody else, others may write it, or it is no directory.
    """
    status = os.lstat(directory)
    if not stat.S_ISDIR(status.st_mode):
        raise MachineError(f"{directory} is not a directory, and one of ours is due there. Remove what stands there.")
    if hasattr(os, "getuid") and status.st_uid != os.getuid():
        owner = _user_name(status.st_uid)
        raise MachineError(
            f"{directory} belongs to {owner}, and this program writes only where its own user does, since others could "
            f"plant files. Run this as {owner}, or choose another directory."
        )
    # The sticky bit does not help: it keeps others from removing our files, but not from making files of their own.
    if sys.platform != "win32" and status.st_mode & 0o022:
        raise MachineError(
            f"{directory} can be written by other users, so others could plant files in it. Take that right away "
            "(chmod go-w), or choose another directory."
        )


def _user_name(number: int) -> str:
    """The name of a user, as far as this machine knows it."""
    try:
        import pwd  # there is none on Windows

        return f"the user {pwd.getpwuid(number).pw_name}"
    except (ImportError, KeyError):
        return f"the user {number}"


@contextmanager
def temporary_directory(where: Path) -> Iterator[Path]:
    """A private directory that is empty at first and removed afterwards."""
    with explain_errors("write", where):
        where.mkdir(mode=0o700)
    try:
        yield where
    finally:
        with explain_errors("remove", where):
            remove_leftover(where)


def remove_leftover(leftover: Path) -> None:
    """Remove a temporary file or directory."""
    if stat.S_ISDIR(os.lstat(leftover).st_mode):
        import shutil

        shutil.rmtree(leftover)
    else:
        os.unlink(leftover)


def sync_directories(directories: Iterable[Path]) -> None:
    """Make renames and links in these directories survive a power loss."""
    if sys.platform == "win32":
        return  # a directory cannot be opened there; renames are journalled
    for directory in sorted(set(directories)):
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def relative_files(root: Path, *, without: str) -> set[str]:
    """Every file and link below `root`, as relative POSIX paths, without those in its directory `without`."""
    found = set()
    for folder, names, here in os.walk(root):
        relative = Path(folder).relative_to(root)
        if relative == Path():
            names[:] = [name for name in names if name != without]
        links = [name for name in names if (Path(folder) / name).is_symlink()]
        found |= {(relative / name).as_posix() for name in (*here, *links)}
    return found


def free_bytes(directory: Path) -> int:
    """Bytes that an ordinary user may still write to the filesystem of `directory`."""
    import shutil

    return shutil.disk_usage(directory).free


RESERVE = "reserve"
"""The name of the file that keeps a little space of a disk, so that `prune` can begin where the disk is full."""
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
