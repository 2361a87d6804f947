"""The nouns, and the functions that admit raw strings as values; it does nothing."""

from pixi_mirror.model.mirror import (
    Cell,
    Derived,
    Inventory,
    Kind,
    Layout,
    Package,
    Refusal,
    Request,
    Snapshot,
    Stored,
    Target,
)
from pixi_mirror.model.network import Basic, Bearer, CondaToken, Credential, Network, Proxies
from pixi_mirror.model.values import (
    Json,
    Md5,
    MirrorPath,
    Sha256,
    Url,
    admit_md5,
    admit_path,
    admit_sha256,
)

__all__ = [
    "Basic",
    "Bearer",
    "Cell",
    "CondaToken",
    "Credential",
    "Derived",
    "Inventory",
    "Json",
    "Kind",
    "Layout",
    "Md5",
    "MirrorPath",
    "Network",
    "Package",
    "Proxies",
    "Refusal",
    "Request",
    "Sha256",
    "Snapshot",
    "Stored",
    "Target",
    "Url",
    "admit_md5",
    "admit_path",
    "admit_sha256",
]
