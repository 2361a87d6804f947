"""Print what a client needs to use the mirror, put it into the client's own file, or remove it from there."""

import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pixi_mirror.clients.explicit_list import explicit_list
from pixi_mirror.clients.marked_lines import lines_of, remove_lines
from pixi_mirror.clients.offer import Offer, offer_of
from pixi_mirror.clients.registry import CLIENTS, PackageClient
from pixi_mirror.disk.directories import make_directory, sync_directories
from pixi_mirror.disk.files import explain_errors, fresh_name, read_bytes, write_synced
from pixi_mirror.errors import MachineError, PixiMirrorError, UsageError, WorkspaceError
from pixi_mirror.http.origins import is_exempt, origin_of
from pixi_mirror.mirror.tree import open_mirror
from pixi_mirror.mirror.tree_view import TreeView
from pixi_mirror.model.values import Url, mask_secrets
from pixi_mirror.suggest import suggested

EXPLICIT_CLIENTS = ("conda", "mamba")
"""Those that take an `@EXPLICIT` list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientFile:
    """Which file of a client's is meant."""

    client: str
    named: Path | None
    """None: the client's own, as the others decide."""
    is_users: bool
    """Whether the user's file is meant, and not that of the workspace."""
    directory: Path
    """In or below the workspace."""
    environ: Mapping[str, str]

    @property
    def path(self) -> Path:
        """Where it is.

        Raises:
            WorkspaceError: there is no workspace.
            UsageError: the client has no file of the user.
        """
        if self.named is not None:
            return self.named
        kind = CLIENTS[self.client]
        if not self.is_users:
            return kind.file(self.directory, self.environ)
        path = kind.users_file(self.environ)
        if path is None:
            raise UsageError(f"{self.client} has no file of the user; leave --global out.")
        return path


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientConfiguration:
    """What a client needs."""

    client: str
    url: str
    content: str
    """A whole file of the client's; empty: it was removed from one."""
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    """What of the user's keeps the client from the mirror."""
    file: Path | None
    """The client's file, which has it, or has it no more; None: no file was to be changed."""
    changed: bool
    """Whether that file was written."""


def configure_client(
    mirror: Path,
    where: ClientFile,
    *,
    url: str,
    environment: str | None,
    platform: str,
    only: bool,
    write: bool,
) -> ClientConfiguration:
    """Say what a client needs to use the mirror at `url`.

    Args:
        mirror: Its directory.
        where: The client and its file.
        url: Of the served mirror, without trailing slash.
        environment: The one to install, for a client that needs to know it; None: `default`, and conda's configuration
            instead of the list of an environment.
        platform: Of that list.
        only: Whether the client is to ask no other host.
        write: Whether to put the configuration into the client's file.

    Raises:
        WorkspaceError: the mirror does not have that environment, or there is no workspace.
        MachineError: there is no mirror, or the client's file cannot be read, written or added to; it is as it was.
    """
    tree = open_mirror(mirror)
    kind = CLIENTS[where.client]
    offer = replace(offer_of(tree.inventory, url), is_only=only, directory=os.path.abspath(mirror))
    if environment is not None and where.client in EXPLICIT_CLIENTS:
        content, notes = explicit_list(tree.inventory, url=url, environment=environment, platform=platform)
        return ClientConfiguration(
            client=where.client, url=url, content=content, notes=notes, warnings=(), file=None, changed=False
        )
    if environment is not None:
        known = {cell.environment for snapshot in tree.inventory.snapshots for cell in snapshot.cells}
        if environment not in known:
            raise WorkspaceError(f"{mirror} has no environment {environment!r}{suggested(environment, known)}.")
        offer = replace(offer, environment=environment)
    file = where.path if write else None
    changed = False
    if file is not None:
        bases = {url, *tree.addresses()}
        changed = _rewrite(file, kind, bases, lambda text: kind.merge(text, offer))
        tree.know_address(url)
    return ClientConfiguration(
        client=where.client,
        url=url,
        content=kind.configuration(offer),
        notes=kind.notes(offer),
        warnings=tuple(_warnings(where, kind, offer)),
        file=file,
        changed=changed,
    )


def unconfigure_client(mirror: Path, where: ClientFile, *, url: str) -> ClientConfiguration:
    """Remove from the client's file what `configure_client` has put there, and restore what that replaced.

    Lines of ours are known by their marks. If a program has dropped the marks, they are known by the mirror's URLs.

    Raises:
        WorkspaceError: there is no workspace.
        MachineError: the file cannot be read or written, or lines in it still lead to the mirror.
    """
    kind = CLIENTS[where.client]
    file = where.path
    bases = {url, *_addresses(mirror)}
    changed = _rewrite(file, kind, bases, lambda text: text)
    left = [
        number
        for number, line in enumerate(lines_of(_read(file) or ""), 1)
        if _leads_to(line, bases) and not line.lstrip().startswith(("#", ";"))
    ]
    if left:
        lines = ", ".join(map(str, left))
        raise MachineError(
            f"{file} still leads to the mirror in line {lines}, which pixi-mirror did not write; remove that by hand."
        )
    return ClientConfiguration(
        client=where.client, url=url, content="", notes=(), warnings=(), file=file, changed=changed
    )


