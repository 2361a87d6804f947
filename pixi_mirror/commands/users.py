"""`pixi mirror users add|remove|list`."""

import sys
from argparse import Namespace
from collections.abc import Mapping

from pixi_mirror.commands.command import Command, Outcome
from pixi_mirror.commands.parsing import Parser
from pixi_mirror.commands.values import path
from pixi_mirror.errors import UsageError
from pixi_mirror.model.values import Json
from pixi_mirror.serve.access.rights import admit_right
from pixi_mirror.serve.access.users import User, admit_name
from pixi_mirror.serve.access.users_file import add_user, list_users, remove_user

_EVERYTHING = "/"
_LONGEST_LINE = 8192


def _declare(parser: Parser) -> None:
    parser.positional("action", default="list", choices=("add", "remove", "list"), help="`add`, `remove` or `list`")
    parser.positional("name", default=None, help="of the user; not for `list`")
    parser.value("--file", convert=path, metavar="FILE", help="where the users are kept; `add` makes it")
    try:
        parser.flag("--token", help="add: make a token and print it, this once, instead of asking for a password")
    except UsageError:  # its message shows the value, which may be a token
        raise UsageError(
            "PIXI_MIRROR_TOKEN says whether to make a token, true or false; a token itself has no place there."
        ) from None
    parser.values(
        "--read",
        convert=_right,
        metavar="CHANNEL_OR_INDEX",
        help="add: what the user may read, as a path of the mirror such as conda-forge or simple; an index covers the "
        "files it lists; / is everything, as is the default for a new user",
    )
    parser.flag("--json", help="one JSON object on stdout instead of text")


def _right(raw: str) -> str:
    return raw if raw == _EVERYTHING else admit_right(raw)


def _run(options: Namespace) -> Outcome:
    if options.file is None:
        raise UsageError("--file is missing: it says where the users are kept.")
    if options.action == "list":
        if options.name is not None:
            raise UsageError("`users list` shows all users and takes no name.")
        return _list(options)
    name = _name(options)
    if options.action == "remove":
        remove_user(options.file, name)
        return Outcome(json=_json(options, user=name), lines=[f"removed {name} from {options.file}"])
    return _add(options, name)


def _name(options: Namespace) -> str:
    if options.name is None:
        raise UsageError(f"`users {options.action}` needs the name of a user.")
    try:
        return admit_name(options.name)
    except ValueError:
        raise UsageError(
            "that is no name of a user: it has up to 64 letters, digits and ._@+- and begins with a letter or digit."
        ) from None


def _add(options: Namespace, name: str) -> Outcome:
    reads_all = _EVERYTHING in options.read
    if reads_all and len(options.read) > 1:
        raise UsageError("--read / is everything; give it alone, or name the channels and indexes.")
    added = add_user(
        options.file,
        name,
        password=None if options.token else _password(name, is_needed=not _changes_rights(options, name)),
        with_token=options.token,
        read=options.read or None if not reads_all else None,
        reads_all=reads_all,
    )
    result = _json(options, user=name, new=added.is_new, token=added.token, read=_rights(added.user))
    if added.token is not None:
        return Outcome(json=result, lines=[added.token])
    verb = "added" if added.is_new else "changed"
    return Outcome(json=result, lines=[f"{verb} {name} in {options.file}; reads {_readable(added.user)}"])


def _changes_rights(options: Namespace, name: str) -> bool:
    """Whether a user who is there is given other rights, which is no reason to ask for a new password."""
    return bool(options.read) and options.file.exists() and name in {user.name for user in list_users(options.file)}


def _password(name: str, *, is_needed: bool) -> str | None:
    """Read a password: from stdin if that is no terminal, else from the terminal, twice and hidden.

    Without `is_needed` no terminal is asked, and no line on stdin is None: the password stays.

    Raises:
        UsageError: there is none, or it was not the same twice.
    """
    if sys.stdin is not None and not sys.stdin.isatty():
        # It is read as bytes: with another locale than UTF-8, another password would be stored than clients send.
        line = sys.stdin.buffer.readline(_LONGEST_LINE).rstrip(b"\r\n")
        if not line and not is_needed:
            return None
        if not line:
            raise UsageError("there is no password on stdin; pipe one in, or give --token to have a token made.")
        return line.decode(errors="surrogateescape")
    if not is_needed:
        return None
    from getpass import getpass

    try:
        password = getpass(f"password of {name}: ")
        if getpass("and again: ") != password:
            raise UsageError("these were two different passwords; nothing was changed.")
    except EOFError:
        raise UsageError("there was no password; nothing was changed.") from None
    return password


def _list(options: Namespace) -> Outcome:
    users = list_users(options.file)
    shown = [
        {
            "name": user.name,
            "password": user.password is not None,
            "token": user.token is not None,
            "read": _rights(user),
        }
        for user in users
    ]
    lines = [f"{user.name}  {_means(user)}  reads {_readable(user)}" for user in users]
    return Outcome(json=_json(options, users=shown), lines=lines or [f"{options.file} has no users"])


def _means(user: User) -> str:
    means = [word for word, is_there in (("password", user.password), ("token", user.token)) if is_there]
    return " and ".join(means) or "no password, no token"


def _rights(user: User) -> list[str] | None:
    return None if user.read is None else list(user.read)


def _readable(user: User) -> str:
    if user.read is None:
        return "everything"
    return ", ".join(user.read) or "nothing"


def _json(options: Namespace, **more: Json) -> Mapping[str, Json]:
    return {"verb": f"users {options.action}", "file": str(options.file), **more}


def _empty_json(options: Namespace) -> Mapping[str, Json]:
    return _json(options)


COMMAND = Command(
    description="""\
Keep the file of those who may read a mirror: `users add NAME --file FILE` asks for a password, or reads a line from
stdin where that is no terminal; with --token it makes a token instead and prints it this once. For a user who is there
already it changes what is given: --read alone leaves the password as it is. A server that runs with `serve --users
FILE` heeds a change at once.""",
    declare=_declare,
    run=_run,
    empty_json=_empty_json,
)
