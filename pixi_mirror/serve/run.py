"""Show a mirror over HTTP until a signal ends it."""

from collections.abc import Callable
from pathlib import Path

from pixi_mirror.mirror.tree import Tree, open_mirror
from pixi_mirror.serve.access.control import AccessControl
from pixi_mirror.serve.access.listed_files import ListingPages
from pixi_mirror.serve.access.users_file import UserFile
from pixi_mirror.serve.connection import Log
from pixi_mirror.serve.files import FetchAbsent
from pixi_mirror.serve.transport import Server, Tls


def serve(
    mirror: Path,
    *,
    host: str,
    port: int,
    tls: Tls | None,
    announce: Callable[[str], None],
    log: Log,
    users: Path | None = None,
    warn: Callable[[str], None] = lambda _: None,
    absent: Callable[[Tree], FetchAbsent] | None = None,
) -> None:
    """Answer requests, having told the URL; what a signal raises ends it, once running downloads are finished.

    With a file of users only these are answered; `warn` is told when a new version of it is not heeded. `absent` makes
    who is asked for files that the mirror does not have.

    Raises:
        MachineError: there is no mirror, the users or the certificate cannot be used, or the port cannot be had.
    """
    tree = open_mirror(mirror)
    gate = None if users is None else AccessControl(UserFile(users, warn), ListingPages(tree.root))
    brought = None if absent is None else absent(tree)
    with Server(tree.root, host=host, port=port, tls=tls, log=log, gate=gate, absent=brought) as server:
        tree.know_address(server.url)
        announce(server.url)
        server.wait()
