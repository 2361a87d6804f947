"""Find pixi on this machine and ask it something in surroundings that mean the same everywhere."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pixi_mirror.errors import ProgramError, WorkspaceError

if TYPE_CHECKING:  # a run that asks nobody must not pay for it
    from pixi_mirror.process import Output

_PATIENCE_S = 600.0
"""Listing takes a second; only `--locked` may build metadata and go to the network."""

# What configures pixi or says where it keeps things. All else that it sets or reads describes the shell or task that
# we happen to run in: PIXI_IN_SHELL and PIXI_ENVIRONMENT_NAME choose another default environment, PIXI_LOCKED outweighs
# --frozen, and PIXI_NO_PROGRESS=1 ends every command with status 2.
_KEPT = frozenset({"PIXI_HOME", "PIXI_CONFIG_FILE", "PIXI_NO_CONFIG", "PIXI_AUTH_FILE", "PIXI_OFFLINE"})
_KEPT_PREFIX = "PIXI_CACHE_"


@dataclass(frozen=True, slots=True, kw_only=True)
class PixiProgram:
    """The pixi of this machine."""

    program: Path
    environ: Mapping[str, str] = field(repr=False)
    """What it is run with."""

    def run(self, arguments: Sequence[str], *, cwd: Path) -> Output:
        """What it answers to a command line, whatever its exit status.

        Raises:
            WorkspaceError: it cannot be started, or does not end.
        """
        from pixi_mirror.process import run

        try:
            return run([str(self.program), *arguments], cwd=cwd, environ=self.environ, timeout_s=_PATIENCE_S)
        except ProgramError as error:
            raise WorkspaceError(f"pixi cannot be asked: {error} {WITHOUT_PIXI}") from None

    @property
    def identity(self) -> str:
        """What stands for its version as long as nobody asks for that: place, size and time of the file."""
        try:
            status = self.program.stat()
        except OSError:
            return str(self.program)
        return f"{self.program} {status.st_size} {status.st_mtime_ns}"


WITHOUT_PIXI = (
    "The lock can be mirrored with no pixi at all: name it with --lock, as in `pixi-mirror --lock pixi.lock`."
)


def installed_pixi(environ: Mapping[str, str]) -> PixiProgram | None:
    """The pixi that the user would run: `PIXI_EXE`, else on `PATH`, else in pixi's own home; None: there is none."""
    told = environ.get("PIXI_EXE")
    home = environ.get("PIXI_HOME") or os.path.join(_user_home(environ), ".pixi")
    folders = [folder for folder in environ.get("PATH", "").split(os.pathsep) if folder]
    name = "pixi.exe" if sys.platform == "win32" else "pixi"
    candidates = [*([told] if told else []), *(os.path.join(folder, name) for folder in (*folders, f"{home}/bin"))]
    for candidate in candidates:
        if os.path.isfile(candidate) and os.access(candidate, os.X_OK):
            return PixiProgram(program=Path(candidate).absolute(), environ=scrubbed_environment(environ))
    return None


def _user_home(environ: Mapping[str, str]) -> str:
    return environ.get("USERPROFILE" if sys.platform == "win32" else "HOME", "")


def needed_pixi(environ: Mapping[str, str]) -> PixiProgram:
    """The pixi of this machine.

    Raises:
        WorkspaceError: there is none.
    """
    pixi = installed_pixi(environ)
    if pixi is None:
        raise WorkspaceError(
            f"no pixi was found: not by PIXI_EXE, not on PATH, not in ~/.pixi/bin. Install it. {WITHOUT_PIXI}"
        )
    return pixi


def scrubbed_environment(environ: Mapping[str, str]) -> Mapping[str, str]:
    """The environment less what pixi has set for a shell, a task or `pixi exec` around us."""
    return {
        name: value
        for name, value in environ.items()
        if not name.upper().startswith("PIXI_") or name.upper() in _KEPT or name.upper().startswith(_KEPT_PREFIX)
    }


@contextmanager
def empty_directory() -> Iterator[Path]:
    """A directory to ask from: pixi measures whatever lies below the one that it is started in.

    Raises:
        WorkspaceError: none can be made.
    """
    from tempfile import TemporaryDirectory

    try:
        made = TemporaryDirectory(prefix="pixi-mirror-", ignore_cleanup_errors=True)
    except OSError as error:
        raise WorkspaceError(f"pixi cannot be asked: no temporary directory can be made: {error.strerror}.") from None
    with made as name:
        yield Path(name)
