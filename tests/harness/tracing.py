"""Kill or fail a real run at a true system call, with strace(1): as `kill.py`, and where that is blind.

strace counts the calls of a name in each thread and injects in whichever thread first makes the K-th. So only those
calls of a recorded run can be aimed at that are the first K-th of their name: the others are hidden by calls that
another thread, most often the main one while it imports, made before. `kill.py` reaches these.
"""

import collections
import os
import re
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.child import Completed, run_program

MISSING = shutil.which("strace") is None
NAMES = (
    "openat", "write", "pwrite64", "fsync", "fdatasync", "rename", "renameat", "renameat2", "link", "linkat", "unlink",
    "unlinkat", "symlink", "symlinkat", "mkdir", "mkdirat", "rmdir", "ftruncate", "copy_file_range", "sendfile",
    "utimensat", "chmod", "fchmod",
)  # fmt: skip
"""The calls that change a disk; of `openat` those that can."""
_LINE = re.compile(r"(?P<thread>\d+) +(?P<name>\w+)\((?P<rest>.*)")
_WRITING = re.compile(r"O_WRONLY|O_RDWR|O_CREAT|O_TRUNC")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A system call of a recorded run."""

    name: str
    number: int
    """Counted from 1 among the calls of that name in its thread."""
    text: str
    """As strace tells it."""

    @property
    def changes(self) -> bool:
        """Whether it could change a disk."""
        return self.name != "openat" or bool(_WRITING.search(self.text))


def recorded(args: list[object], *, env: Mapping[str, str], cwd: Path, below: Path) -> list[Call]:
    """The calls of a whole run that change something below a directory and can be aimed at, in order."""
    log = cwd / ".trace"
    done = run(["-f", "-y", "-s", "4096", "-o", str(log)], args, env=env, cwd=cwd)
    assert done.status == 0, f"the run that was to be recorded ended with {done.status}:\n{done.stderr}"
    numbers: collections.Counter[tuple[str, str]] = collections.Counter()
    reached: set[tuple[str, int]] = set()
    calls = []
    for line in log.read_text(errors="replace").splitlines():
        if (parts := _LINE.match(line)) is None:
            continue  # the end of a call that was told before, a signal, an exit
        numbers[parts["thread"], parts["name"]] += 1
        call = Call(name=parts["name"], number=numbers[parts["thread"], parts["name"]], text=parts["rest"])
        if (call.name, call.number) not in reached and call.changes and f"{below}{os.sep}" in call.text:
            calls.append(call)
        reached.add((call.name, call.number))
    log.unlink()
    return calls


def stopped(
    call: Call, args: list[object], *, env: Mapping[str, str], cwd: Path, error: str | None = None
) -> Completed:
    """How a run ends that gets SIGKILL as it makes that call, or whose call fails with `error`."""
    action = f"error={error}" if error else "signal=SIGKILL"
    inject = f"inject={call.name}:{action}:when={call.number}"
    return run(["-f", "-o", os.devnull, "-e", inject], args, env=env, cwd=cwd)


def run(
    options: list[str], args: list[object], *, names: tuple[str, ...] = NAMES, env: Mapping[str, str], cwd: Path
) -> Completed:
    """Run pixi-mirror below strace with these options of strace, which hears the calls of these names."""
    command = ["strace", *options, "-e", f"trace={','.join(f'?{name}' for name in names)}"]
    # The interpreter itself, so that no shim is traced, and the same imports in every run.
    command += [sys.executable, "-m", "pixi_mirror", *map(str, args)]
    return run_program(*command, env={**env, "PYTHONDONTWRITEBYTECODE": "1"}, cwd=cwd)
