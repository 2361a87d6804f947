"""Serve a mirror until a signal ends it: the parts of the server put together."""

from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from pixi_mirror.context import Context
from pixi_mirror.errors import UsageError
from pixi_mirror.hosting.names import hosted_names
from pixi_mirror.hosting.receive import UploadReceiver, receive_file
from pixi_mirror.http.origins import is_loopback
from pixi_mirror.mirror.tree import Tree, open_mirror
from pixi_mirror.serve.access.control import AccessControl
from pixi_mirror.serve.access.rights import EVERYTHING, ListingPages, is_within
from pixi_mirror.serve.access.users_file import UserFile, list_users
from pixi_mirror.serve.access_log import WrongBytes
from pixi_mirror.serve.connection import Log
from pixi_mirror.serve.files import FetchAbsent
from pixi_mirror.serve.transport import Server, Tls
from pixi_mirror.serve.uploads.endpoint import LARGEST, UploadEndpoint
from pixi_mirror.suggest import suggested

ALL_HOSTED = "all"
"""Stands for every hosted name."""


def _allowed_hosts(named: Sequence[str], *, is_open_loopback: bool) -> frozenset[str] | None:
    return frozenset(map(str.lower, named)) if named or is_open_loopback else None


class UploadOptions(NamedTuple):
    """Which uploads a server takes."""

    names: tuple[str, ...]
    """Hosted names; `all` is every one that the mirror has, and will have."""
    context: Context
    """Of the verb."""
    largest: int = LARGEST
    """Bytes that a file may have."""


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
    uploads: UploadOptions | None = None,
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
        uploads: Which uploads are taken from these users; None: the mirror can only be read.
        allowed_hosts: Names to answer to besides `localhost` and addresses. A server on loopback without users
            answers to no others; any other server answers to every name if none is given.
        warn: Called with the reason when a new version of the file of users is not used.
        create_fetch: Makes what fetches files that the mirror does not have; None: they are missing.

    Raises:
        UsageError: the mirror hosts no such name.
        MachineError: there is no mirror, the users or the certificate cannot be used, or the port cannot be bound.
    """
    tree = open_mirror(mirror)
    pages = ListingPages(tree.root)
    access = None if users is None else AccessControl(UserFile(users, warn), pages)
    with Server(
        tree.root,
        host=host,
        port=port,
        tls=tls,
        log=log,
        report=report,
        access=access,
        uploads=None if access is None or uploads is None else create_endpoint(tree, uploads, access, pages, warn),
        allowed_hosts=_allowed_hosts(allowed_hosts, is_open_loopback=users is None and is_loopback(host.lower())),
        fetch_absent=None if create_fetch is None else create_fetch(tree),
    ) as server:
        tree.know_address(server.url)
        for sentence in () if users is None else _empty_rights(users, tree):
            warn(sentence)
        announce(server.url)
        server.wait()


def create_endpoint(
    tree: Tree, options: UploadOptions, access: AccessControl, pages: ListingPages, warn: Callable[[str], None]
) -> UploadEndpoint:
    """Make what takes the uploads to hosted names.

    Args:
        tree: Of the mirror.
        options: Which uploads.
        access: Who may upload.
        pages: Those of the mirror, which know its hosted names.
        warn: Called with a sentence for who runs the server.

    Raises:
        UsageError: the mirror hosts no such name.
    """
    known = {each.name for each in hosted_names(tree)}
    unknown = [name for name in options.names if name not in known and name != ALL_HOSTED]
    if unknown or not known:
        name = unknown[0] if unknown else "NAME"
        what = f"nothing named {name!r}{suggested(name, known)}" if unknown else "nothing yet"
        raise UsageError(f"{tree.root} hosts {what}. Make it first: `pixi-mirror host add {name} {tree.root}`.")
    return UploadEndpoint(
        partial(_served_names, frozenset(options.names), pages),
        access,
        receive=UploadReceiver(tree.root, options.context).receive,
        receive_file=partial(receive_file, tree.root),
        free=tree.free,
        warn=warn,
        largest=options.largest,
    )


def _served_names(hosted: frozenset[str], pages: ListingPages) -> Collection[str]:
    """The names that take uploads now: one may have been removed since, or made."""
    return pages.hosted_names if ALL_HOSTED in hosted else hosted & frozenset(pages.hosted_names)


def _empty_rights(users: Path, tree: Tree) -> Iterator[str]:
    """A sentence for each right that leads to nothing in the mirror as it is now: its path may be misspelled."""
    names = {each.name for each in hosted_names(tree)}
    held = (*tree.inventory.tree, *tree.inventory.deferred)
    for user in list_users(users):
        for right in user.read or ():
            first = right.partition("/")[0]
            if right != EVERYTHING and first not in names and not any(is_within(path, right) for path in held):
                yield f"{user.name} may read {right}, and the mirror holds nothing there"
        for right in user.upload:
            if right.partition("/")[0] not in names:
                yield f"{user.name} may upload to {right}, and the mirror hosts nothing of that name"
