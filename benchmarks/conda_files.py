"""Conda packages for the other benchmarks: of random bytes, or of small texts as in a real environment."""

import hashlib
import io
import json
import random
import tarfile
import zipfile
from collections.abc import Iterator, Mapping

from pixi_mirror.archives.compression import zstd_library

_SMALL_FILES = 40_000


def small_files(count: int) -> Iterator[dict[str, bytes]]:
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


def conda_package(index: Mapping[str, object], files: Mapping[str, bytes]) -> bytes:
    paths = [
        {"_path": path, "path_type": "hardlink", "sha256": hashlib.sha256(data).hexdigest(), "size_in_bytes": len(data)}
        for path, data in files.items()
    ]
    info = {
        "info/index.json": json.dumps(index).encode(),
        "info/paths.json": json.dumps({"paths": paths, "paths_version": 1}).encode(),
    }
    stem = f"{index['name']}-{index['version']}-{index['build']}"
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
