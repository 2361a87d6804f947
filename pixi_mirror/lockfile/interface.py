"""The port of a source: what one workspace wants, told in pins."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pixi_mirror.model.packages import Layout, Refusal, Request, Snapshot
from pixi_mirror.model.values import Sha256


@dataclass(frozen=True, slots=True, kw_only=True)
class Lacking:
    """A platform that was asked for and that an environment does not have."""

    environment: str
    platform: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a source says to some requests."""

    snapshot: Snapshot
    lacking: tuple[Lacking, ...]
    found_platforms: frozenset[str]
    """Platforms as asked that at least one chosen environment has."""
    platforms: frozenset[str]
    """All platforms of the chosen environments, asked for or not."""
    unacceptable: tuple[Refusal, ...]
    """What cannot be mirrored and no request allows to leave out."""


class Source(Protocol):
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

    def answer(self, requests: tuple[Request, ...], *, subscription: str, workspace: str, layout: Layout) -> Answer:
        """What the requests want now.

        Raises:
            WorkspaceError: the lock cannot be read, or an environment does not exist.
        """
