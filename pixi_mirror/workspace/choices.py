"""Admit what a user chooses for a new workspace: channels, platforms, and the files that list packages."""

import re
from collections.abc import Iterable
from pathlib import Path

from pixi_mirror.conda.names import SUBDIRS
from pixi_mirror.errors import UsageError, WorkspaceError
from pixi_mirror.model.values import Url
from pixi_mirror.paths import channel, file_url, is_local
from pixi_mirror.suggest import perhaps
from pixi_mirror.workspace.manifest import TOOL_PLATFORMS

DEFAULT_CHANNELS = ("conda-forge",)

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(?:/[A-Za-z0-9_][A-Za-z0-9_.-]*)*")
_URL = re.compile(r"(?:https?|s3|file)://[^\s?#]+", re.IGNORECASE)
_OTHER_NAMES = ("noarch",)
"""Subdirs that no machine has."""


def channel_word(word: str, *, directory: Path) -> str:
    """A channel as a manifest has it: a name or a URL. A path below `directory` becomes a URL.

    Raises:
        UsageError: it is neither, or holds a password or a token.
        UnmirrorableError: channels of its kind cannot be mirrored.
    """
    url = Url(word)
    if url.raw != url.stripped and not word.lower().startswith("file:"):
        raise UsageError(
            f"the channel {url} would stand with its secrets in pixi.toml and pixi.lock. Store them with `pixi auth "
            f"login HOST`, or in a file for --auth-file, and name {Url(url.stripped)}."
        )
    if is_local(word) and (word.startswith((".", "/", "~")) or "\\" in word or word.lower().startswith("file:")):
        path = word if word.lower().startswith("file:") else str(directory / Path(word).expanduser())
        return file_url(path.rstrip("/\\") or path)
    if not _URL.fullmatch(word) and not _NAME.fullmatch(word):
        if re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", word):
            channel(word, "channels")  # it says which schemes there are
        raise UsageError(f"-c takes the name of a channel, as conda-forge, or its URL, not {word!r}.")
    channel_url(word)
    return word.rstrip("/")


def channel_url(word: str) -> str:
    """The URL of a channel, without a slash at the end.

    Raises:
        UsageError: a channel cannot be called so.
        UnmirrorableError: channels of its kind cannot be mirrored.
    """
    if is_local(word) and word.lower().startswith("file:"):
        return word.rstrip("/")
    try:
        return channel(word, "channels").url
    except WorkspaceError as error:
        raise UsageError(str(error).partition(" Correct it in the manifest")[0]) from None


def refuse_unknown_platforms(platforms: Iterable[str]) -> None:
    """Refuse what is no platform of conda.

    Raises:
        WorkspaceError: one of them is none.
    """
    known = [name for name in SUBDIRS if name not in _OTHER_NAMES]
    for name in platforms:
        if name not in known:
            usual = ", ".join(TOOL_PLATFORMS)
            raise WorkspaceError(f"conda has no platform {name!r}{perhaps(name, known)}; the usual ones are: {usual}.")
