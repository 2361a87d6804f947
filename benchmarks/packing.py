"""How fast packs are written, and in how much memory: `python benchmarks/packing.py [--rounds N]`.

nginx on loopback serves conda packages of random bytes. Every round runs each of these once, one after another:

* cold: `pixi-mirror pack` with an empty cache;
* cached: the same with a full one;
* folder: the same with `--directory-only`;
* tar: plain `tar` of the same files, which verifies nothing;
* pixi-pack: cold and with its own cache, where it is on PATH.

A row is the median of the rounds in seconds until all is on the disk, in seconds of processors, that of ours (`cold` of
cold ones, `cached` of the others) divided by each of them, and the greatest memory of a process. Where others use the
processors, only the ratio of processor time is worth something.
"""

import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from bringing import each_shape, nginx, workspace

_MEASURED = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_utime + used.ru_stime, used.ru_maxrss)
"""
SHAPES = {"300 x 1 MiB": (300, 1 << 20), "8 x 50 MiB": (8, 50 << 20)}
HEADER = f"{'seconds':>9}{'processor':>11}{'ratio':>8}{'of proc.':>10}{'MiB':>6}"


class Run(NamedTuple):
    """What one run of a program took."""

    seconds: float
    """Until all is on the disk."""
    processor: float
    """Seconds."""
    memory: float
    """MiB, the greatest resident memory of one process."""


def main() -> None:
    each_shape(__doc__, SHAPES, f"{'':30}{HEADER}", _measure, rounds=3)


def _measure(directory: Path, name: str, count: int, size: int, rounds: int) -> None:
    served = directory / "served"
    with nginx(directory, served) as url:
        workspace(directory, served, url, count, size)
        runs: dict[str, list[Run]] = {}
        for number in range(rounds):
            place = directory / f"round {number}"
            place.mkdir()
            for what, words in _commands(directory, place, served).items():
                runs.setdefault(what, []).append(measured(words))
            shutil.rmtree(place)
        for what, each in runs.items():
            show(f"{name}, {what}", each, runs["cold" if what.endswith("cold") else "cached"])


def _commands(directory: Path, place: Path, served: Path) -> dict[str, Sequence[object]]:
    """What is run, by its name."""
    ours = (sys.executable, "-m", "pixi_mirror", "pack", directory, "-e", "prod", "-p", "linux-64", "-q")
    ours = (*ours, "--cache-dir", place / "cache", "-o")
    commands: dict[str, Sequence[object]] = {
        "cold": (*ours, place / "cold.tar"),
        "cached": (*ours, place / "cached.tar"),
        "folder": (*ours, place / "folder", "--directory-only"),
        "tar": ("tar", "-cf", place / "plain.tar", "-C", served, "."),
    }
    if shutil.which("pixi-pack"):
        theirs = ("pixi-pack", directory / "pixi.toml", "-e", "prod", "-p", "linux-64")
        theirs = (*theirs, "--use-cache", place / "theirs", "-o")
        commands["pixi-pack, cold"] = (*theirs, place / "their cold.tar")
        commands["pixi-pack, cached"] = (*theirs, place / "their cached.tar")
    return commands


def show(title: str, runs: Sequence[Run], ours: Sequence[Run]) -> None:
    """Print the medians of some runs, and those of ours divided by them."""
    seconds, processor = _medians(runs)
    our_seconds, our_processor = _medians(ours)
    peak = max(run.memory for run in runs)
    ratios = f"{our_seconds / seconds:8.2f}{our_processor / max(processor, 0.01):10.2f}"
    print(f"{title:30}{seconds:9.3f}{processor:11.3f}{ratios}{peak:6.0f}", flush=True)


def _medians(runs: Sequence[Run]) -> tuple[float, float]:
    return statistics.median(run.seconds for run in runs), statistics.median(run.processor for run in runs)


def measured(command: Sequence[object]) -> Run:
    """Run a program."""
    os.sync()  # what an earlier round left to be written must not be counted here
    start = time.perf_counter()
    # A process between, for a child's memory is counted from its fork on, when it has all that we have.
    words = [sys.executable, "-c", _MEASURED, *(str(word) for word in command)]
    told = subprocess.run(words, stdout=subprocess.PIPE, check=True).stdout.split()
    os.sync()
    return Run(time.perf_counter() - start, float(told[0]), int(told[1]) / 1024)


if __name__ == "__main__":
    main()
