"""How fast a mirror is served, side by side with nginx in one run: `python benchmarks/serving.py [--rounds N]`.

The same files of random bytes are served by `pixi-mirror serve` (access log as by default, into /dev/null) and by nginx
(two workers, sendfile, no access log). In turn, over loopback,

* large: 8 connections fetch 8 files at once, each of SIZE MiB, and throw the bytes away;
* small: 200 connections at once fetch 20 files of 10 kB each, one after the other, over one connection each;
* TLS: the large ones again, both with the same certificate.

The clients are processes of this program with bare sockets, for a client in Python that reads HTTP would be what is
measured. What is printed is the median of the rounds, the ratio of the medians, and the greatest memory of the server.
"""

import argparse
import concurrent.futures
import os
import shutil
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bringing import nginx, workspace

LARGE_FILES = 8
SMALL_FILES, SMALL_SIZE = 100, 10_000
CLIENTS, TURNS = 200, 20
_PROCESSES = 2


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--size", type=int, default=64, help="MiB of each large file (default: 64)")
    chosen = options.parse_args()
    print(f"{'':24}{'ours':>12}{'nginx':>12}{'nginx/ours':>12}{'memory':>10}")
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        _measure(Path(directory), chosen.rounds, chosen.size << 20)


def _measure(directory: Path, rounds: int, size: int) -> None:
    large, small = directory / "large", directory / "small"
    certificate, key = _certificate(directory)
    for place, count, each in ((large, LARGE_FILES, size), (small, SMALL_FILES, SMALL_SIZE)):
        place.mkdir()
        with nginx(place, place / "served") as url:
            lock = workspace(place, place / "served", url, count, each)
            command = [sys.executable, "-m", "pixi_mirror", "--lock", lock, "-e", "prod", "-o", place / "mirror"]
            command += ["--cache-dir", place / "cache", "-q", "--index", "json"]
            subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL)
            shutil.rmtree(place / "served")
            channel = next((place / "mirror").glob("*/conda-forge"))
            shutil.copytree(channel, place / "served" / channel.parent.name / channel.name)
            targets = [
                f"/{channel.parent.name}/conda-forge/linux-64/package{number}-1.0-h0_{number}.conda"
                for number in range(count)
            ]
            with _ours(place / "mirror") as (ours, process):
                if place is large:
                    turns = [[target] for target in targets]
                else:
                    turns = [[targets[(one + turn) % count] for turn in range(TURNS)] for one in range(CLIENTS)]
                _compare(
                    "8 large" if place is large else "200 x 20 small",
                    rounds,
                    ours=ours,
                    theirs=url,
                    turns=turns,
                    size=each,
                    process=process,
                )
    with (
        _nginx_tls(directory, large / "served", certificate, key) as url,
        _ours(large / "mirror", "--tls-cert", certificate, "--tls-key", key) as (ours, process),
    ):
        targets = sorted((large / "served").rglob("*.conda"))
        turns = [[f"/{path.relative_to(large / 'served').as_posix()}"] for path in targets]
        _compare("8 large, TLS", rounds, ours=ours, theirs=url, turns=turns, size=size, process=process)


def _compare(
    name: str,
    rounds: int,
    *,
    ours: str,
    theirs: str,
    turns: Sequence[Sequence[str]],
    size: int,
    process: subprocess.Popen,
) -> None:
    taken: dict[str, list[float]] = {ours: [], theirs: []}
    for url in (ours, theirs):
        _seconds(url, turns, size)  # the page cache, and our hashes of what is not the recorded inode
    for _ in range(rounds):
        for url in (ours, theirs):
            taken[url].append(_seconds(url, turns, size))
    amount = sum(map(len, turns)) * (1 if "small" in name else size / 2**30)
    unit = "/s" if "small" in name else " GiB/s"
    mine, other = (amount / statistics.median(taken[url]) for url in (ours, theirs))
    status = Path(f"/proc/{process.pid}/status").read_text()
    memory = int(status.partition("VmHWM:")[2].split()[0]) / 1024
    print(f"{name:24}{mine:8.2f}{unit:6}{other:8.2f}{unit:6}{other / mine:8.2f}{memory:8.0f} MiB", flush=True)


def _seconds(url: str, turns: Sequence[Sequence[str]], size: int) -> float:
    parts = [turns[number::_PROCESSES] for number in range(_PROCESSES)]
    with concurrent.futures.ProcessPoolExecutor(_PROCESSES) as pool:
        list(pool.map(abs, range(_PROCESSES)))  # they are started before the clock is
        start = time.perf_counter()
        for got in pool.map(_fetch_all, [url] * len(parts), parts):
            if set(got) != {size}:
                sys.exit(f"{url}: not every file came whole")
        return time.perf_counter() - start


def _fetch_all(url: str, turns: Sequence[Sequence[str]]) -> list[int]:
    with concurrent.futures.ThreadPoolExecutor(len(turns)) as pool:
        return [size for sizes in pool.map(_fetch, [url] * len(turns), turns) for size in sizes]


def _fetch(url: str, targets: Sequence[str]) -> list[int]:
    """Fetch files over one connection; the lengths of what came."""
    scheme, _, authority = url.partition("://")
    host, _, port = authority.partition(":")
    connection = socket.create_connection((host, int(port)))
    if scheme == "https":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        connection = context.wrap_socket(connection)
    buffer = memoryview(bytearray(1 << 20))
    lengths = []
    with connection:
        for target in targets:
            connection.sendall(f"GET {target} HTTP/1.1\r\nHost: {authority}\r\n\r\n".encode())
            head = b""
            while b"\r\n\r\n" not in head:
                head += connection.recv(4096)
            head, _, body = head.partition(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].split()[0])
            left = length - len(body)
            while left and (received := connection.recv_into(buffer[: min(left, 1 << 20)])):
                left -= received
            lengths.append(length - left)
    return lengths


@contextmanager
def _ours(mirror: Path, *words: object) -> Iterator[tuple[str, subprocess.Popen]]:
    command = [sys.executable, "-m", "pixi_mirror", "serve", mirror, "--port", "0", *words]
    with subprocess.Popen(
        [str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip(), process
        finally:
            process.terminate()


def _certificate(directory: Path) -> tuple[Path, Path]:
    certificate, key = directory / "cert.pem", directory / "key.pem"
    words = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
    ]
    words += ["-subj", "/CN=localhost", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(words, check=True, capture_output=True)
    return certificate, key


@contextmanager
def _nginx_tls(directory: Path, served: Path, certificate: Path, key: Path) -> Iterator[str]:
    """As `nginx` of the other benchmark, with TLS, over files that are there."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    user = "user root;" if os.geteuid() == 0 else ""
    places = " ".join(
        f"{name}_temp_path {directory}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    config = directory / "tls.conf"
    config.write_text(
        f"{user} daemon off; worker_processes 2; pid {directory}/tls.pid; error_log stderr error;\n"
        f"events {{ worker_connections 512; }} http {{ access_log off; sendfile on; {places}\n"
        f"  server {{ listen 127.0.0.1:{port} ssl; ssl_certificate {certificate}; ssl_certificate_key {key};\n"
        f"  root {served}; }} }}\n"
    )
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    assert program is not None
    with subprocess.Popen([program, "-c", str(config), "-p", str(directory)]) as server:
        try:
            for _ in range(100):
                with socket.socket() as client:
                    if client.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.05)
            yield f"https://127.0.0.1:{port}"
        finally:
            server.terminate()


if __name__ == "__main__":
    main()
