"""How fast we are beside others, in one table: `python benchmarks/run.py [--rounds N] [--only WORD] [--packages N]`.

The peers are curl and sha256sum, `cp -al`, a bare start of Python, and the program at commit 8e3cadc, from git's
history: with rattler-index where that is on PATH, and the library zstandard, which it needs for it. Packs, the server
and wheels have benchmarks of their own, beside this file.

Ours and theirs run in turn. A ratio is that of the medians of the rounds: of the time that passes, and of the
processor's time of all processes. Other work on the machine disturbs the first more than the second. How noisy the
machine was is said at the end: the same hashing was timed before each run.
"""

import argparse
import hashlib
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from bringing import START, _curl, _remove, _run, nginx, workspace
from large_mirror import program_at, write_lock

OLD = "8e3cadc"
HERE = Path(__file__).resolve().parents[1]
BESIDE = Path.home() / ".cache/pixi-mirror-ci/cargo/bin"
"""Where CI builds rattler-index."""


class Cost(NamedTuple):
    """What a run took, in seconds."""

    passed: float
    processor: float


class Run(NamedTuple):
    """One side of a comparison."""

    work: Callable[[], object]
    prepare: Callable[[], object] = lambda: None
    """Is not timed."""


class Bench:
    """The table, filled row by row."""

    def __init__(self, rounds: int, only: str) -> None:
        self._rounds = rounds
        self._only = only
        self._noise: list[float] = []
        self._data = os.urandom(1 << 23)

    def wants(self, title: str) -> bool:
        """Whether a row was asked for."""
        return self._only in title

    def row(self, title: str, ours: Run, theirs: Run, peer: str) -> None:
        """Measure both sides in turn, and print the row."""
        if not self.wants(title):
            return
        costs: tuple[list[Cost], list[Cost]] = ([], [])
        for _ in range(self._rounds):
            for run, found in zip((ours, theirs), costs, strict=True):
                run.prepare()
                found.append(self._cost(run.work))
        (passed, processor), (others, other_processor) = map(_median, costs)
        print(
            f"| {title} | {passed:.2f} s | {peer}: {others:.2f} s | {passed / others:.2f} "
            f"| {processor / other_processor if other_processor else 0:.2f} |",
            flush=True,
        )

    def _cost(self, work: Callable[[], object]) -> Cost:
        os.sync()  # what an earlier run left to be written must not be counted here
        begun = time.perf_counter()
        hashlib.sha256(self._data)
        self._noise.append(time.perf_counter() - begun)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        begun = time.perf_counter()
        work()
        passed = time.perf_counter() - begun
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return Cost(passed, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)

    def say_noise(self) -> None:
        """Say how much the same work varied."""
        if self._noise:
            low, high = min(self._noise), max(self._noise)
            median = statistics.median(self._noise)
            load = " ".join(f"{each:.1f}" for each in os.getloadavg())
            print(
                f"\nNoise: hashing the same 8 MiB took {median * 1000:.0f} ms, from {low * 1000:.0f} to "
                f"{high * 1000:.0f}; load {load}, {os.cpu_count()} cores."
            )


def _median(costs: Sequence[Cost]) -> Cost:
    return Cost(statistics.median(each.passed for each in costs), statistics.median(each.processor for each in costs))


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--only", default="", metavar="WORD", help="only rows whose title has this word")
    options.add_argument("--packages", type=int, default=10_000, help="of the large mirror (default: 10000)")
    asked = options.parse_args()
    bench = Bench(asked.rounds, asked.only)
    print("| work | ours | against | ratio | ratio of processor time |\n| --- | --- | --- | --- | --- |", flush=True)
    for rows in (_bringing, _small, _start, _large, _corpus):
        with tempfile.TemporaryDirectory(prefix="bench-") as directory:
            rows(bench, Path(directory), asked.packages)
    bench.say_noise()