def _addresses(mirror: Path) -> frozenset[str]:
    try:
        return TreeView(mirror).addresses()
    except PixiMirrorError:  # the mirror may be gone
        return frozenset()


def _leads_to(line: str, bases: Collection[str]) -> bool:
    return any(re.search(rf"{re.escape(base)}(?![\w.:-])", line) for base in bases)


def _warnings(where: ClientFile, kind: PackageClient, offer: Offer) -> Iterator[str]:
    own = _path(where)
    local = _path(replace(where, named=None, is_users=False))
    ranked = [*dict.fromkeys(map(os.path.abspath, kind.files_read(local, where.environ)))]
    above = ranked[ranked.index(os.path.abspath(own)) + 1 :] if own and os.path.abspath(own) in ranked else []
    for name in dict.fromkeys(os.path.abspath(file) for file in (own, local, *ranked) if file is not None):
        file = own if own is not None and name == os.path.abspath(own) else Path(name)
        try:
            conflicts = kind.conflicts(_read(file) or "", offer, outranks=name in above)
        except (ValueError, MachineError):
            continue  # --write fails with the reason
        # What outweighs the mirror may be a URL with a password.
        yield from (f"{file}: {mask_secrets(conflict)}" for conflict in conflicts)
    for variable in kind.variables():
        if where.environ.get(variable):
            yield f"the environment variable {variable} outweighs the configuration: unset it."
    if ranked and (proxy := _proxy_variable(offer.url, where.environ)) is not None:
        through = f"the environment variable {proxy} sends requests to the mirror through a proxy"
        yield f"{through}: add {offer.host} to NO_PROXY."


def _proxy_variable(url: str, environ: Mapping[str, str]) -> str | None:
    """The environment variable by which clients send requests for a URL through a proxy; None: none does."""
    origin = origin_of(Url(url))
    exempt = (environ.get("no_proxy") or environ.get("NO_PROXY") or "").split(",")
    if origin is None or is_exempt(origin, exempt):
        return None
    scheme = url.partition("://")[0]
    names = (f"{scheme}_proxy", f"{scheme.upper()}_PROXY", "all_proxy", "ALL_PROXY")
    return next((name for name in names if environ.get(name)), None)


def _path(where: ClientFile) -> Path | None:
    """The path of a client's file; None: there is no workspace, or no such file."""
    try:
        return where.path
    except (WorkspaceError, UsageError):
        return None


def _read(file: Path) -> str | None:
    """The text of a file; None: there is none.

    Raises:
        MachineError: it cannot be read, or is not UTF-8.
    """
    where = Path(os.path.realpath(file))  # `resolve` gives up on a loop of links with an error of its own
    with explain_errors("read", where):
        try:
            return read_bytes(where).decode()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except UnicodeDecodeError as error:
            raise MachineError(f"{where} is not UTF-8 (byte {error.start}); it was left as it is.") from None


def _rewrite(
    file: Path, kind: PackageClient, bases: Collection[str], change: Callable[[str | None], str | None]
) -> bool:
    """Remove lines of ours from a file, and make another change; whether other bytes are there then."""
    before = _read(file)
    where = Path(os.path.realpath(file))
    try:
        bare = None if before is None else remove_lines(before)
        if bare is not None and bare == before and _leads_to(bare, bases):
            bare = kind.remove(bare, bases)
        after = change(bare)
        if after is not None and remove_lines(after) != bare:
            raise ValueError("it has lines that look like those of pixi-mirror")  # noqa: TRY301 - handled as the others
    except ValueError as error:
        raise MachineError(
            f"{where} cannot be changed: {error}. It was left as it is; correct it, or name another with --file."
        ) from None
    if after == before:
        return False
    with explain_errors("write", where):
        if after is None:
            where.unlink(missing_ok=True)
        else:
            _write(where, after)
    return True


def _write(file: Path, text: str) -> None:
    folders = make_directory(file.parent)
    mode = file.stat().st_mode & 0o777 if file.exists() else None
    temporary = file.with_name(f".{file.name}.{fresh_name()}")
    # A new file gets the mode that the user's umask leaves, as any editor's.
    write_synced(file, text.encode(), temporary=temporary, mode=0o666 if mode is None else mode)
    if mode is not None:
        os.chmod(file, mode)
    sync_directories({*folders, file.parent})
