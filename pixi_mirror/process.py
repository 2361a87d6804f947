"""Run another program, and give its exit status and output. Only this module starts processes."""

import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile

from pixi_mirror.errors import MachineError, ProgramError

_PIECE = 1 << 20
_MOST_OPEN_FILES = 1 << 20
_QUOTED = 2000
"""Characters of a program's stderr that a message quotes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """Exit status and output of a program that has ended."""

    status: int
    stdout: str
    stderr: str

    @property
    def last_words(self) -> str:
        """The end of its stderr, or of its stdout if it wrote nothing there: for messages.

        It begins with a whole word, so that no URL is torn in which a secret would have to be found.
        """
        text = self.stderr.strip() or self.stdout.strip()
        if len(text) <= _QUOTED:
            return text or "it said nothing"
        _, *words = text[-_QUOTED:].split(maxsplit=1)
        return words[0] if words else f"one word of {len(text)} characters"


@contextmanager
def scratch_directory() -> Iterator[Path]:
    """Make an empty directory that vanishes with the block.

    Raises:
        MachineError: it cannot be made, or something in the block could not use it.
    """
    try:
        with TemporaryDirectory(prefix="pixi-mirror-") as name:
            yield Path(name)
    except OSError as error:
        raise MachineError(f"a temporary directory cannot be used: {error.strerror}.") from error


def run_program(
    command: Sequence[str], *, cwd: Path, environ: Mapping[str, str], timeout_s: float, given: str | None = None
) -> Output:
    """Run a program to its end, and give its output, whatever its exit status.

    Args:
        command: the program and its arguments.
        cwd: where it runs.
        environ: all its environment variables.
        timeout_s: the longest time that it may run, in seconds.
        given: its standard input; None: it has none.

    Raises:
        ProgramError: it cannot be started, or has not ended after `timeout_s` seconds and was killed.
    """
    try:
        done = subprocess.run(  # noqa: S603 - never a shell, and the words are ours
            list(command),
            cwd=cwd,
            env=dict(environ),
            stdin=subprocess.DEVNULL if given is None else None,
            input=given,
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


@contextmanager
def many_open_files() -> Iterator[None]:
    """Let this process and the programs that it starts open as many files as the system lets its user, for the block.

    The soft limit is often 1024. rattler-index opens a file for each shard at the same time: 3,000 packages of one
    subdir needed more (seen with 0.34.5).
    """
    if sys.platform == "win32":
        yield
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = hard if hard != resource.RLIM_INFINITY else _MOST_OPEN_FILES
    with suppress(OSError, ValueError):
        if soft != resource.RLIM_INFINITY and soft < most:
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    try:
        yield
    finally:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def stream(
    command: Sequence[str], *, cwd: Path, environ: Mapping[str, str], stdin: bytes, write: Callable[[bytes], None]
) -> Output:
    """Run a program to its end, and hand on what it prints while it runs; `stdout` of the result is empty.

    Args:
        command: the program and its arguments.
        cwd: where it runs.
        environ: all its environment variables.
        stdin: what it reads; a few KiB at most.
        write: takes the next bytes; what it raises ends the program and is raised unchanged.

    Raises:
        ProgramError: it cannot be started.
    """
    with TemporaryFile() as words:
        try:
            program = subprocess.Popen(  # noqa: S603 - never a shell, and the words are ours
                list(command), cwd=cwd, env=dict(environ), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=words
            )
        except OSError as error:
            raise ProgramError(f"{command[0]} cannot be started: {error.strerror}.") from None
        with program:
            try:
                assert program.stdin is not None  # noqa: S101 - both are pipes
                assert program.stdout is not None  # noqa: S101
                with program.stdin:
                    program.stdin.write(stdin)
                while piece := program.stdout.read(_PIECE):
                    write(piece)
            except BaseException:
                program.kill()
                raise
        words.seek(0)
        return Output(status=program.returncode, stdout="", stderr=words.read().decode("utf-8", errors="replace"))
