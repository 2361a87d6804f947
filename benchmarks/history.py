"""What the history of a mirror costs: `python benchmarks/history.py [--packages N] [--generations N] [--changes N]`.

A lock of small packages changes a few of them again and again, and each time `pixi-mirror update` runs. Printed are the
bytes of all generations beside those of the inventory, `pixi-mirror.json`, and the seconds of the first and the last
update. Surplus stays in the mirror, as it does until somebody prunes.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bringing import nginx
from large_mirror import write_lock

_ENTRY = "- conda: "


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--packages", type=int, default=10_000)
    options.add_argument("--generations", type=int, default=100)
    options.add_argument("--changes", type=int, default=10, help="packages that come and go with each generation")
    options.add_argument("--directory", help="where to work")
    asked = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-", dir=asked.directory) as name:
        _measure(Path(name), asked.packages, asked.generations, asked.changes)


def _measure(directory: Path, packages: int, generations: int, changes: int) -> None:
    served, mirror, workspace = directory / "served", directory / "mirror", directory / "workspace"
    words = (sys.executable, "-m", "pixi_mirror", "--lock", workspace / "pixi.lock", "-e", "prod", "-o", mirror)
    words = (*words, "--cache-dir", directory / "cache", "--index", "json", "-q")
    seconds = []
    with nginx(directory, served) as url:
        numbers = range(packages + changes * generations)
        whole = write_lock(directory / "all", served, url, numbers, names=packages // 4).read_text()
        workspace.mkdir()
        for generation in range(generations):
            first = generation * changes
            (workspace / "pixi.lock").write_text(_part(whole, range(first, first + packages)))
            start = time.perf_counter()
            subprocess.run([*map(str, words)], check=True)
            seconds.append(time.perf_counter() - start)
    history = sum(path.stat().st_size for path in (mirror / ".pixi-mirror/generations").iterdir())
    inventory = (mirror / "pixi-mirror.json").stat().st_size
    print(f"{generations} generations of {packages} packages, {changes} changed in each")
    print(
        f"all generations {history / 1e6:.2f} MB, inventory {inventory / 1e6:.2f} MB, ratio {history / inventory:.2f}"
    )
    print(f"first update {seconds[0]:.1f} s, second {seconds[1]:.1f} s, last {seconds[-1]:.1f} s")
    shutil.rmtree(mirror)


def _part(whole: str, numbers: range) -> str:
    """The lock of those packages of the whole one that have these numbers, by the order in which it has them."""
    head, _, tail = whole.partition("\npackages:\n")
    entries = tail.split(f"\n{_ENTRY}")
    entries[0] = entries[0].removeprefix(_ENTRY)
    kept = [entries[number].rstrip("\n") for number in numbers]
    urls = {entry.partition("\n")[0] for entry in kept}
    lines = [line for line in head.split("\n") if _ENTRY not in line or line.partition(_ENTRY)[2] in urls]
    return "\n".join([*lines, "packages:", *(f"{_ENTRY}{entry}" for entry in kept), ""])


if __name__ == "__main__":
    main()
