"""The port of a source: what one workspace wants, told in pins."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pixi_mirror.model.packages import Layout, Refusal, Request, Snapshot
from pixi_mirror.model.values import Sha256


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingPlatform:
    """A platform that was asked for and that an environment does not have."""

    environment: str
    platform: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectionResult:
    """What a source says to some requests."""

    snapshot: Snapshot
    missing_platforms: tuple[MissingPlatform, ...]
    found_platforms: frozenset[str]
    """Platforms as asked that at least one chosen environment has."""
    platforms: frozenset[str]
    """All platforms of the chosen environments, asked for or not."""
    refusals: tuple[Refusal, ...]
    """What cannot be mirrored and no request allows to leave out."""


class WorkspaceSource(Protocol):
    """One workspace."""

    @property
    def location(self) -> Path:
        """The resolved path of its lock."""

    @property
    def manifest(self) -> Path | None:
        """The resolved path of its manifest, about which pixi is asked; None: the lock alone says all."""

    def digest(self) -> Sha256:
        """The sha256 of all that the answer depends on.

        Raises:
            WorkspaceError: it cannot be read.
        """

    def select(
        self, requests: tuple[Request, ...], *, subscription: str, workspace: str, layout: Layout
    ) -> SelectionResult:
        """What the requests want now.

        Raises:
            WorkspaceError: the lock cannot be read, or an environment does not exist.
        """
