"""Hash passwords and tokens, and compare them in constant time; pure but for the randomness it needs.

A password is chosen by a person, so guessing it must cost (scrypt, RFC 7914); a token is 256 random bits, which nobody
guesses, and its sha256 does.
"""

import hashlib
import hmac
import secrets
import unicodedata
from typing import NamedTuple

from pixi_mirror.model.values import Sha256, admit_sha256

_SALT, _KEY = 16, 32
"""Bytes."""
_BLOCK = 128
"""RFC 7914, 2: scrypt needs 128 * N * r bytes."""
_MOST_MEMORY = 1 << 28
_BEGINS = "pm-"


class Cost(NamedTuple):
    """What a guess costs, kept with each password so that it can be raised for those set later."""

    n: int
    """Steps, a power of two."""
    r: int
    p: int

    @property
    def memory(self) -> int:
        """Bytes that one computation takes."""
        return _BLOCK * self.r * (self.n + self.p + 2)


TODAY = Cost(n=1 << 15, r=8, p=1)
"""34 MB and about 80 ms on a machine of 2024."""


class PasswordHash(NamedTuple):
    """A password as it is kept."""

    cost: Cost
    salt: bytes
    key: bytes

    def __repr__(self) -> str:
        return "Hashed(***)"


def admit_cost(n: int, r: int, p: int) -> Cost:
    """The cost of these parameters.

    Raises:
        ValueError: they are weaker than any we ever wrote, or would take a server down.
    """
    cost = Cost(n, r, p)
    if n < 1 << 14 or n & (n - 1) or not 8 <= r <= 32 or not 1 <= p <= 16 or cost.memory > _MOST_MEMORY:  # noqa: PLR2004
        raise ValueError("the parameters of scrypt are out of bounds")
    return cost


def hash_password(password: str) -> PasswordHash:
    """A password as it is to be kept, with a fresh salt."""
    salt = secrets.token_bytes(_SALT)
    return PasswordHash(TODAY, salt, _scrypt(password, salt, TODAY))


def is_password(password: str, kept: PasswordHash) -> bool:
    """Whether a password is the one that was hashed; takes the memory and the time of its cost."""
    return hmac.compare_digest(_scrypt(password, kept.salt, kept.cost), kept.key)


def create_decoy(cost: Cost) -> PasswordHash:
    """What no password is, at a given cost: unknown users are compared with it, for they must cost the same."""
    return PasswordHash(cost, secrets.token_bytes(_SALT), secrets.token_bytes(_KEY))


def create_token() -> tuple[str, Sha256]:
    """A new token, and what is kept of it.

    It has letters, digits and hyphens alone, for conda finds no others in `/t/TOKEN/`.
    """
    token = _BEGINS + secrets.token_hex(_KEY)
    return token, digest_of(token)


def digest_of(token: str) -> Sha256:
    """What is kept of a token."""
    return admit_sha256(hashlib.sha256(token.encode(errors="replace")).hexdigest())


def is_digest(found: Sha256, kept: Sha256) -> bool:
    """Whether two digests are one."""
    return hmac.compare_digest(found, kept)


def _scrypt(password: str, salt: bytes, cost: Cost) -> bytes:
    return hashlib.scrypt(
        encoded(password), salt=salt, n=cost.n, r=cost.r, p=cost.p, maxmem=2 * cost.memory, dklen=_KEY
    )


def encoded(password: str) -> bytes:
    """The bytes of a password, however its letters were composed (RFC 8265 asks for NFC)."""
    return unicodedata.normalize("NFC", password).encode(errors="replace")
