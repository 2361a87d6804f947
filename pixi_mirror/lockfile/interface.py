"""The interface of a source: a workspace whose lock is mirrored; and what it wants."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pixi_mirror.model.network import IndexUser
from pixi_mirror.model.packages import Layout, Snapshot
from pixi_mirror.model.request import LockReading, Refusal, Request
from pixi_mirror.model.values import Sha256

if TYPE_CHECKING:  # a run with nothing to do must not import these
    from pixi_mirror.pypi.upstream_pages import PageAddress, PageContent


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingPlatform:
    """A platform that a request names and an environment does not have."""

    environment: str
    platform: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectionResult:
    """What some requests want from a source."""

    snapshot: Snapshot
    missing_platforms: tuple[MissingPlatform, ...]
    found_platforms: frozenset[str]
    """Platforms, as the requests name them, that at least one chosen environment has."""
    platforms: frozenset[str]
    """All platforms of the chosen environments."""
    refusals: tuple[Refusal, ...]
    """What cannot be mirrored, and no request allows to leave out."""
    notes: tuple[str, ...] = ()
    """What a person should know of the lock."""


class IndexPages(Protocol):
    """The index pages of other machines, for locks that have no URLs."""

    @property
    def configured(self) -> tuple[str, ...]:
        """URLs of the indexes that the user's configuration names, the first one first.

        Raises:
            MachineError: the configuration does not parse.
        """

    def read(self, addresses: Iterable[PageAddress]) -> Mapping[PageAddress, PageContent]:
        """What each page lists; one that cannot be read lists nothing, and says why."""


class WorkspaceSource(Protocol):
    """One workspace."""

    @property
    def location(self) -> Path:
        """The resolved path of its lock."""

    @property
    def manifest(self) -> Path | None:
        """The resolved path of its manifest, about which pixi is asked; None: only the lock is read."""

    @property
    def reading(self) -> LockReading | None:
        """How the lock is read, as the user says it; None: nothing is said."""

    @property
    def files(self) -> tuple[Path, ...]:
        """The lock, the manifest, and what the lock includes, as far as that can be read."""

    def digest(self) -> Sha256:
        """The sha256 of all that `select` depends on.

        Raises:
            WorkspaceError: it cannot be read.
        """

    def select(
        self, requests: tuple[Request, ...], *, subscription: str, workspace: str, layout: Layout
    ) -> SelectionResult:
        """Read what the requests want now.

        Raises:
            WorkspaceError: the lock cannot be read, or an environment does not exist.
            FetchError: an index page that the lock needs cannot be read.
            UnmirrorableError: no index has a file that the lock needs.
        """

    def index_users(self) -> Mapping[str, IndexUser]:
        """The users in the URLs of its indexes, by the URL without user and with a final slash.

        Raises:
            WorkspaceError: the lock cannot be read.
        """
