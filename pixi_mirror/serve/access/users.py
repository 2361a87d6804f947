"""The users of a mirror, and the format of their file: a line of JSON for each user; pure."""

import json
import re
from collections.abc import Mapping
from typing import NamedTuple

from pixi_mirror.model.values import Json, MirrorPath, Sha256, admit_sha256
from pixi_mirror.serve.access.passwords import Cost, PasswordHash, admit_cost
from pixi_mirror.serve.access.rights import EVERYTHING, admit_right

_FORMAT = 1
_HEAD = {"pixi-mirror-users": _FORMAT}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}")
_SHORTEST, _LONGEST = 8, 1024
_MOST = 100_000
_LAST_S = 253_402_300_800
"""The first second of the year 10000, which no date can have."""
_DIGEST = re.compile(r"[0-9a-f]{64}")
_SALT = re.compile(r"[0-9a-f]{32,128}")
_DAMAGED = "it is not what `pixi-mirror users` writes"


class User(NamedTuple):
    """Somebody who may read a mirror, or a part of it."""

    name: str
    password: PasswordHash | None
    """None: the user has none, and cannot sign in with one."""
    token: Sha256 | None
    """Of the token; None: the user has none."""
    read: tuple[MirrorPath, ...] | None
    """What the user may read, ordered; None: everything that is not hosted, as `/` is."""
    upload: tuple[MirrorPath, ...] = ()
    """Where the user may upload, and so read, ordered."""
    token_until_s: int | None = None
    """When the token expires, in seconds since 1970; None: never."""

    def has_expired(self, now_s: float) -> bool:
        """Whether the token is void by now."""
        return self.token_until_s is not None and now_s >= self.token_until_s

    def __repr__(self) -> str:
        return f"User({self.name!r})"


Users = Mapping[str, User]
"""By name."""


class DamagedLineError(ValueError):
    """A line of the file that is malformed; the message shows nothing of it, because it may have secrets."""

    def __init__(self, number: int, what: str) -> None:
        super().__init__(f"line {number}: {what}")


def admit_name(raw: str) -> str:
    """Check the name of a user.

    Raises:
        ValueError: it is not up to 64 ASCII letters, digits and `._@+-`; HTTP would end a name at a colon.
    """
    if not _NAME.fullmatch(raw):
        raise ValueError(raw)
    return raw


def admit_password(raw: str) -> str:
    """Check a password.

    Raises:
        ValueError: it is too short or too long, or has control characters, which HTTP forbids; the message says which.
    """
    if len(raw) < _SHORTEST:
        raise ValueError(f"the password is shorter than {_SHORTEST} characters")
    if len(raw) > _LONGEST:
        raise ValueError(f"the password is longer than {_LONGEST} characters")
    if not raw.isprintable():
        raise ValueError("the password has control characters or is not UTF-8")
    return raw


def dump(users: Users) -> bytes:
    """Format the file of these users."""
    lines = [_HEAD, *(_shown(users[name]) for name in sorted(users))]
    return "".join(f"{json.dumps(line)}\n" for line in lines).encode()


def _shown(user: User) -> Json:
    password = user.password and {
        "scrypt": user.password.cost._asdict(),
        "salt": user.password.salt.hex(),
        "key": user.password.key.hex(),
    }
    read = None if user.read is None else list(user.read)
    shown: dict[str, Json] = {"name": user.name, "read": read, "password": password, "token_sha256": user.token}
    # What older versions do not know stands there only where it is needed, so that they can read all other files.
    if user.upload:
        shown["upload"] = list(user.upload)
    if user.token_until_s is not None:
        shown["token_until"] = user.token_until_s
    return shown


def parse(data: bytes) -> Users:
    """Parse the file of users.

    Raises:
        DamagedLineError: it was damaged, or written by a newer version.
    """
    try:
        lines = data.decode("ascii").splitlines()
    except UnicodeDecodeError as error:
        raise DamagedLineError(data.count(b"\n", 0, error.start) + 1, _DAMAGED) from None
    if not lines or len(lines) > _MOST or not data.endswith(b"\n"):
        raise DamagedLineError(max(len(lines), 1), "it is not whole" if lines else "the file is empty")
    _refuse_other_formats(lines[0])
    users: dict[str, User] = {}
    for number, line in enumerate(lines[1:], start=2):
        try:
            user = _parse_user(_parse_object(line))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            reason = str(error) if isinstance(error, _Explained) else _DAMAGED
            raise DamagedLineError(number, reason) from None  # the cause would show the line, and its secrets
        if user.name in users:
            raise DamagedLineError(number, f"the user {user.name} stands here for the second time")
        users[user.name] = user
    return users


class _Explained(ValueError):
    """A message that shows no secret."""


def _refuse_other_formats(line: str) -> None:
    try:
        head = _parse_object(line)
    except (ValueError, RecursionError):
        head = None
    if head != _HEAD:
        known = isinstance(head, dict) and set(head) == set(_HEAD) and type(head["pixi-mirror-users"]) is int
        raise DamagedLineError(1, "it was written by another version of pixi-mirror" if known else _DAMAGED)


def _parse_object(line: str) -> dict[str, Json]:
    value = json.loads(line, object_pairs_hook=_once)
    if not isinstance(value, dict):
        raise TypeError
    return value


def _once(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    if len(dict(pairs)) != len(pairs):
        raise _Explained("a key stands there twice")
    return dict(pairs)


def _keys(value: Json, *names: str, optional: tuple[str, ...] = ()) -> list[Json]:
    """The values of exactly these keys: if `read` were misspelt and ignored, the user could read everything."""
    for name in value:
        if name not in (*names, *optional):
            shown = f" {name!r}" if re.fullmatch(r"[a-z_]{1,20}", name) else ""
            raise _Explained(f"the key{shown} is not known")
    for name in names:
        if name not in value:
            raise _Explained(f"the key {name!r} is missing")
    return [value.get(name) for name in (*names, *optional)]


def _parse_user(value: dict[str, Json]) -> User:
    name, read, password, token, upload, until = _keys(
        value, "name", "read", "password", "token_sha256", optional=("upload", "token_until")
    )
    if not isinstance(read, list | None) or not isinstance(upload, list | None) or type(until) not in (int, type(None)):
        raise TypeError
    if until is not None and not 0 <= until < _LAST_S:
        raise ValueError
    rights = None if read is None else tuple(sorted({admit_right(right) for right in read}))
    return User(
        name=admit_name(name),
        password=None if password is None else _parse_password(password),
        token=None if token is None else admit_sha256(_matched(_DIGEST, token)),
        read=rights,
        upload=tuple(sorted({admit_upload(right) for right in upload or ()})),
        token_until_s=until,
    )


def admit_upload(raw: str) -> MirrorPath:
    """Parse a right to upload.

    Raises:
        ValueError: it is no right, or everything, for which there is no right to upload.
    """
    right = admit_right(raw)
    if right == EVERYTHING:
        raise ValueError(f"{raw!r} is no place to upload to")
    return right


def _parse_password(value: dict[str, Json]) -> PasswordHash:
    scrypt, salt, key = _keys(value, "scrypt", "salt", "key")
    numbers = _keys(scrypt, *Cost._fields)
    if any(type(number) is not int for number in numbers):
        raise TypeError
    return PasswordHash(
        admit_cost(*numbers),
        bytes.fromhex(_matched(_SALT, salt)),
        bytes.fromhex(_matched(_DIGEST, key)),
    )


def _matched(pattern: re.Pattern[str], value: str) -> str:
    if not pattern.fullmatch(value):
        raise ValueError
    return value
