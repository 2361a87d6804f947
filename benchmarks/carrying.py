"""How fast a mirror is exported and imported, and in how much memory: `python benchmarks/carrying.py [--rounds N]`.

nginx on loopback serves files of random bytes, which are mirrored once. Each row has the medians of the rounds, beside
what a careful person does by hand with the same bytes, synced to the disk as ours are:

* export: `pixi-mirror export --full`, beside `tar -cf` and `sha256sum` of the tar, which reads it from memory;
* the same beside the same work: after these, the tar is synced and taken out of memory, and `sha256sum` reads it from
  the disk, as an export does before it names an archive;
* import: `pixi-mirror import` into a new mirror, beside `sha256sum` of the tar and `tar -xf`.

A row has the medians of the seconds until all is on the disk, their ratio, and the ratio of the processor's time, which
other work on the machine disturbs least.

The last figure is the peak of our resident memory; `large_export.py` measures that of very large exports.
"""

import argparse
import shutil
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bringing import lone_mirror
from packing import Run, measured

SHAPES = {"2000 x 100 kB": (2000, 100_000), "300 x 1 MB": (300, 1_000_000), "8 x 100 MB": (8, 100_000_000)}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--directory", help="where to work; twice to four times the bytes have to fit")
    asked = options.parse_args()
    print(f"{'':36}{'ours':>9}{'by hand':>9}{'ratio':>8}{'of proc.':>10}{'MiB':>6}")
    for name, (count, size) in SHAPES.items():
        with tempfile.TemporaryDirectory(prefix="bench-", dir=asked.directory) as directory:
            _measure(Path(directory), name, count, size, asked.rounds)


def _measure(directory: Path, name: str, count: int, size: int, rounds: int) -> None:
    usb, far = directory / "usb", directory / "far"
    ours = (sys.executable, "-m", "pixi_mirror")
    mirror = lone_mirror(directory, count, size)
    exports, tars, read_back, imports, untars = [], [], [], [], []
    tar, sha256sum = f"tar -cf {usb}/all.tar -C {mirror} .", f"sha256sum {usb}/all.tar"
    forget = f"dd of={usb}/all.tar oflag=nocache conv=notrunc,fdatasync count=0 status=none"
    for _ in range(rounds):
        shutil.rmtree(usb, ignore_errors=True)
        exports.append(measured((*ours, "export", mirror, "--full", "-o", usb, "-q")))
        imports.append(measured((*ours, "import", usb, "-o", far, "-q", "--index", "json")))
        shutil.rmtree(far)
        shutil.rmtree(usb)
        usb.mkdir()
        read_back.append(measured(_shell(f"{tar} && {sha256sum} && {forget} && {sha256sum}")))
        (usb / "all.tar").unlink()
        tars.append(measured(_shell(f"{tar} && {sha256sum}")))
        far.mkdir()
        untars.append(measured(_shell(f"{sha256sum} && tar -xf {usb}/all.tar -C {far}")))
        shutil.rmtree(far)
    _show(f"export, {name}", exports, tars)
    _show(f"  beside the same work, {name}", exports, read_back)
    _show(f"import, {name}", imports, untars)


def _shell(line: str) -> Sequence[object]:
    return ("sh", "-c", line)


def _show(what: str, ours: Sequence[Run], theirs: Sequence[Run]) -> None:
    mine, other = (statistics.median(run.seconds for run in runs) for runs in (ours, theirs))
    peak = max(run.memory for run in ours)
    used, by_hand = (statistics.median(run.processor for run in runs) for runs in (ours, theirs))
    ratios = f"{mine / other:8.2f}{used / by_hand:10.2f}"
    print(f"{what:36}{mine:8.2f}s{other:8.2f}s{ratios}{peak:6.0f}", flush=True)


if __name__ == "__main__":
    main()
