"""Say what a client needs to use the mirror, and put it into the client's own file, or take it out again."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pixi_mirror.clients.interface import PackageClient
from pixi_mirror.clients.marked_lines import remove_lines
from pixi_mirror.clients.offer import offer_of
from pixi_mirror.clients.registry import CLIENTS
from pixi_mirror.disk.directories import make_directory, sync_directories
from pixi_mirror.disk.files import explain_errors, fresh_name, read_bytes, write_synced
from pixi_mirror.errors import MachineError, WorkspaceError
from pixi_mirror.mirror.tree import open_mirror


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientConfiguration:
    """What a client needs."""

    client: str
    url: str
    content: str
    """A whole file of the client's; empty: it was taken out of one."""
    notes: tuple[str, ...]
    file: Path | None
    """The client's file, which says it, or says it no more; None: none was to be touched."""
    changed: bool
    """Whether that file was written."""


def configure_client(
    mirror: Path,
    *,
    client: str,
    url: str,
    environment: str | None,
    write: bool,
    file: Path | None,
    directory: Path,
    environ: Mapping[str, str],
) -> ClientConfiguration:
    """What `client` needs to use the mirror at `url`; with `write` its file, or `file`, says so.

    `environment` is the one to be installed, for a client that has to be told; None: `default`.

    Raises:
        WorkspaceError: the mirror does not have that environment.
        MachineError: there is no mirror, or the client's file cannot be read, written or added to; it is as it was.
    """
    tree = open_mirror(mirror)
    kind = CLIENTS[client]
    offer = offer_of(tree.inventory, url)
    if environment is not None:
        known = {cell.environment for snapshot in tree.inventory.snapshots for cell in snapshot.cells}
        if environment not in known:
            names = ", ".join(sorted(known)) or "none"
            raise WorkspaceError(f"{mirror} has no environment {environment!r}; there are: {names}.")
        offer = replace(offer, environment=environment)
    where = (file or kind.file(directory, environ)) if write else None
    changed = False
    if where is not None:
        changed = _rewrite(where, lambda text: kind.merged(text, offer))
        tree.know_address(url)
    return ClientConfiguration(
        client=client,
        url=url,
        content=kind.fragment(offer),
        notes=kind.notes(offer),
        file=where,
        changed=changed,
    )


def unconfigure_client(
    *, client: str, url: str, file: Path | None, directory: Path, environ: Mapping[str, str]
) -> ClientConfiguration:
    """Take out of the client's file what `config` has put there, and restore what that replaced.

    Raises:
        MachineError: the file cannot be read or written.
    """
    kind: PackageClient = CLIENTS[client]
    where = file or kind.file(directory, environ)
    changed = _rewrite(where, lambda text: text)
    return ClientConfiguration(client=client, url=url, content="", notes=(), file=where, changed=changed)


def _rewrite(file: Path, change: Callable[[str | None], str | None]) -> bool:
    """Change a file that has nothing of ours any more; whether other bytes are there now."""
    where = Path(os.path.realpath(file))  # `resolve` gives up on a loop of links with an error of its own
    with explain_errors("read", where):
        try:
            before: str | None = read_bytes(where).decode()
        except (FileNotFoundError, NotADirectoryError):
            before = None
        except UnicodeDecodeError as error:
            raise MachineError(f"{where} is not UTF-8 (byte {error.start}); it was left as it is.") from None
    try:
        bare = None if before is None else remove_lines(before)
        after = change(bare)
        if after is not None and remove_lines(after) != bare:
            raise ValueError("it has lines that look like those of pixi-mirror")  # noqa: TRY301 - told like the others
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
            folders = make_directory(where.parent)
            mode = where.stat().st_mode & 0o777 if before is not None else 0o644
            temporary = where.with_name(f".{where.name}.{fresh_name()}")
            write_synced(where, after.encode(), temporary=temporary, mode=mode)
            os.chmod(where, mode)
            sync_directories({*folders, where.parent})
    return True
