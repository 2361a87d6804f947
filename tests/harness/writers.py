"""Updates under way: started, held up in the middle of a download, and ended."""

import subprocess
import time

from harness import program, upstream
from harness.world import World, small_packages

LOCK = ("--lock", "workspace/pixi.lock", "--all-environments")
Running = program.Process | subprocess.Popen[str]


def started(world: World, *args: object) -> Running:
    """An update of the world's workspace under way."""
    return program.start([*LOCK, *args], env=world.environment, cwd=world.directory)


def ended(process: Running) -> tuple[int | None, str | None]:
    """Its status and what it said on stderr, when it has ended."""
    _, stderr = process.communicate(timeout=60)
    return process.returncode, stderr


def stalled(world: World) -> tuple[Running, str]:
    """A run that holds the lock while its download stalls, and the path of that download."""
    world.workspace()
    package = small_packages()["tool-linux"]
    path = f"/conda-forge/linux-64/{package.file_name}"
    world.upstream.script(path, upstream.stall(5000), upstream.ok())
    process = started(world)
    while not world.upstream.requests_to(path):
        assert process.poll() is None
        time.sleep(0.01)
    return process, path
