"""Run `pixi-mirror serve` as a user does, for as long as a block lasts."""

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness import program


@dataclass(slots=True, kw_only=True)
class Server:
    """A server that runs in a child process."""

    process: program.Process | subprocess.Popen[str]
    url: str
    """What it said first."""
    stdout: str = ""
    """What it said after that; empty until it has ended."""
    stderr: str = ""

    def end(self) -> int:
        """Wait until it has ended, and give its status; below zero: minus the signal that killed it."""
        self.stdout, self.stderr = self.process.communicate(timeout=60)
        return self.process.returncode


@contextmanager
def running(*words: object, env: Mapping[str, str], cwd: Path | None = None) -> Iterator[Server]:
    """`pixi-mirror serve` with these words and variables; it is ended with the block, if it has not been before."""
    with program.start(["serve", *words], env=env, cwd=cwd or Path.cwd()) as process:
        try:
            url = process.stdout.readline().strip()
            assert url, process.stderr.read()
            server = Server(process=process, url=url)
            yield server
        except BaseException:
            process.kill()
            raise
        if process.returncode is None:
            process.terminate()
            server.end()


@contextmanager
def served(mirror: Path, *words: object, env: Mapping[str, str]) -> Iterator[str]:
    """The URL of a mirror that is served on a free port; the server has ended when the block has."""
    with running(mirror, "--port", "0", *words, env=env) as server:
        yield server.url
