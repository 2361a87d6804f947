"""Time and memory of reading a large lock: ours, PyYAML's C loader, py-rattler; each in its own process.

python benchmarks/lock_reading.py [SIZE_MB]
"""

import hashlib
import importlib.util
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SUBDIRS = ("linux-64", "linux-aarch64", "noarch", "osx-arm64", "win-64")
CHANNEL = "https://conda.anaconda.org/conda-forge"
WORDS = ("lib", "py", "ros", "qt", "gcc", "data", "core", "net", "math", "tools", "xml", "image")


def lock(size: int) -> bytes:
    """A lock of format version 6 of about `size` bytes, shaped like real ones; the same at every run."""
    chance = random.Random(20)
    names = sorted({f"{chance.choice(WORDS)}-{chance.choice(WORDS)}{n}" for n in range(4000)})
    references: dict[str, list[str]] = {subdir: [] for subdir in SUBDIRS if subdir != "noarch"}
    pool: list[str] = []
    written = 0
    while written < size:
        subdir = chance.choice(SUBDIRS)
        version = f"{chance.randrange(9)}.{chance.randrange(30)}.{len(pool)}"
        build = f"h{chance.randrange(16**7):07x}_{chance.randrange(9)}"
        location = f"{CHANNEL}/{subdir}/{chance.choice(names)}-{version}-{build}.conda"
        digest = hashlib.sha256(location.encode()).hexdigest()
        depends = [
            f"  - {chance.choice(names)} >={chance.randrange(9)},<{chance.randrange(9, 20)}.0a0" for _ in range(9)
        ]
        pool.append("\n".join([
            f"- conda: {location}", f"  sha256: {digest}", f"  md5: {digest[:32]}", "  depends:", *depends,
            "  license: BSD-3-Clause", "  license_family: BSD", f"  size: {chance.randrange(10**7)}",
            f"  timestamp: {1_700_000_000_000 + chance.randrange(10**10)}",
        ]))  # fmt: skip
        for platform in references if subdir == "noarch" else [subdir]:
            references[platform].append(f"      - conda: {location}")
        written += len(pool[-1]) + len(location) + 14
    body = "\n".join(line for platform, lines in references.items() for line in [f"      {platform}:", *lines])
    head = f"version: 6\nenvironments:\n  default:\n    channels:\n    - url: {CHANNEL}/\n    packages:\n"
    return (head + body + "\npackages:\n" + "\n".join(pool) + "\n").encode()


def read(reader: str, path: Path) -> int:
    """Read the lock to the end and count what was found."""
    if reader == "pixi-mirror":
        from pixi_mirror.lockfile.reader import read_lock

        return sum(map(len, read_lock(path.read_bytes(), name=path.name).environments["default"].packages.values()))
    if reader == "PyYAML CSafeLoader":
        import yaml

        return len(yaml.load(path.read_bytes(), Loader=yaml.CSafeLoader)["packages"])
    from rattler import LockFile

    environment = LockFile.from_path(path).environment("default")
    return sum(len([p.location for p in environment.packages(platform)]) for platform in environment.platforms())


def child(reader: str, path: Path) -> None:
    base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begin = time.perf_counter()
    count = read(reader, path)
    seconds = time.perf_counter() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"{seconds} {(peak - base) / 1024} {peak / 1024} {count}")


def main(size_mb: float) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "pixi.lock"
        path.write_bytes(lock(int(size_mb * 1_000_000)))
        print(f"a lock of {path.stat().st_size / 1e6:.1f} MB")
        readers = ["pixi-mirror", "PyYAML CSafeLoader"]
        readers += ["py-rattler"] if importlib.util.find_spec("rattler") else []
        first = None
        for reader in readers:
            command = [sys.executable, __file__, "--child", reader, str(path)]
            done = subprocess.run(
                command, check=True, capture_output=True, text=True, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}
            )
            seconds, grown, peak, count = (float(word) for word in done.stdout.split())
            first = first or (seconds, peak)
            print(
                f"{reader:20} {seconds:6.2f} s ({seconds / first[0]:5.2f} of ours)   peak {peak:5.0f} MiB "
                f"({peak / first[1]:4.2f} of ours), grown by {grown:5.0f} MiB, {count:.0f} entries"
            )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2], Path(sys.argv[3]))
    else:
        main(float(sys.argv[1]) if len(sys.argv) > 1 else 20)
