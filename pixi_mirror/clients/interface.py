"""The port of a client: what it has to be told to use a mirror, and how that goes into its own file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from pixi_mirror.clients.offer import Offer


class PackageClient(Protocol):
    """One program that installs packages."""

    def fragment(self, offer: Offer) -> str:
        """What its configuration file has to say, a whole file of its own."""

    def notes(self, offer: Offer) -> tuple[str, ...]:
        """What a person should know besides, a sentence each."""

    def merged(self, text: str | None, offer: Offer) -> str:
        """A file of the user's with the fragment in it, all else as it was; None: there is no file yet.

        Raises:
            ValueError: the text does not parse, or has no place where the fragment could go; a part of a sentence.
        """

    def file(self, directory: Path, environ: Mapping[str, str]) -> Path:
        """The file of the workspace in `directory`; where the client has none of workspaces, that of the user."""
