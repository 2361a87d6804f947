"""Keep the file of users: add one or change it, remove one, list all."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from pixi_mirror.errors import UsageError
from pixi_mirror.model.values import MirrorPath
from pixi_mirror.serve.access.passwords import create_token, hash_password
from pixi_mirror.serve.access.users import User, admit_password
from pixi_mirror.serve.access.users_file import change_users, read_users


class AddedUser(NamedTuple):
    """What was done for a user."""

    user: User
    is_new: bool
    token: str | None
    """In the clear, which it is never again; None: none was wanted."""

    def __repr__(self) -> str:
        return f"Added({self.user.name!r})"


def add_user(
    file: Path,
    name: str,
    *,
    password: str | None,
    with_token: bool,
    read: Sequence[MirrorPath] | None,
    reads_all: bool,
) -> AddedUser:
    """Add a user, or give one another password, token or rights; what is not given stays as it was.

    Args:
        file: Of users; made if there is none.
        name: Of the user.
        password: None: none is set.
        with_token: Whether to make a token; one that the user had before is void from now on.
        read: What the user may read; None: as before, a new user everything.
        reads_all: Whether the user may read everything from now on.

    Raises:
        UsageError: the password is none.
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
        user = User(name, kept or old.password, digest or old.token, None if reads_all else rights)
        replace({**users, name: user})
    return AddedUser(user, before is None, token)


def remove_user(file: Path, name: str) -> None:
    """Remove a user, whose password and token are void from now on, in a server that runs, too.

    Raises:
        UsageError: there is no such user.
        BusyError: somebody else is changing the file.
        MachineError: as `add_user`, or there is no file.
    """
    read_users(file)  # that there is none is said before a lock is made beside it
    with change_users(file) as (users, replace):
        if name not in users:
            raise UsageError(f"there is no user {name} in {file}; `pixi-mirror users list --file {file}` shows all.")
        replace({each: user for each, user in users.items() if each != name})


def list_users(file: Path) -> tuple[User, ...]:
    """The users of a file, by name.

    Raises:
        MachineError: it cannot be read, others could have written it, or it is damaged.
    """
    users = read_users(file)
    return tuple(users[name] for name in sorted(users))
