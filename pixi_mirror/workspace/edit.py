"""Add the tasks of a mirror to the manifest of an existing workspace."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pixi_mirror.disk.directories import sync_directories
from pixi_mirror.disk.files import explain_errors, fresh_name, read_bytes, write_synced
from pixi_mirror.errors import WorkspaceError
from pixi_mirror.pixi.discovery import find_manifest, manifests_above
from pixi_mirror.workspace.tasks import EditedManifest, add_tasks, manifest_diff

_LARGEST = 1 << 24


@dataclass(frozen=True, slots=True, kw_only=True)
class TasksResult:
    """A manifest, and what was or would be added to it."""

    manifest: Path
    added: tuple[str, ...]
    differing: tuple[str, ...]
    """Tasks of these names that run something else; they stay as they are."""
    diff: tuple[str, ...]


def add_tasks_here(directory: Path, environ: Mapping[str, str], *, dry_run: bool) -> TasksResult:
    """Add the tasks to the manifest of the workspace around a directory; pixi is not needed.

    Raises:
        WorkspaceError: there is no workspace, or its manifest does not parse or cannot be added to.
        MachineError: the manifest cannot be read or written.
    """
    manifest = _manifest(directory, environ)
    where = Path(os.path.realpath(manifest))
    with explain_errors("read", where):
        try:
            before = read_bytes(where, limit=_LARGEST).decode()
        except UnicodeDecodeError as error:
            raise WorkspaceError(f"{manifest} is not UTF-8 (byte {error.start}); it was left as it is.") from None
        except ValueError as error:
            raise WorkspaceError(f"{manifest} cannot be read: {error}.") from None
    path = ("tool", "pixi") if manifest.name == "pyproject.toml" else ()
    try:
        edited: EditedManifest = add_tasks(before, path=path)
    except ValueError as error:
        raise WorkspaceError(
            f"{manifest} was left as it is: {error}. Correct it, or add the tasks by hand as docs/init.md has them."
        ) from None
    if edited.added and not dry_run:
        with explain_errors("write", where):
            _replace(where, edited.text)
    return TasksResult(
        manifest=manifest,
        added=edited.added,
        differing=edited.differing,
        diff=tuple(manifest_diff(before, edited.text, name=manifest.name)),
    )


def _manifest(directory: Path, environ: Mapping[str, str]) -> Path:
    """The manifest of the workspace around a directory, else of the task that this runs in, as pixi has it."""
    found = next(manifests_above(directory), None)
    around = environ.get("PIXI_PROJECT_MANIFEST")
    if found is None and around:
        return find_manifest(Path(around))
    if found is None:
        raise WorkspaceError(
            f"there is no workspace in {directory} or above it to add the tasks to. To make one, name a new directory "
            "and packages: `pixi-mirror init DIR python=3.12 numpy`."
        )
    return found


def _replace(file: Path, text: str) -> None:
    """Write a file whole or not at all, with the rights that it has."""
    mode = file.stat().st_mode & 0o777
    write_synced(file, text.encode(), temporary=file.with_name(f".{file.name}.{fresh_name()}"), mode=mode)
    os.chmod(file, mode)
    sync_directories({file.parent})
