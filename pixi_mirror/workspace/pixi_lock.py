"""Have the real pixi lock a new workspace."""

import shutil
from contextlib import suppress
from pathlib import Path

from pixi_mirror.context import Context
from pixi_mirror.errors import WorkspaceError
from pixi_mirror.pixi.run import PixiProgram, empty_directory, reason_of
from pixi_mirror.workspace.channels import ChannelReader
from pixi_mirror.workspace.manifest import TOOL, WorkspaceDescription
from pixi_mirror.workspace.solve import refuse_unknown_packages

_TIMEOUT_S = 3600.0
"""A solve with packages of PyPI may build sdists to read their metadata."""


def lock_with_pixi(pixi: PixiProgram, manifest: Path, context: Context) -> str | None:
    """Run `pixi lock` on a manifest; why it failed, or None: the lock is there.

    Raises:
        WorkspaceError: pixi cannot be started, or does not end.
    """
    context.progress.note(f"pixi locks {manifest}, which may take some minutes")
    with empty_directory() as cwd:
        output = pixi.run(("lock", "--manifest-path", str(manifest)), cwd=cwd, timeout_s=_TIMEOUT_S)
    if output.status != 0:
        return reason_of(output.stderr, status=output.status)
    if not manifest.with_name("pixi.lock").is_file():
        return "it ended with success and wrote no pixi.lock"
    return None


def explain_failed_lock(reason: str, description: WorkspaceDescription, reader: ChannelReader) -> WorkspaceError:
    """Say why pixi made no lock: a name that the channels do not have, with the nearest ones, else pixi's own reason.

    Raises:
        FetchError: a channel cannot be reached, which is then the reason.
        WrongBytesError, MachineError: an index cannot be read.
    """
    for platform in description.platforms:
        try:
            refuse_unknown_packages(description.packages, reader.names(platform), description.channels, platform)
        except WorkspaceError as error:
            return error
    return WorkspaceError(f"pixi cannot lock these packages: {reason}. Nothing was written.")


def lacks_tool(description: WorkspaceDescription, reader: ChannelReader) -> bool:
    """Whether it is the tool of the tasks that the channels do not have."""
    return any(TOOL.name not in reader.names(platform) for platform in description.tool_platforms)


def remove_traces(directory: Path, *, whole: bool) -> None:
    """Remove what a failed lock leaves: the manifest, pixi's own folder, and the directory if it was made for this."""
    with suppress(OSError):
        for name in ("pixi.toml", "pixi.lock"):
            (directory / name).unlink(missing_ok=True)
        shutil.rmtree(directory / ".pixi", ignore_errors=True)
        if whole:
            directory.rmdir()
