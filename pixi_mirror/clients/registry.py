"""What each client has to be told to use a served mirror, and how that goes into its own configuration file."""

from collections.abc import Mapping
from types import MappingProxyType

from pixi_mirror.clients.conda import Conda, Mamba
from pixi_mirror.clients.docker import Docker
from pixi_mirror.clients.interface import Client
from pixi_mirror.clients.marked_lines import restored
from pixi_mirror.clients.offer import Offer, admit_url, offer_of
from pixi_mirror.clients.pip import Pip
from pixi_mirror.clients.pixi import Pixi
from pixi_mirror.clients.uv import Uv

__all__ = ["CLIENTS", "Client", "Offer", "admit_url", "offer_of", "restored"]

CLIENTS: Mapping[str, Client] = MappingProxyType(
    {"pixi": Pixi(), "conda": Conda(), "mamba": Mamba(), "pip": Pip(), "uv": Uv(), "docker": Docker()}
)
"""Every client, by the name that `config --for` takes; a new one is a room and a place here."""
