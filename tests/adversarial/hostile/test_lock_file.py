"""The writer lock under attack: removed, replaced or scribbled on while somebody holds it."""

import json
import os
import threading
import time

import pytest
from harness import oracle, program
from harness.world import small_packages

from pixi_mirror.commands.text import plain

pytestmark = pytest.mark.skipif(os.name == "nt", reason="locks of POSIX")
BUSY = 75
LOCK = ("--lock", "workspace/pixi.lock", "-e", "prod")


def held(go_on, *, at):
    """A step that sends the first `at` bytes and the rest when it is told to."""

    def step(reply):
        reply.head(200, {**reply.describing, "Content-Length": str(len(reply.data))})
        reply.send(reply.data[:at])
        while not go_on.is_set() and reply.pause(0.01):
            pass
        reply.send(reply.data[at:])

    return step


@pytest.fixture
def holder(world):
    """A run that holds the lock in the middle of a download, and what lets the download go on."""
    world.workspace()
    path = f"/conda-forge/linux-64/{small_packages()['tool-linux'].file_name}"
    go_on = threading.Event()
    world.upstream.script(path, held(go_on, at=5000))
    child = program.start([*LOCK], env=world.environment, cwd=world.directory)
    while not world.upstream.requests_to(path):
        assert child.poll() is None
        time.sleep(0.01)
    yield child, go_on
    child.kill()
    child.communicate()


def test_the_lock_is_held_while_a_download_stalls_and_readers_are_let_in(world, holder):
    child, go_on = holder
    done = world.run(*LOCK)
    assert (done.status, f"process {child.pid}" in done.stderr) == (BUSY, True), done.stderr
    assert world.run("status").status == 0
    assert world.run(*LOCK, "--dry-run").status == 0
    go_on.set()
    assert (child.communicate(timeout=60)[1], child.returncode)[1] == 0


@pytest.mark.parametrize("how", ["removed", "replaced"])
def test_an_update_that_lost_its_lock_records_nothing_and_says_so(world, holder, how):
    """While it downloads it keeps out all but uploads, by a lock of its own."""
    child, go_on = holder
    lock = world.mirror / ".pixi-mirror/update-lock"
    if how == "replaced":
        other = world.directory / "other"
        other.write_text("")
        other.replace(lock)
    else:
        lock.unlink()
    # Another cache, for the file that is being fetched there is waited for.
    second = ["--cache-dir", "another", "-e", "default", "--platform", "osx-arm64", "--lock", "workspace/pixi.lock"]
    assert world.run(*second).status == 0
    recorded = (world.mirror / "pixi-mirror.json").read_bytes()
    go_on.set()
    _, stderr = child.communicate(timeout=60)
    assert (child.returncode, "mirror/.pixi-mirror/update-lock was" in stderr) == (BUSY, True), stderr
    assert (world.mirror / "pixi-mirror.json").read_bytes() == recorded
    assert oracle.problems(world.mirror) == []
    assert world.run(*LOCK).status == 0


NOTES = {
    "nothing": b"",
    "no JSON": b"\0\1\2",
    "too deep": b"[" * 100_000,
    "of other types": b'{"pid": {"a": 1}, "host": [], "since": null}',
    "with commands for a terminal": json.dumps({"pid": "\x1b[2J", "host": "\u202e\x9b2J", "since": "x"}).encode(),
    "half a character": b'{"pid": 1, "host": "\\ud800", "since": "x"}',
}


@pytest.mark.parametrize("note", NOTES)
def test_whatever_a_holder_wrote_about_itself_is_no_more_than_text(world, note):
    import fcntl

    world.workspace()
    private = world.mirror / ".pixi-mirror"
    private.mkdir(parents=True, mode=0o700)
    with (private / "lock").open("wb") as file:
        file.write(NOTES[note])
        file.flush()
        fcntl.flock(file, fcntl.LOCK_EX)
        done = world.run(*LOCK)
    assert (done.status, "Traceback" in done.stderr) == (BUSY, False), done.stderr
    assert plain(done.stderr) == done.stderr
    assert world.requests == []
