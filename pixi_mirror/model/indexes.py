"""The ports of an index: files made from the packages that it lists, and files that a program makes beside them."""

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol, Self

from pixi_mirror.errors import ProgramError
from pixi_mirror.model.packages import Channel, Listing, Package
from pixi_mirror.model.values import MirrorPath, Sha256, admit_sha256


@dataclass(frozen=True, slots=True)
class IndexFile:
    """One file of an index, to be made."""

    recipe: Sha256
    """The sha256 of its bytes, which are made of canonical inputs alone: it is stale exactly when this differs."""
    content: Callable[[], bytes]
    """Makes the bytes; raises MachineError where a file of the mirror that they are made of cannot be read."""
    is_part: bool = False
    """Whether files of the same index refer to it, so that it comes before them."""

    @classmethod
    def of(cls, data: bytes) -> Self:
        """The file that has these bytes."""
        return cls(admit_sha256(hashlib.sha256(data).hexdigest()), partial(bytes, data))


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """A mirror as an index sees it."""

    packages: Iterable[Package]
    """Those to be listed, of every kind."""
    channels: Iterable[tuple[Channel, str]]
    """Those that must be there even when empty, each with a subdir that is asked of it."""
    listings: Mapping[MirrorPath, Listing]
    """What is known of the PyPI files that the mirror has, listed or not, and of those that it defers."""
    standing: Iterable[MirrorPath]
    """The index files of any kind that it has."""
    where: Callable[[MirrorPath], Path]
    """Where a file of the mirror is on disk."""


class Index(Protocol):
    """One kind of index over a mirror."""

    def files(self, contents: Contents) -> Mapping[MirrorPath, IndexFile]:
        """Every file that the index consists of, in the order in which they are to be written.

        What is standing and not among them is removed once they are written.
        """

    def problem(
        self, path: MirrorPath, data: bytes, contents: Contents, *, read: Callable[[MirrorPath], bytes | None]
    ) -> str | None:
        """What is wrong with a file of this index, read back; None: it says what it should, or is not of it.

        `read` gives the bytes of other files of the mirror, None for those that are not there.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class SidecarRole:
    """What a sidecar is to the index file that it stands beside."""

    main: MirrorPath
    """The index file whose content it repeats in another form."""
    rank: int
    """Clients take the lowest that is there, and only without any of them the index file itself."""
    is_part: bool
    """Named by its content and reached through another sidecar: readers under way need it for a while."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SidecarFiles:
    """The sidecars of one index file."""

    heads: Mapping[MirrorPath, bytes]
    parts: Mapping[MirrorPath, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class SidecarResult:
    """What a program made."""

    files: Mapping[MirrorPath, SidecarFiles] = field(default_factory=dict)
    """Index file -> its sidecars; one that is missing has none, which is always right."""
    error: ProgramError | None = None
    """Why it has failed though it was asked for by name; None: it has not, or nobody insists."""


class SidecarMaker(Protocol):
    """Makes what clients may take instead of an index file: the same content, smaller or in pieces.

    It may fail or be absent: every mirror is right without it.
    """

    def recipes(
        self, made: Mapping[MirrorPath, IndexFile], standing: Collection[MirrorPath]
    ) -> Mapping[MirrorPath, Sha256]:
        """The recipe of the sidecars of each index file that is to have some; it costs no import and no program.

        `standing` are the derived files that the mirror has.
        """

    def mark(self) -> str:
        """What would make them, its version included: where that has failed once, it is not tried again.

        Raises:
            ProgramError: what was asked for by name is not there.
        """

    def make(
        self, made: Mapping[MirrorPath, IndexFile], recipes: Mapping[MirrorPath, Sha256], workshop: Path
    ) -> SidecarResult:
        """Make the sidecars whose recipes are given by index file, in the empty private directory `workshop`."""

    def role(self, path: MirrorPath) -> SidecarRole | None:
        """What a derived file is to another; None: it is no sidecar."""
