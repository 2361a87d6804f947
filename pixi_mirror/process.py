"""Run another program; return its output, or an error quoting its last words. It alone starts processes."""

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pixi_mirror.errors import ProgramError

_LAST_WORDS = 2000
"""Characters of a program's stderr that a message quotes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """What a program left behind."""

    status: int
    stdout: str
    stderr: str

    @property
    def last_words(self) -> str:
        """The end of what it said on stderr, or of its output if it said nothing there."""
        return (self.stderr.strip() or self.stdout.strip())[-_LAST_WORDS:] or "it said nothing"


def run(command: Sequence[str], *, cwd: Path, environ: Mapping[str, str], timeout_s: float) -> Output:
    """Run a program to its end, with no standard input; what it printed, whatever its exit status.

    Raises:
        ProgramError: it cannot be started, or has not ended after `timeout_s` seconds and was killed.
    """
    try:
        done = subprocess.run(  # noqa: S603 - never a shell, and the words are ours
            list(command),
            cwd=cwd,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout_s,
            check=False,
            encoding="utf-8",
            errors="replace",
        )
    except subprocess.TimeoutExpired:
        raise ProgramError(f"{command[0]} did not end within {timeout_s:.0f} s and was stopped.") from None
    except OSError as error:
        raise ProgramError(f"{command[0]} cannot be started: {error.strerror}.") from None
    return Output(status=done.returncode, stdout=done.stdout, stderr=done.stderr)
