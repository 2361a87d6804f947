"""How much memory a large export and import take: `python benchmarks/large_export.py [--gigabytes N]`.

A mirror of files of 100 MB that are holes but for their first bytes, so that it takes no room; they are put into the
cache of a user, as if they had been fetched. The archive is as large as it says, and so is the far side: twice N GB
have to be free. Each row has the seconds, those of the processor, and the peak of resident memory of one process.
"""

import argparse
import hashlib
import sys
import tempfile
from pathlib import Path

from packing import measured

SIZE = 100_000_000
_URL = "http://127.0.0.1:9/conda-forge"
"""Nobody is asked: all is in the cache."""


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--gigabytes", type=int, default=20)
    options.add_argument("--directory", help="where to work")
    asked = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-", dir=asked.directory) as name:
        _measure(Path(name), asked.gigabytes * 1_000_000_000 // SIZE)


def _measure(directory: Path, count: int) -> None:
    mirror, usb, far = (directory / each for each in ("mirror", "usb", "far"))
    lock = _filled(directory, count)
    ours = (sys.executable, "-m", "pixi_mirror")
    cache = ("--cache-dir", directory / "cache")
    _run("update", (*ours, "--lock", lock, "-e", "prod", "-o", mirror, *cache, "-q", "--index", "json"))
    _run("export", (*ours, "export", mirror, "--full", "-o", usb, "-q"))
    print(f"the archive has {sum(path.stat().st_size for path in usb.iterdir()) / 1e9:.1f} GB")
    _run("import --dry-run", (*ours, "import", usb, "-o", far, "--dry-run", "-q"))
    _run("import", (*ours, "import", usb, "-o", far, "-q", "--index", "json"))


def _run(what: str, words: tuple[object, ...]) -> None:
    run = measured(words)
    print(f"{what:18}{run.seconds:9.1f} s{run.processor:9.1f} s{run.memory:7.0f} MiB", flush=True)


def _filled(directory: Path, count: int) -> Path:
    """A lock of so many packages, each a hole with a number at its beginning, all of them in the cache."""
    zeros, urls, packages = bytes(1 << 20), [], []
    for number in range(count):
        name = f"package{number}-1.0-0.conda"
        start = number.to_bytes(8, "big")
        digest, left = hashlib.sha256(start), SIZE - len(start)
        while left:
            digest.update(zeros[:left])
            left -= min(left, len(zeros))
        blob = directory / "cache" / "sha256" / digest.hexdigest()[:2] / digest.hexdigest()
        blob.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
        with open(blob, "wb") as file:
            file.write(start)
            file.truncate(SIZE)
        blob.chmod(0o444)
        where = f"{_URL}/linux-64/{name}"
        urls.append(f"      - conda: {where}")
        packages += [f"- conda: {where}", f"  sha256: {digest.hexdigest()}", f"  size: {SIZE}"]
    lines = ["version: 6", "environments:", "  prod:", "    channels:", f"    - url: {_URL}/"]
    lines += ["    packages:", "      linux-64:", *urls, "packages:", *packages]
    (directory / "workspace").mkdir()
    lock = directory / "workspace" / "pixi.lock"
    lock.write_text("\n".join(lines) + "\n")
    return lock


if __name__ == "__main__":
    main()
