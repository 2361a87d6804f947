"""Read and change the file of users, which is written whole or not at all and is readable by its owner alone."""

import os
import stat
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from pixi_mirror.disk.directories import sync_directories
from pixi_mirror.disk.files import (
    READ_THROUGH_LINKS,
    FileIdentity,
    explain_errors,
    fresh_name,
    identity_of,
    write_synced,
)
from pixi_mirror.disk.lock import lock_file
from pixi_mirror.errors import MachineError, UsageError
from pixi_mirror.model.values import MirrorPath
from pixi_mirror.serve.access.passwords import create_token, hash_password
from pixi_mirror.serve.access.users import DamagedLineError, User, Users, admit_password, dump, parse

_MODE = 0o600
_LARGEST = 1 << 24
_WAIT_S = 10.0


def read_users(file: Path) -> Users:
    """Read the users of a file.

    Raises:
        MachineError: there is none, it cannot be read, others could have written it, or it is damaged.
    """
    return _read(file)[0]


def _read(file: Path) -> tuple[Users, FileIdentity]:
    try:
        # A link is followed: that is how orchestrators mount secrets. A FIFO would be waited for without O_NONBLOCK.
        with explain_errors("read the users of", file):
            descriptor = os.open(file, READ_THROUGH_LINKS)
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
    """Lock a file of users to change it; gives its users and the function that replaces them.

    A file that is not there has no users, and is made.

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


class AddedUser(NamedTuple):
    """A user who was added or changed."""

    user: User
    is_new: bool
    token: str | None
    """In the clear, for this one time; None: none was made."""

    def __repr__(self) -> str:
        return f"AddedUser({self.user.name!r})"


def add_user(
    file: Path,
    name: str,
    *,
    password: str | None,
    with_token: bool,
    read: Sequence[MirrorPath] | None,
    reads_all: bool,
    upload: Sequence[MirrorPath] | None = None,
    token_until_s: int | None = None,
) -> AddedUser:
    """Add a user, or change a user's password, token or rights; what is not given stays as it was.

    Args:
        file: Of users; it is made if there is none.
        name: Of the user.
        password: None: the password stays as it was.
        with_token: Whether to make a token; the former one is void from then on.
        read: What the user may read; None: as before, a new user everything.
        reads_all: Whether the user may read everything from now on.
        upload: Where the user may upload; None: as before, a new user nowhere.
        token_until_s: When the new token expires, in seconds since 1970; None: never.

    Raises:
        UsageError: the password is too short, too long or has control characters.
        BusyError: somebody else is changing the file.
        MachineError: the file cannot be read or written, others could have written it, or it is damaged.
    """
    if password is not None:
        try:
            admit_password(password)
        except ValueError as error:
            raise UsageError(f"{error}; choose another, or --token to have a token made.") from None
    token, digest = create_token() if with_token else (None, None)
    kept = None if password is None else hash_password(password)
    with change_users(file) as (users, replace):
        before = users.get(name)
        old = before or User(name, None, None, None)
        rights = old.read if read is None else tuple(sorted(set(read)))
        user = User(
            name=name,
            password=kept or old.password,
            token=digest or old.token,
            read=None if reads_all else rights,
            upload=old.upload if upload is None else tuple(sorted(set(upload))),
            token_until_s=token_until_s if with_token else old.token_until_s,
        )
        replace({**users, name: user})
    return AddedUser(user, before is None, token)


def remove_user(file: Path, name: str) -> None:
    """Remove a user; password and token are void from then on, also in a running server.

    Raises:
        UsageError: there is no such user.
        BusyError: somebody else is changing the file.
        MachineError: as `add_user`, or there is no file.
    """
    read_users(file)  # so that no lock file is made beside a file that does not exist
    with change_users(file) as (users, replace):
        if name not in users:
            raise UsageError(f"there is no user {name} in {file}; `pixi-mirror users list --file {file}` shows all.")
        replace({each: user for each, user in users.items() if each != name})


def list_users(file: Path) -> tuple[User, ...]:
    """List the users of a file, ordered by name.

    Raises:
        MachineError: it cannot be read, others could have written it, or it is damaged.
    """
    users = read_users(file)
    return tuple(users[name] for name in sorted(users))


class UserFile:
    """The users of a file, which is read again when it has changed; many threads may use it."""

    def __init__(self, file: Path, warn: Callable[[str], None]) -> None:
        """Read the file.

        Args:
            file: Of users.
            warn: Called once with the reason when a new version of the file is not used.

        Raises:
            MachineError: as `read_users`.
        """
        self._file = file
        self._warn = warn
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
            self._seen = seen  # the file is neither read again nor warned of before it changes
            self._warn(f"{error} Until then, the users of before are let in.")

    def _identity(self) -> FileIdentity | None:
        try:
            return identity_of(os.stat(self._file))
        except OSError:
            return None
