"""How fast packs are unpacked, and in how much memory: `python benchmarks/unpacking.py [--rounds N]`.

The packs hold conda packages of random bytes, compressed as real ones are; each row is the median of the rounds:

* new: `pixi-mirror unpack` where there is no environment;
* folder: the same from a folder;
* again: the same where the environment is what the pack holds;
* plain tar: `tar -x` of the same pack, which leaves every package packed;
* pixi-unpack: where it is on PATH.
"""

import hashlib
import io
import json
import random
import shutil
import sys
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from bringing import each_shape
from packing import SHAPES, repeated

from pixi_mirror.archives.compression import zstd_library
from pixi_mirror.pack.documents import metadata_bytes, repodata_bytes
from pixi_mirror.pack.parse import Metadata

_SUBDIR = "linux-64"


def main() -> None:
    each_shape(__doc__, SHAPES, f"{'':30}{'seconds':>9}{'MiB':>7}", _measure, rounds=3)


def _measure(directory: Path, name: str, count: int, size: int, rounds: int) -> None:
    _write_pack(directory / "folder", count, size)
    pack, out = directory / "environment.tar", directory / "out"
    with tarfile.open(pack, "w") as archive:
        archive.add(directory / "folder", ".")
    ours = (sys.executable, "-m", "pixi_mirror", "unpack", "-q", "--platform", _SUBDIR, "-o", out)
    commands: dict[str, tuple[Sequence[object], bool]] = {
        "new": ((*ours, pack), True),
        "folder": ((*ours, directory / "folder"), True),
        "again": ((*ours, pack), False),
        "plain tar": (("tar", "-xf", pack, "-C", out), True),
    }
    if shutil.which("pixi-unpack"):
        commands["pixi-unpack"] = (("pixi-unpack", pack, "-o", out), True)
    for what, (command, is_new) in commands.items():

        def before(*, is_new: bool = is_new) -> None:
            if is_new:
                shutil.rmtree(out, ignore_errors=True)
                out.mkdir()

        repeated(f"{name}, {what}", command, rounds, before)


def _write_pack(folder: Path, count: int, size: int) -> None:
    channel = folder / "channel" / _SUBDIR
    channel.mkdir(parents=True)
    records = {}
    for number in range(count):
        index = {"name": f"p{number}", "version": "1.0", "build": "0", "build_number": 0, "depends": []}
        index |= {"subdir": _SUBDIR, "license": "MIT", "timestamp": 1700000000000}
        data = _conda(index, {f"share/p{number}.bin": random.Random(number).randbytes(size)})
        sums = {"sha256": hashlib.sha256(data).hexdigest(), "md5": hashlib.md5(data, usedforsecurity=False).hexdigest()}
        name = f"p{number}-1.0-0.conda"
        (channel / name).write_bytes(data)
        records[name] = {**index, **sums, "size": len(data)}
    (channel / "repodata.json").write_bytes(repodata_bytes(_SUBDIR, records, is_strict=True))
    metadata = Metadata(pixi_pack_version="0.7.10", platform=_SUBDIR)
    (folder / "pixi-pack.json").write_bytes(metadata_bytes(metadata))


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
