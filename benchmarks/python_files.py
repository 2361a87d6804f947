"""How fast PyPI files are brought, against pip and uv in one run: `python benchmarks/python_files.py [--rounds N]`.

The wheels have the names, the environments and the platforms of hydromt's lock, where the corpus is
(PIXI_MIRROR_CORPUS, else ../shared); else there are 966 of them for three platforms. No lock knows a size: they are
drawn, with a seed, from a lognormal distribution (median 200 kB, at most 40 MB). nginx serves them on loopback, with a
page of PEP 503 a project.

* all: every environment and platform at once, cold (no cache, no mirror) and with nothing to do;
* one environment on each platform: `pixi-mirror`, against `pip download --no-deps --require-hashes`, and against
  `uv pip install --target --no-deps --require-hashes`, which unpacks, too; each with an empty cache.

What is printed is the median of the rounds, and the ratio of the medians.
"""

import argparse
import hashlib
import math
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml
from bringing import _remove, _run, _seconds, nginx

from pixi_mirror.demo.distributions import build_wheel
from pixi_mirror.lockfile.writer import LockDescription, LockEnvironment, PypiLockEntry, lock_text
from pixi_mirror.pypi.names import wheel_name

MEDIAN, SIGMA, LARGEST = 200_000, 1.7, 40_000_000
COMPARED = "default"
PYTHON = "3.13"
UV_PLATFORMS = {
    "linux-64": "x86_64-manylinux_2_40",
    "osx-arm64": "aarch64-apple-darwin",
    "win-64": "x86_64-pc-windows-msvc",
}


@dataclass(frozen=True)
class Cell:
    """One environment on one platform: the Python it has, and the paths of its wheels below the file host."""

    python: str
    wheels: tuple[str, ...]


Cells = Mapping[str, Mapping[str, Cell]]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=1)
    rounds = options.parse_args().rounds
    corpus = Path(os.environ.get("PIXI_MIRROR_CORPUS", Path(__file__).parents[2] / "shared"))
    lock = corpus / "locks/Deltares__hydromt__root/pixi.lock"
    cells = _locked(lock) if lock.exists() else _invented()
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        directory = Path(name)
        with nginx(directory, directory / "served") as url:
            served = Served(directory, url, cells)
            print(f"{len(served.sha256)} wheels, {served.size / 1e6:.0f} MB\n")
            print(f"{'':52}{'ours':>9}{'theirs':>9}{'ratio':>8}")
            _measure_all(served, rounds)
            for platform in cells[COMPARED]:
                _measure_cell(served, platform, rounds)


