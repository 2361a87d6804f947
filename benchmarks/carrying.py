"""How fast a mirror is exported and imported, and in how much memory: `python benchmarks/carrying.py [--rounds N]`.

nginx on loopback serves files of random bytes, which are mirrored once. Each row has the medians of the rounds, beside
what a careful person does by hand with the same bytes, synced to the disk as ours are:

* export: `pixi-mirror export --full`, beside `tar -cf` and `sha256sum` of the tar;
* import: `pixi-mirror import` into a new mirror, beside `sha256sum` of the tar and `tar -xf`.

The last figure is the peak of our resident memory. `--gigabytes N` measures one mirror of N GB in files of 10 MB, once.
"""

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bringing import nginx, workspace
from packing import Run, measured

SHAPES = {"2000 x 100 kB": (2000, 100_000), "300 x 1 MB": (300, 1_000_000), "8 x 100 MB": (8, 100_000_000)}
LARGE = 10_000_000


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--gigabytes", type=int)
    options.add_argument("--directory", help="where to work; twice to four times the bytes have to fit")
    asked = options.parse_args()
    shapes = SHAPES
    if asked.gigabytes:
        shapes = {f"{asked.gigabytes} GB": (asked.gigabytes * 1_000_000_000 // LARGE, LARGE)}
    print(f"{'':24}{'ours':>9}{'by hand':>9}{'ratio':>8}{'MiB':>6}")
    for name, (count, size) in shapes.items():
        with tempfile.TemporaryDirectory(prefix="bench-", dir=asked.directory) as directory:
            _measure(Path(directory), name, count, size, 1 if asked.gigabytes else asked.rounds)


def _measure(directory: Path, name: str, count: int, size: int, rounds: int) -> None:
    served, mirror, usb, far = (directory / each for each in ("served", "mirror", "usb", "far"))
    ours = (sys.executable, "-m", "pixi_mirror")
    with nginx(directory, served) as url:
        lock = workspace(directory, served, url, count, size)
        words = (*ours, "--lock", lock, "-e", "prod", "-o", mirror, "--cache-dir", directory / "cache", "-q")
        subprocess.run([*map(str, words), "--index", "json"], check=True)
    shutil.rmtree(directory / "cache")
    shutil.rmtree(served)  # the mirror has it all
    exports, tars, imports, untars = [], [], [], []
    for _ in range(rounds):
        shutil.rmtree(usb, ignore_errors=True)
        exports.append(measured((*ours, "export", mirror, "--full", "-o", usb, "-q")))
        imports.append(measured((*ours, "import", usb, "-o", far, "-q", "--index", "json")))
        shutil.rmtree(far)
        shutil.rmtree(usb)
        usb.mkdir()
        tars.append(measured(_shell(f"tar -cf {usb}/all.tar -C {mirror} . && sha256sum {usb}/all.tar")))
        far.mkdir()
        untars.append(measured(_shell(f"sha256sum {usb}/all.tar && tar -xf {usb}/all.tar -C {far}")))
        shutil.rmtree(far)
    _show(f"export, {name}", exports, tars)
    _show(f"import, {name}", imports, untars)


def _shell(line: str) -> Sequence[object]:
    return ("sh", "-c", line)


def _show(what: str, ours: Sequence[Run], theirs: Sequence[Run]) -> None:
    mine, other = (statistics.median(run.seconds for run in runs) for runs in (ours, theirs))
    peak = max(run.memory for run in ours)
    print(f"{what:24}{mine:8.2f}s{other:8.2f}s{mine / other:8.2f}{peak:6.0f}", flush=True)


if __name__ == "__main__":
    main()
