"""The interface of a destination, and what it is given to write."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pixi_mirror.model.values import MirrorPath, Sha256


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """One file to be written."""

    path: MirrorPath
    source: Path
    """Where it is on this machine."""
    data: bytes | None
    """Its bytes, if they are at hand."""
    sha256: Sha256
    size: int
    content_type: str
    cache_control: str
    parts: "tuple[tuple[str, Upload], ...]" = ()
    """Of the manifest of a registry: the files that it names, each with its media type."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A file as the destination has it."""

    size: int
    sha256: Sha256 | None
    """As it was said when the file was written, not computed; None: nothing is said."""
    tag: str
    """Changes whenever the bytes do."""


class Destination(Protocol):
    """A place that mirrors are published to. Many threads use one object.

    All methods raise `FarSideError` where the destination refuses, and `FetchError` where it cannot be reached.
    """

    @property
    def name(self) -> str:
        """For people, without any secret."""

    @property
    def ignores_conditions(self) -> bool:
        """Whether `create` and `swap` may overwrite what another publisher has written meanwhile."""

    def arrange(self, uploads: Sequence[Upload]) -> Sequence[Upload]:
        """What has to be written for the files of a mirror to be there.

        Raises:
            UnmirrorableError: something cannot be there.
        """

    def is_empty(self) -> bool:
        """Whether nothing is there."""

    def read(self, path: MirrorPath) -> tuple[bytes, str] | None:
        """The bytes of a small file, and its tag; None: it is not there."""

    def look(self, path: MirrorPath) -> Held | None:
        """What is known of a file without reading it; None: it is not there."""

    def hash(self, path: MirrorPath) -> Sha256 | None:
        """The sha256 of a file's bytes, as they are read back; None: it is not there."""

    def create(self, upload: Upload) -> str | None:
        """Write a file that is not there yet; its tag. None: there is one, and nothing was written."""

    def swap(self, upload: Upload, tag: str) -> str | None:
        """Replace a file that still has this tag; its new tag. None: it has another one, and nothing was written."""

    def remove(self, path: MirrorPath) -> None:
        """Remove a file; one that is not there is no failure."""

    def settle(self) -> None:
        """Let everything that was written so far survive a power loss, before something is written that needs it."""

    def public_problem(self) -> str | None:
        """What readers without credentials would trip over, in one sentence; None: nothing, or it cannot be known."""
