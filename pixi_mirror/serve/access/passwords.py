"""Hash passwords and tokens, and compare them in constant time; pure but for random numbers.

A person chooses a password, so each guess must be expensive (scrypt, RFC 7914). A token is 256 random bits, which
cannot be guessed, so its sha256 is enough.
"""

import hashlib
import hmac
import secrets
import unicodedata
from typing import NamedTuple

from pixi_mirror.model.values import Sha256, sha256_of

_SALT, _KEY = 16, 32
"""Bytes."""
_BLOCK = 128
"""RFC 7914, 2: scrypt needs 128 * N * r bytes."""
_MOST_MEMORY = 1 << 28
_BEGINS = "pm-"


class Cost(NamedTuple):
    """The parameters of scrypt, stored with each password, so that they can be raised for later ones (RFC 7914)."""

    n: int
    """The cost parameter N, a power of two."""
    r: int
    p: int

    @property
    def memory(self) -> int:
        """Bytes that one computation takes."""
        return _BLOCK * self.r * (self.n + self.p + 2)


TODAY = Cost(n=1 << 15, r=8, p=1)
"""34 MB and about 80 ms on a machine of 2024."""


class PasswordHash(NamedTuple):
    """A password as it is stored."""

    cost: Cost
    salt: bytes
    key: bytes

    def __repr__(self) -> str:
        return "PasswordHash(***)"


def admit_cost(n: int, r: int, p: int) -> Cost:
    """Check the parameters of scrypt that a file of users has.

    Raises:
        ValueError: they are weaker than any that we ever wrote, or need so much memory that a server would fail.
    """
    cost = Cost(n, r, p)
    if n < 1 << 14 or n & (n - 1) or not 8 <= r <= 32 or not 1 <= p <= 16 or cost.memory > _MOST_MEMORY:  # noqa: PLR2004
        raise ValueError("the parameters of scrypt are out of bounds")
    return cost


def hash_password(password: str) -> PasswordHash:
    """Hash a new password, with a new salt."""
    salt = secrets.token_bytes(_SALT)
    return PasswordHash(TODAY, salt, _scrypt(password, salt, TODAY))


def is_password(password: str, kept: PasswordHash) -> bool:
    """Whether a password is the one that was hashed; needs the memory and the time of its cost."""
    return hmac.compare_digest(_scrypt(password, kept.salt, kept.cost), kept.key)


def create_decoy(cost: Cost) -> PasswordHash:
    """Create a hash that no password has: comparing an unknown user with it takes as long as comparing a known one."""
    return PasswordHash(cost, secrets.token_bytes(_SALT), secrets.token_bytes(_KEY))


def create_token() -> tuple[str, Sha256]:
    """Create a token; it, and its digest, which alone is stored.

    It has letters, digits and hyphens only, because conda finds no others in `/t/TOKEN/`.
    """
    token = _BEGINS + secrets.token_hex(_KEY)
    return token, digest_of(token)


def digest_of(token: str) -> Sha256:
    """The digest of a token."""
    return sha256_of(token.encode(errors="replace"))


def is_digest(found: Sha256, kept: Sha256) -> bool:
    """Whether two digests are equal, compared in constant time."""
    return hmac.compare_digest(found, kept)


def _scrypt(password: str, salt: bytes, cost: Cost) -> bytes:
    return hashlib.scrypt(
        encoded(password), salt=salt, n=cost.n, r=cost.r, p=cost.p, maxmem=2 * cost.memory, dklen=_KEY
    )


def encoded(password: str) -> bytes:
    """The bytes of a password, with its letters composed (RFC 8265 requires NFC)."""
    return unicodedata.normalize("NFC", password).encode(errors="replace")
