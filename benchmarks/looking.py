"""Time of `ls` and `why` over a large mirror, beside reading its inventory; each in a process of its own.

python benchmarks/looking.py [PACKAGES] [--rounds N]
"""

import argparse
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from harness.inventories import conda, inventory, snapshot  # noqa: E402

from pixi_mirror.mirror import inventory_file  # noqa: E402
from pixi_mirror.model.packages import PackageFile  # noqa: E402

CELL = 500
"""Packages of one environment."""
COMMANDS = {
    "read the inventory (log)": ("log",),
    "parse it as JSON alone": None,
    "ls": ("ls",),
    "ls --match 'package-1*' --long": ("ls", "--match", "package-1*", "--long"),
    "ls --json": ("ls", "--json"),
    "why, needed by many": ("why", "package-7"),
    "why, a name that is not there": ("why", "packgae-7"),
}


def make_mirror(directory: Path, count: int) -> None:
    """A mirror of `count` packages in environments of 500, each needing up to eight others; there are no files."""
    chance = random.Random(19)
    packages = [
        conda(f"package-{i}", depends=[f"package-{chance.randrange(i)} >=1,<2" for _ in range(min(i, 8))])
        for i in range(count)
    ]
    whole = snapshot(*packages)
    parts = [packages[start : start + CELL] for start in range(0, count, CELL)]
    cells = [
        replace(whole.cells[0], environment=f"e{number}", packages=tuple(sorted(each.path for each in part)))
        for number, part in enumerate(parts)
    ]
    tree = {each.path: PackageFile(sha256=each.sha256, size=each.size) for each in packages}
    (directory / ".pixi-mirror").mkdir(parents=True)
    data = inventory_file.dump(inventory(replace(whole, cells=(*whole.cells, *cells)), tree=tree))
    (directory / "pixi-mirror.json").write_bytes(data)
    print(f"{count} packages, {len(cells) + 1} environments, an inventory of {len(data) / 1e6:.1f} MB")


def seconds(command: tuple[str, ...] | None, mirror: Path) -> float:
    begin = time.perf_counter()
    if command is None:
        words = [sys.executable, "-c", f"import json; json.load(open({json.dumps(str(mirror / 'pixi-mirror.json'))}))"]
    else:
        words = [sys.executable, "-m", "pixi_mirror", *command, "-o", str(mirror)]
    subprocess.run(words, cwd=ROOT, stdout=subprocess.DEVNULL, check=False)
    return time.perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("packages", nargs="?", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        mirror = Path(name) / "mirror"
        make_mirror(mirror, options.packages)
        taken: dict[str, list[float]] = {title: [] for title in COMMANDS}
        for _ in range(options.rounds):
            for title, command in COMMANDS.items():
                taken[title].append(seconds(command, mirror))
        first = statistics.median(next(iter(taken.values())))
        for title, times in taken.items():
            median = statistics.median(times)
            print(f"{title:32} {median:6.2f} s  {median / first:5.2f}")


main()
