"""How fast packs are unpacked, and in how much memory: `python benchmarks/unpacking.py [--rounds N]`.

The packs hold conda packages that are compressed as real ones are: of random bytes, or small texts in many folders as
in a real environment. Every round runs each of these once, one after another:

* new: `pixi-mirror unpack` where there is no environment;
* again: the same where the environment is what the pack holds;
* folder: as `new`, from a folder;
* self-extracting: the unpacker that such a file carries, from the tar;
* tar -x: of the same pack, which leaves every package packed;
* py-rattler: pixi's installer with an empty cache, from the folder; it verifies no hash;
* pixi-unpack: where it is on PATH.

A row is the median of the rounds in seconds, in seconds of processors, that of `new` divided by each of them, and the
greatest memory of a process. Where others use the processors, only the ratio of processor time is worth something.
Nothing is removed before the end, because ext4 makes new files slowly for minutes after others were removed.
"""

import hashlib
import random
import shutil
import sys
import tarfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from bringing import each_shape
from conda_files import conda_package, small_files
from packing import HEADER, Run, measured, show

from pixi_mirror.pack.documents import metadata_bytes, repodata_bytes
from pixi_mirror.pack.parse import Metadata
from pixi_mirror.pack.unpacker.assemble import assembled

_SUBDIR = "linux-64"
_SMALL = 0
SHAPES = {"300 x 1 MiB": (300, 1 << 20), "8 x 50 MiB": (8, 50 << 20), "40,000 files": (120, _SMALL)}
"""Packages, and bytes of the one file in each; 0: many small ones, 40,000 in all."""

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
    each_shape(__doc__, SHAPES, f"{'':30}{HEADER}", _measure, rounds=3)


def _measure(directory: Path, name: str, count: int, size: int, rounds: int) -> None:
    folder, pack = directory / "folder", directory / "environment.tar"
    _write_pack(folder, count, size)
    with tarfile.open(pack, "w") as archive:
        archive.add(folder, ".")
    (directory / "unpacker.py").write_bytes(assembled())
    runs: dict[str, list[Run]] = {}
    for number in range(rounds):
        place = directory / f"round {number}"
        place.mkdir()
        for what, words in _commands(directory, place).items():
            (place / what).mkdir(exist_ok=True)
            runs.setdefault(what, []).append(measured(words))
    for what, each in runs.items():
        show(f"{name}, {what}", each, runs["new"])


def _commands(directory: Path, place: Path) -> dict[str, Sequence[object]]:
    """What is run, by its name, which is also that of its folder in `place`."""
    folder, pack = directory / "folder", directory / "environment.tar"
    ours = (sys.executable, "-m", "pixi_mirror", "unpack", "-q", "--platform", _SUBDIR, "-o")
    commands: dict[str, Sequence[object]] = {
        "new": (*ours, place / "new", pack),
        "again": (*ours, place / "new", pack),
        "folder": (*ours, place / "folder", folder),
        "self-extracting": (sys.executable, directory / "unpacker.py", "-q", "-o", place / "self-extracting", pack),
        "tar -x": ("tar", "-xf", pack, "-C", place / "tar -x"),
    }
    if find_spec("rattler"):
        words = (folder / "channel", place / "py-rattler/env", place / "py-rattler/cache", _SUBDIR)
        commands["py-rattler"] = (sys.executable, "-c", _RATTLER, *words)
    if shutil.which("pixi-unpack"):
        commands["pixi-unpack"] = ("pixi-unpack", pack, "-o", place / "pixi-unpack")
    return commands


def _write_pack(folder: Path, count: int, size: int) -> None:
    channel = folder / "channel" / _SUBDIR
    channel.mkdir(parents=True)
    records = {}
    small = small_files(count)
    for number in range(count):
        index = {"name": f"p{number}", "version": "1.0", "build": "0", "build_number": 0, "depends": []}
        index |= {"subdir": _SUBDIR, "license": "MIT", "timestamp": 1700000000000}
        files = {f"share/p{number}.bin": random.Random(number).randbytes(size)} if size else next(small)
        data = conda_package(index, files)
        sums = {"sha256": hashlib.sha256(data).hexdigest(), "md5": hashlib.md5(data, usedforsecurity=False).hexdigest()}
        name = f"p{number}-1.0-0.conda"
        (channel / name).write_bytes(data)
        records[name] = {**index, **sums, "size": len(data)}
    (channel / "repodata.json").write_bytes(repodata_bytes(_SUBDIR, records, is_strict=True))
    metadata = Metadata(pixi_pack_version="0.7.10", platform=_SUBDIR)
    (folder / "pixi-pack.json").write_bytes(metadata_bytes(metadata))


if __name__ == "__main__":
    main()
