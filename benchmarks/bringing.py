"""How fast files are brought, as ratios in one run: `python benchmarks/bringing.py [--rounds N]`.

nginx on loopback serves conda packages of random bytes; side by side, each from a cold start and in turn, run

* cold: `pixi-mirror` with an empty cache, against `curl -Z` (8 at a time) followed by `sha256sum` on all cores; and
  the same with `fsync` doing nothing, because curl never waits for the disk;
* warm: `pixi-mirror` into a new mirror from a full cache, against `cp -al` of the cache's files;
* unchanged: `pixi-mirror` with nothing to do, against `python -c "import argparse, json, hashlib"`.

What is printed is the median of the rounds, and the ratio of the medians.
"""

import argparse
import hashlib
import os
import random
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

from conda_files import conda_package

Shapes: TypeAlias = Mapping[str, tuple[int, int]]
SHAPES: Shapes = {"300 x 1 MiB": (300, 1 << 20), "8 x 50 MiB": (8, 50 << 20)}
_MOST_AT_ONCE = 1 << 26
START = "import argparse, json, hashlib"


def main() -> None:
    rounds = each_shape(__doc__, SHAPES, f"{'':26}{'ours':>9}{'theirs':>9}{'ratio':>8}", _measure, rounds=5)
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        _measure_unchanged(Path(directory), rounds * 3)


def each_shape(
    about: str, shapes: Shapes, header: str, measure: Callable[[Path, str, int, int, int], None], *, rounds: int
) -> int:
    """Measure each shape, by its name, count and size, in a directory of its own; the rounds that were asked for."""
    options = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=rounds)
    asked = options.parse_args().rounds
    print(header)
    for name, (count, size) in shapes.items():
        with tempfile.TemporaryDirectory(prefix="bench-") as directory:
            measure(Path(directory), name, count, size, asked)
    return asked


def _measure(directory: Path, name: str, count: int, size: int, rounds: int) -> None:
    served = directory / "served"
    with nginx(directory, served) as url:
        lock = workspace(directory, served, url, count, size)
        ours, unsynced, theirs = [], [], []
        for _ in range(rounds):
            _remove(directory / "mirror", directory / "cache", directory / "curl")
            theirs.append(_seconds(lambda: _curl(directory, served, url)))
            unsynced.append(_seconds(lambda: _mirror(directory, lock, sync=False)))
            _remove(directory / "mirror", directory / "cache")
            ours.append(_seconds(lambda: _mirror(directory, lock)))
        _say(f"cold, {name}", ours, theirs)
        _say("  without fsync", unsynced, theirs)
        ours, theirs = [], []
        for _ in range(rounds):
            _remove(directory / "mirror", directory / "links")
            theirs.append(_seconds(lambda: _run("cp", "-al", directory / "cache" / "sha256", directory / "links")))
            ours.append(_seconds(lambda: _mirror(directory, lock)))
        _say(f"warm, {name}", ours, theirs)


def _measure_unchanged(directory: Path, rounds: int) -> None:
    served = directory / "served"
    with nginx(directory, served) as url:
        lock = workspace(directory, served, url, 500, 1000)
        _mirror(directory, lock)
        ours, theirs = [], []
        for _ in range(rounds):
            theirs.append(_seconds(lambda: _run(sys.executable, "-c", START)))
            ours.append(_seconds(lambda: _mirror(directory, lock)))
        _say("unchanged, 500 packages", ours, theirs)


def _say(what: str, ours: Sequence[float], theirs: Sequence[float]) -> None:
    ratio = statistics.median(ours) / statistics.median(theirs)
    print(f"{what:26}{statistics.median(ours):8.3f}s{statistics.median(theirs):8.3f}s{ratio:8.2f}", flush=True)


def _seconds(work: Callable[[], object]) -> float:
    os.sync()  # what an earlier round left to be written must not be counted here
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _run(*command: object, environ: dict[str, str] | None = None) -> None:
    words = [str(word) for word in command]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, env={**os.environ, **(environ or {})})


