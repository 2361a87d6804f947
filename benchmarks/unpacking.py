"""How fast packs are unpacked, and in how much memory: `python benchmarks/unpacking.py [--rounds N]`.

The packs hold conda packages that are compressed as real ones are: of random bytes, or small texts in many folders as
in a real environment. Every round runs each of these once, one after another, and what stands is removed before:

* new: `pixi-mirror unpack` where there is no environment;
* again: the same where the environment is what the pack holds;
* folder: as `new`, from a folder;
* self-extracting: the unpacker that such a file carries, from the tar;
* tar -x: of the same pack, which leaves every package packed;
* py-rattler: pixi's installer with an empty cache, from the folder; it verifies no hash;
* pixi-unpack: where it is on PATH.

A row is the median of the rounds in seconds, that of `new` divided by it, and the greatest memory of a process.
"""

import hashlib
import io
import json
import random
import shutil
import statistics
import sys
import tarfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from bringing import each_shape
from packing import measured

from pixi_mirror.archives.compression import zstd_library
from pixi_mirror.pack.documents import metadata_bytes, repodata_bytes
from pixi_mirror.pack.parse import Metadata
from pixi_mirror.pack.unpacker.assemble import assembled

_SUBDIR = "linux-64"
_SMALL = 0
SHAPES = {"300 x 1 MiB": (300, 1 << 20), "8 x 50 MiB": (8, 50 << 20), "40,000 files": (120, _SMALL)}
"""Packages, and bytes of the one file in each; 0: many small ones, 40,000 in all."""
_SMALL_FILES = 40_000

_RATTLER = """\
import asyncio, os, sys
from pathlib import Path
import rattler

async def install(channel, prefix, cache, subdir):
    read = getattr(rattler.RepoData, "from_path", rattler.RepoData)
    records = read(Path(channel, subdir, "repodata.json")).into_repo_data(rattler.Channel(Path(channel).as_uri()))
    platform = (getattr(rattler, "Subdir", None) or rattler.Platform)(subdir)
    await rattler.install(
        records, target_prefix=prefix, cache_dir=Path(cache), platform=platform, execute_link_scripts=False,
        show_progress=False,
    )

asyncio.run(install(*sys.argv[1:]))
os._exit(0)
"""


def main() -> None:
    each_shape(__doc__, SHAPES, f"{'':32}{'seconds':>9}{'new is':>9}{'MiB':>7}", _measure, rounds=3)


def _measure(directory: Path, name: str, count: int, size: int, rounds: int) -> None:
    folder, pack, out, cache = (directory / each for each in ("folder", "environment.tar", "out", "cache"))
    _write_pack(folder, count, size)
    with tarfile.open(pack, "w") as archive:
        archive.add(folder, ".")
    (directory / "unpacker.py").write_bytes(assembled())
    ours = (sys.executable, "-m", "pixi_mirror", "unpack", "-q", "--platform", _SUBDIR, "-o", out)
    commands: dict[str, Sequence[object]] = {
        "new": (*ours, pack),
        "again": (*ours, pack),
        "folder": (*ours, folder),
        "self-extracting": (sys.executable, directory / "unpacker.py", "-q", "-o", out, pack),
        "tar -x": ("tar", "-xf", pack, "-C", out),
    }
    if find_spec("rattler"):
        words = (folder / "channel", out / "env", cache, _SUBDIR)
        commands["py-rattler"] = (sys.executable, "-c", _RATTLER, *words)
    if shutil.which("pixi-unpack"):
        commands["pixi-unpack"] = ("pixi-unpack", pack, "-o", out)
    runs: dict[str, list[tuple[float, float]]] = {what: [] for what in commands}
    for _ in range(rounds):
        for what, command in commands.items():
            if what != "again":
                for place in (out, cache):
                    shutil.rmtree(place, ignore_errors=True)
                out.mkdir()
            runs[what].append(measured(command))
    new = statistics.median(seconds for seconds, _ in runs["new"])
    for what, each in runs.items():
        seconds, peak = statistics.median(run[0] for run in each), max(run[1] for run in each)
        print(f"{name + ', ' + what:32}{seconds:9.3f}{new / seconds:9.2f}{peak:7.0f}", flush=True)


def _write_pack(folder: Path, count: int, size: int) -> None:
    channel = folder / "channel" / _SUBDIR
    channel.mkdir(parents=True)
    records = {}
    small = _small_files(count)
    for number in range(count):
        index = {"name": f"p{number}", "version": "1.0", "build": "0", "build_number": 0, "depends": []}
        index |= {"subdir": _SUBDIR, "license": "MIT", "timestamp": 1700000000000}
        files = {f"share/p{number}.bin": random.Random(number).randbytes(size)} if size else next(small)
        data = _conda(index, files)
        sums = {"sha256": hashlib.sha256(data).hexdigest(), "md5": hashlib.md5(data, usedforsecurity=False).hexdigest()}
        name = f"p{number}-1.0-0.conda"
        (channel / name).write_bytes(data)
        records[name] = {**index, **sums, "size": len(data)}
    (channel / "repodata.json").write_bytes(repodata_bytes(_SUBDIR, records, is_strict=True))
    metadata = Metadata(pixi_pack_version="0.7.10", platform=_SUBDIR)
    (folder / "pixi-pack.json").write_bytes(metadata_bytes(metadata))


def _small_files(count: int) -> Iterator[dict[str, bytes]]:
    """The files of each package of an environment: sizes and numbers of files are lognormal, as in real ones."""
    chance = random.Random(1)
    weights = [chance.lognormvariate(0, 1.6) for _ in range(count)]
    text = b"".join(b"def f%d(x):\n    return x * %d\n" % (number, number * 7919 % 9973) for number in range(20_000))
    for package, weight in enumerate(weights):
        yield {
            f"lib/python3.12/site-packages/p{package}/m{number % 17}/n{number % 5}/f{number}.py": _text(text, chance)
            for number in range(max(3, round(_SMALL_FILES * weight / sum(weights))))
        }


def _text(text: bytes, chance: random.Random) -> bytes:
    size = min(200_000, int(chance.lognormvariate(8, 1.3)))
    start = chance.randrange(len(text) - size)
    return text[start : start + size]


def _conda(index: Mapping[str, object], files: Mapping[str, bytes]) -> bytes:
    paths = [
        {"_path": path, "path_type": "hardlink", "sha256": hashlib.sha256(data).hexdigest(), "size_in_bytes": len(data)}
        for path, data in files.items()
    ]
    info = {
        "info/index.json": json.dumps(index).encode(),
        "info/paths.json": json.dumps({"paths": paths, "paths_version": 1}).encode(),
    }
    stem = f"{index['name']}-1.0-0"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("metadata.json", b'{"conda_pkg_format_version": 2}')
        archive.writestr(f"pkg-{stem}.tar.zst", _packed(files))
        archive.writestr(f"info-{stem}.tar.zst", _packed(info))
    return buffer.getvalue()


def _packed(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path, data in files.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return zstd_library().compress(buffer.getvalue(), 3)


if __name__ == "__main__":
    main()
