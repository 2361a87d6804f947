"""The real pixi, where it is on PATH: it locks what `init` writes, and finds nothing to do in a lock of py-rattler."""

import os
import shutil
import subprocess
import sys

import pytest
from harness.channel import lab_packages, led_to_upstream, publish_channel

pytestmark = [
    pytest.mark.pixi,
    pytest.mark.timeout(600),
    pytest.mark.skipif(shutil.which("pixi") is None, reason="no pixi on PATH"),
    pytest.mark.skipif(sys.platform == "win32", reason="paths of POSIX"),
]

WORDS = ("init", "lab", "python=3.12", "numpy", "modern", "-p", "linux-64", "-p", "osx-arm64")


@pytest.fixture
def environment(world):
    """A user with pixi, whose conda-forge is the upstream."""
    publish_channel(world, lab_packages())
    cache = {"PIXI_CACHE_DIR": str(world.directory / "pixi-cache"), "PATH": os.environ["PATH"]}
    return world.environment | led_to_upstream(world) | cache


def pixi(world, environment, *words):
    return subprocess.run(
        ["pixi", *words], cwd=world.directory / "lab", env=environment, capture_output=True, text=True, check=False
    )


def test_pixi_locks_it_runs_its_tasks_and_has_nothing_to_lock_again(world, environment):
    done = world.run(*WORDS, env=environment)
    assert done.status == 0, done.stderr
    assert done.stdout.startswith("locked by pixi: ")
    assert pixi(world, environment, "lock", "--check").returncode == 0
    listed = pixi(world, environment, "task", "list")
    assert "mirror-update" in listed.stdout + listed.stderr


@pytest.mark.rattler
def test_pixi_takes_the_lock_of_py_rattler_for_its_own(world, environment):
    done = world.run(*WORDS, env=environment | {"PATH": os.defpath})
    assert done.stdout.startswith("locked by py-rattler: "), done.stderr
    before = (world.directory / "lab" / "pixi.lock").read_bytes()
    checked = pixi(world, environment, "lock", "--check")
    assert checked.returncode == 0, checked.stderr
    listed = pixi(world, environment, "list", "--locked", "--platform", "linux-64")
    assert listed.returncode == 0, listed.stderr
    assert "modern" in listed.stdout
    assert (world.directory / "lab" / "pixi.lock").read_bytes() == before
