"""Decide whether a request may read a path, from the credentials that it brings.

Clients send their credentials with each of hundreds of requests, and checking a password costs 80 ms by design. So the
right one is remembered, as an HMAC under a key that only this process has. Other passwords are computed two at a time;
further clients wait, and get "come again" where too many wait. So guessing is slow, takes no more memory than two
computations, and holds up no client that is known.
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
"""Threads; further requests get "come again", so that there are always threads for known clients."""
_WAIT_S = 10.0
_LONGEST = 4096
"""Characters of credentials; longer ones cannot be ours."""
_TOKEN_NAME = "__token__"  # noqa: S105 - the name that clients send where the password is a token


class Verdict(Enum):
    """What a request may do."""

    MAY_READ = auto()
    UNKNOWN = auto()
    """It brings no credentials, or wrong ones; the response does not say which."""
    NOT_ENTITLED = auto()
    BUSY = auto()
    """Too many passwords are to be computed; the client may come again in a second."""


class SignInRefused(Exception):
    """A request without a user; `verdict` says why."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict.name)
        self.verdict = verdict


class _TooManyWaiting(Exception):
    """Too many requests wait for their passwords to be computed."""


class _Credentials(NamedTuple):
    """The credentials that a request brings."""

    tokens: tuple[tuple[str | None, str], ...]
    """Each with the name of the user that it must belong to; None: any user."""
    password: tuple[str, str] | None
    """With the user's name; None: none, or an empty one, which no user has."""

    def __repr__(self) -> str:
        return "_Credentials(***)"


def _not_listed(_: MirrorPath) -> Collection[str]:
    return ()


class AccessControl:
    """The users and what they may read; many threads may use it."""

    def __init__(self, users: Callable[[], Users], listed_at: ListedAt = _not_listed) -> None:
        """Take the source of users.

        Args:
            users: Called at each request; another object is another version of the users.
            listed_at: The pages that list a Python file.
        """
        self._users = users
        self._listed_at = listed_at
        self._key = secrets.token_bytes(32)
        self._places = threading.BoundedSemaphore(_AT_ONCE)
        self._waiting = threading.BoundedSemaphore(_MOST_WAITING + _AT_ONCE)
        self._version = _UsersVersion(users())

    def check(self, authorization: str | None, token: str | None, path: str) -> Verdict:
        """Decide whether a request with these credentials may read a path; arguments as for the two below."""
        try:
            user = self.sign_in(authorization, token)
        except SignInRefused as refused:
            return refused.verdict
        return Verdict.MAY_READ if self.may_read(user, path) else Verdict.NOT_ENTITLED

    def sign_in(self, authorization: str | None, token: str | None) -> User:
        """The user of a request with these credentials.

        Args:
            authorization: The field of that name, as it came.
            token: Of `/t/TOKEN` in front of the path.

        Raises:
            SignInRefused: it is nobody's request, or it cannot be found out now.
        """
        version = self._current_version()
        try:
            user = self._user_of(version, _parse_credentials(authorization, token))
        except _TooManyWaiting:
            raise SignInRefused(Verdict.BUSY) from None
        if user is None:
            raise SignInRefused(Verdict.UNKNOWN)
        return user

    def may_read(self, user: User, path: str) -> bool:
        """Whether a user may read a path in the mirror, without slashes around it; `""` is the root."""
        return user.read is None or covers(user.read, path, self._listed_at)

    def _current_version(self) -> "_UsersVersion":
        users = self._users()
        version = self._version
        if version.users is not users:
            self._version = version = _UsersVersion(users)
        return version

    def _user_of(self, version: "_UsersVersion", credentials: _Credentials) -> User | None:
        for name, token in credentials.tokens:
            user = version.user_of_token(token)
            if user is not None and name in (None, user.name):
                return user
        return None if credentials.password is None else self._user_of_password(version, *credentials.password)

    def _user_of_password(self, version: "_UsersVersion", name: str, password: str) -> User | None:
        # The digest includes the name, so that the password of one user does not count for another.
        digest = hmac.digest(self._key, name.encode() + b"\0" + encoded(password), "sha256")
        if (user := version.remembered_user(name, digest)) is not None:
            return user
        if not self._waiting.acquire(blocking=False):
            raise _TooManyWaiting
        try:
            if not self._places.acquire(timeout=_WAIT_S):
                raise _TooManyWaiting
            try:
                # A client begins with many requests at once, and the first of them may have been checked by now.
                return version.remembered_user(name, digest) or version.compute_user(name, password, digest)
            finally:
                self._places.release()
        finally:
            self._waiting.release()


class _UsersVersion:
    """The users as they were at one time, and which of their passwords were right since then."""

    def __init__(self, users: Users) -> None:
        self.users = users
        costs = [user.password.cost for user in users.values() if user.password is not None]
        self._decoy = create_decoy(max(costs, key=_work, default=TODAY))
        self._right: dict[str, bytes] = {}
        """One digest a user, so there are never more than users."""

    def user_of_token(self, token: str) -> User | None:
        """The user of a token; it is compared with all tokens, so that the time does not show which one fits."""
        digest = digest_of(token)
        mine = None
        for user in self.users.values():
            if user.token is not None and is_digest(digest, user.token):
                mine = user
        return mine

    def remembered_user(self, name: str, digest: bytes) -> User | None:
        """The user whose password was found to be this one before."""
        right = self._right.get(name)
        return self.users[name] if right is not None and hmac.compare_digest(right, digest) else None

    def compute_user(self, name: str, password: str, digest: bytes) -> User | None:
        """Compute whether it is the user's password; for a name that has none it takes as long as for any other."""
        user = self.users.get(name)
        kept = self._decoy if user is None or user.password is None else user.password
        if not is_password(password, kept) or user is None or user.password is None:
            return None
        self._right[name] = digest
        return user


def _work(cost: Cost) -> int:
    return cost.n * cost.r * cost.p


def _parse_credentials(authorization: str | None, token: str | None) -> _Credentials:
    """Parse what a request brings, tokens first, since they cost nothing; what does not parse is left out."""
    tokens: list[tuple[str | None, str]] = [] if token is None or len(token) > _LONGEST else [(None, token)]
    scheme, _, value = (authorization or "").strip().partition(" ")
    value = value.strip()
    if not value or len(value) > _LONGEST:
        return _Credentials(tuple(tokens), None)
    if scheme.lower() == "bearer":
        return _Credentials((*tokens, (None, value)), None)
    pair = _parse_basic(value) if scheme.lower() == "basic" else None
    if pair is None or not pair[1]:
        return _Credentials(tuple(tokens), None)
    # pip, uv and curl have only a name and a password, as in netrc: so a token may stand for the password.
    name, secret = pair
    if name == _TOKEN_NAME:
        return _Credentials((*tokens, (None, secret)), None)
    return _Credentials((*tokens, (name, secret)), (name, secret))


def _parse_basic(value: str) -> tuple[str, str] | None:
    """RFC 7617, 2: "user-id and password MUST NOT contain any control characters"; the first colon parts them."""
    try:
        raw = base64.b64decode(value, validate=True)
    except ValueError:
        return None
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        text = raw.decode("latin-1")  # the encoding of requests, and so of pip
    name, colon, secret = text.partition(":")
    return (name, secret) if colon else None
