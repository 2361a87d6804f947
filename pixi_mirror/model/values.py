"""Checked strings: hashes, paths inside a mirror, URLs. A raw string becomes one of these here and nowhere else."""

import json
import re
from dataclasses import dataclass, field
from typing import Any, NewType, TypeAlias

Json: TypeAlias = Any
"""What `json.loads` gives; narrowed where it is read."""

Sha256 = NewType("Sha256", str)
"""64 lower-case hexadecimal digits."""

Md5 = NewType("Md5", str)
"""32 lower-case hexadecimal digits."""

MirrorPath = NewType("MirrorPath", str)
"""A relative POSIX path inside a mirror, admitted by `admit_path`."""

DAY_S = 86_400.0
"""Seconds of a day."""

_SHA256 = re.compile(r"[0-9a-f]{64}")
_MD5 = re.compile(r"[0-9a-f]{32}")
# By allow-list and not by containment: 16 of 16 hostile names pass a normpath and prefix check.
_SEGMENT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.!+~=@,-]*")
_PATH = re.compile(rf"{_SEGMENT.pattern}(?:/{_SEGMENT.pattern})*")
_DEVICE = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?", re.IGNORECASE)
_LONGEST_SEGMENT = 255
_LONGEST_PATH = 1024


def canonical(value: Json) -> bytes:
    """The one spelling of a JSON value: keys sorted, no white space, UTF-8; for digests and recipes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=dict).encode()


def admit_sha256(raw: str) -> Sha256:
    """The sha256 that `raw` spells.

    Raises:
        ValueError: it is not 64 hexadecimal digits.
    """
    lowered = raw.lower()
    if not _SHA256.fullmatch(lowered):
        raise ValueError(f"{raw!r} is not a sha256 of 64 hexadecimal digits")
    return Sha256(lowered)


def admit_md5(raw: str) -> Md5:
    """The md5 that `raw` spells.

    Raises:
        ValueError: it is not 32 hexadecimal digits.
    """
    lowered = raw.lower()
    if not _MD5.fullmatch(lowered):
        raise ValueError(f"{raw!r} is not an md5 of 32 hexadecimal digits")
    return Md5(lowered)


def admit_path(raw: str) -> MirrorPath:
    """The path inside a mirror that `raw` spells: safe on every filesystem, hidden on none.

    Raises:
        ValueError: a segment has a character outside the allow-list, starts with a dot, ends with a dot, is a
            Windows device name or is too long.
    """
    if len(raw) > _LONGEST_PATH or not _PATH.fullmatch(raw):
        raise ValueError(f"{raw!r} is not a name that can stand in a mirror")
    for segment in raw.split("/"):
        if segment.endswith(".") or len(segment) > _LONGEST_SEGMENT or _DEVICE.fullmatch(segment):
            raise ValueError(f"{raw!r} is not a name that can stand in a mirror: {segment!r} is unsafe on some systems")
    return MirrorPath(raw)


_USERINFO = re.compile(r"(?<=://)[^/?#]*@")
_TOKEN = re.compile(r"(?<=/t/)[^/?#]+(?=/)")
_TOKEN_AT_START = re.compile(r"^([a-z0-9+.-]+://[^/?#]*)/t/[^/?#]+(?=/)", re.IGNORECASE)
_QUERY = re.compile(r"\?[^#]*")
_FRAGMENT = re.compile(r"#(?!(?:sha256|md5)[=:]).*")


@dataclass(frozen=True, slots=True)
class Url:
    """A URL as it was given, secrets included; every way of showing it masks them."""

    raw: str = field(repr=False)
    """To be used for the request only."""

    def __str__(self) -> str:
        """For people: user, `/t/TOKEN/` and query are masked, a fragment that is no digest is dropped."""
        shown = _USERINFO.sub("***@", self.raw)
        shown = _TOKEN.sub("***", shown) if _TOKEN_AT_START.match(shown) else shown
        return _FRAGMENT.sub("", _QUERY.sub("?***", shown))

    def __repr__(self) -> str:
        return f"Url({str(self)!r})"

    @property
    def has_token(self) -> bool:
        """Whether its path begins with `/t/TOKEN/`."""
        return _TOKEN_AT_START.match(_USERINFO.sub("", self.raw)) is not None

    @property
    def stripped(self) -> str:
        """For files: without user, `/t/TOKEN/`, query and fragment; of a local file the name alone."""
        if self.raw.startswith("file:"):
            return "file:" + self.raw.rstrip("/").rpartition("/")[2]
        bare = _USERINFO.sub("", self.raw)
        return _TOKEN_AT_START.sub(r"\1", _QUERY.sub("", bare.partition("#")[0]))
