"""Decide whether a request may read a path, from the credentials that it brings; what it decides on is the users.

Clients send their credentials with each of hundreds of requests, and a password costs 80 ms by design. So the right one
is remembered, as an HMAC under a key that this process alone has and never shows. Whoever brings another one waits for
one of two places in which passwords are computed, or is asked to come again where too many wait already: guessing is
slow, takes no more memory than two computations, and holds up nobody who is known.
"""

import base64
import hmac
import secrets
import threading
from collections.abc import Callable, Collection
from enum import Enum, auto
from typing import NamedTuple

from pixi_mirror.model.values import MirrorPath
from pixi_mirror.serve.access.passwords import TODAY, Cost, create_decoy, digest_of, encoded, is_digest, is_password
from pixi_mirror.serve.access.rights import ListedAt, covers
from pixi_mirror.serve.access.users import User, Users

_AT_ONCE = 2
_MOST_WAITING = 128
"""Threads; further ones are sent away, so that there are always some for those who are known."""
_WAIT_S = 10.0
_LONGEST = 4096
"""Characters of credentials; whatever is longer is none of ours."""
_TOKEN_NAME = "__token__"  # noqa: S105 - what clients send as name where a token is the password


class Verdict(Enum):
    """What becomes of a request."""

    MAY_READ = auto()
    UNKNOWN = auto()
    """It brings no credentials, or wrong ones; which, nobody is told."""
    NOT_ENTITLED = auto()
    BUSY = auto()
    """Too many passwords are to be computed; it may ask again in a second."""


class _TooManyWaiting(Exception):
    """Too many wait."""


class _Credentials(NamedTuple):
    """The credentials that a request brings."""

    tokens: tuple[tuple[str | None, str], ...]
    """Each with the name of the user who alone may have it; None: anybody."""
    password: tuple[str, str] | None
    """With the user's name."""

    def __repr__(self) -> str:
        return "_Brought(***)"


def _nowhere(_: MirrorPath) -> Collection[str]:
    return ()


class AccessControl:
    """Who may read; many threads may use it."""

    def __init__(self, users: Callable[[], Users], listed_at: ListedAt = _nowhere) -> None:
        """Ask `users` for the users at each request; another object is another version of them."""
        self._users = users
        self._listed_at = listed_at
        self._key = secrets.token_bytes(32)
        self._places = threading.BoundedSemaphore(_AT_ONCE)
        self._waiting = threading.BoundedSemaphore(_MOST_WAITING + _AT_ONCE)
        self._version = _UsersVersion(users())

    def __call__(self, authorization: str | None, token: str | None, path: str) -> Verdict:
        """Whether a request with these credentials may read a path, `""` for the root.

        Args:
            authorization: The field of that name, as it came.
            token: Of `/t/TOKEN` in front of the path.
            path: As it is in the mirror, without slashes around it.
        """
        version = self._current()
        try:
            user = self._known(version, _credentials(authorization, token))
        except _TooManyWaiting:
            return Verdict.BUSY
        if user is None:
            return Verdict.UNKNOWN
        if user.read is None or covers(user.read, path, self._listed_at):
            return Verdict.MAY_READ
        return Verdict.NOT_ENTITLED

    def _current(self) -> "_UsersVersion":
        users = self._users()
        version = self._version
        if version.users is not users:
            self._version = version = _UsersVersion(users)
        return version

    def _known(self, version: "_UsersVersion", brought: _Credentials) -> User | None:
        for name, token in brought.tokens:
            user = version.of_token(token)
            if user is not None and name in (None, user.name):
                return user
        return None if brought.password is None else self._of_password(version, *brought.password)

    def _of_password(self, version: "_UsersVersion", name: str, password: str) -> User | None:
        # Under the name, too: a password of one must not be looked for under another.
        digest = hmac.digest(self._key, name.encode() + b"\0" + encoded(password), "sha256")
        if (user := version.remembered(name, digest)) is not None:
            return user
        if not self._waiting.acquire(blocking=False):
            raise _TooManyWaiting
        try:
            if not self._places.acquire(timeout=_WAIT_S):
                raise _TooManyWaiting
            try:
                # A client begins with many requests at once: the first of them has found out by now.
                return version.remembered(name, digest) or version.computed(name, password, digest)
            finally:
                self._places.release()
        finally:
            self._waiting.release()


class _UsersVersion:
    """The users as they were at one time, and which of their passwords have been right since."""

    def __init__(self, users: Users) -> None:
        self.users = users
        costs = [user.password.cost for user in users.values() if user.password is not None]
        self._decoy = create_decoy(max(costs, key=_work, default=TODAY))
        self._right: dict[str, bytes] = {}
        """One digest a user, so there are never more than users."""

    def of_token(self, token: str) -> User | None:
        """Whose token it is; all are compared, whichever it is."""
        digest = digest_of(token)
        mine = None
        for user in self.users.values():
            if user.token is not None and is_digest(digest, user.token):
                mine = user
        return mine

    def remembered(self, name: str, digest: bytes) -> User | None:
        """The user whose password this was found to be before."""
        right = self._right.get(name)
        return self.users[name] if right is not None and hmac.compare_digest(right, digest) else None

    def computed(self, name: str, password: str, digest: bytes) -> User | None:
        """The user whose password it is; somebody who does not exist, or has none, takes as long as anybody."""
        user = self.users.get(name)
        kept = self._decoy if user is None or user.password is None else user.password
        if not is_password(password, kept) or user is None or user.password is None:
            return None
        self._right[name] = digest
        return user


def _work(cost: Cost) -> int:
    return cost.n * cost.r * cost.p


def _credentials(authorization: str | None, token: str | None) -> _Credentials:
    """What is brought, tokens first, for they cost nothing; what cannot be understood is not brought."""
    tokens: list[tuple[str | None, str]] = [] if token is None or len(token) > _LONGEST else [(None, token)]
    scheme, _, value = (authorization or "").strip().partition(" ")
    value = value.strip()
    if not value or len(value) > _LONGEST:
        return _Credentials(tuple(tokens), None)
    if scheme.lower() == "bearer":
        return _Credentials((*tokens, (None, value)), None)
    pair = _pair(value) if scheme.lower() == "basic" else None
    if pair is None:
        return _Credentials(tuple(tokens), None)
    # pip, uv and curl have nothing but a name and a password, as in netrc: a token may stand for the password.
    name, secret = pair
    if name == _TOKEN_NAME:
        return _Credentials((*tokens, (None, secret)), None)
    return _Credentials((*tokens, (name, secret)), (name, secret))


def _pair(value: str) -> tuple[str, str] | None:
    """RFC 7617, 2: "user-id and password MUST NOT contain any control characters"; the first colon parts them."""
    try:
        raw = base64.b64decode(value, validate=True)
    except ValueError:
        return None
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        text = raw.decode("latin-1")  # as requests, and so pip, sends it
    name, colon, secret = text.partition(":")
    return (name, secret) if colon else None
