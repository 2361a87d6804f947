"""Run pixi-mirror without starting Python each time: a process that has imported it forks for each run.

    process = start(["serve", "mirror", "--port", "0"], env=world.environment, cwd=world.directory)
    done = run(["verify", "mirror"], env=world.environment, cwd=world.directory)

A run is a process of its own, with its own environment, directory and output. It does what `python -m pixi_mirror` does
from the first line of `main` to its exit status, and it can be killed or failed at a call (see `kill.py`). It costs a
sixth of a new interpreter. A new interpreter runs it where there is no `fork`, and where its environment holds a
variable that an interpreter reads when it starts (`PYTHONPATH`, `TZ`), because a fork cannot follow that.
"""

import atexit
import functools
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

from harness import fork_server, kill
from harness.child import TIMEOUT_S, Completed, python_environment, run_program, run_python

CAN_FORK = hasattr(os, "fork") and hasattr(socket, "send_fds")
PIPE = subprocess.PIPE
DEVNULL = subprocess.DEVNULL
_READ_AT_START = ("PYTHON", "LC_", "LANG", "LD_", "DYLD_", "MALLOC_", "TZ", "OPENSSL_CONF", "TQDM_", "SYSTEMROOT")
"""How the variables begin that an interpreter, or a library as it is imported, reads once."""
_READ_LATER = ("PYTHON_KEYRING_",)
"""Those that only look so."""