def _locked(lock: Path) -> Cells:
    content = yaml.load(lock.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    cells: dict[str, dict[str, Cell]] = {}
    for environment, told in content["environments"].items():
        for platform, rows in told["packages"].items():
            pythons = [re.search(r"/python-(3\.\d+)\.", row.get("conda", "")) for row in rows]
            wheels = [row["pypi"].split("/", 3)[3] for row in rows if row.get("pypi", "").endswith(".whl")]
            python = next((found[1] for found in pythons if found), PYTHON)
            cells.setdefault(environment, {})[platform] = Cell(python=python, wheels=tuple(sorted(set(wheels))))
    return cells


def _invented() -> Cells:
    tags = {"linux-64": "manylinux_2_17_x86_64", "osx-arm64": "macosx_11_0_arm64", "win-64": "win_amd64"}
    return {
        COMPARED: {
            platform: Cell(PYTHON, tuple(f"packages/{tag}/thing{n}-1.0-py3-none-{tag}.whl" for n in range(322)))
            for platform, tag in tags.items()
        }
    }


class Served:
    """The wheels, laid out below what nginx serves, with their pages and a lock."""

    def __init__(self, directory: Path, url: str, cells: Cells) -> None:
        self.directory, self.url, self.cells = directory, url, cells
        self.sha256: dict[str, str] = {}
        self.size = 0
        draw = random.Random(964)
        for path in sorted({path for of in cells.values() for cell in of.values() for path in cell.wheels}):
            self._place(path, min(LARGEST, round(draw.lognormvariate(math.log(MEDIAN), SIGMA))))
        self._write_pages()
        self.lock = directory / "pixi.lock"
        self.lock.write_text(lock_text(LockDescription(version=6, environments=self._environments())))

    def _place(self, path: str, size: int) -> None:
        wheel = wheel_name(path.rpartition("/")[2])
        tag = "-".join(".".join(part) for part in (wheel.pythons, wheel.abis, wheel.platforms))
        data = build_wheel(name=wheel.name, version=wheel.version, tag=tag, build=wheel.build, payload_size=size).data
        place = self.directory / "served" / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
        self.sha256[path] = hashlib.sha256(data).hexdigest()
        self.size += len(data)

    def _write_pages(self) -> None:
        pages: dict[str, list[str]] = {}
        for path, sha256 in self.sha256.items():
            file_name = path.rpartition("/")[2]
            link = f'<a href="{self.url}/{path}#sha256={sha256}">{file_name}</a><br/>'
            pages.setdefault(wheel_name(file_name).name, []).append(link)
        for name, links in pages.items():
            page = self.directory / "served/simple" / name / "index.html"
            page.parent.mkdir(parents=True)
            page.write_text("<!DOCTYPE html><html><body>\n" + "\n".join(links) + "\n</body></html>\n")

    def _environments(self) -> dict[str, LockEnvironment]:
        return {
            name: LockEnvironment(
                channels=(f"{self.url}/conda-forge/",),
                indexes=(f"{self.url}/simple",),
                packages={platform: tuple(self._entry(path) for path in cell.wheels) for platform, cell in of.items()},
            )
            for name, of in self.cells.items()
        }

    def _entry(self, path: str) -> PypiLockEntry:
        wheel = wheel_name(path.rpartition("/")[2])
        url = f"{self.url}/{path}"
        return PypiLockEntry(url=url, name=wheel.name, version=wheel.version, sha256=self.sha256[path])

    def pins(self, cell: Cell) -> Path:
        """A requirements file of a cell's wheels and their hashes."""
        place = self.directory / "requirements.txt"
        wheels = ((wheel_name(path.rpartition("/")[2]), self.sha256[path]) for path in cell.wheels)
        place.write_text("".join(f"{wheel.name}=={wheel.version} --hash=sha256:{sha}\n" for wheel, sha in wheels))
        return place


def _measure_all(served: Served, rounds: int) -> None:
    every = ("--all-environments",)
    cold, unchanged = [], []
    for _ in range(rounds):
        cold.append(_seconds(_cold(served, *every)))
        unchanged.append(_seconds(lambda: _mirror(served, *every)))
    _say(f"all {len(served.sha256)} wheels, cold", cold)
    _say(f"all {len(served.sha256)} wheels, nothing to do", unchanged)


def _measure_cell(served: Served, platform: str, rounds: int) -> None:
    cell = served.cells[COMPARED][platform]
    chosen = ("-e", COMPARED, "-p", platform)
    pins = served.pins(cell)
    ours, unchanged, pip, uv = [], [], [], []
    for _ in range(rounds):
        pip.append(_seconds(lambda: _pip(served, cell, pins)))
        uv.append(_seconds(lambda: _uv(served, cell, platform, pins)))
        ours.append(_seconds(_cold(served, *chosen)))
        unchanged.append(_seconds(lambda: _mirror(served, *chosen)))
    what = f"{COMPARED}, {platform}, {len(cell.wheels)} wheels"
    _say(f"{what}: pip download", ours, pip)
    _say(f"{what}: uv pip install", ours, uv)
    _say(f"{what}: nothing to do", unchanged)


def _say(what: str, ours: list[float], theirs: list[float] | None = None) -> None:
    line = f"{what:52}{statistics.median(ours):8.2f}s"
    if theirs:
        line += f"{statistics.median(theirs):8.2f}s{statistics.median(ours) / statistics.median(theirs):8.2f}"
    print(line, flush=True)


def _cold(served: Served, *chosen: str) -> Callable[[], None]:
    _remove(served.directory / "mirror", served.directory / "cache")
    return lambda: _mirror(served, *chosen)


def _mirror(served: Served, *chosen: str) -> None:
    _run(
        *(sys.executable, "-m", "pixi_mirror", "--lock", served.lock, *chosen, "-o", served.directory / "mirror"),
        *("--cache-dir", served.directory / "cache", "-q", "--index", "json"),
    )


def _pip(served: Served, cell: Cell, pins: Path) -> None:
    target = served.directory / "downloads"
    _remove(target)
    tags = {tag for path in cell.wheels for tag in wheel_name(path.rpartition("/")[2]).platforms} - {"any"}
    _quietly(
        *(sys.executable, "-m", "pip", "download", "--isolated", "--no-cache-dir", "--disable-pip-version-check", "-q"),
        *("--no-deps", "--require-hashes", "--only-binary", ":all:", "--implementation", "cp", "-d", target),
        *("--python-version", cell.python, "--index-url", f"{served.url}/simple/", "-r", pins),
        *(word for tag in sorted(tags) for word in ("--platform", tag)),
    )


def _uv(served: Served, cell: Cell, platform: str, pins: Path) -> None:
    target, cache = served.directory / "target", served.directory / "uv"
    _remove(target, cache)
    _quietly(
        *(Path(sys.executable).with_name("uv"), "pip", "install", "--no-config", "--cache-dir", cache, "-q"),
        *("--no-deps", "--require-hashes", "--only-binary", ":all:", "--target", target, "--python", sys.executable),
        *("--python-version", cell.python, "--python-platform", UV_PLATFORMS[platform]),
        *("--default-index", f"{served.url}/simple/", "-r", pins),
    )


def _quietly(*command: object) -> None:
    environ = {**os.environ, "MACOSX_DEPLOYMENT_TARGET": "14.0"}  # uv would take older ones for all there is
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False, env=environ)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command[:5]))} ended with {done.returncode}:\n{done.stderr[-2000:]}")


if __name__ == "__main__":
    main()
