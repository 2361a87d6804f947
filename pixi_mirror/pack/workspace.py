"""The workspace that a pack is made of: its manifest and its lock."""

import re
import shlex
from collections.abc import Mapping
from pathlib import Path

from pixi_mirror.context import Context
from pixi_mirror.disk.files import read_bytes
from pixi_mirror.errors import WorkspaceError
from pixi_mirror.lockfile.source import MANIFEST_NAMES
from pixi_mirror.mirror.tree_view import INVENTORY
from pixi_mirror.pixi.discovery import lock_of

_SECRET = re.compile(rb"://(?!git@)[^\s/?#]*@|://[^/\s\"']+/t/[^/\s\"']+/")
"""A user or a token in a URL; `git@` is everybody's."""


def refuse_other_things(manifest: Path, given: Path) -> None:
    """Refuse what is no workspace, with what its user may have meant.

    Args:
        manifest: where it is, from the root of this disk on.
        given: how the user wrote it.

    Raises:
        WorkspaceError: it is none.
    """
    if not manifest.exists():
        raise WorkspaceError(f"manifest path does not exist at {manifest}. Name a pixi.toml, or its directory.")
    shown, around = shlex.quote(str(given)), shlex.quote(str(given.parent))
    if (manifest / INVENTORY).exists():
        raise WorkspaceError(
            f"{given} is a mirror, and `pack` takes a workspace: `pixi-mirror pack WORKSPACE --from {shown}` takes its "
            "packages from there."
        )
    if manifest.name == "pixi.lock":
        raise WorkspaceError(
            f"{given} is a lock, and `pack` takes the workspace that it lies in: `pixi-mirror pack {around}`."
        )
    if manifest.is_file() and manifest.suffix != ".toml":
        raise WorkspaceError(
            f"{given} is no pixi.toml or pyproject.toml, and no directory of one. If it is a pack, "
            f"`pixi-mirror unpack {shown}` makes its environment."
        )


def carried_documents(manifest: Path, context: Context) -> Mapping[str, bytes]:
    """The manifest and the lock, so that a pack tells what it was made of; never with a secret in them.

    Raises:
        WorkspaceError: one of them cannot be read.
    """
    manifest = context.directory() / manifest
    directory = manifest if manifest.is_dir() else manifest.parent
    found = [manifest] if manifest.is_file() else [directory / name for name in MANIFEST_NAMES]
    present = next((path for path in found if path.is_file() and path.name in MANIFEST_NAMES), None)
    carried = {}
    for path in (*([present] if present else []), lock_of(manifest)):
        try:
            data = read_bytes(path.resolve())
        except OSError as error:
            raise WorkspaceError(f"{path} cannot be read: {error.strerror}. Let this user read it.") from None
        if _SECRET.search(data):
            context.progress.warn(f"{path.name} has a user or a token in a URL, so the pack does not carry it.")
        else:
            carried[path.name] = data
    return carried
