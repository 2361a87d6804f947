"""Decide whether a request may read a path, or upload to it, from the credentials that it brings.

Clients send their credentials with each of hundreds of requests, and checking a password costs 80 ms by design. So the
right one is remembered, as an HMAC under a key that only this process has, and so are the last ones that were wrong:
a client that has an old password in its configuration costs nothing. `guessing.py` limits all others.
"""

import base64
import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from enum import Enum, auto
from typing import NamedTuple

from pixi_mirror.serve.access.guessing import GuessLimits, TooManyWaiting, TooManyWrong
from pixi_mirror.serve.access.passwords import TODAY, Cost, create_decoy, digest_of, encoded, is_digest, is_password
from pixi_mirror.serve.access.rights import EVERYTHING, Shown, ShownAt, covers, is_within, touches
from pixi_mirror.serve.access.users import User, Users

_LONGEST = 4096
"""Characters of credentials; longer ones cannot be ours."""
_MOST_WRONG = 1024
_TOKEN_NAME = "__token__"  # noqa: S105 - the name that clients send where the password is a token


class Verdict(Enum):
    """What a request may do."""

    MAY_READ = auto()
    UNKNOWN = auto()
    """It brings no credentials, or wrong ones; the response does not say which."""
    NOT_ENTITLED = auto()
    BUSY = auto()
    """Too many passwords are to be computed; the client may come again in a second."""
    TOO_MANY_WRONG = auto()
    """From this address, this name was tried with too many wrong passwords."""


class SignInRefused(Exception):
    """A request without a user; `verdict` says why."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict.name)
        self.verdict = verdict


class _Credentials(NamedTuple):
    """The credentials that a request brings."""

    tokens: tuple[tuple[str | None, str], ...]
    """Each with the name of the user that it must belong to; None: any user."""
    password: tuple[str, str] | None
    """With the user's name; None: none, or an empty one, which no user has."""

    def __repr__(self) -> str:
        return "_Credentials(***)"


def _shown_nowhere(_: str) -> Shown:
    return Shown()


class AccessControl:
    """The users, and what they may read and upload; many threads may use it."""

    def __init__(self, users: Callable[[], Users], shown_at: ShownAt = _shown_nowhere) -> None:
        """Take the source of users.

        Args:
            users: Called at each request; another object is another version of the users.
            shown_at: Where the contents of a path are listed.
        """
        self._users = users
        self._shown_at = shown_at
        self._key = secrets.token_bytes(32)
        self._limits = GuessLimits()
        self._version = _UsersVersion(users())

    def check(self, authorization: str | None, token: str | None, path: str, *, address: str = "") -> Verdict:
        """Decide whether a request with these credentials may read a path; arguments as for the two below."""
        try:
            user = self.sign_in(authorization, token, address=address)
        except SignInRefused as refused:
            return refused.verdict
        return Verdict.MAY_READ if self.may_read(user, path) else Verdict.NOT_ENTITLED

    def sign_in(self, authorization: str | None, token: str | None, *, address: str = "") -> User:
        """The user of a request with these credentials.

        Args:
            authorization: The field of that name, as it came.
            token: Of `/t/TOKEN` in front of the path, or of `X-API-Key`.
            address: Of the client.

        Raises:
            SignInRefused: it is nobody's request, or it cannot be found out now.
        """
        version = self._current_version()
        try:
            user = self._user_of(version, _parse_credentials(authorization, token), address)
        except TooManyWaiting:
            raise SignInRefused(Verdict.BUSY) from None
        except TooManyWrong:
            raise SignInRefused(Verdict.TOO_MANY_WRONG) from None
        if user is None:
            raise SignInRefused(Verdict.UNKNOWN)
        return user

    def may_read(self, user: User, path: str) -> bool:
        """Whether a user may read a path in the mirror, without slashes around it; `""` is the root.

        Who may upload somewhere may read what is there.
        """
        rights = (EVERYTHING,) if user.read is None else user.read
        return covers((*rights, *user.upload), path, self._shown_at)

    def knows(self, user: User, name: str) -> bool:
        """Whether a user may learn that there is a hosted channel or index of this name."""
        return touches((*(user.read or ()), *user.upload), name)

    def may_upload(self, user: User, place: str, *, in_part: bool = False) -> bool:
        """Whether a user may upload to a place.

        Args:
            user: Who uploads.
            place: `NAME/SUBDIR` of a hosted channel, `NAME/simple/PROJECT` of a hosted index.
            in_part: Whether a right to something below the place is enough.
        """
        return touches(user.upload, place) if in_part else any(is_within(place, right) for right in user.upload)

    def _current_version(self) -> "_UsersVersion":
        users = self._users()
        version = self._version
        if version.users is not users:
            self._version = version = _UsersVersion(users)
        return version

    def _user_of(self, version: "_UsersVersion", credentials: _Credentials, address: str) -> User | None:
        for name, token in credentials.tokens:
            user = version.user_of_token(token)
            if user is not None and name in (None, user.name):
                return user
        if credentials.password is None:
            return None
        return self._user_of_password(version, *credentials.password, address)

    def _user_of_password(self, version: "_UsersVersion", name: str, password: str, address: str) -> User | None:
        # The digest includes the name, so that the password of one user does not count for another.
        digest = hmac.digest(self._key, name.encode() + b"\0" + encoded(password), "sha256")
        user, is_wrong = version.remembered(name, digest)
        if user is not None or is_wrong:
            return user
        with self._limits.computing(address, name) as note_wrong:
            # A client begins with many requests at once, and the first of them may have been checked by now.
            user, is_wrong = version.remembered(name, digest)
            if user is None and not is_wrong:
                user = version.compute_user(name, password, digest)
                if user is None:
                    note_wrong()
            return user


class _UsersVersion:
    """The users as they were at one time, and which of their passwords were right since then."""

    def __init__(self, users: Users) -> None:
        self.users = users
        costs = [user.password.cost for user in users.values() if user.password is not None]
        self._decoy = create_decoy(max(costs, key=_work, default=TODAY))
        self._right: dict[str, bytes] = {}
        """One digest a user, so there are never more than users."""
        self._wrong: OrderedDict[bytes, None] = OrderedDict()
        """Digests, of known and unknown names alike."""

    def user_of_token(self, token: str) -> User | None:
        """The user of a token; it is compared with all tokens, so that the time does not show which one fits."""
        digest = digest_of(token)
        mine = None
        for user in self.users.values():
            if user.token is not None and is_digest(digest, user.token):
                mine = user
        return None if mine is None or mine.has_expired(time.time()) else mine

    def remembered(self, name: str, digest: bytes) -> tuple[User | None, bool]:
        """The user whose password was found to be this one before; and whether it was found to be wrong."""
        right = self._right.get(name)
        if right is not None and hmac.compare_digest(right, digest):
            return self.users[name], False
        return None, digest in self._wrong

    def compute_user(self, name: str, password: str, digest: bytes) -> User | None:
        """Compute whether it is the user's password; for a name that has none it takes as long as for any other."""
        user = self.users.get(name)
        kept = self._decoy if user is None or user.password is None else user.password
        if not is_password(password, kept) or user is None or user.password is None:
            self._wrong[digest] = None
            while len(self._wrong) > _MOST_WRONG:
                self._wrong.popitem(last=False)
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
