"""Read and write the file of users: whole or not at all, for its owner alone, and again whenever it changes."""

import os
import stat
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pixi_mirror.disk.files import explain_errors, fresh_name, sync_directories, write_synced
from pixi_mirror.disk.identity import FileIdentity, identity_of
from pixi_mirror.disk.lock import lock_file
from pixi_mirror.errors import MachineError
from pixi_mirror.serve.access.users import DamagedLineError, Users, dump, parse

_MODE = 0o600
_LARGEST = 1 << 24
_WAIT_S = 10.0
_OPEN = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


def read_users(file: Path) -> Users:
    """The users of a file.

    Raises:
        MachineError: there is none, it cannot be read, others could have written it, or it is damaged.
    """
    return _read(file)[0]


def _read(file: Path) -> tuple[Users, FileIdentity]:
    try:
        # A link is followed: that is how orchestrators mount secrets. A FIFO would be waited for without O_NONBLOCK.
        with explain_errors("read the users of", file):
            descriptor = os.open(file, _OPEN)
    except MachineError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            raise MachineError(
                f"there is no file of users at {file}; make it with `pixi-mirror users add NAME --file {file}`."
            ) from error
        raise
    try:
        with explain_errors("read the users of", file):
            found = os.fstat(descriptor)
            _refuse_writable(file, found)
            data = _whole(descriptor)
    finally:
        os.close(descriptor)
    try:
        return parse(data), identity_of(found)
    except DamagedLineError as error:
        raise MachineError(
            f"{file}, {error}. Restore the file from a backup, or remove it and add the users again; nothing was "
            "changed."
        ) from None


def _whole(descriptor: int) -> bytes:
    data = bytearray()
    while len(data) < _LARGEST and (piece := os.read(descriptor, _LARGEST)):
        data += piece
    return bytes(data)


def _refuse_writable(file: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise MachineError(f"{file} is no regular file, so it has no users; name the file that has them.")
    if sys.platform == "win32":
        return
    if found.st_mode & 0o022:
        raise MachineError(
            f"{file} can be written by others, who could let themselves in; take that right from them: chmod 600 {file}"
        )
    if found.st_uid not in (0, os.getuid()):
        raise MachineError(
            f"{file} belongs to another user, who could let anybody in; make it yours: chown it, then chmod 600 {file}"
        )


@contextmanager
def change_users(file: Path) -> Iterator[tuple[Users, Callable[[Users], None]]]:
    """The users of a file, none where it is yet to be made, and what replaces them; nobody else changes it meanwhile.

    Raises:
        BusyError: somebody else has been changing it for ten seconds.
        MachineError: as `read_users`, or it cannot be written.
    """
    with explain_errors("find", file):
        target = Path(os.path.realpath(file))
    with lock_file(target.with_name(f"{target.name}.lock"), timeout_s=_WAIT_S, what=f"the users of {file}"):
        users = read_users(target) if os.path.lexists(target) else {}

        def replace(new: Users) -> None:
            with explain_errors("write the users to", file):
                temporary = target.with_name(f".{target.name}.{fresh_name()}")
                write_synced(target, dump(new), temporary=temporary, mode=_MODE)
                sync_directories([target.parent])

        yield users, replace


class UserFile:
    """The users of a file as it stands, read again when it changes; many threads may use it."""

    def __init__(self, file: Path, complain: Callable[[str], None]) -> None:
        """Read the file; `complain` is told, once each time, why a new version of it is not heeded.

        Raises:
            MachineError: as `read_users`.
        """
        self._file = file
        self._complain = complain
        self._lock = threading.Lock()
        self._users: Users
        self._seen: FileIdentity | None
        self._users, self._seen = _read(file)

    def __call__(self) -> Users:
        """The users; the same object for as long as nothing changes."""
        if self._identity() == self._seen:
            return self._users
        with self._lock:
            seen = self._identity()
            if seen != self._seen:
                self._renew(seen)
            return self._users

    def _renew(self, seen: FileIdentity | None) -> None:
        try:
            self._users, self._seen = _read(self._file)
        except MachineError as error:
            self._seen = seen  # it is not read again, nor complained of, before it changes
            self._complain(f"{error} Until then, the users of before are let in.")

    def _identity(self) -> FileIdentity | None:
        try:
            return identity_of(os.stat(self._file))
        except OSError:
            return None
