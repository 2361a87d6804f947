"""How fast a mirror is verified, as ratios in one run: `python benchmarks/verifying.py [--rounds N]`.

Files of random bytes are mirrored from a loopback server; side by side and in turn, with the disk's cache warm, run

* whole: `pixi-mirror verify`, against `xargs -P CORES sha256sum` over the same files;
* quick: `pixi-mirror verify --quick`, against `stat` of the same files.

What is printed is the median of the rounds, and the ratio of the medians. A start of Python and the reading of the
records are in ours, and count for most where there is little to hash.
"""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from bringing import each_shape, nginx, workspace

SHAPES = {"300 x 1 MiB": (300, 1 << 20), "8 x 50 MiB": (8, 50 << 20), "3000 x 20 kB": (3000, 20_000)}


def main() -> None:
    each_shape(__doc__, SHAPES, f"{'':26}{'ours':>9}{'theirs':>9}{'ratio':>8}", _measure, rounds=5)


def _measure(directory: Path, name: str, count: int, size: int, rounds: int) -> None:
    served, mirror = directory / "served", directory / "mirror"
    with nginx(directory, served) as url:
        lock = workspace(directory, served, url, count, size)
        _pixi_mirror(directory, "--lock", lock, "-e", "prod", "-o", mirror)
    files = sorted(path for path in mirror.rglob("*.conda") if path.is_file())
    listed = b"".join(os.fsencode(path) + b"\0" for path in files)
    cores = str(os.cpu_count() or 1)
    pairs: Sequence[tuple[str, Sequence[str], Sequence[str]]] = (
        (f"whole, {name}", ["verify"], ["-P", cores, "-n", str(max(1, len(files) // 64)), "sha256sum"]),
        (f"quick, {name}", ["verify", "--quick"], ["stat"]),
    )
    for title, ours, theirs in pairs:
        times: tuple[list[float], list[float]] = ([], [])
        for _ in range(rounds):
            times[0].append(_seconds(lambda words=ours: _pixi_mirror(directory, *words, mirror)))
            times[1].append(_seconds(lambda words=theirs: _xargs(words, listed)))
        first, second = map(statistics.median, times)
        print(f"{title:26}{first:8.3f}s{second:8.3f}s{first / second:8.2f}")


def _pixi_mirror(directory: Path, *words: object) -> None:
    root = Path(__file__).resolve().parents[1]
    known = {"HOME": str(directory), "PATH": os.defpath, "PYTHONPATH": str(root), "PIXI_MIRROR_INDEX": "json"}
    known["PIXI_MIRROR_CACHE_DIR"] = str(directory / "cache")
    command = [sys.executable, "-m", "pixi_mirror", *map(str, words)]
    subprocess.run(command, env=known, cwd=directory, check=True, capture_output=True)


def _xargs(words: Sequence[str], listed: bytes) -> None:
    subprocess.run(["xargs", "-0", *words], input=listed, check=True, capture_output=True)


def _seconds(run: Callable[[], None]) -> float:
    begun = time.perf_counter()
    run()
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
