"""How fast uploads are taken, beside pypiserver and devpi-server in one run: `python benchmarks/uploading.py`.

Each server gets the same small wheels, each of a project of its own, as twine sends them: a form over a connection of
its own, with a token or a password. First one after the other, then 8 at once. Ours verifies each wheel (METADATA,
RECORD, digests), syncs it, lists it and records it before it answers; what the others do before they answer is theirs.
In turn in each round; printed are uploads per second, and the median and the slowest latency.

    python -m venv peers && peers/bin/pip install 'pypiserver[cache]' devpi-server
    python benchmarks/uploading.py --peers peers/bin
"""

import argparse
import base64
import hashlib
import http.client
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

AT_ONCE = 8


class Place(NamedTuple):
    """Where a server takes uploads."""

    url: str
    authorization: str


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--wheels", type=int, default=40, help="in each round, one after the other and at once each")
    options.add_argument("--peers", type=Path, default=Path(sys.executable).parent, help="where the other programs are")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-") as directory, ExitStack() as stack:
        place = Path(directory)
        servers = {"ours": stack.enter_context(_ours(place))}
        for name, program, start in (
            ("pypiserver", "pypi-server", _pypiserver),
            ("devpi-server", "devpi-server", _devpi),
        ):
            if (chosen.peers / program).exists():
                servers[name] = stack.enter_context(start(place, chosen.peers))
            else:
                print(f"{name}: is not installed", file=sys.stderr)
        _compare(servers, chosen.rounds, chosen.wheels)


def _compare(servers: Mapping[str, Place], rounds: int, wheels: int) -> None:
    taken: dict[tuple[str, int], list[float]] = {}
    rates: dict[tuple[str, int], list[float]] = {}
    for turn in range(rounds):
        for name, server in servers.items():
            for threads in (1, AT_ONCE):
                forms = [_form(f"bench-{turn}-{threads}-{number}") for number in range(wheels)]
                start = time.perf_counter()
                with ThreadPoolExecutor(threads) as pool:
                    times = list(pool.map(lambda form, server=server: _upload(server, form), forms))
                rates.setdefault((name, threads), []).append(wheels / (time.perf_counter() - start))
                taken.setdefault((name, threads), []).extend(times)
    print(f"{'':16}{'at once':>8}{'uploads/s':>11}{'median':>10}{'slowest':>10}")
    for (name, threads), times in taken.items():
        rate = statistics.median(rates[name, threads])
        median, slowest = statistics.median(times) * 1000, max(times) * 1000
        print(f"{name:16}{threads:8}{rate:11.1f}{median:7.0f} ms{slowest:7.0f} ms")


def _form(name: str) -> bytes:
    from pixi_mirror.demo.distributions import build_wheel

    wheel = build_wheel(name=name, version="1.0")
    fields = {
        ":action": "file_upload",
        "protocol_version": "1",
        "metadata_version": "2.1",
        "name": name,
        "version": "1.0",
        "filetype": "bdist_wheel",
        "pyversion": "py3",
        "md5_digest": hashlib.md5(wheel.data).hexdigest(),
        "sha256_digest": hashlib.sha256(wheel.data).hexdigest(),
    }
    made = b"".join(
        f'--XX\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'.encode()
        for key, value in fields.items()
    )
    head = f'--XX\r\nContent-Disposition: form-data; name="content"; filename="{wheel.file_name}"\r\n'
    return made + f"{head}Content-Type: application/octet-stream\r\n\r\n".encode() + wheel.data + b"\r\n--XX--\r\n"


def _upload(server: Place, form: bytes) -> float:
    """Send one form; how long it took, in seconds."""
    parts = urlsplit(server.url)
    start = time.perf_counter()
    connection = http.client.HTTPConnection(parts.netloc, timeout=120)
    headers = {"Content-Type": "multipart/form-data; boundary=XX", "Authorization": server.authorization}
    connection.request("POST", parts.path, body=form, headers=headers)
    response = connection.getresponse()
    body = response.read()
    connection.close()
    if response.status != 200:
        sys.exit(f"{server.url} answers {response.status}: {body[:300]!r}")
    return time.perf_counter() - start


@contextmanager
def _ours(place: Path) -> Iterator[Place]:
    def run(*words: object) -> str:
        command = [sys.executable, "-m", "pixi_mirror", *map(str, words)]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    run("host", "add", "team", place / "mirror")
    token = run("users", "add", "ci", "--token", "--upload", "team", "--file", place / "users")
    command = [sys.executable, "-m", "pixi_mirror", "serve", str(place / "mirror"), "--port", "0"]
    command += ["--users", str(place / "users"), "--hosted", "team", "--access-log", "none"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield Place(f"{process.stdout.readline().strip()}/team/legacy/", f"Bearer {token}")
        finally:
            process.terminate()


@contextmanager
def _pypiserver(place: Path, programs: Path) -> Iterator[Place]:
    packages = place / "pypiserver"
    packages.mkdir()
    words = ["run", "-i", "127.0.0.1", "-p", "PORT", "-P", ".", "-a", ".", "--backend", "cached-dir", str(packages)]
    with _running([str(programs / "pypi-server"), *words]) as url:
        yield Place(f"{url}/", _basic("ada", "secret"))


@contextmanager
def _devpi(place: Path, programs: Path) -> Iterator[Place]:
    folder = place / "devpi"
    words = ["--serverdir", str(folder), "--no-root-pypi", "--root-passwd", "secret"]
    subprocess.run([str(programs / "devpi-init"), *words], check=True, capture_output=True)
    with _running([str(programs / "devpi-server"), "--serverdir", str(folder), "--port", "PORT"]) as url:
        index = "root/dev"  # of the user that devpi makes
        parts = urlsplit(url)
        connection = http.client.HTTPConnection(parts.netloc, timeout=60)
        as_json = {"Content-Type": "application/json", "Accept": "application/json"}
        connection.request("POST", "/+login", json.dumps({"user": "root", "password": "secret"}), as_json)
        token = json.load(connection.getresponse())["result"]["password"]
        signed = {**as_json, "X-Devpi-Auth": base64.b64encode(f"root:{token}".encode()).decode()}
        connection.request("PUT", f"/{index}", json.dumps({"bases": [], "volatile": False}), signed)
        connection.getresponse().read()
        connection.close()
        yield Place(f"{url}/{index}/", _basic("root", "secret"))


def _basic(name: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


@contextmanager
def _running(command: list[str]) -> Iterator[str]:
    """A server with PORT replaced by a free one, when it takes connections; its URL."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    quiet = subprocess.DEVNULL
    command = [word.replace("PORT", str(port)) for word in command]
    path = f"{Path(command[0]).parent}{os.pathsep}{os.environ['PATH']}"
    with subprocess.Popen(command, stdout=quiet, stderr=quiet, env={**os.environ, "PATH": path}) as process:
        try:
            for _ in range(2400):
                with socket.socket() as client:
                    if client.connect_ex(("127.0.0.1", port)) == 0:
                        break
                if process.poll() is not None:
                    sys.exit(f"{shutil.which(command[0])} ended by itself")
                time.sleep(0.05)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


if __name__ == "__main__":
    main()
