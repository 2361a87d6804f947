"""`pixi mirror users add|remove|list`."""

import sys
import time
from argparse import Namespace
from collections.abc import Mapping
from datetime import UTC, datetime

from pixi_mirror.commands.command import Command, Outcome
from pixi_mirror.commands.parsing import Parser
from pixi_mirror.commands.values import Unfit, days, path
from pixi_mirror.errors import UsageError
from pixi_mirror.model.values import DAY_S, Json, MirrorPath
from pixi_mirror.serve.access.rights import EVERYTHING, admit_right
from pixi_mirror.serve.access.users import User, admit_name, admit_upload
from pixi_mirror.serve.access.users_file import add_user, list_users, remove_user

_NOWHERE = "none"
_LONGEST_LINE = 8192
_MOST_DAYS = 36_500


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
        convert=admit_right,
        metavar="CHANNEL_OR_INDEX",
        help="add: what the user may read, as a path of the mirror such as conda-forge or simple; an index covers the "
        "files it lists; / is everything but what is hosted, as is the default for a new user",
    )
    parser.values(
        "--upload",
        convert=_upload,
        metavar="CHANNEL_OR_INDEX",
        help="add: where the user may upload, and so read: a name of `host add`, or a part of it such as team/simple "
        "or team/simple/acme-*; none takes all of it back (default for a new user)",
    )
    parser.value(
        "--expires", convert=_expiry, metavar="DAYS", help="add: how long the new token is valid, as 90d or 12h"
    )
    parser.flag("--json", help="one JSON object on stdout instead of text")


def _upload(raw: str) -> str:
    return raw if raw == _NOWHERE else admit_upload(raw)


def _expiry(raw: str) -> float:
    found = days(raw)
    if not 0 < found <= _MOST_DAYS:
        raise Unfit(f"takes more than 0 days and at most {_MOST_DAYS}")
    return found


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
    if options.expires is not None and not options.token:
        raise UsageError("--expires goes with --token: passwords do not expire.")
    if _NOWHERE in options.upload and len(options.upload) > 1:
        raise UsageError("--upload none takes all rights to upload back; give it alone, or name what is to stay.")
    # `/` beside other rights stays: it covers nothing that is hosted, and they may.
    reads_all = set(options.read) == {EVERYTHING}
    added = add_user(
        options.file,
        name,
        password=None if options.token else _password(name, is_needed=not _changes_rights(options, name)),
        with_token=options.token,
        read=options.read or None if not reads_all else None,
        reads_all=reads_all,
        upload=[right for right in options.upload if right != _NOWHERE] if options.upload else None,
        token_until_s=None if options.expires is None else int(time.time() + options.expires * DAY_S),
    )
    user = added.user
    result = _json(options, user=name, new=added.is_new, token=added.token, **_described(user))
    if added.token is not None:
        return Outcome(json=result, lines=[added.token])
    verb = "added" if added.is_new else "changed"
    return Outcome(json=result, lines=[f"{verb} {name} in {options.file}; {_may(user)}"])


def _changes_rights(options: Namespace, name: str) -> bool:
    """Whether a user who is there is given other rights, which is no reason to ask for a new password."""
    changes = bool(options.read or options.upload)
    return changes and options.file.exists() and name in {user.name for user in list_users(options.file)}


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
            **_described(user),
        }
        for user in users
    ]
    lines = [f"{user.name}  {_means(user)}  {_may(user)}" for user in users]
    return Outcome(json=_json(options, users=shown), lines=lines or [f"{options.file} has no users"])


def _means(user: User) -> str:
    until = _until(user)
    validity = "" if until is None else f" {'expired' if user.has_expired(time.time()) else 'until'} {until}"
    means = [("password", user.password), (f"token{validity}", user.token)]
    return " and ".join(word for word, is_there in means if is_there) or "no password, no token"


def _until(user: User) -> str | None:
    until_s = user.token_until_s
    return None if until_s is None else datetime.fromtimestamp(until_s, UTC).isoformat().replace("+00:00", "Z")


def _described(user: User) -> Mapping[str, Json]:
    read = None if user.read is None else list(user.read)
    return {"read": read, "upload": list(user.upload), "token_until": _until(user)}


def _may(user: User) -> str:
    reads = "everything" if user.read is None else ", ".join(map(_named, user.read)) or "nothing"
    return f"reads {reads}" + (f"; uploads to {', '.join(user.upload)}" if user.upload else "")


def _named(right: MirrorPath) -> str:
    return "everything" if right == EVERYTHING else right


def _json(options: Namespace, **more: Json) -> Mapping[str, Json]:
    return {"verb": f"users {options.action}", "file": str(options.file), **more}


def _empty_json(options: Namespace) -> Mapping[str, Json]:
    return _json(options)


COMMAND = Command(
    description="""\
Keep the file of those who may read a mirror: `users add NAME --file FILE` asks for a password, or reads a line from
stdin where that is no terminal; with --token it makes a token instead and prints it this once. For a user who is there
already it changes what is given: --read or --upload alone leaves the password as it is. A server that runs with `serve
--users FILE` heeds a change at once.""",
    declare=_declare,
    run=_run,
    empty_json=_empty_json,
)
