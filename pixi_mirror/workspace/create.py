"""Make a workspace of package names: manifest, lock and mirror, in one go that can be repeated after a kill."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pixi_mirror.conda.solve import NEEDS_SOLVER
from pixi_mirror.context import Context
from pixi_mirror.disk.directories import make_directory, sync_directories
from pixi_mirror.disk.files import explain_errors, fresh_name, read_bytes, write_synced
from pixi_mirror.errors import MachineError, PixiMirrorError, ProgramError
from pixi_mirror.mirror.subscriptions import SourceSelection
from pixi_mirror.model.request import Request
from pixi_mirror.pixi.run import PixiProgram, installed_pixi
from pixi_mirror.process import scratch_directory
from pixi_mirror.workspace.channels import ChannelReader
from pixi_mirror.workspace.describe import without_tool
from pixi_mirror.workspace.manifest import WorkspaceDescription, workspace_manifest
from pixi_mirror.workspace.pixi_lock import explain_failed_lock, lacks_tool, lock_with_pixi, remove_traces
from pixi_mirror.workspace.solve import has_solver, solve_workspace, workspace_reader

MANIFEST, LOCK, MIRROR = "pixi.toml", "pixi.lock", "mirror"
_TEMPORARY = ".init."
"""How the names of our temporary files begin."""
_OURS = frozenset({MANIFEST, LOCK, MIRROR, ".pixi", ".gitignore", ".gitattributes"})
"""What a killed run may have left: of ours, and of pixi's."""

_WITHOUT_PYPI = (
    "packages of PyPI are locked by pixi alone, and there is none here: install pixi (https://pixi.sh), or leave them "
    "out and mirror the conda packages with py-rattler."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedWorkspace:
    """A workspace that has its lock."""

    directory: Path
    solver: Literal["pixi", "rattler"]
    description: WorkspaceDescription
    is_new: bool
    """Whether it was locked now, and not by a run that was killed later."""

    @property
    def selection(self) -> SourceSelection:
        """What its mirror is to follow."""
        here = (self.directory,) if self.solver == "pixi" else ()
        locks = () if here else (self.directory / LOCK,)
        return SourceSelection(manifests=here, locks=locks, request=Request(environments=("default",), platforms=()))


def lock_workspace(directory: Path, description: WorkspaceDescription, context: Context) -> LockedWorkspace:
    """Write the manifest of a workspace and its lock. After a failure nothing is left; after a kill, it goes on.

    Raises:
        MachineError: the directory is not empty, or cannot be written.
        ProgramError: there is nothing that can solve, or py-rattler failed.
        WorkspaceError: there is no such package, or no set of packages fits.
        FetchError, WrongBytesError: a channel cannot be read.
    """
    known = [each for each in _variants(description) if _is_left(directory, each)]
    if not known:
        refuse_full(directory)
    pixi = installed_pixi(context.environ)
    if pixi is None and not has_solver():
        raise ProgramError(_WITHOUT_PYPI if description.has_pypi else NEEDS_SOLVER)
    if pixi is None and description.has_pypi:
        raise ProgramError(_WITHOUT_PYPI)
    solver: Literal["pixi", "rattler"] = "rattler" if pixi is None else "pixi"
    if known and (directory / LOCK).is_file():
        return LockedWorkspace(directory=directory, solver=solver, description=known[0], is_new=False)
    with _reading(description, directory, context) as reader:
        if pixi is None:
            description = _solve(directory, description, reader, context)
        else:
            description = _lock(directory, description, known, pixi=pixi, reader=reader, context=context)
    return LockedWorkspace(directory=directory, solver=solver, description=description, is_new=True)


def refuse_full(directory: Path) -> None:
    """Refuse a directory that holds anything but the temporary file of a run that was killed.

    Raises:
        MachineError: it does, or it is no directory.
    """
    with explain_errors("read", directory):
        try:
            found = sorted(name for name in os.listdir(directory) if not name.startswith(_TEMPORARY))
        except FileNotFoundError:
            return
        except NotADirectoryError:
            raise MachineError(
                f"{directory} is a file: name an empty or a new directory. Nothing was changed."
            ) from None
    if not found:
        return
    if MANIFEST in found and _OURS.issuperset(found):
        raise MachineError(
            f"{directory} is a workspace already, and not the one that this command makes. Name another directory, or "
            f"remove this one (rm -r {directory}). To mirror it: `pixi-mirror -m {directory}`. Nothing was changed."
        )
    raise MachineError(
        f"{directory} is not empty (it has {found[0]}): name an empty or a new one. Nothing was changed."
    )


def _variants(description: WorkspaceDescription) -> tuple[WorkspaceDescription, ...]:
    """What one command line can make, by what its channels have."""
    return (description, without_tool(description)) if description.tool_platforms else (description,)


def _is_left(directory: Path, description: WorkspaceDescription) -> bool:
    """Whether an earlier run of the same command has left this workspace, and nothing else is there."""
    try:
        names = set(os.listdir(directory))
        text = read_bytes(directory / MANIFEST)
    except OSError:
        return False
    strange = {name for name in names - _OURS if not name.startswith(_TEMPORARY)}
    return not strange and text == workspace_manifest(description).encode()


@contextmanager
def _reading(description: WorkspaceDescription, directory: Path, context: Context) -> Iterator[ChannelReader]:
    """What reads the channels, in a folder that vanishes."""
    with scratch_directory() as folder:
        reader = workspace_reader(description, context, workspace=directory, folder=folder.resolve())
        try:
            yield reader
        finally:
            reader.close()


def _solve(
    directory: Path, description: WorkspaceDescription, reader: ChannelReader, context: Context
) -> WorkspaceDescription:
    """Solve first; the directory is touched when there is a lock."""
    if lacks_tool(description, reader):
        _note_tool(context)
        description = without_tool(description)
    text = solve_workspace(description, reader, context)
    _write(directory, MANIFEST, workspace_manifest(description))
    _write(directory, LOCK, text)
    return description


def _lock(
    directory: Path,
    description: WorkspaceDescription,
    known: Sequence[WorkspaceDescription],
    *,
    pixi: PixiProgram,
    reader: ChannelReader,
    context: Context,
) -> WorkspaceDescription:
    """Write the manifest and have pixi lock it. If it does not, all is again as it was: nothing, or `known`."""
    is_new = not directory.exists()
    for each in _variants(description):
        _write(directory, MANIFEST, workspace_manifest(each))
        try:
            reason = lock_with_pixi(pixi, (directory / MANIFEST).absolute(), context)
            if reason is None:
                return each
            if not (each.tool_platforms and lacks_tool(each, reader)):
                raise explain_failed_lock(reason, each, reader)
        except PixiMirrorError:
            if known:
                _write(directory, MANIFEST, workspace_manifest(known[0]))
            else:
                remove_traces(directory, whole=is_new)
            raise
        _note_tool(context)
    raise AssertionError("without the tool, a failure is explained")


def _note_tool(context: Context) -> None:
    context.progress.note(
        "the channels have no rattler-index: the mirror's larger indexes are made by one on PATH, if any"
    )


def _write(directory: Path, name: str, text: str) -> None:
    target = directory / name
    with explain_errors("write", target):
        folders = make_directory(directory)
        for leftover in directory.glob(f"{_TEMPORARY}*"):
            with suppress(OSError):
                leftover.unlink()
        temporary = directory / f"{_TEMPORARY}{fresh_name()}"
        write_synced(target, text.encode(), temporary=temporary, mode=0o666)
        sync_directories({*folders, directory})
