"""The clients that `config --for` knows, and what each of them has to do.

To add a client, write a module with a class that has the methods of `PackageClient`, and give it a name in `CLIENTS`.
"""

from collections.abc import Collection, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from pixi_mirror.clients.conda import CondaClient, MambaClient
from pixi_mirror.clients.docker import DockerClient
from pixi_mirror.clients.git import GitClient
from pixi_mirror.clients.offer import Offer
from pixi_mirror.clients.pip import PipClient
from pixi_mirror.clients.pixi import PixiClient
from pixi_mirror.clients.pixi_upload import PixiUploadClient
from pixi_mirror.clients.twine import TwineClient
from pixi_mirror.clients.uv import UvClient
from pixi_mirror.clients.uv_publish import UvPublishClient
from pixi_mirror.clients.web_servers import CaddyServer, NginxServer


class PackageClient(Protocol):
    """A program that installs packages."""

    def configuration(self, offer: Offer) -> str:
        """The client's configuration file for a mirror, as a whole file of its own."""

    def notes(self, offer: Offer) -> tuple[str, ...]:
        """What a person should know besides, one sentence each."""

    def merge(self, text: str | None, offer: Offer) -> str:
        """Put the configuration into a file of the user's, and leave all else as it is.

        Args:
            text: Of the file, without lines of ours; None: there is no file.
            offer: What the mirror offers.

        Raises:
            ValueError: the text does not parse, or the lines cannot stand in it; the message is a part of a sentence.
        """

    def remove(self, text: str, bases: Collection[str]) -> str:
        """Remove lines of ours that have lost their marks: those that lead to a mirror.

        Args:
            text: Of the user's file.
            bases: URLs of the mirror, without trailing slash.

        Raises:
            ValueError: the text does not parse; the message is a part of a sentence.
        """

    def conflicts(self, text: str, offer: Offer, *, outranks: bool = False) -> tuple[str, ...]:
        """The settings in a file of the client's that keep it from the mirror, one sentence each.

        Args:
            text: Of the file.
            offer: What the mirror offers.
            outranks: Whether the file counts more than the one with our lines.

        Raises:
            ValueError: the text does not parse; the message is a part of a sentence.
        """

    def variables(self) -> tuple[str, ...]:
        """The environment variables that outweigh the configuration."""

    def file(self, directory: Path, environ: Mapping[str, str]) -> Path:
        """The file of the workspace around a directory; the user's, for a client without files for workspaces.

        Raises:
            WorkspaceError: there is no workspace.
        """

    def users_file(self, environ: Mapping[str, str]) -> Path | None:
        """The file of the user, for all workspaces; None: there is none."""

    def files_read(self, own: Path | None, environ: Mapping[str, str]) -> tuple[Path, ...]:
        """All files that the client reads, the one that counts most last; they need not be there.

        Args:
            own: That of the workspace; None: there is no workspace.
            environ: Environment variables.
        """


CLIENTS: Mapping[str, PackageClient] = MappingProxyType(
    {
        "pixi": PixiClient(),
        "conda": CondaClient(),
        "mamba": MambaClient(),
        "pip": PipClient(),
        "uv": UvClient(),
        "docker": DockerClient(),
        "git": GitClient(),
        "twine": TwineClient(),
        "uv-publish": UvPublishClient(),
        "pixi-upload": PixiUploadClient(),
        "nginx": NginxServer(),
        "caddy": CaddyServer(),
    }
)
"""Each client, by the name that `config --for` takes."""
