"""Find pixi on this machine, run it in an environment that means the same everywhere, and say why it failed."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pixi_mirror.errors import ProgramError, WorkspaceError
from pixi_mirror.model.values import Url

if TYPE_CHECKING:  # a run that does not run pixi must not import it
    from pixi_mirror.process import Output


_TIMEOUT_S = 600.0
"""Listing takes a second; `--locked` may build metadata and use the network."""

# What configures pixi or says where it keeps things. All other variables of pixi describe the shell or task that we run
# in: PIXI_IN_SHELL and PIXI_ENVIRONMENT_NAME choose another default environment, PIXI_LOCKED outweighs
# --frozen, and PIXI_NO_PROGRESS=1 ends every command with status 2.
_KEPT = frozenset({"PIXI_HOME", "PIXI_CONFIG_FILE", "PIXI_NO_CONFIG", "PIXI_AUTH_FILE", "PIXI_OFFLINE"})
_KEPT_PREFIX = "PIXI_CACHE_"


@dataclass(frozen=True, slots=True, kw_only=True)
class PixiProgram:
    """The pixi of this machine."""

    program: Path
    environ: Mapping[str, str] = field(repr=False)
    """The environment that it is run in."""

    def run(self, arguments: Sequence[str], *, cwd: Path, timeout_s: float = _TIMEOUT_S) -> Output:
        """Run it to its end, whatever its exit status; it may take so many seconds.

        Raises:
            WorkspaceError: it cannot be started, or does not end.
        """
        from pixi_mirror.process import run_program

        try:
            return run_program([str(self.program), *arguments], cwd=cwd, environ=self.environ, timeout_s=timeout_s)
        except ProgramError as error:
            raise WorkspaceError(f"pixi cannot be asked: {error} {WITHOUT_PIXI}") from None

    @property
    def identity(self) -> str:
        """What identifies its version without running it: path, size and time of the file."""
        try:
            status = self.program.stat()
        except OSError:
            return str(self.program)
        return f"{self.program} {status.st_size} {status.st_mtime_ns}"


WITHOUT_PIXI = (
    "The lock can be mirrored with no pixi at all: name it with --lock, as in `pixi-mirror --lock pixi.lock`."
)


def installed_pixi(environ: Mapping[str, str]) -> PixiProgram | None:
    """Find the pixi that the user would run: `PIXI_EXE`, else on `PATH`, else in pixi's home; None: there is none."""
    named = environ.get("PIXI_EXE")
    home = environ.get("PIXI_HOME") or os.path.join(_user_home(environ), ".pixi")
    folders = [folder for folder in environ.get("PATH", "").split(os.pathsep) if folder]
    name = "pixi.exe" if sys.platform == "win32" else "pixi"
    candidates = [*([named] if named else []), *(os.path.join(folder, name) for folder in (*folders, f"{home}/bin"))]
    for candidate in candidates:
        if os.path.isfile(candidate) and os.access(candidate, os.X_OK):
            return PixiProgram(program=Path(candidate).absolute(), environ=scrubbed_environment(environ))
    return None


def _user_home(environ: Mapping[str, str]) -> str:
    return environ.get("USERPROFILE" if sys.platform == "win32" else "HOME", "")


def needed_pixi(environ: Mapping[str, str]) -> PixiProgram:
    """Find the pixi of this machine.

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
    """The environment without what pixi has set for a shell, a task or `pixi exec` around us."""
    return {
        name: value
        for name, value in environ.items()
        if not name.upper().startswith("PIXI_") or name.upper() in _KEPT or name.upper().startswith(_KEPT_PREFIX)
    }


@contextmanager
def empty_directory() -> Iterator[Path]:
    """Make an empty directory for pixi to start in: it measures everything below that directory.

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


_ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)")
_START = re.compile(r"^\s*error:\s*(?:\u00d7\s*)?", re.IGNORECASE)
_CAUSE = re.compile(r"^\s*(?:\u00d7|[├╰]─▶)\s*")
_PLACE = re.compile(r"^\s*[╭┌][─-]+\[(?P<place>[^\]]+)\]")
_END = re.compile(r"^\s*(?:help:|tip:|Usage:|For more information|\d+\s*│|·|[╰╭]─|\[possible values)")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://(?:[^\s/?#]*@)?[^\s'\"`<>]+")
"""A quote ends it, but a password may have one."""
_WIDTH = 78
"""A line of at least so many characters was broken because it was full, perhaps inside a word."""
_LONGEST = 600


def reason_of(stderr: str, *, status: int) -> str:
    """Why pixi failed, as part of a sentence: its error, the causes of that, and the place in a file.

    Args:
        stderr: what pixi printed there.
        status: its exit status.
    """
    lines = _ESCAPE.sub("", stderr).splitlines()
    starts = [number for number, line in enumerate(lines) if _START.match(line)]
    if not starts:
        last = next((line.strip() for line in reversed(lines) if line.strip()), "")
        return _shown(last) or f"it ended with status {status} and gave no reason"
    parts: list[str] = []
    place = ""
    full = False
    for number, line in enumerate(lines[starts[-1] :]):
        if number and (found := _PLACE.match(line)):
            place = f" (at {found['place']})"
        if number and (_END.match(line) or _PLACE.match(line) or not line.strip()) and not _CAUSE.match(line):
            break
        opening = (_CAUSE if number else _START).match(line)
        if opening:
            parts.append(line[opening.end() :].strip())
        else:
            parts[-1] = _continued(parts[-1], line.strip().removeprefix("│").strip(), full=full)
        full = len(line) >= _WIDTH
    return _shown(": ".join(part for part in parts if part)) + place


def _continued(text: str, more: str, *, full: bool) -> str:
    """A wrapped text joined again: a URL is also broken behind hyphens and slashes, where no space belongs."""
    inside_url = "://" in text.rpartition(" ")[2]
    return text + ("" if inside_url and (full or text.endswith(("-", "/"))) else " ") + more


def _shown(text: str) -> str:
    masked = _URL.sub(lambda found: str(Url(found[0])), text).strip().rstrip(".")
    return masked if len(masked) <= _LONGEST else masked[:_LONGEST] + "..."
