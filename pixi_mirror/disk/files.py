"""Touch files safely: identities, hashes, atomic writes, links and copies; the primitives under tree and cache."""

import errno
import hashlib
import os
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from pixi_mirror.errors import DiskFullError, MachineError, PixiMirrorError, WrongBytesError
from pixi_mirror.model.values import Sha256, admit_sha256

_CHUNK = 1 << 20
_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
_FICLONE = 0x40049409
"""Linux's ioctl to share the extents of another file (btrfs, xfs, bcachefs)."""

PUBLIC = 0o644
"""The mode of what is served, before the umask."""


@contextmanager
def explain_errors(what: str, where: Path | str) -> Iterator[None]:
    """Turn an `OSError` into a `MachineError` that says what was being done, where, and what to do."""
    try:
        yield
    except PixiMirrorError:
        raise
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise DiskFullError(
                f"cannot {what} {where}: {error.strerror}. Free some space and run the same command again."
            ) from error
        raise MachineError(f"cannot {what} {where}: {_reason(error)}") from error


def _reason(error: OSError) -> str:
    text = error.strerror or str(error)
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"{text}. Choose a directory that you may write, or change its permissions."
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return f"{text}. Raise the limit of open files or use fewer --jobs."
    return f"{text}."


def open_regular(path: Path) -> int:
    """A descriptor for reading a regular file, never through a symbolic link in its last component.

    Raises:
        OSError: as `open`; `ELOOP` or `EINVAL` for what is no regular file.
    """
    # Without O_NONBLOCK a FIFO that somebody planted would hang the run.
    descriptor = os.open(path, os.O_RDONLY | _NOFOLLOW | getattr(os, "O_NONBLOCK", 0))
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "Not a regular file")
    return descriptor


def hash_file(path: Path) -> tuple[Sha256, os.stat_result]:
    """The sha256 of a regular file and what `fstat` said of it before the first byte was read.

    Raises:
        OSError: it cannot be read.
    """
    descriptor = open_regular(path)
    with open(descriptor, "rb", buffering=0) as file:
        found = os.fstat(file.fileno())
        return admit_sha256(hashlib.file_digest(file, "sha256").hexdigest()), found


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
    """A descriptor for a file that is written in place, made if absent: no link, and nobody has another name for it.

    Raises:
        OSError: as `open`; `EINVAL` for what somebody else may have planted there.
    """
    # No O_TRUNC among the flags: it would empty what a hard link leads to before that can be seen.
    descriptor = os.open(path, flags | os.O_CREAT | _NOFOLLOW | getattr(os, "O_NONBLOCK", 0), mode)
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
        os.close(descriptor)
        raise OSError(errno.EINVAL, f"{path} is not a regular file with this one name; remove it")
    return descriptor


def append_line(path: Path, line: str) -> None:
    """Add a line to a small private file; one write below PIPE_BUF, so that lines of several processes never mix.

    Raises:
        OSError: it cannot be written, or is a link, a FIFO or another file's second name.
    """
    descriptor = open_own(path, os.O_WRONLY | os.O_APPEND)
    try:
        os.write(descriptor, f"{line}\n".encode())
    finally:
        os.close(descriptor)


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


def write_synced(target: Path, data: bytes, *, temporary: Path, mode: int = PUBLIC) -> os.stat_result:
    """Put `data` at `target`, whole or not at all; its directory is yet to be synced."""
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NOFOLLOW, mode)
    try:
        with open(descriptor, "wb", buffering=0) as file:
            view = memoryview(data)
            while view:
                view = view[file.write(view) :]
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise
    return os.lstat(target)


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


def _linked(source: Path, target: Path) -> bool:
    try:
        found = os.lstat(source)
        # A link shares owner and mode: only ours, and only as readable as a copy would be (umask may have changed).
        if hasattr(os, "getuid") and (found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) != _public_mode()):
            return False
        os.link(source, target, follow_symlinks=False)
    except (OSError, NotImplementedError) as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOENT, errno.ENOSPC, errno.EDQUOT, errno.EIO):
            raise
        return False
    return True


@cache
def _public_mode() -> int:
    # There is no way to ask for the umask without setting it, so it is asked once: other threads make files too.
    umask = os.umask(0o077)
    os.umask(umask)
    return PUBLIC & ~umask


def _copied(source: Path, target: Path, sha256: Sha256) -> None:
    reader = open_regular(source)
    with open(reader, "rb", buffering=0) as original:
        descriptor = os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL | _NOFOLLOW, PUBLIC)
        try:
            with open(descriptor, "wb", buffering=0) as copy:
                found = _cloned(original.fileno(), copy.fileno()) or _hashed_copy(original.read, copy.write)
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


def remove_leftover(leftover: Path) -> None:
    """Remove a temporary file, or the directory that a program worked in."""
    if stat.S_ISDIR(os.lstat(leftover).st_mode):
        import shutil

        shutil.rmtree(leftover)
    else:
        os.unlink(leftover)


@contextmanager
def temporary_directory(where: Path) -> Iterator[Path]:
    """A directory that only we can enter, empty at first and gone afterwards."""
    with explain_errors("write", where):
        where.mkdir(mode=0o700)
    try:
        yield where
    finally:
        with explain_errors("remove", where):
            remove_leftover(where)


def fresh_name() -> str:
    """A fresh name for a temporary file."""
    return os.urandom(8).hex()


def free_bytes(directory: Path) -> int:
    """Bytes that an ordinary user may still write to the filesystem of `directory`."""
    import shutil

    return shutil.disk_usage(directory).free


def refuse_foreign(directory: Path) -> None:
    """Refuse a directory of ours in which another user could plant files.

    Raises:
        MachineError: it belongs to somebody else, others may write it, or it is no directory.
    """
    status = os.lstat(directory)
    ours = not hasattr(os, "getuid") or status.st_uid == os.getuid()
    # The sticky bit is no excuse: it keeps others from removing our names, not from planting those we shall use.
    open_to_others = sys.platform != "win32" and status.st_mode & 0o022
    if not stat.S_ISDIR(status.st_mode) or not ours or open_to_others:
        raise MachineError(
            f"{directory} is not a directory that this user owns and nobody else can write, so others could plant "
            "files in it. Run as its owner, take the others' right to write (chmod go-w), or choose another directory."
        )


def relative_files(root: Path, *, without: str) -> set[str]:
    """Every file below `root`, and every link, as relative POSIX paths; nothing of one directory in it is told."""
    found = set()
    for folder, names, here in os.walk(root):
        relative = Path(folder).relative_to(root)
        if relative == Path():
            names[:] = [name for name in names if name != without]
        links = [name for name in names if (Path(folder) / name).is_symlink()]
        found |= {(relative / name).as_posix() for name in (*here, *links)}
    return found


def make_directory(directory: Path, *, below: Path | None = None) -> set[Path]:
    """Make a directory and those above it that are missing; the directories whose entries have to be synced for it.

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


def is_true_directory(directory: Path) -> bool:
    """Whether there is a directory of that name.

    Raises:
        OSError: there is something else, be it a link to a directory.
    """
    try:
        status = os.lstat(directory)
    except FileNotFoundError:
        return False
    if not stat.S_ISDIR(status.st_mode):
        raise OSError(errno.ENOTDIR, f"{directory} is a link or a file where a directory of ours is due; remove it")
    return True
