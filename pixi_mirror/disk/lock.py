"""Lock a directory against other writers: one advisory lock on an open file, gone with the process."""

import errno
import json
import os
import stat
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from pixi_mirror.disk.files import NO_LINK, explain_errors
from pixi_mirror.errors import BusyError, MachineError

_POLL_S = 0.05
_ADVICE = "Run the same command again when it is done."
WAITING = "Run the same command again when it is done, or give --lock-timeout SECONDS to wait for it."
"""Advice of verbs that have this option."""
_BEYOND = 1 << 20
_SINCE = "%Y-%m-%dT%H:%M:%SZ"


@contextmanager
def lock_file(
    path: Path, *, timeout_s: float, shared: bool = False, signed: bool = True, what: str, advice: str = _ADVICE
) -> Iterator[Callable[[], bool]]:
    """Hold the lock file `path` for the whole block; it is made if it is absent.

    Args:
        path: of the lock file.
        timeout_s: how long another process may hold it, in seconds.
        shared: whether several processes may hold it at once.
        signed: whether our process id is written into it, for messages; False for files that other programs use too.
        what: is written, for messages.
        advice: for a user who finds it held.

    Yields:
        A function that says whether the lock still keeps others out: it does not if the lock file was removed.

    Raises:
        BusyError: another process held it for `timeout_s` seconds; its process id, host and start are named.
        MachineError: the file cannot be opened or locked.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        with explain_errors("open the lock file", path):
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | NO_LINK, 0o600)
        try:
            _refuse_irregular(descriptor, path)
            if _acquired(descriptor, path, shared=shared) and _still_there(descriptor, path):
                if signed and not shared:
                    _sign(descriptor)
                yield partial(_still_there, descriptor, path)
                return
            holder = _holder(descriptor)
        finally:
            os.close(descriptor)
        if time.monotonic() >= deadline:
            raise BusyError(f"another process is writing {what} ({holder}). {advice}")
        time.sleep(_POLL_S)


def _refuse_irregular(descriptor: int, path: Path) -> None:
    status = os.fstat(descriptor)
    # We write into it. With a second name, that would damage another file.
    if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
        raise MachineError(
            f"the lock file {path} is not a regular file with this one name; remove it and run the same command again."
        )


def wait_for_lock(descriptor: int, path: Path) -> bool:
    """Wait until the open file `path` is locked for us, and say whether it is still the file of that name.

    Raises:
        MachineError: it cannot be locked.
    """
    while not _acquired(descriptor, path, shared=False):
        time.sleep(_POLL_S)
    return _still_there(descriptor, path)


def _acquired(descriptor: int, path: Path, *, shared: bool) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(descriptor, _BEYOND, os.SEEK_SET)  # a locked byte cannot be read, but the signature must be
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.EACCES, errno.EDEADLK):
            return False
        with explain_errors("lock", path):
            raise
    return True


def _still_there(descriptor: int, path: Path) -> bool:
    """Whether the locked file is the one that others will open: it may have been replaced meanwhile."""
    with suppress(OSError):
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    return False


def _sign(descriptor: int) -> None:
    since = time.strftime(_SINCE, time.gmtime())
    note = json.dumps({"pid": os.getpid(), "host": _host(), "since": since})
    with suppress(OSError):  # `prune` must also work on a full disk
        os.ftruncate(descriptor, 0)
        os.lseek(descriptor, 0, os.SEEK_SET)
        os.write(descriptor, note.encode())


def _host() -> str:
    if hasattr(os, "uname"):
        return os.uname().nodename
    import socket  # here, because it costs 4 ms

    return socket.gethostname()


def _holder(descriptor: int) -> str:
    with suppress(OSError, ValueError, KeyError, TypeError, RecursionError, OverflowError):
        os.lseek(descriptor, 0, os.SEEK_SET)
        note = json.loads(os.read(descriptor, 4096))
        if note["host"] != _host() or _is_running(note["pid"]):
            since = time.strptime(note["since"], _SINCE)
            return f"process {note['pid']} on {note['host']}, since {time.strftime('%Y-%m-%d %H:%M UTC', since)}"
    return "it did not leave its name, as the `flock` of a backup"


def _is_running(number: int) -> bool:
    """Whether there is a process of this number; the last one that wrote its name here may have ended since."""
    if sys.platform == "win32":  # there it would be interrupted
        return True
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it is another user's
        return True
    return True
