"""Locks of thousands of small conda packages, and the program as it was at another commit: for `run.py`.

The records have the fields and lengths of real ones; their names, dependencies and bytes are drawn with a seed.
"""

import hashlib
import io
import random
import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path

SUBDIRS = ("linux-64", "osx-64", "osx-arm64", "win-64", "noarch")
BUILDS = 4
"""Of each package name, on average."""
SIZE = 200
"""Bytes of a package."""


def write_lock(directory: Path, served: Path, url: str, numbers: Sequence[int], *, names: int) -> Path:
    """Make a workspace whose lock has the packages with these numbers, and have `served` hold them.

    Args:
        directory: of the workspace.
        served: what the server at `url` shows.
        url: of the server.
        numbers: of the packages; a number gives the same package in every lock.
        names: how many package names there are.
    """
    rows = [_package(served, url, number, names) for number in numbers]
    lines = ["version: 6", "environments:", "  prod:", "    channels:", f"    - url: {url}/conda-forge/"]
    lines.append("    packages:")
    for subdir in SUBDIRS[:-1]:
        lines.append(f"      {subdir}:")
        homes = (subdir, "noarch") if subdir == SUBDIRS[0] else (subdir,)
        lines += [f"      - conda: {where}" for home, where, _ in rows if home in homes]
    lines.append("packages:")
    lines += [line for _, _, record in rows for line in record]
    directory.mkdir(parents=True)
    lock = directory / "pixi.lock"
    lock.write_text("\n".join(lines) + "\n")
    return lock


def _package(served: Path, url: str, number: int, names: int) -> tuple[str, str, list[str]]:
    """Its subdir, its URL, and its lines in a lock."""
    drawn = random.Random(number)
    subdir = SUBDIRS[number % len(SUBDIRS)]
    name = f"package-{number % names}-{'x' * (number % 9)}"
    file_name = f"{name}-1.{number // names}.0-h{number:06x}_0.conda"
    data = drawn.randbytes(SIZE)
    folder = served / "conda-forge" / subdir
    folder.mkdir(parents=True, exist_ok=True)
    (folder / file_name).write_bytes(data)
    where = f"{url}/conda-forge/{subdir}/{file_name}"
    depends = [
        f"  - package-{drawn.randrange(names)} >={drawn.randrange(9)}.{drawn.randrange(30)},<{drawn.randrange(9)}.0a0"
        for _ in range(drawn.randrange(1, 8))
    ]
    digests = [f"  sha256: {hashlib.sha256(data).hexdigest()}", f"  md5: {hashlib.md5(data).hexdigest()}"]
    more = ["  license: BSD-3-Clause", f"  size: {SIZE}", f"  timestamp: {1_600_000_000_000 + number * 7_919}"]
    return subdir, where, [f"- conda: {where}", *digests, "  depends:", *depends, *more]


def program_at(commit: str, directory: Path) -> Path | None:
    """Unpack the program as it was at a commit, and return its directory; None: git does not have that commit."""
    repository = Path(__file__).resolve().parents[1]
    done = subprocess.run(["git", "-C", repository, "archive", commit], capture_output=True, check=False)
    if done.returncode != 0:
        return None
    directory.mkdir()
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as tar:
        tar.extractall(directory, filter="data")
    return directory
