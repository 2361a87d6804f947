"""Find the manifest of a workspace: by the path that the user names, or as pixi does from where the user stands."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pixi_mirror.errors import WorkspaceError
from pixi_mirror.lockfile.source import MANIFEST_NAMES
from pixi_mirror.pixi.run import WITHOUT_PIXI, empty_directory, needed_pixi

if TYPE_CHECKING:  # a run that does not run pixi must not import it
    from pixi_mirror.pixi.info import WorkspaceInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundWorkspace:
    """The workspace that a directory belongs to."""

    manifest: Path
    manifests_digest: str
    """A digest of every manifest from the directory up to this one: while it is the same, so is the workspace."""
    workspace: WorkspaceInfo | None
    """What pixi says of it; None: pixi was not run again."""


def find_manifest(path: Path) -> Path:
    """Find the manifest that `-m PATH`, a file or a directory, names.

    Raises:
        WorkspaceError: there is none.
    """
    try:
        if path.is_dir():
            found = next((path / name for name in MANIFEST_NAMES if (path / name).is_file()), None)
            if found is None:
                names = ", ".join(MANIFEST_NAMES)
                raise WorkspaceError(f"the directory {path} has no manifest: {names} were looked for.")
            path = found
        elif not path.is_file():
            raise WorkspaceError(
                f"there is no manifest at {path}. Name a workspace's directory or its pixi.toml with -m."
            )
        return Path(os.path.realpath(path.parent)) / path.name
    except OSError as error:
        raise WorkspaceError(f"the manifest {path} cannot be read: {error.strerror}.") from None


def lock_of(path: Path) -> Path:
    """The resolved path of the lock of `-m PATH`. Neither manifest nor lock need exist."""
    directory = path if path.is_dir() or path.suffix != ".toml" else path.parent
    return Path(os.path.realpath(directory / "pixi.lock"))  # `Path.resolve` fails on a circle of links


def find_workspace(directory: Path, environ: Mapping[str, str], *, known: tuple[str, str] | None) -> FoundWorkspace:
    """Find the workspace that `directory` belongs to, as pixi does.

    Args:
        directory: where the user stands.
        environ: the environment, for the pixi to run.
        known: the manifest that was last found from there, and the digest of manifests then; None: nothing is known.

    Raises:
        WorkspaceError: there is none, it does not load, or there is no pixi to ask.
    """
    if known is not None and _manifests_digest(directory, Path(known[0])) == known[1]:
        return FoundWorkspace(manifest=Path(known[0]), manifests_digest=known[1], workspace=None)
    pixi = needed_pixi(environ)
    above = list(manifests_above(directory))
    around = environ.get("PIXI_PROJECT_MANIFEST")
    if not above and around:
        # Only if there is no manifest above, pixi takes the workspace of the task that we run in.
        return FoundWorkspace(manifest=find_manifest(Path(around)), manifests_digest="", workspace=None)
    from pixi_mirror.pixi.info import explain_load_failure, read_workspace_info

    workspace = read_workspace_info(pixi, manifest=None, cwd=directory)
    if workspace is not None:
        manifest = find_manifest(workspace.manifest)
        return FoundWorkspace(
            manifest=manifest, manifests_digest=_manifests_digest(directory, manifest) or "", workspace=workspace
        )
    if not above:
        raise WorkspaceError(
            f"pixi finds no workspace in {directory} or above it. Name one with -m PATH, a directory or its pixi.toml. "
            f"{WITHOUT_PIXI}"
        )
    with empty_directory() as cwd:
        reason = explain_load_failure(pixi, above[0], cwd=cwd)
    raise WorkspaceError(f"pixi does not load the workspace of {above[0]}: {reason}.")


def manifests_above(directory: Path) -> Iterator[Path]:
    """The files that may be manifests, the nearest first; a pyproject.toml without `tool.pixi` is none."""
    for folder in (directory, *directory.parents):
        for name in MANIFEST_NAMES:
            path = folder / name
            if path.is_file() and (name != "pyproject.toml" or b"tool.pixi" in _bytes(path)):
                yield path


def manifest_candidates(directory: Path, manifest: Path) -> Iterator[Path]:
    """Every file whose presence decides whether `manifest` is the one for `directory`; `manifest` comes last."""
    for folder in (directory, *directory.parents):
        for name in MANIFEST_NAMES:
            yield folder / name
            if folder / name == manifest:
                return


def _manifests_digest(directory: Path, manifest: Path) -> str | None:
    """A digest of all that makes `manifest` the one for `directory`; None: it is not there, or not above."""
    digest = hashlib.sha256()
    for path in manifest_candidates(directory, manifest):
        if path.is_file():
            digest.update(f"{path}\0{hashlib.sha256(_bytes(path)).hexdigest()}\n".encode())
            if path == manifest:
                return digest.hexdigest()
    return None


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise WorkspaceError(f"the manifest {path} cannot be read: {error.strerror}.") from None
