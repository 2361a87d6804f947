"""Run pixi-mirror again and again without starting Python each time: a process that has imported it forks for each run.

A run is a child of its own, with its own environment, directory and output, and can be killed or failed at a call (see
`kill.py`) or at a time. It is three times as fast as a new interpreter, so that every point of a run can be tried.
Where there is no `fork` it is a new interpreter after all. As a program it is that process: it reads one JSON object a
line on stdin and answers each with one line, the status.
"""

import atexit
import functools
import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    # Its own folder would hide installed modules of the same names as its neighbours.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from harness import kill
from harness.child import Completed, python_environment, run_python

CAN_FORK = hasattr(os, "fork")
_PROGRAM = "pixi_mirror.commands.program"
_VERBS = ("update", "status", "verify", "forget", "prune", "prime", "pack", "unpack")
_HEAVY = ("requests", "yaml", "tqdm", "platformdirs", "tarfile", "zipfile", "bz2",
          "pixi_mirror.cache.batch", "pixi_mirror.http.fetcher",
          "concurrent.futures.thread", "json", "ssl")  # fmt: skip


def run(
    args: list[object],
    *,
    env: Mapping[str, str],
    cwd: Path,
    point: kill.Point | None = None,
    error: str | None = None,
    below: Path | None = None,
    calls: Path | None = None,
    kill_after_s: float | None = None,
    umask: int | None = None,
) -> Completed:
    """How a run of pixi-mirror ends.

    Args:
        args: Of pixi-mirror.
        env: Its environment variables, all of them.
        cwd: Where it runs.
        point: The call that is not made; None: all are.
        error: What the call raises, as `ENOSPC`; None: the process gets SIGKILL.
        below: Count only calls below this directory.
        calls: Where to write the list of the calls.
        kill_after_s: Kill it after this time, if it still runs.
        umask: Of the process; None: ours.
    """
    words = [*map(str, args)]
    if CAN_FORK:
        request = {
            "args": words,
            "env": dict(env),
            "cwd": str(cwd),
            "point": None if point is None else [point.kind, point.number],
            "error": error,
            "below": None if below is None else str(below),
            "calls": None if calls is None else str(calls),
            "kill_after_s": kill_after_s,
            "umask": umask,
        }
        return _nursery().run(request)
    assert kill_after_s is None, "needs fork"
    options: list[object] = ["--list", calls] if calls is not None else []
    options += ["--call", point.kind, "--at", point.number] if point is not None else []
    options += ["--error", error] if error is not None else []
    options += ["--below", below] if below is not None else []
    if not options:
        return run_python("-m", "pixi_mirror", *words, env=env, cwd=cwd)
    return run_python(kill.__file__, *options, "--", *words, env=env, cwd=cwd)


class _Nursery:
    """The process that forks, seen from the tests."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._folder = tempfile.TemporaryDirectory(prefix="nursery-")
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            env=python_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )
        atexit.register(self.end)

    def run(self, request: dict[str, Any]) -> Completed:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._lock:
            out, err = (Path(self._folder.name, name) for name in ("stdout", "stderr"))
            line = json.dumps({**request, "stdout": str(out), "stderr": str(err)})
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
            status = int(self._process.stdout.readline())
            return Completed(
                status=status,
                stdout=out.read_text(encoding="utf-8", errors="replace"),
                stderr=err.read_text(encoding="utf-8", errors="replace"),
            )

    def end(self) -> None:
        self._process.communicate()
        self._folder.cleanup()


@functools.cache
def _nursery() -> _Nursery:
    return _Nursery()


def _main() -> None:
    for name in (_PROGRAM, *(f"pixi_mirror.commands.{verb}" for verb in _VERBS), *_HEAVY):
        with suppress(ImportError):  # the run that needs it says so itself
            importlib.import_module(name)
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    for line in sys.stdin:
        request = json.loads(line)
        pid = os.fork()
        if not pid:
            _be_child(request)
        answers.write(f"{_awaited(pid, request['kill_after_s'])}\n")
        answers.flush()


def _awaited(pid: int, kill_after_s: float | None) -> int:
    if kill_after_s is not None:
        deadline = time.monotonic() + kill_after_s
        while time.monotonic() < deadline:
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.001)
        os.kill(pid, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _be_child(request: dict[str, Any]) -> None:
    """Be a pixi-mirror to the end, as if it had just been started."""
    status = 70
    try:
        for descriptor, path, flags in (
            (0, os.devnull, os.O_RDONLY),
            (1, request["stdout"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
            (2, request["stderr"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
        ):
            os.dup2(os.open(path, flags, 0o600), descriptor)
        os.environ.clear()
        os.environ.update(request["env"])
        os.chdir(request["cwd"])
        if request["umask"] is not None:
            os.umask(request["umask"])
        sys.argv = ["pixi-mirror", *request["args"]]
        status = _ran(request)
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:  # noqa: BLE001 - what Python does at the end of a process
        import traceback

        traceback.print_exc()
        status = 1
    finally:
        os._exit(status)


def _ran(request: dict[str, Any]) -> int:
    point = None if request["point"] is None else kill.Point(kind=request["point"][0], number=request["point"][1])
    injector = kill.Injector(point, error=request["error"], below=request["below"])
    if point is not None or request["calls"]:
        injector.install()
    try:
        status = sys.modules[_PROGRAM].run(request["args"])
    except SystemExit as stop:
        status = stop.code
    if request["calls"]:
        kill.listed(injector.calls, Path(request["calls"]))
    return int(status or 0)


if __name__ == "__main__":
    _main()