def _curl(directory: Path, served: Path, url: str) -> None:
    target = directory / "curl"
    target.mkdir()
    config = directory / "curl.config"
    files = sorted(path.relative_to(served) for path in served.rglob("*.conda"))
    config.write_text("".join(f'url = "{url}/{path}"\noutput = "{target / path.name}"\n' for path in files))
    _run("curl", "-sS", "-Z", "--parallel-max", "8", "-K", config)
    names = "\0".join(str(target / path.name) for path in files)
    subprocess.run(
        ["xargs", "-0", "-n", "16" if len(files) > 16 else "1", "-P", str(os.cpu_count()), "sha256sum"],
        input=names.encode(),
        check=True,
        stdout=subprocess.DEVNULL,
    )


def _mirror(directory: Path, lock: Path, *, sync: bool = True) -> None:
    unsynced = directory / "unsynced"
    if not unsynced.exists():
        unsynced.mkdir()
        (unsynced / "sitecustomize.py").write_text("import os\nos.fsync = lambda descriptor: None\n")
    _run(
        *(sys.executable, "-m", "pixi_mirror", "--lock", lock, "-e", "prod", "-o", directory / "mirror"),
        *("--cache-dir", directory / "cache", "-q", "--index", "json"),
        environ={} if sync else {"PYTHONPATH": str(unsynced)},
    )


def workspace(directory: Path, served: Path, url: str, count: int, size: int) -> Path:
    """A manifest and a lock of `count` conda packages with a file of `size` random bytes, which `served` holds."""
    folder = served / "conda-forge" / "linux-64"
    folder.mkdir(parents=True)
    rows = []
    for number in range(count):
        index = {"name": f"package{number}", "version": "1.0", "build": f"h0_{number}", "build_number": number}
        content = _random_bytes(number, size)
        data = conda_package({**index, "subdir": "linux-64", "depends": []}, {f"share/{number}": content})
        name = f"package{number}-1.0-h0_{number}.conda"
        (folder / name).write_bytes(data)
        rows.append((f"{url}/conda-forge/linux-64/{name}", hashlib.sha256(data).hexdigest(), len(data)))
    lines = ["version: 6", "environments:", "  prod:", "    channels:", f"    - url: {url}/conda-forge/"]
    lines += ["    packages:", "      linux-64:", *(f"      - conda: {where}" for where, _, _ in rows), "packages:"]
    for where, sha256, length in rows:
        lines += [f"- conda: {where}", f"  sha256: {sha256}", "  depends:", "  - python >=3.11", f"  size: {length}"]
    (directory / "pixi.toml").write_text(f'[workspace]\nchannels = ["{url}/conda-forge"]\nplatforms = ["linux-64"]\n')
    lock = directory / "pixi.lock"
    lock.write_text("\n".join(lines) + "\n")
    return lock


def _random_bytes(seed: int, size: int) -> bytes:
    """Every run measures the same bytes. CPython 3.13 gives no 256 MiB at once."""
    generator = random.Random(seed)
    return b"".join(generator.randbytes(min(_MOST_AT_ONCE, size - at)) for at in range(0, size, _MOST_AT_ONCE))


def lone_mirror(directory: Path, count: int, size: int) -> Path:
    """A mirror of a workspace as above, when what it was brought from and the cache are gone: the disk has it once."""
    served = directory / "served"
    with nginx(directory, served) as url:
        _mirror(directory, workspace(directory, served, url, count, size))
    shutil.rmtree(directory / "cache")
    shutil.rmtree(served)
    return directory / "mirror"


@contextmanager
def nginx(directory: Path, served: Path) -> Iterator[str]:
    """nginx on a free loopback port, serving a directory; its URL."""
    served.mkdir(parents=True)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    config = directory / "nginx.conf"
    user = "user root;" if os.geteuid() == 0 else ""
    config.write_text(
        f"{user} daemon off; worker_processes 2; pid {directory}/nginx.pid; error_log stderr error;\n"
        "events { worker_connections 256; }\n"
        f"http {{ access_log off; sendfile on; keepalive_requests 100000; client_body_temp_path {directory}/t1;\n"
        f"  proxy_temp_path {directory}/t2; fastcgi_temp_path {directory}/t3; uwsgi_temp_path {directory}/t4;\n"
        f"  scgi_temp_path {directory}/t5; server {{ listen 127.0.0.1:{port}; root {served}; }} }}\n"
    )
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        sys.exit("nginx is needed: apt-get install nginx-light")
    server = subprocess.Popen([program, "-c", config, "-p", directory])
    try:
        for _ in range(100):
            with socket.socket() as client:
                if client.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


def _remove(*directories: Path) -> None:
    for directory in directories:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
