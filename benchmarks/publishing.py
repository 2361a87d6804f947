"""How fast a mirror is published into a bucket, in how much memory: `python benchmarks/publishing.py [--jobs N]`.

versitygw on loopback is the store, over a folder. nginx serves files of random bytes, which are mirrored once. Each row
has the seconds of `pixi-mirror publish` into an empty bucket, beside `rclone copy` of the same files with as many
transfers at a time, the ratio, and the peak of our resident memory; then what a run costs that has nothing to do.
"""

import argparse
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bringing import lone_mirror
from packing import measured

SHAPES = {"20000 x 2 kB": (20_000, 2_000), "2000 x 100 kB": (2_000, 100_000), "4 x 1 GB": (4, 1_000_000_000)}
BUCKET = "bench"
KEYS = {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench-secret", "AWS_REGION": "us-east-1"}
RCLONE = {
    "RCLONE_CONFIG": os.devnull, "RCLONE_S3_PROVIDER": "Other", "RCLONE_S3_ENV_AUTH": "true",
    "RCLONE_S3_REGION": "us-east-1", "RCLONE_S3_NO_CHECK_BUCKET": "true",
}  # fmt: skip


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--jobs", type=int, default=8)
    options.add_argument("--shape", action="append", choices=SHAPES)
    options.add_argument("--directory", help="where to work; four times the bytes have to fit")
    asked = options.parse_args()
    os.environ |= KEYS
    print(f"{'':16}{'ours':>9}{'rclone':>9}{'ratio':>8}{'MiB':>6}{'unchanged':>11}{'MiB':>6}")
    for name in asked.shape or SHAPES:
        with tempfile.TemporaryDirectory(prefix="bench-", dir=asked.directory) as directory:
            _measure(Path(directory), name, *SHAPES[name], asked.jobs)


def _measure(directory: Path, name: str, count: int, size: int, jobs: int) -> None:
    ours = (sys.executable, "-m", "pixi_mirror")
    mirror = lone_mirror(directory, count, size)
    with versitygw(directory / "store") as endpoint:
        words = (*ours, "publish", f"s3://{BUCKET}/ours", mirror, "--endpoint", endpoint, "--jobs", jobs, "-q")
        publishing = measured(words)
        unchanged = measured(words)
        os.environ |= {"RCLONE_S3_ENDPOINT": endpoint, **RCLONE}
        os.environ.pop("AWS_CA_BUNDLE", None)  # rclone 1.60 does not start with it
        switches = ("--transfers", jobs, "--checkers", jobs, "--exclude", "/.pixi-mirror/**")
        copying = measured(("rclone", "copy", mirror, f":s3:{BUCKET}/theirs", *switches, "-q"))
    print(
        f"{name:16}{publishing.seconds:8.2f}s{copying.seconds:8.2f}s{publishing.seconds / copying.seconds:8.2f}"
        f"{publishing.memory:6.0f}{unchanged.seconds:10.2f}s{unchanged.memory:6.0f}",
        flush=True,
    )


@contextmanager
def versitygw(folder: Path) -> Iterator[str]:
    """Run the store with one bucket; its URL."""
    (folder / BUCKET).mkdir(parents=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    keys = {"ROOT_ACCESS_KEY": KEYS["AWS_ACCESS_KEY_ID"], "ROOT_SECRET_KEY": KEYS["AWS_SECRET_ACCESS_KEY"]}
    call = ["versitygw", "--port", f"127.0.0.1:{port}", "--quiet", "posix", str(folder)]
    with subprocess.Popen(call, env={"PATH": os.environ["PATH"]} | keys, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.05)
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


if __name__ == "__main__":
    main()