def _ours(directory: Path, *words: object, tree: Path = HERE) -> None:
    path = os.pathsep.join([str(BESIDE), os.environ["PATH"]])
    known = {"HOME": str(directory), "PATH": path, "PYTHONPATH": str(tree)}
    command = [sys.executable, "-m", "pixi_mirror", *map(str, words)]
    subprocess.run(command, env=known, cwd=directory, check=True, stdout=subprocess.DEVNULL)


def _update(directory: Path, lock: Path, *words: object, tree: Path = HERE, mirror: str = "mirror") -> None:
    given = ("--lock", lock, "-e", "prod", "-o", directory / mirror, "--cache-dir", directory / "cache", "-q")
    _ours(directory, *given, *(words or ("--index", "json")), tree=tree)


def _bringing(bench: Bench, directory: Path, _packages: int) -> None:
    shapes = {"300 x 1 MiB": (300, 1 << 20), "8 x 50 MiB": (8, 50 << 20)}
    for name, (count, size) in shapes.items():
        if not (bench.wants(f"cold, {name}") or bench.wants(f"from a full cache, {name}")):
            continue
        place = directory / str(count)
        with nginx(place, place / "served") as url:
            lock = workspace(place, place / "served", url, count, size)

            def clear(place: Path = place) -> None:
                _remove(place / "mirror", place / "cache", place / "curl")

            def update(place: Path = place, lock: Path = lock) -> None:
                _update(place, lock)

            def curl(place: Path = place, url: str = url) -> None:
                _curl(place, place / "served", url)

            bench.row(f"cold, {name}", Run(update, clear), Run(curl, clear), "`curl -Z` (8), then `sha256sum`")
            update()

            def unlink(place: Path = place) -> None:
                _remove(place / "mirror", place / "links")

            def link(place: Path = place) -> None:
                _run("cp", "-al", place / "cache" / "sha256", place / "links")

            bench.row(f"from a full cache, {name}", Run(update, unlink), Run(link, unlink), "`cp -al`")


def _small(bench: Bench, directory: Path, _packages: int) -> None:
    title = "verify, 3,000 x 20 kB"
    if not bench.wants(title):
        return
    with nginx(directory, directory / "served") as url:
        lock = workspace(directory, directory / "served", url, 3000, 20_000)
        _update(directory, lock)
    names = b"\0".join(os.fsencode(path) for path in sorted((directory / "mirror").rglob("*.conda")))
    command = ["xargs", "-0", "-P", str(os.cpu_count()), "-n", "64", "sha256sum"]
    theirs = Run(lambda: subprocess.run(command, input=names, check=True, stdout=subprocess.DEVNULL))
    bench.row(title, Run(lambda: _ours(directory, "verify", directory / "mirror", "-q")), theirs, "`sha256sum`")


def _start(bench: Bench, directory: Path, _packages: int) -> None:
    title = "nothing to do, 500 packages"
    if not bench.wants(title):
        return
    with nginx(directory, directory / "served") as url:
        lock = workspace(directory, directory / "served", url, 500, 1000)
        _update(directory, lock)
        bench.row(
            title, Run(lambda: _update(directory, lock)), Run(lambda: _run(sys.executable, "-c", START)), "bare start"
        )


