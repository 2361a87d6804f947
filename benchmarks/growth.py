"""How the work grows with the mirror, as a picture: `benchmarks/growth.py FILE.svg [--packages N…] [--locks N…]`.

Mirrors of more and more packages in one lock, and of more and more locks with a hundred packages each. For each size
the picture has the processor's time, which other work on the machine disturbs least: of an update that brings ten
packages more, of one that has nothing to do, and of `status`; the best of three runs. Both axes are logarithmic, so
what grows with the mirror has the slope 1, and what does not is flat.
"""

import argparse
import math
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bringing import nginx
from large_mirror import write_lock

HERE = Path(__file__).resolve().parents[1]
RUNS = 3
OF_A_LOCK = 100
"""Packages."""
COLOURS = {"10 packages more": "#c0392b", "nothing to do": "#2471a3", "status": "#1e8449"}
WIDTH, HEIGHT, MARGIN = 420, 300, 46

Series = Mapping[str, Mapping[int, float]]
"""What was done -> size of the mirror -> seconds."""


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--packages", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    options.add_argument("--locks", type=int, nargs="+", default=[1, 10, 100])
    options.add_argument("file", type=Path)
    asked = options.parse_args()
    charts = {
        "packages in one lock": _measure(asked.packages, lambda size: [range(size)]),
        f"locks of {OF_A_LOCK} packages": _measure(
            asked.locks, lambda size: [range(at * OF_A_LOCK, (at + 1) * OF_A_LOCK) for at in range(size)]
        ),
    }
    asked.file.write_text(_picture(charts), encoding="utf-8")


def _measure(sizes: Sequence[int], locks_of: Callable[[int], Sequence[Sequence[int]]]) -> Series:
    found: dict[str, dict[int, float]] = {name: {} for name in COLOURS}
    for size in sizes:
        with (
            tempfile.TemporaryDirectory(prefix="bench-") as directory,
            nginx(Path(directory), Path(directory, "s")) as url,
        ):
            place, served = Path(directory), Path(directory, "s")
            numbers = locks_of(size)
            names = max(1, sum(map(len, numbers)) // 4)
            locks = [write_lock(place / f"w{at}", served, url, some, names=names) for at, some in enumerate(numbers)]
            more = [
                write_lock(place / f"m{at}", served, url, range(10**7 + at * 10, 10**7 + at * 10 + 10), names=names)
                for at in range(RUNS)
            ]
            _seconds(place, *(word for lock in locks for word in ("--lock", lock)), "-e", "prod")
            runs = [_seconds(place, "--lock", lock, "-e", "prod") for lock in more]
            _seconds(place)
            found["10 packages more"][size] = min(runs)
            found["nothing to do"][size] = min(_seconds(place) for _ in range(RUNS))
            found["status"][size] = min(_seconds(place, verb="status") for _ in range(RUNS))
        print(size, {name: round(values[size], 2) for name, values in found.items()}, flush=True)
    return found


def _seconds(place: Path, *words: object, verb: str = "update") -> float:
    known = {"HOME": str(place), "PATH": os.defpath, "PYTHONPATH": str(HERE)}
    command = [sys.executable, "-m", "pixi_mirror", verb, "-o", "mirror", "-q", *map(str, words)]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, env=known, cwd=place, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _picture(charts: Mapping[str, Series]) -> str:
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH * len(charts)} {HEIGHT}" '
        'font-family="sans-serif" font-size="11">',
        f'<rect width="{WIDTH * len(charts)}" height="{HEIGHT}" fill="white"/>',
    ]
    for at, (title, series) in enumerate(charts.items()):
        parts += [f'<g transform="translate({at * WIDTH} 0)">', *_chart(title, series), "</g>"]
    return "\n".join([*parts, "</svg>", ""])


def _chart(title: str, series: Series) -> list[str]:
    sizes = sorted({size for values in series.values() for size in values})
    seconds = [each for values in series.values() for each in values.values()]
    low, high = math.floor(math.log10(min(seconds))), math.ceil(math.log10(max(seconds)))
    first, last = math.log10(sizes[0]), math.log10(sizes[-1])

    def x(size: int) -> float:
        return MARGIN + (math.log10(size) - first) / (last - first or 1) * (WIDTH - 2 * MARGIN - 70)

    def y(value: float) -> float:
        return HEIGHT - MARGIN - (math.log10(value) - low) / (high - low) * (HEIGHT - 2 * MARGIN)

    parts = [f'<text x="{WIDTH / 2}" y="20" text-anchor="middle" font-size="13">{title}</text>']
    for power in range(low, high + 1):
        at = y(10**power)
        parts.append(f'<line x1="{MARGIN}" x2="{WIDTH - MARGIN}" y1="{at:.0f}" y2="{at:.0f}" stroke="#ddd"/>')
        parts.append(f'<text x="{MARGIN - 6}" y="{at + 4:.0f}" text-anchor="end">{10.0**power:g} s</text>')
    foot = HEIGHT - MARGIN + 18
    parts += [f'<text x="{x(size):.0f}" y="{foot}" text-anchor="middle">{size:,}</text>' for size in sizes]
    for name, values in series.items():
        points = " ".join(f"{x(size):.0f},{y(value):.0f}" for size, value in sorted(values.items()))
        parts.append(f'<polyline points="{points}" fill="none" stroke="{COLOURS[name]}" stroke-width="2"/>')
        end = y(values[sizes[-1]])
        parts.append(f'<text x="{x(sizes[-1]) + 6:.0f}" y="{end + 4:.0f}" fill="{COLOURS[name]}">{name}</text>')
    return parts


if __name__ == "__main__":
    main()
