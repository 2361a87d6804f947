"""The interfaces of an index: files made from the packages that it lists, and sidecars that a program makes of them."""

from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol, Self

from pixi_mirror.errors import ProgramError
from pixi_mirror.model.packages import Channel, Listing, Package
from pixi_mirror.model.values import MirrorPath, Sha256, sha256_of


@dataclass(frozen=True, slots=True)
class IndexFile:
    """One file of an index, to be written."""

    recipe: Sha256
    """The sha256 of its bytes. The bytes depend on the pins alone, so the file is stale exactly when this differs."""
    content: Callable[[], bytes]
    """Makes the bytes; raises MachineError if a file of the mirror that they depend on cannot be read."""
    is_part: bool = False
    """Whether other files of the same index refer to it, so that it is written before them."""

    @classmethod
    def of(cls, data: bytes) -> Self:
        """The file that has these bytes."""
        return cls(sha256_of(data), partial(bytes, data))


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """A mirror as an index sees it."""

    packages: Iterable[Package]
    """The packages to list, of every kind."""
    channels: Iterable[tuple[Channel, str]]
    """Channels that must exist even when empty, each with a subdir that clients read."""
    listings: Mapping[MirrorPath, Listing]
    """What is known of the PyPI files that are in the mirror, listed or not, and of the deferred ones."""
    standing: Iterable[MirrorPath]
    """The index files of any kind that the mirror has."""
    where: Callable[[MirrorPath], Path]
    """Gives the path on disk of a file of the mirror."""
    relations: Mapping[MirrorPath, Mapping[str, str]] = field(default_factory=dict)
    """Folder of a subdir -> its `channel_relations` upstream (CEP 42)."""
    hosted_indexes: Iterable[MirrorPath] = ()
    """Folders of Python indexes that must exist even when empty."""


class Index(Protocol):
    """One kind of index over a mirror."""

    def files(self, contents: Contents) -> Mapping[MirrorPath, IndexFile]:
        """Every file that the index consists of, in the order in which they are written.

        An index file of the mirror that is not among them is removed after they are written.
        """

    def problem(
        self, path: MirrorPath, data: bytes, contents: Contents, *, read: Callable[[MirrorPath], bytes | None]
    ) -> str | None:
        """What is wrong with a file of this index.

        Args:
            path: of the file.
            data: its bytes.
            contents: what the index should list.
            read: gives the bytes of another file of the mirror; None: it does not exist.

        Returns:
            A sentence; None: the file is right, or belongs to another kind of index.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class SidecarRole:
    """What a sidecar is to its index file."""

    main: MirrorPath
    """The index file whose content it repeats in another form."""
    rank: int
    """Clients take the sidecar with the lowest rank that exists, and the index file only if there is none."""
    is_part: bool
    """Whether it is named by its content and reached through another sidecar. Clients need an old one for some days."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SidecarFiles:
    """The sidecars of one index file."""

    heads: Mapping[MirrorPath, bytes]
    """Those that clients ask for first."""
    parts: Mapping[MirrorPath, bytes]
    """Those that a head names, as far as they are new."""
    kept: frozenset[MirrorPath] = frozenset()
    """Those that a head names and that are in the mirror already; they stay as they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingFiles:
    """The generated files that a mirror has, as far as they are as they were recorded."""

    is_whole: Callable[[MirrorPath], bool]
    read: Callable[[MirrorPath], bytes | None]
    """Gives the bytes of one; None: it is not there, or is damaged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SidecarResult:
    """What was made."""

    files: Mapping[MirrorPath, SidecarFiles] = field(default_factory=dict)
    """Index file -> its sidecars. An index file that is not here has none, which is always right."""
    error: ProgramError | None = None
    """Why the program that the user named has failed; None: it has not, or the user named none."""


class SidecarMaker(Protocol):
    """Makes what clients may take instead of an index file: the same content, smaller or in pieces.

    It may fail or be absent: every mirror is right without sidecars.
    """

    @property
    def is_named(self) -> bool:
        """Whether the user named the program to use, so that a missing program is an error."""

    def recipes(
        self, files: Mapping[MirrorPath, IndexFile], sidecars: Collection[MirrorPath]
    ) -> Mapping[MirrorPath, Sha256]:
        """The recipe of the sidecars of each index file that should have some. No program is run for it.

        Args:
            files: the index files.
            sidecars: those that the mirror has.
        """

    def mark(self) -> str:
        """What would make them, and its version. What that failed to make is not tried again with it.

        Raises:
            ProgramError: the program that the user named does not exist.
        """

    def make(
        self,
        files: Mapping[MirrorPath, IndexFile],
        recipes: Mapping[MirrorPath, Sha256],
        *,
        standing: StandingFiles,
        directory: Callable[[], AbstractContextManager[Path]],
    ) -> SidecarResult:
        """Make the sidecars whose recipes are given by index file.

        Args:
            files: the index files.
            recipes: index file -> the recipe of its sidecars.
            standing: what the mirror has of them.
            directory: gives an empty private directory for a program, which is removed afterwards.
        """

    def role(self, path: MirrorPath) -> SidecarRole | None:
        """What a generated file is to an index file; None: it is no sidecar."""
