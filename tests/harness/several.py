"""Run many command lines of pixi-mirror in one child process: a start each would cost more than what is tested.

    done = run_several([["--lock", lock, "-o", "one"], ["verify", "one"]], env=world.environment, cwd=world.directory)
    assert [each.status for each in done] == [0, 0]

A program that waits for ever is killed after a minute, and its name is told. What a command line alone would show on a
terminal is in `stdout` and `stderr`, a traceback too. `peak` is the most memory that the child had until then, so the
thriftiest go first where memory is measured. `calls` says how much it did, on every machine the same: no test measures
seconds.
"""

import contextlib
import io
import json
import os
import signal
import sys
import tempfile
import threading
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness import program
from harness.child import Completed

_LIMIT_S = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran(Completed):
    """A command line that ended by itself."""

    peak: int
    """Bytes, of the child until then; 0 where the machine does not tell."""
    calls: int
    """Function calls of all its threads, of Python's and of C's; 0: they were not counted."""


def run_several(
    lines: Sequence[Sequence[object]],
    *,
    env: Mapping[str, str],
    cwd: Path,
    count_calls: bool = False,
    before: Sequence[object] = (),
) -> list[Ran]:
    """Run the command lines one after the other.

    Args:
        lines: The arguments of pixi-mirror, for each run.
        env: The environment variables of all.
        cwd: Where they run.
        count_calls: Whether to count function calls, which takes twice the time.
        before: A command that runs the child, such as one that takes rights away; none: it is forked.

    Raises:
        AssertionError: one hung or crashed; the message names it.
    """
    with tempfile.TemporaryDirectory(dir=cwd, prefix="several-") as folder:
        told, asked = Path(folder, "told"), Path(folder, "asked")
        asked.write_text(json.dumps([[str(word) for word in line] for line in lines]), encoding="utf-8")
        told.touch()
        done = program.run_module("several", [asked, told, int(count_calls)], env=env, cwd=cwd, before=before)
        rows = [json.loads(line) for line in told.read_text(encoding="utf-8").splitlines()]
    found = [Ran(**row) for row in rows]
    if len(found) < len(lines):
        why = f"{' '.join(map(str, lines[len(found)]))}: did not end within {_LIMIT_S} s, or crashed ({done.status})"
        raise AssertionError(f"{why}\n{done.stderr[-3000:]}")
    return found


class _Calls:
    """Counts the function calls of a block, in this thread and in those that begin there."""

    def __init__(self) -> None:
        self.number = 0

    def __enter__(self) -> None:
        threading.setprofile(self._hear)
        sys.setprofile(self._hear)

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)
        threading.setprofile(None)

    def _hear(self, _frame: object, event: str, _arg: object) -> None:
        self.number += event in ("call", "c_call")


def peak_memory() -> int:
    """The most memory, in bytes, that this process ever had; 0 where the machine does not tell."""
    # Not ru_maxrss, which begins with what the parent of the process had.
    with contextlib.suppress(OSError):
        return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) * 1024
    return 0


def main(arguments: Sequence[str]) -> None:
    """Be the child: run the lines of a file, and tell each end in another."""
    from pixi_mirror.commands.program import run

    asked, told, count_calls = arguments
    if hasattr(signal, "alarm"):
        import faulthandler

        faulthandler.register(signal.SIGALRM, chain=True)  # where it hangs is told before it is killed
    with open(told, "w", encoding="utf-8") as file:
        for line in json.loads(Path(asked).read_bytes()):
            stdout, stderr, calls = io.StringIO(), io.StringIO(), _Calls()
            if hasattr(signal, "alarm"):
                signal.alarm(_LIMIT_S)
            counting = calls if int(count_calls) else contextlib.nullcontext()
            with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr), counting:
                try:
                    status = run(line)
                except Exception:  # noqa: BLE001 - as the interpreter would end it
                    traceback.print_exc()
                    status = 1
            if hasattr(signal, "alarm"):
                signal.alarm(0)
            row = {"status": status, "stdout": stdout.getvalue(), "stderr": stderr.getvalue()}
            file.write(json.dumps(row | {"peak": peak_memory(), "calls": calls.number}) + "\n")
            file.flush()
    os._exit(0)  # threads that wait for a server that has stalled are not waited for


if __name__ == "__main__":
    main(sys.argv[1:])
