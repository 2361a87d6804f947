"""Tell which file of a mirror the target of a request means, by grammar alone, and how to show it; pure."""

import re
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from pixi_mirror.model.values import MirrorPath, admit_path

_ABSOLUTE = re.compile(r"https?://[^/?#]*", re.IGNORECASE)
_MARK = "t"
_LISTS_PROJECTS = "simple"
"""In the list of an index of PyPI a `t` is a project's name."""


class RequestTarget(NamedTuple):
    """What a request asks for."""

    segments: tuple[str, ...]
    """Decoded once, after the path was split; none is empty, and `/t/TOKEN` at the start is gone."""
    is_folder: bool
    """Whether the path ends with a slash."""
    query: str
    """As it was sent, without its question mark."""
    token: str | None = None
    """Of `/t/TOKEN`; None: there was none."""

    @property
    def path(self) -> MirrorPath | None:
        """The path inside a mirror; None: no mirror has anything of that name."""
        try:
            return admit_path("/".join(self.segments))
        except ValueError:
            return None


def parse_target(raw: str) -> RequestTarget | None:
    """What a request's target asks for; None: nothing that a mirror could have.

    Dots, slashes and backslashes that are encoded, or encoded twice, stay parts of names here, and no name in a mirror
    has them: there is nothing that would have to be normalised.
    """
    path, _, query = _origin_form(raw).partition("?")
    if not path.startswith("/"):
        return None
    parts = path[1:].split("/")
    is_folder = parts[-1] == ""
    if is_folder:
        parts.pop()
    try:
        segments = [unquote_to_bytes(part).decode("ascii") for part in parts]
    except UnicodeDecodeError:
        return None  # no name in a mirror has anything but ASCII, and overlong UTF-8 is none at all
    if any("/" in segment or not segment for segment in segments):
        return None
    token = None
    if len(segments) > 1 and segments[0] == _MARK:
        token = segments[1]
        del segments[:2]
    return RequestTarget(tuple(segments), is_folder, query, token)


def masked(raw: str) -> str:
    """A target for the log: `/t/TOKEN` and the query are masked, the host of an absolute form is left out."""
    path, asks, _ = _origin_form(raw).partition("?")
    parts = path.split("/")
    plain = [unquote_to_bytes(part) for part in parts]
    for number in range(1, len(parts) - 1):
        follows_t = plain[number] == _MARK.encode() and plain[number - 1] != _LISTS_PROJECTS.encode()
        if follows_t and parts[number + 1]:
            parts[number + 1] = "***"
    return "/".join(parts) + ("?***" if asks else "")


def _origin_form(raw: str) -> str:
    """RFC 9112, 3.2.2: "a server MUST accept the absolute-form in requests"."""
    found = _ABSOLUTE.match(raw)
    if found is None:
        return raw
    rest = raw[found.end() :]
    return rest if rest.startswith("/") else f"/{rest}"
