"""Who may read a mirror and is not its owner: what is said is true for them, and is what they can do."""

import os
import shutil
import sys

import pytest
from harness.child import run_program
from harness.looking import identities

LOCK = "workspace/pixi.lock"
SETPRIV = shutil.which("setpriv")

pytestmark = pytest.mark.skipif(
    not hasattr(os, "geteuid") or (os.geteuid() == 0 and SETPRIV is None), reason="this user may read everything"
)


@pytest.fixture
def closed(world):
    """A mirror whose private part may not be read, as that of another user."""
    world.workspace()
    assert world.run("--lock", LOCK).status == 0
    assert world.run("verify").status == 0
    private = world.mirror / ".pixi-mirror"
    private.chmod(0)
    yield world
    private.chmod(0o700)


def read(world, *words):
    """Run it without a superuser's right to read everything."""
    limited = [SETPRIV, "--bounding-set=-all"] if os.geteuid() == 0 else []
    command = (*limited, sys.executable, "-m", "pixi_mirror", *words)
    return run_program(*command, env=world.environment, cwd=world.directory)


def test_status_says_what_the_owner_alone_knows_and_finds_nothing_wrong(closed):
    done = read(closed, "status", "--check")
    assert (done.status, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[1:4] == [
        "when it was refreshed and verified is known to its owner alone",
        "follows workspace",
        "  its lock is known to the owner of the mirror alone",
    ]
    assert "not verified yet" not in done.stdout


@pytest.mark.parametrize("words", [("log",), ("diff", "1", "current"), ("rollback", "1")])
def test_what_is_for_the_owner_is_refused_with_advice_for_readers(closed, words):
    before = identities(closed.mirror)
    done = read(closed, *words)
    assert done.status == 8
    assert "Permission denied" in done.stderr
    if words[0] != "rollback":
        assert "Run this as a user who may read it" in done.stderr
        assert "that you may write" not in done.stderr
    assert identities(closed.mirror) == before


def test_verify_reads_all_that_is_to_be_read(closed):
    done = read(closed, "verify")
    assert (done.status, "all is as recorded" in done.stdout) == (0, True), done.stderr


def test_a_dry_run_says_who_can_do_it(closed):
    done = read(closed, "--dry-run")
    assert done.status == 3
    assert "where the lock of workspace is, the owner of mirror alone can see; run this as that user" in done.stderr


def test_a_mirror_without_its_private_part_does_not_say_for_ever_that_something_is_to_be_done(world):
    world.workspace()
    assert world.run("--lock", LOCK).status == 0
    shutil.rmtree(world.mirror / ".pixi-mirror")
    for _ in range(2):
        done = world.run("status", "--check")
        assert (done.status, done.stderr) == (0, "")
        unknown = "  where its lock is, is not known on this machine; what it wanted last stays"
        assert unknown in done.stdout.splitlines()
