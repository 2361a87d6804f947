"""What signals mean when they were told to mean nothing."""

import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
from harness import program
from harness.upstream import drip


@pytest.mark.skipif(shutil.which("nohup") is None, reason="there is no nohup here")
def test_under_nohup_a_closed_terminal_does_not_end_a_run(world):
    world.workspace()
    world.upstream.script("*", drip(pieces_per_second=50, piece=4000))
    process = subprocess.Popen(
        ["nohup", sys.executable, "-m", "pixi_mirror", "--lock", "workspace/pixi.lock", "-e", "prod"],
        cwd=world.directory,
        env={**world.environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
    )
    while not world.requests:
        assert process.poll() is None
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGHUP)
    assert process.wait(timeout=60) == 0


@pytest.mark.parametrize(("number", "words"), [(signal.SIGTERM, "stopped by SIGTERM; "), (signal.SIGINT, "stopped; ")])
def test_a_stopped_run_says_by_what_and_how_to_go_on(world, number, words):
    world.workspace()
    world.upstream.script("*", drip(pieces_per_second=50, piece=400))
    words_of_run = ["--lock", "workspace/pixi.lock"]
    with program.start(words_of_run, env=world.environment, cwd=world.directory, stderr=subprocess.PIPE) as process:
        while not world.requests:
            assert process.poll() is None
            time.sleep(0.01)
        os.kill(process.pid, number)
        said = process.stderr.read()
        assert process.wait(timeout=60) == 128 + number
    assert f"pixi-mirror: {words}run the same command again" in said
