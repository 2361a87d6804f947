"""How fast packs are written and read, and in how much memory: `python benchmarks/packing.py [--rounds N]`.

nginx on loopback serves files of random bytes; each row is the median of the rounds, beside plain `tar` of the same
files, synced to the disk as ours is:

* cold: `pixi-mirror pack` with an empty cache;
* cached: the same with a full one;
* folder: the same with `--directory-only`;
* pixi-pack: cold and with its own cache, where it is on PATH.

The files are no archives, so these packs cannot be unpacked: `benchmarks/unpacking.py` measures that.
"""

import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from bringing import each_shape, nginx, workspace

_MEASURED = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""
SHAPES = {"300 x 1 MiB": (300, 1 << 20), "8 x 100 MiB": (8, 100 << 20)}


def main() -> None:
    each_shape(__doc__, SHAPES, f"{'':30}{'seconds':>9}{'MiB':>7}", _measure, rounds=3)


def _measure(directory: Path, name: str, count: int, size: int, rounds: int) -> None:
    served = directory / "served"
    with nginx(directory, served) as url:
        workspace(directory, served, url, count, size)
        ours = (sys.executable, "-m", "pixi_mirror", "pack", directory, "-e", "prod", "-p", "linux-64", "-q")
        ours = (*ours, "--cache-dir", directory / "cache", "-o", directory / "ours.tar")
        commands: dict[str, tuple[Sequence[object], bool]] = {
            "cold": (ours, True),
            "cached": (ours, False),
            "folder": ((*ours, "--directory-only", "-o", directory / "folder"), False),
            "plain tar": (("tar", "-cf", directory / "plain.tar", "-C", served, "."), False),
        }
        if shutil.which("pixi-pack"):
            theirs = ("pixi-pack", directory, "-e", "prod", "-p", "linux-64", "-o", directory / "theirs.tar")
            theirs = (*theirs, "--use-cache", directory / "theirs")
            commands |= {"pixi-pack, cold": (theirs, True), "pixi-pack, cached": (theirs, False)}
        for what, (command, is_cold) in commands.items():

            def before(*, is_cold: bool = is_cold) -> None:
                for place in ("cache", "theirs") if is_cold else ():
                    shutil.rmtree(directory / place, ignore_errors=True)

            repeated(f"{name}, {what}", command, rounds, before)


def repeated(title: str, command: Sequence[object], rounds: int, before: Callable[[], None]) -> None:
    """Print the median of the seconds of some runs, and the greatest memory; `before` prepares each."""
    runs = []
    for _ in range(rounds):
        before()
        runs.append(measured(command))
    seconds, peak = statistics.median(each[0] for each in runs), max(each[1] for each in runs)
    print(f"{title:30}{seconds:9.3f}{peak:7.0f}", flush=True)


def measured(command: Sequence[object]) -> tuple[float, float]:
    """Seconds until all is on the disk, and MiB of the greatest resident memory."""
    os.sync()  # what an earlier round left to be written must not be counted here
    start = time.perf_counter()
    # A process between, for a child's memory is counted from its fork on, when it has all that we have.
    words = [sys.executable, "-c", _MEASURED, *(str(word) for word in command)]
    told = subprocess.run(words, stdout=subprocess.PIPE, check=True).stdout
    os.sync()
    return time.perf_counter() - start, int(told) / 1024


if __name__ == "__main__":
    main()
