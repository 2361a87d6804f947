"""Show a mirror over HTTP until a signal ends it."""

from collections.abc import Callable
from pathlib import Path

from pixi_mirror.serve import Log, Server, Tls
from pixi_mirror.verbs.equipment import existing


def serve(mirror: Path, *, host: str, port: int, tls: Tls | None, announce: Callable[[str], None], log: Log) -> None:
    """Answer requests, having told the URL; what a signal raises ends it, once running downloads are finished.

    Raises:
        MachineError: there is no mirror, the certificate cannot be used, or the port cannot be had.
    """
    tree = existing(mirror)
    with Server(tree.root, host=host, port=port, tls=tls, log=log) as server:
        tree.know_address(server.url)
        announce(server.url)
        server.wait()
