"""Run `pixi-mirror serve` as a user does, for as long as a block lasts."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def served(mirror: Path, *words: object, env: Mapping[str, str]) -> Iterator[str]:
    """The URL of a mirror that is served on a free port; the server has ended when the block has."""
    command = [sys.executable, "-m", "pixi_mirror", "serve", str(mirror), "--port", "0", *map(str, words)]
    with subprocess.Popen(
        command, env=dict(env), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            url = process.stdout.readline().strip()
            assert url, process.stderr.read()
            yield url
        finally:
            process.terminate()
            process.communicate(timeout=60)
