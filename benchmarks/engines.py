"""How fast servers of Python send large files, ours beside those it could be put on: `python benchmarks/engines.py`.

Each server sends the same file of SIZE MiB, from the page cache, to 4 connections at once over loopback: ours from a
mirror, with its thread for each connection and sendfile; the others from the smallest application that they can run,
in the fastest way that they offer (`wsgi.file_wrapper`, `http.response.pathsend`, else pieces of 256 KiB). So theirs is
the best case: no ranges, no conditions, no access rights. They run with the Python of --python, where those that are
installed are tried, in turn in each round. What is printed is the median of the rounds, its ratio to ours, and the
processor's time that the server took for a GiB, which other work on the machine disturbs least.

    python -m venv engines && engines/bin/pip install granian uvicorn uvloop httptools hypercorn waitress cheroot h11
    python benchmarks/engines.py --python engines/bin/python
"""

import argparse
import hashlib
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from serving import _ours, _seconds

CONNECTIONS = 4

_WSGI = """
import os
def app(environ, start):
    path = os.environ["FILE"]
    start("200 OK", [("Content-Type", "application/octet-stream"), ("Content-Length", str(os.path.getsize(path)))])
    file = open(path, "rb")
    wrap = environ.get("wsgi.file_wrapper") or (lambda file, size: iter(lambda: file.read(size), b""))
    return wrap(file, 1 << 18)
"""
_ASGI = """
import os
async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    path = os.environ["FILE"]
    size = str(os.path.getsize(path)).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", size)]})
    if "http.response.pathsend" in scope.get("extensions", {}):
        await send({"type": "http.response.pathsend", "path": path})
        return
    with open(path, "rb") as file:
        while piece := file.read(1 << 18):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})
"""
_H11 = """
import os, socket, sys, threading, h11
path = os.environ["FILE"]
def handle(client):
    connection = h11.Connection(h11.SERVER)
    while connection.next_event() is h11.NEED_DATA:
        connection.receive_data(client.recv(65536))
    size = str(os.path.getsize(path))
    client.sendall(connection.send(h11.Response(status_code=200, headers=[("content-length", size)])))
    with open(path, "rb") as file:
        while piece := file.read(1 << 18):
            client.sendall(connection.send(h11.Data(data=piece)))
    client.close()
server = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=100)
while True:
    threading.Thread(target=handle, args=(server.accept()[0],), daemon=True).start()
"""
_CHEROOT = """
import sys
from cheroot.wsgi import Server
from wsgi_app import app
Server(("127.0.0.1", int(sys.argv[1])), app).start()
"""
_WAITRESS = """
import sys, waitress
from wsgi_app import app
waitress.serve(app, host="127.0.0.1", port=int(sys.argv[1]), threads=8, send_bytes=1 << 18)
"""
ENGINES: dict[str, Sequence[str]] = {
    "h11, threads": ("h11_app.py", "PORT"),
    "cheroot": ("cheroot_app.py", "PORT"),
    "waitress": ("waitress_app.py", "PORT"),
    "granian, WSGI": ("-m", "granian", "--interface", "wsgi", "--port", "PORT", "--no-ws", "wsgi_app:app"),
    "granian, ASGI": ("-m", "granian", "--interface", "asgi", "--port", "PORT", "--no-ws", "asgi_app:app"),
    "uvicorn": ("-m", "uvicorn", "--port", "PORT", "--no-access-log", "asgi_app:app"),
    "hypercorn": ("-m", "hypercorn", "--bind", "127.0.0.1:PORT", "asgi_app:app"),
}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--size", type=int, default=256, help="MiB (default: 256)")
    options.add_argument("--python", default=sys.executable, help="which has the other servers")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-") as directory, ExitStack() as stack:
        place, size = Path(directory), chosen.size << 20
        target = _mirror(place, size)
        urls = {"ours": stack.enter_context(_ours(place / "mirror", "--access-log", "none"))}
        for name, words in ENGINES.items():
            engine = stack.enter_context(_engine(place, chosen.python, words, place / "mirror" / target))
            if engine[1].poll() is None:
                urls[name] = engine
            else:
                print(f"{name}: is not installed, or does not start", file=sys.stderr)
        _compare(urls, f"/{target}", size, chosen.rounds)


def _compare(servers: dict[str, tuple[str, subprocess.Popen]], target: str, size: int, rounds: int) -> None:
    taken: dict[str, list[float]] = {name: [] for name in servers}
    spent: dict[str, list[float]] = {name: [] for name in servers}
    for turn in range(rounds + 1):  # the first one fills the page cache
        for name, (url, process) in servers.items():
            before = _processor_s(process.pid)
            seconds = _seconds(url, [[target]] * CONNECTIONS, size)
            if turn:
                taken[name].append(seconds)
                spent[name].append(_processor_s(process.pid) - before)
    gibs = CONNECTIONS * size / 2**30
    ours = statistics.median(taken["ours"])
    print(f"{'':16}{'GiB/s':>8}{'time/ours':>11}{'processor s/GiB':>17}")
    for name, times in taken.items():
        median = statistics.median(times)
        print(f"{name:16}{gibs / median:8.2f}{median / ours:11.2f}{statistics.median(spent[name]) / gibs:17.2f}")


def _processor_s(number: int) -> float:
    """What a process and its children have taken of the processor, in seconds."""
    total = 0.0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(stat.parent.name) == number or int(fields[1]) == number:
            total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


def _mirror(place: Path, size: int) -> str:
    """A mirror with one file, as `update` would leave it; the path of the file."""
    from types import MappingProxyType

    from pixi_mirror.mirror.tree import Tree
    from pixi_mirror.model.packages import Inventory, PackageFile
    from pixi_mirror.model.values import admit_path

    path = admit_path("conda-forge/linux-64/large-1.0-0.conda")
    data = os.urandom(1 << 20) * (size >> 20)
    (place / "source").write_bytes(data)
    sha256 = hashlib.sha256(data).hexdigest()
    tree = Tree(place / "mirror")
    with tree.writing(timeout_s=0):
        tree.place(path, place / "source", sha256=sha256)
        content = MappingProxyType({path: PackageFile(sha256=sha256, size=size)})
        tree.record(Inventory(layout="channels", snapshots=(), kept={}, tree=content), locks={}, unlisted={})
    for name, text in (("wsgi", _WSGI), ("asgi", _ASGI), ("h11", _H11), ("cheroot", _CHEROOT), ("waitress", _WAITRESS)):
        (place / f"{name}_app.py").write_text(text)
    return path


@contextmanager
def _engine(place: Path, python: str, words: Sequence[str], file: Path) -> Iterator[tuple[str, subprocess.Popen]]:
    """The URL of a server, and its process, which has ended if it did not start."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [python, *(word.replace("PORT", str(port)) for word in words)]
    environment = {**os.environ, "FILE": str(file), "PYTHONPATH": str(place)}
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, cwd=place, env=environment, stdout=quiet, stderr=quiet) as process:
        try:
            for _ in range(200):
                with socket.socket() as client:
                    if process.poll() is not None or client.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.05)
            yield f"http://127.0.0.1:{port}", process
        finally:
            process.terminate()


if __name__ == "__main__":
    main()