class Process:
    """A forked run under way; its names are those of `subprocess.Popen`, and so is what they do. Its streams are text.

    Args:
        pid: Of the process.
        control: The socket that gets its status.
        stdout: What it prints; None: that goes elsewhere.
        stderr: The same of its errors.
    """

    def __init__(self, *, pid: int, control: socket.socket, stdout: TextIO | None, stderr: TextIO | None) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self.stdin = None
        self.stdout = stdout
        self.stderr = stderr
        self._control = control
        self._readers: list[threading.Thread] = []
        self._said: dict[str, str] = {}

    def poll(self) -> int | None:
        """Its status if it has ended; below zero: minus the signal that killed it."""
        with suppress(subprocess.TimeoutExpired):
            self.wait(timeout=0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait until it has ended.

        Args:
            timeout: Seconds; None: for ever.

        Raises:
            subprocess.TimeoutExpired: it has not ended by then.
        """
        if self.returncode is None:
            self._control.settimeout(timeout)
            try:
                self.returncode = fork_server.received_number(self._control)
            except (TimeoutError, BlockingIOError):
                raise subprocess.TimeoutExpired("pixi-mirror", timeout or 0) from None
            self._control.close()
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str | None, str | None]:
        """Wait until it has ended, and give what it printed and what it said on stderr.

        Raises:
            subprocess.TimeoutExpired: it has not ended after `timeout` seconds.
        """
        if not self._readers:
            streams = {"stdout": self.stdout, "stderr": self.stderr}
            self._readers = [
                threading.Thread(target=self._read_out, args=each, daemon=True)
                for each in streams.items()
                if each[1] is not None
            ]
            for reader in self._readers:
                reader.start()
        self.wait(timeout)
        for reader in self._readers:
            reader.join(timeout)
            if reader.is_alive():
                raise subprocess.TimeoutExpired("pixi-mirror", timeout or 0)
        self._close()
        return self._said.get("stdout"), self._said.get("stderr")

    def _read_out(self, name: str, stream: TextIO) -> None:
        with suppress(ValueError):  # closed, because the test did not want the rest
            self._said[name] = stream.read()

    def send_signal(self, number: int) -> None:
        """Send it a signal if it still runs."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._close()
        self.wait()

    def _close(self) -> None:
        for stream in (self.stdout, self.stderr):
            if stream is not None:
                stream.close()


def start(
    args: list[object],
    *,
    env: Mapping[str, str],
    cwd: Path,
    stdin: int = DEVNULL,
    stdout: int = PIPE,
    stderr: int = PIPE,
) -> "Process | subprocess.Popen[str]":
    """Start pixi-mirror.

    Args:
        args: Of pixi-mirror.
        env: Its environment variables, all of them.
        cwd: Where it runs.
        stdin: A descriptor, or `DEVNULL`.
        stdout: A descriptor, `PIPE` or `DEVNULL`.
        stderr: The same of its errors.
    """
    words = [*map(str, args)]
    if can_fork(env):
        request = {"args": words, "env": dict(env), "cwd": str(cwd), "umask": _umask()}
        return _server().start(request, stdin=stdin, stdout=stdout, stderr=stderr)
    command = [sys.executable, "-m", "pixi_mirror", *words]
    return subprocess.Popen(
        command, env=dict(env), cwd=cwd, stdin=stdin, stdout=stdout, stderr=stderr, encoding="utf-8"
    )


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
    given: str = "",
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
        given: What stands on its stdin, at most 64 KiB.
    """
    words = [*map(str, args)]
    if not can_fork(env):
        assert kill_after_s is None, "needs fork"
        assert umask is None, "needs fork"
        assert not given, "needs fork"
        return _run_interpreter(words, env=env, cwd=cwd, point=point, error=error, below=below, calls=calls)
    request = {
        "args": words,
        "env": dict(env),
        "cwd": str(cwd),
        "point": None if point is None else [point.kind, point.number],
        "error": error,
        "below": None if below is None else str(below),
        "calls": None if calls is None else str(calls),
        "umask": _umask() if umask is None else umask,
    }
    with _readable(given) as stdin:
        process = _server().start(request, stdin=stdin, stdout=PIPE, stderr=PIPE)
    return _completed(process, kill_after_s)


def mutating_calls(
    args: list[object], *, env: Mapping[str, str], cwd: Path, below: Path | None = None
) -> list[kill.Point]:
    """The calls that change a disk of a whole run, in order; the run is to end with status 0.

    Args:
        args: Of pixi-mirror.
        env: Its environment variables.
        cwd: Where it runs.
        below: Count only what happens below this directory; None: everything.
    """
    record = cwd / ".calls"
    done = run(args, env=env, cwd=cwd, below=below, calls=record)
    assert done.status == 0, f"the run that was to be counted ended with {done.status}:\n{done.stderr}"
    return kill.taken(record)


def run_module(
    module: str, args: list[object], *, env: Mapping[str, str], cwd: Path, before: Sequence[object] = ()
) -> Completed:
    """How `main(args)` of a module of the harness ends, run in a process that has imported pixi-mirror.

    Args:
        module: Its name, below `harness`.
        args: Of its `main`.
        env: The environment variables of the process, all of them.
        cwd: Where it runs.
        before: A command that runs a new interpreter with the module; none: the process is forked.
    """
    words = [*map(str, args)]
    if can_fork(env) and not before:
        request = {"module": f"harness.{module}", "args": words, "env": dict(env), "cwd": str(cwd)}
        return _completed(_server().start(request, stdin=DEVNULL, stdout=PIPE, stderr=PIPE), None)
    tests = str(Path(__file__).resolve().parents[1])
    paths = os.pathsep.join([env["PYTHONPATH"], tests])
    command = [*before, sys.executable, "-m", f"harness.{module}", *words]
    return run_program(*command, env={**env, "PYTHONPATH": paths}, cwd=cwd)


def can_fork(env: Mapping[str, str]) -> bool:
    """Whether a fork of the server behaves in this environment as a new interpreter does."""
    return CAN_FORK and _read_at_start(env) == _read_at_start(python_environment())


def _read_at_start(env: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value
        for name, value in env.items()
        if name.startswith(_READ_AT_START) and not name.startswith(_READ_LATER)
    }


def _umask() -> int:
    """The umask of this process, which a new process would have, too; whoever asks has to set it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


@contextmanager
def _readable(given: str) -> Iterator[int]:
    """A descriptor from which these words can be read, for as long as it takes to hand it on."""
    if not given:
        yield DEVNULL
        return
    read, write = os.pipe()
    os.write(write, given.encode())  # a pipe holds 64 KiB that nobody has read
    os.close(write)
    try:
        yield read
    finally:
        os.close(read)


def _completed(process: Process, kill_after_s: float | None) -> Completed:
    try:
        stdout, stderr = process.communicate(TIMEOUT_S if kill_after_s is None else kill_after_s)
    except subprocess.TimeoutExpired:
        process.kill()
        if kill_after_s is None:
            raise
        stdout, stderr = process.communicate(TIMEOUT_S)
    except BaseException:
        process.kill()
        raise
    return Completed(status=process.wait(), stdout=stdout or "", stderr=stderr or "")


def _run_interpreter(
    words: list[str],
    *,
    env: Mapping[str, str],
    cwd: Path,
    point: kill.Point | None,
    error: str | None,
    below: Path | None,
    calls: Path | None,
) -> Completed:
    options: list[object] = ["--list", calls] if calls is not None else []
    options += ["--call", point.kind, "--at", point.number] if point is not None else []
    options += ["--error", error] if error is not None else []
    options += ["--below", below] if below is not None else []
    if not options:
        return run_python("-m", "pixi_mirror", *words, env=env, cwd=cwd)
    return run_python(kill.__file__, *options, "--", *words, env=env, cwd=cwd)


class _Server:
    """The process that forks, seen from the tests. Several threads may start runs."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, fork_server.__file__, str(theirs.fileno())],
                env=python_environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
        atexit.register(self.end)

    def start(self, request: dict[str, Any], *, stdin: int, stdout: int, stderr: int) -> Process:
        control, its_control = socket.socketpair()
        null = os.open(os.devnull, os.O_RDWR)
        pipes = [os.pipe() if each == PIPE else None for each in (stdout, stderr)]
        given = [null if each == DEVNULL else each for each in (stdin, stdout, stderr)]
        given[1:] = [each if pipe is None else pipe[1] for pipe, each in zip(pipes, given[1:], strict=True)]
        data = json.dumps(request).encode()
        try:
            with self._lock:
                socket.send_fds(self._requests, [fork_server.NUMBER.pack(len(data))], [*given, its_control.fileno()])
                self._requests.sendall(data)
        finally:
            its_control.close()
            os.close(null)
            for pipe in pipes:
                if pipe is not None:
                    os.close(pipe[1])
        out, err = (pipe and os.fdopen(pipe[0], encoding="utf-8", errors="replace") for pipe in pipes)
        return Process(pid=fork_server.received_number(control), control=control, stdout=out, stderr=err)

    def end(self) -> None:
        self._requests.close()
        self._process.wait()


@functools.cache
def _server() -> _Server:
    return _Server()
