"""Checked strings: hashes, paths inside a mirror, URLs. Only this module turns a raw string into one of them."""

import hashlib
import json
import re
from dataclasses import dataclass, field
from typing import Any, NewType, TypeAlias

from pixi_mirror.model.segments import is_device, is_portable

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
# What most paths are made of. It is checked first, because a mirror has many of them.
_USUAL_SEGMENT = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.!+~=@,-]*[A-Za-z0-9_!+~=@,-])?")
_USUAL_PATH = re.compile(rf"{_USUAL_SEGMENT.pattern}(?:/{_USUAL_SEGMENT.pattern})*")
_LONGEST_SEGMENT = 255
_LONGEST_PATH = 1024
"""Bytes of UTF-8."""


_spell = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=dict).encode
# One encoder for all values takes half of the time.


def canonical_text(value: Json) -> str:
    """The one spelling of a JSON value: keys sorted, no white space; for digests and recipes."""
    return _spell(value)


def canonical(value: Json) -> bytes:
    """The bytes of `canonical_text`, in UTF-8."""
    return _spell(value).encode()


def admit_sha256(raw: str) -> Sha256:
    """The sha256 that `raw` spells.

    Raises:
        ValueError: it is not 64 hexadecimal digits.
    """
    lowered = raw.lower()
    if not _SHA256.fullmatch(lowered):
        raise ValueError(f"{raw!r} is not a sha256 of 64 hexadecimal digits")
    return Sha256(lowered)


def sha256_of(data: bytes) -> Sha256:
    """The sha256 of these bytes."""
    return Sha256(hashlib.sha256(data).hexdigest())


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
    """The path inside a mirror that `raw` spells: every system can hold its names, and none leads outside.

    Names are admitted by grammar, never by containment: all of 16 hostile names passed normpath and a prefix check.

    Raises:
        ValueError: a segment is not a name that every system can hold, the first one begins with a dot, or the path is
            too long.
    """
    usual = len(raw) <= _LONGEST_PATH and _USUAL_PATH.fullmatch(raw)
    for segment in raw.split("/"):
        fits = usual and len(segment) <= _LONGEST_SEGMENT and not is_device(segment)
        if not fits and not is_portable(segment):
            raise ValueError(f"{raw!r} is not a name that can stand in a mirror: {segment!r} is unsafe on some systems")
    if raw.startswith(".") or len(raw.encode()) > _LONGEST_PATH:
        raise ValueError(f"{raw!r} is not a name that can stand in a mirror")
    return MirrorPath(raw)


_MAY_BE_STRIPPED = re.compile(r"[@?#]|/[tT]/")
_USERINFO = re.compile(r"(?<=://)[^/?#]*@")
_TOKEN = re.compile(r"(?<=/t/)[^/?#]+(?=/)")
_TOKEN_AT_START = re.compile(r"^([a-z0-9+.-]+://[^/?#]*)/t/[^/?#]+(?=/)", re.IGNORECASE)
_QUERY = re.compile(r"\?[^#]*")
_FRAGMENT = re.compile(r"#(?!(?:sha256|md5)[=:]).*")
_USUAL_ORIGIN = re.compile(r"https?://[a-z0-9._-]+(?:/|\Z)")
_ORIGIN = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)")
_DEFAULT_PORTS = {"http": ":80", "https": ":443", "git+http": ":80", "git+https": ":443"}


_USER_IN_TEXT = re.compile(r"(?<=://)[^\n]*@")
_TOKEN_IN_TEXT = re.compile(r"(?<=/t/)[^/?#\s'\"]+")
_QUERY_IN_TEXT = re.compile(r"(?<=\?)[^#\s'\"]+|(?<=#)(?!(?:sha256|md5)[=:])[^\s'\"]+")


def mask_secrets(text: str) -> str:
    """A text for people, without the secrets of the URLs in it.

    It masks too much rather than too little: on each line all between the first `://` and the last `@`, and everything
    that could be a token, a query or a fragment. For a URL alone `Url` is more exact.
    """
    if "://" not in text:
        return text
    return _QUERY_IN_TEXT.sub("***", _TOKEN_IN_TEXT.sub("***", _USER_IN_TEXT.sub("***@", text)))


@dataclass(frozen=True, slots=True)
class Url:
    """A URL as it was given, secrets included; every way of showing it masks them."""

    raw: str = field(repr=False)
    """To be used for the request only."""

    def __str__(self) -> str:
        """For people: user, `/t/TOKEN/` and query are masked, a fragment that is no digest is left out.

        Characters that a terminal would not print are percent-encoded.
        """
        shown = _USERINFO.sub("***@", self.raw)
        shown = _TOKEN.sub("***", shown) if _TOKEN_AT_START.match(shown) else shown
        shown = _FRAGMENT.sub("", _QUERY.sub("?***", shown))
        return shown if shown.isprintable() else _percent_encoded(shown)

    def __repr__(self) -> str:
        return f"Url({str(self)!r})"

    @property
    def has_token(self) -> bool:
        """Whether its path begins with `/t/TOKEN/`."""
        return _TOKEN_AT_START.match(_USERINFO.sub("", self.raw)) is not None

    @property
    def stripped(self) -> str:
        """For files: without user, `/t/TOKEN/`, query and fragment; of a local file the name alone.

        Scheme and host are in lower case, without the scheme's default port: clients that compare URLs spell them so.
        """
        if self.raw.startswith("file:"):
            return "file:" + self.raw.rstrip("/").rpartition("/")[2]
        # Most URLs; there is one for each package.
        if _USUAL_ORIGIN.match(self.raw) and not _MAY_BE_STRIPPED.search(self.raw):
            return self.raw
        bare = _USERINFO.sub("", self.raw)
        stripped = _TOKEN_AT_START.sub(r"\1", _QUERY.sub("", bare.partition("#")[0]))
        return stripped if _USUAL_ORIGIN.match(stripped) else _ORIGIN.sub(_usual_origin, stripped, count=1)


def _usual_origin(found: re.Match[str]) -> str:
    scheme, host = found[1].lower(), found[2].lower()
    return f"{scheme}://{host.removesuffix(_DEFAULT_PORTS.get(scheme, ' '))}"


def _percent_encoded(text: str) -> str:
    return "".join(
        character if character.isprintable() else "".join(f"%{byte:02X}" for byte in character.encode(errors="replace"))
        for character in text
    )
