"""Several writers and one mirror or cache: one at a time, each file fetched once, and no reader sees an error."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter

from harness import upstream
from harness.world import small_packages

BUSY = 75
LOCK = ("--lock", "workspace/pixi.lock", "--all-environments")


def started(world, *args):
    """A run under way."""
    return subprocess.Popen(
        [sys.executable, "-m", "pixi_mirror", *LOCK, *args],
        env=world.environment,
        cwd=world.directory,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process):
    """Its status and what it said on stderr."""
    _, stderr = process.communicate(timeout=60)
    return process.returncode, stderr


def stalled(world):
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


def asked(world):
    """How often each path was asked for."""
    return Counter(request.bare for request in world.requests)


def test_four_writers_take_turns_and_fetch_each_file_once(world):
    world.workspace()
    ends = [ended(process) for process in [started(world, "--lock-timeout", "60") for _ in range(4)]]
    assert [status for status, _ in ends] == [0] * 4, ends
    assert set(asked(world).values()) == {1}
    assert len(asked(world)) == 5


def test_two_mirrors_of_one_cache_fetch_each_file_once(world):
    world.workspace()
    ends = [ended(process) for process in [started(world, "-o", name) for name in ("one", "two")]]
    assert [status for status, _ in ends] == [0, 0], ends
    assert set(asked(world).values()) == {1}


def test_a_second_writer_is_told_who_holds_the_lock_and_the_next_of_a_killed_one_gets_it(world):
    holder, _ = stalled(world)
    try:
        status, stderr = ended(started(world))
        assert status == BUSY, stderr
        assert str(holder.pid) in stderr
    finally:
        os.kill(holder.pid, signal.SIGKILL)
        ended(holder)
    assert ended(started(world))[0] == 0
