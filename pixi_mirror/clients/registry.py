"""What each client has to be told to use a served mirror, and how that goes into its own configuration file."""

from collections.abc import Mapping
from types import MappingProxyType

from pixi_mirror.clients.conda import CondaClient, MambaClient
from pixi_mirror.clients.docker import DockerClient
from pixi_mirror.clients.git import GitClient
from pixi_mirror.clients.interface import PackageClient
from pixi_mirror.clients.pip import PipClient
from pixi_mirror.clients.pixi import PixiClient
from pixi_mirror.clients.uv import UvClient

CLIENTS: Mapping[str, PackageClient] = MappingProxyType(
    {
        "pixi": PixiClient(),
        "conda": CondaClient(),
        "mamba": MambaClient(),
        "pip": PipClient(),
        "uv": UvClient(),
        "docker": DockerClient(),
        "git": GitClient(),
    }
)
"""Every client, by the name that `config --for` takes; a new one is a room and a place here."""
