"""Serve a mirror until a signal ends it: the parts of the server put together."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from pixi_mirror.http.origins import is_loopback
from pixi_mirror.mirror.tree import Tree, open_mirror
from pixi_mirror.serve.access.control import AccessControl
from pixi_mirror.serve.access.rights import ListingPages
from pixi_mirror.serve.access.users_file import UserFile, list_users
from pixi_mirror.serve.access_log import WrongBytes
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
    report: Callable[[WrongBytes], None],
    users: Path | None = None,
    allowed_hosts: Sequence[str] = (),
    warn: Callable[[str], None] = lambda _: None,
    create_fetch: Callable[[Tree], FetchAbsent] | None = None,
) -> None:
    """Serve a mirror until a signal raises an exception; running downloads are then finished.

    Args:
        mirror: Its directory.
        host: Address or name of this machine to listen on.
        port: 0: any that is free.
        tls: None: plain http.
        announce: Called once with the URL.
        log: Called for each request.
        report: Called for each file that has other bytes than the inventory's.
        users: The file of users; None: everybody may read everything.
        allowed_hosts: Names to answer to besides `localhost` and addresses. A server on loopback without users
            answers to no others; any other server answers to every name if none is given.
        warn: Called with the reason when a new version of the file of users is not used.
        create_fetch: Makes what fetches files that the mirror does not have; None: they are missing.

    Raises:
        MachineError: there is no mirror, the users or the certificate cannot be used, or the port cannot be bound.
    """
    tree = open_mirror(mirror)
    access = None if users is None else AccessControl(UserFile(users, warn), ListingPages(tree.root))
    is_open_loopback = users is None and is_loopback(host.lower())
    with Server(
        tree.root,
        host=host,
        port=port,
        tls=tls,
        log=log,
        report=report,
        access=access,
        allowed_hosts=frozenset(map(str.lower, allowed_hosts)) if allowed_hosts or is_open_loopback else None,
        fetch_absent=None if create_fetch is None else create_fetch(tree),
    ) as server:
        tree.know_address(server.url)
        for sentence in () if users is None else _empty_rights(users, tree):
            warn(sentence)
        announce(server.url)
        server.wait()


def _empty_rights(users: Path, tree: Tree) -> Iterator[str]:
    """A sentence for each right that leads to nothing in the mirror as it is now: its path may be misspelled."""
    held = (*tree.inventory.tree, *tree.inventory.deferred)
    for user in list_users(users):
        for right in user.read or ():
            if not any(f"{path}/".startswith(f"{right}/") for path in held):
                yield f"{user.name} may read {right}, and the mirror holds nothing there"