def _large(bench: Bench, directory: Path, packages: int) -> None:
    titles = {
        "more": f"10 packages more in {packages:,}, with sidecars",
        "sharded": f"10 packages more in {packages:,}, with shards",
        "nothing": f"nothing to do, {packages:,} packages",
        "again": f"nothing to do by the memo, {packages:,} packages",
        "status": f"status, {packages:,} packages",
    }
    old = program_at(OLD, directory / "old") if any(map(bench.wants, titles.values())) else None
    indexer = shutil.which("rattler-index", path=os.pathsep.join([str(BESIDE), os.environ["PATH"]]))
    can_index = indexer is not None and find_spec("zstandard") is not None
    if old is None:
        return
    names = max(1, packages // 4)
    sides = {"new": (HERE, "own"), "old": (old, "rattler-index" if can_index else "json")}
    peer = f"{OLD} with `--index {sides['old'][1]}`"
    with nginx(directory, directory / "served") as url:
        served = directory / "served"
        lock = write_lock(directory / "many", served, url, range(packages), names=names)
        for side, (tree, index) in sides.items():
            for shards in ("never", "always"):
                _update(directory, lock, "--index", index, "--shards", shards, tree=tree, mirror=f"{side}-{shards}")
        few = _few(directory, served, url, packages, names)
        for key, shards in (("more", "never"), ("sharded", "always")):
            if bench.wants(titles[key]):
                runs = [
                    Run(lambda tree=tree, index=index, side=side, shards=shards: _update(
                        directory, next(few[side]), "--index", index, "--shards", shards, tree=tree,
                        mirror=f"{side}-{shards}",
                    ))
                    for side, (tree, index) in sides.items()
                ]  # fmt: skip
                bench.row(titles[key], runs[0], runs[1], peer)
        for key, prepare in (("nothing", True), ("again", False)):
            runs = [
                Run(
                    lambda tree=tree, side=side: _ours(directory, "-o", f"{side}-never", "-q", tree=tree),
                    (lambda side=side: _remove_memo(directory / f"{side}-never")) if prepare else (lambda: None),
                )
                for side, (tree, _) in sides.items()
            ]
            bench.row(titles[key], runs[0], runs[1], OLD)
        runs = [
            Run(lambda tree=tree, side=side: _ours(directory, "status", f"{side}-never", "-q", tree=tree))
            for side, (tree, _) in sides.items()
        ]
        bench.row(titles["status"], runs[0], runs[1], OLD)


def _few(directory: Path, served: Path, url: str, packages: int, names: int) -> dict[str, Iterator[Path]]:
    """Locks of ten packages each, none of which a mirror has; each side gets the same ones in turn."""

    def locks(side: str) -> Iterator[Path]:
        for turn in range(1000):
            numbers = range(packages + turn * 10, packages + turn * 10 + 10)
            yield write_lock(directory / f"few-{side}-{turn}", served, url, numbers, names=names)

    return {"new": _made_before(locks("new")), "old": _made_before(locks("old"))}


def _made_before(locks: Iterator[Path], count: int = 24) -> Iterator[Path]:
    """So that making them is not timed."""
    return iter([next(locks) for _ in range(count)])


def _remove_memo(mirror: Path) -> None:
    (mirror / ".pixi-mirror" / "unchanged.json").unlink(missing_ok=True)


def _corpus(bench: Bench, directory: Path, _packages: int) -> None:
    corpus = Path(os.environ.get("PIXI_MIRROR_CORPUS", HERE.parent / "shared")) / "locks"
    title = "dry run of the readable locks of the corpus"
    old = program_at(OLD, directory / "old") if corpus.is_dir() and bench.wants(title) else None
    if old is None:
        return
    common = ("--all-environments", "--skip-unmirrorable", "--allow-md5", "--allow-unhashed", "--dry-run", "-q")
    locks = []
    for lock in sorted(corpus.glob("*/pixi.lock")):
        try:
            for tree in (old, HERE):
                _quietly(directory, "--lock", lock, *common, "-o", directory / "one", tree=tree)
        except subprocess.CalledProcessError:
            continue  # damaged on purpose, or of a version that needs py-rattler
        locks += ["--lock", lock]
    runs = [
        Run(lambda tree=tree: _quietly(directory, *locks, *common, "-o", directory / "all", tree=tree))
        for tree in (HERE, old)
    ]
    bench.row(f"{title} ({len(locks) // 2})", runs[0], runs[1], OLD)


def _quietly(directory: Path, *words: object, tree: Path) -> None:
    known = {"HOME": str(directory), "PATH": os.defpath, "PYTHONPATH": str(tree)}
    command = [sys.executable, "-m", "pixi_mirror", *map(str, words)]
    subprocess.run(command, env=known, cwd=directory, check=True, capture_output=True)


if __name__ == "__main__":
    main()
