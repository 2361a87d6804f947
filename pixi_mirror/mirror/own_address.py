"""Leave out of `[mirrors]` what leads to the very mirror that is being brought up to date."""

import json
from dataclasses import replace

from pixi_mirror.errors import PixiMirrorError
from pixi_mirror.http.fetcher import Fetcher
from pixi_mirror.http.origins import is_loopback, origin_of
from pixi_mirror.mirror.tree import Tree
from pixi_mirror.model.network import Network
from pixi_mirror.model.values import Url
from pixi_mirror.paths import HEALTH, url_path
from pixi_mirror.progress import Progress

_LARGEST = 4096


def without_itself(network: Network, tree: Tree, progress: Progress) -> Network:
    """The network with those targets of `[mirrors]` left out behind which the mirror itself is served.

    Only a target that ends as the path of its key does in a mirror is looked at. A URL that `serve` or `config --write`
    has used for this mirror is believed unless another mirror is served there now; of any other host its server is
    asked.
    """
    known = tree.addresses()
    bases = {_base(key, target) for key, targets in network.mirrors.items() for target in targets} - {None}
    own = {base for base in bases if base is not None and _is_itself(base, known, network, tree, progress)}
    if not own:
        return network
    mirrors = {
        key: left
        for key, targets in network.mirrors.items()
        if (left := tuple(each for each in targets if _base(key, each) not in own))
    }
    names = " and ".join(sorted(own))
    progress.note(f"[mirrors] leads to {tree.root} itself, served at {names}: what it lacks is fetched from upstream.")
    return replace(network, mirrors=mirrors)


def _base(key: str, target: str) -> str | None:
    """The URL of the mirror that serves `target` for `key`, without trailing slash; None: it is none of our layout."""
    try:
        path = url_path(key.rstrip("/"))
    except PixiMirrorError:
        return None
    base = target.rstrip("/").removesuffix(f"/{path}")
    return None if base == target.rstrip("/") else base


def _is_itself(base: str, known: frozenset[str], network: Network, tree: Tree, progress: Progress) -> bool:
    place = origin_of(Url(base))
    if base not in known and (place is None or is_loopback(place.host)):
        return False  # whoever serves on loopback has told us
    fetcher = Fetcher(replace(network, mirrors={}, retries=0), progress, connections=1)
    try:
        told = json.loads(fetcher.read(Url(f"{base}/{HEALTH}"), accept="application/json", limit=_LARGEST).data)
    except (PixiMirrorError, ValueError):
        return base in known
    finally:
        fetcher.close()
    return isinstance(told, dict) and told.get("mirror") == tree.identity
