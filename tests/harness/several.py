"""Run many command lines of pixi-mirror in one child process: a start each would cost more than what is tested.

    done = run_several([["--lock", lock, "-o", "one"], ["verify", "one"]], env=world.environment, cwd=world.directory)
    assert [each.status for each in done] == [0, 0]

Each ends within its limit of time or the whole child is killed: a program that waits for ever is seen as such. What a
command line alone would show on a terminal is in `stdout` and `stderr`, a traceback too; `peak` is the most memory that
the child had until then, so the thriftiest go first where memory is measured.
"""

import contextlib
import io
import json
import os
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness import program
from harness.child import Completed

_LIMIT_S = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran(Completed):
    """A command line that ended by itself."""

    seconds: float
    peak: int
    """Bytes, of the child until then; 0 where the machine does not tell."""


def run_several(
    lines: Sequence[Sequence[object]], *, env: Mapping[str, str], cwd: Path, limit_s: int = _LIMIT_S
) -> list[Ran]:
    """Run the command lines one after the other; the last one told is the one that hung or crashed, if any did."""
    with tempfile.TemporaryDirectory(dir=cwd, prefix="several-") as folder:
        told, asked = Path(folder, "told"), Path(folder, "asked")
        asked.write_text(json.dumps([[str(word) for word in line] for line in lines]), encoding="utf-8")
        told.touch()
        done = program.run_module("several", [asked, told, limit_s], env=env, cwd=cwd)
        rows = [json.loads(line) for line in told.read_text(encoding="utf-8").splitlines()]
    found = [Ran(**row) for row in rows]
    if len(found) < len(lines):
        why = f"{' '.join(map(str, lines[len(found)]))}: did not end within {limit_s} s, or crashed ({done.status})"
        raise AssertionError(f"{why}\n{done.stderr[-3000:]}")
    return found


def peak_memory() -> int:
    """The most memory, in bytes, that this process ever had; 0 where the machine does not tell."""
    # Not ru_maxrss, which begins with what the parent of the process had.
    with contextlib.suppress(OSError):
        return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) * 1024
    return 0


def main(arguments: Sequence[str]) -> None:
    """Be the child: run the lines of a file, and tell each end in another."""
    from pixi_mirror.commands.program import run

    asked, told, limit_s = arguments
    if hasattr(signal, "alarm"):
        import faulthandler

        faulthandler.register(signal.SIGALRM, chain=True)  # where it hangs is told before it is killed
    with open(told, "w", encoding="utf-8") as file:
        for line in json.loads(Path(asked).read_bytes()):
            stdout, stderr, begun = io.StringIO(), io.StringIO(), time.monotonic()
            if hasattr(signal, "alarm"):
                signal.alarm(int(limit_s))
            with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
                try:
                    status = run(line)
                except Exception:  # noqa: BLE001 - as the interpreter would end it
                    traceback.print_exc()
                    status = 1
            if hasattr(signal, "alarm"):
                signal.alarm(0)
            row = {"status": status, "stdout": stdout.getvalue(), "stderr": stderr.getvalue()}
            file.write(json.dumps(row | {"seconds": time.monotonic() - begun, "peak": peak_memory()}) + "\n")
            file.flush()
    os._exit(0)  # threads that wait for a server that has stalled are not waited for


if __name__ == "__main__":
    main(sys.argv[1:])
