"""The process that forks pixi-mirror, of `program.py`: it has imported all of it, and waits for requests.

Its argument is the descriptor of a socket. A request there is a number, the length of a JSON object, which follows, and
with the number come four descriptors: stdin, stdout and stderr of the run, and a socket that gets two numbers, the
run's process and, when the run has ended, its status.
"""

import atexit
import gc
import importlib
import json
import os
import pkgutil
import selectors
import signal
import socket
import struct
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    # Its own folder would hide installed modules of the same names as its neighbours.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from harness import kill, unsynced

NUMBER = struct.Struct("!i")
_MAIN = Path(__file__).resolve().parents[2] / "pixi_mirror/__main__.py"
_DESCRIPTORS = 1024
"""As many as this process has at most."""
_HEAVY = ("requests", "yaml", "tqdm", "platformdirs", "packaging.markers", "packaging.requirements", "backports.zstd",
          "tarfile", "zipfile", "bz2", "lzma", "ssl", "http.server", "difflib", "logging.config", "encodings.idna",
          "concurrent.futures.thread", "html.parser", "email.parser", "textwrap", "uuid", "secrets", "keyring",
          "keyring.backends.null", "harness.several")  # fmt: skip


def received_number(control: socket.socket) -> int:
    """The next number that comes.

    Raises:
        EOFError: the other end has gone.
    """
    return int(NUMBER.unpack(received(control, NUMBER.size))[0])


def received(connection: socket.socket, size: int) -> bytes:
    """The next `size` bytes that come.

    Raises:
        EOFError: the other end has gone.
    """
    data = b""
    while len(data) < size:
        piece = connection.recv(size - len(data))
        if not piece:
            raise EOFError("the process that forks has ended; what it said is on stderr")
        data += piece
    return data


def _serve(requests: socket.socket) -> None:
    """Fork for every request, and say how each run ends, until nobody requests more."""
    import pixi_mirror

    for module in pkgutil.walk_packages(pixi_mirror.__path__, "pixi_mirror."):
        if not module.name.endswith(("__main__", "_child")):  # no run imports these
            with suppress(ImportError):  # the run that needs it says so itself
                importlib.import_module(module.name)
    for name in _HEAVY:
        with suppress(ImportError):
            importlib.import_module(name)
    gc.collect()
    gc.freeze()
    ended, wake = os.pipe()
    os.set_blocking(wake, False)
    unsynced.install()
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it ends when the tests do
    running: dict[int, socket.socket] = {}
    with selectors.DefaultSelector() as selector:
        selector.register(requests, selectors.EVENT_READ)
        selector.register(ended, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is requests:
                    _answer(requests, running)
                else:
                    os.read(ended, 4096)
            _tell_ends(running)


def _answer(requests: socket.socket, running: dict[int, socket.socket]) -> None:
    header, descriptors, *_ = socket.recv_fds(requests, NUMBER.size, 4)
    if not header:
        sys.exit()
    request = json.loads(received(requests, NUMBER.unpack(header)[0]))
    pid = os.fork()
    if not pid:
        _be_child(request, descriptors)
    for descriptor in descriptors[:3]:
        os.close(descriptor)
    running[pid] = socket.socket(fileno=descriptors[3])
    running[pid].sendall(NUMBER.pack(pid))


def _tell_ends(running: dict[int, socket.socket]) -> None:
    while running:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        with running.pop(pid) as control, suppress(OSError):
            control.sendall(NUMBER.pack(os.waitstatus_to_exitcode(status)))


def _be_child(request: dict[str, Any], descriptors: list[int]) -> None:
    """Be a pixi-mirror to the end, as if it had just been started."""
    status = 70
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for target, descriptor in enumerate(descriptors[:3]):
            os.dup2(descriptor, target)
        os.closerange(3, _DESCRIPTORS)
        _open_streams()
        os.environ.clear()
        os.environ.update(request["env"])
        os.chdir(request["cwd"])
        if request.get("umask") is not None:
            os.umask(request["umask"])
        sys.path[0] = os.getcwd()
        sys.argv = [str(_MAIN), *request["args"]]
        status = _ran(request)
    except BaseException:  # noqa: BLE001 - what Python does at the end of a process
        import traceback

        traceback.print_exc()
        status = 1
    finally:
        os._exit(_ended(status))


def _open_streams() -> None:
    """Make the standard streams anew: whether they can seek was asked of the files of the process that forks."""
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        old = getattr(sys, name)
        settings = {"encoding": old.encoding, "errors": old.errors, "closefd": False}
        new = open(descriptor, old.mode, buffering=1 if name == "stderr" else -1, **settings)  # noqa: SIM115 - lasts
        setattr(sys, name, new)
        setattr(sys, f"__{name}__", new)


def _ran(request: dict[str, Any]) -> int:
    point = request.get("point") and kill.Point(kind=request["point"][0], number=request["point"][1])
    injector = kill.Injector(point, error=request.get("error"), below=request.get("below"))
    if point is not None or request.get("calls"):
        injector.install()
    try:
        if "module" in request:
            sys.exit(importlib.import_module(request["module"]).main(request["args"]))
        sys.modules["pixi_mirror.commands.program"].main()
    except SystemExit as stop:
        status = stop.code
    if request.get("calls"):
        kill.listed(injector.calls, Path(request["calls"]))
    return int(status or 0)


def _ended(status: int) -> int:
    """What an interpreter does at its end: wait for threads, call what is registered, flush."""
    try:
        threading._shutdown()
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        return status or 120
    return status


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as _requests:
        _serve(_requests)
