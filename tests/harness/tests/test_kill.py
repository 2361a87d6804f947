"""The fault injector stops a run before the very call that it was told, and nowhere else."""

import errno
import os
import shutil
from pathlib import Path

import pytest
from harness import kill
from harness.child import run_python, user_environment

PROGRAM = """
import os, pathlib, shutil, sys, tempfile

def main(args):
    os.mkdir("made")
    with open("made/new", "wb") as stream:
        stream.write(b"whole")
        stream.flush()
        os.fsync(stream.fileno())
    os.replace("made/new", "made/final")
    pathlib.Path("made/text").write_text("text")
    with tempfile.NamedTemporaryFile(dir="made") as stream:
        stream.write(b"gone")
    os.link("made/final", "made/other")
    pathlib.Path("made/other").unlink()
    shutil.copyfile("made/final", "made/copy")
    shutil.rmtree("made/no", ignore_errors=True)
    descriptor = os.open("made/low", os.O_WRONLY | os.O_CREAT)
    os.write(descriptor, b"low")
    os.close(descriptor)
    if os.rename in os.supports_dir_fd:
        folder = os.open("made", os.O_RDONLY)
        os.rename("low", "lower", src_dir_fd=folder, dst_dir_fd=folder)
        os.close(folder)
    print("done", *args)
    return 0
"""
KINDS = {"mkdir": 1, "fsync": 1, "replace": 1, "link": 1, "unlink": 2, "open": 5, "write": 5}


@pytest.fixture
def run(tmp_path):
    """Run the injector on a small program in `tmp_path`."""
    (tmp_path / "changing.py").write_text(PROGRAM)
    environment = user_environment(tmp_path / "home")
    environment["PYTHONPATH"] = f"{tmp_path}"

    def running(*options):
        options = [*map(str, options)]
        return run_python(kill.__file__, "--program", "changing", *options, env=environment, cwd=tmp_path)

    return running


def test_every_way_to_change_a_disk_is_counted(run):
    done = run("--count", "--", "an-argument")
    assert done.status == 0, done.stderr
    first, *counts = done.stdout.splitlines()
    assert first == "done an-argument"
    counted = {kind: int(number) for kind, number in (line.split() for line in counts)}
    # How `shutil.copyfile` copies is the system's choice, in one or two calls.
    counted["write"] = min(counted["write"], 5)
    assert counted == KINDS | ({"rename": 1} if os.rename in os.supports_dir_fd else {})


@pytest.mark.parametrize(
    ("kind", "there", "absent"),
    [
        ("mkdir", "home", "made"),
        ("fsync", "made/new", "made/final"),
        ("replace", "made/new", "made/final"),
        ("link", "made/text", "made/other"),
    ],
)
def test_the_call_at_which_it_is_killed_is_not_made(run, tmp_path, kind, there, absent):
    done = run("--call", kind, "--at", 1, "--")
    assert done.status == kill.KILLED
    assert (tmp_path / there).exists()
    assert not (tmp_path / absent).exists()


def test_an_error_is_raised_with_the_path(run, tmp_path):
    done = run("--call", "replace", "--at", 1, "--error", "ENOSPC", "--")
    assert done.status == 1
    assert f"[Errno {errno.ENOSPC}]" in done.stderr
    assert str(Path("made") / "final") in done.stderr
    assert (tmp_path / "made/new").read_bytes() == b"whole"


def test_a_write_that_is_killed_is_no_part_of_the_file(run, tmp_path):
    assert run("--call", "write", "--at", 1, "--").status == kill.KILLED
    assert (tmp_path / "made/new").read_bytes() == b""


def test_a_write_that_fails_is_heard_by_the_program(run, tmp_path):
    done = run("--call", "write", "--at", 1, "--error", "EIO", "--")
    assert f"[Errno {errno.EIO}]" in done.stderr
    assert not (tmp_path / "made/final").exists()


def test_every_call_can_be_named_by_its_place_in_the_run(run, tmp_path):
    total = sum(int(line.split()[1]) for line in run("--count", "--").stdout.splitlines()[1:])
    beyond = run("--at", total + 1, "--below", tmp_path / "elsewhere", "--")
    assert beyond.stderr.count("FileExistsError") == 1  # the directory is there from the first run, nobody was killed
    assert run("--at", 1, "--").status == kill.KILLED


def test_what_happens_elsewhere_is_not_counted(run, tmp_path):
    nothing = run("--count", "--below", tmp_path / "mad", "--")
    assert nothing.stdout == "done\n"
    shutil.rmtree(tmp_path / "made")
    counted = dict(line.split() for line in run("--count", "--below", tmp_path / "made", "--").stdout.splitlines()[1:])
    assert (counted["mkdir"], counted["fsync"]) == ("1", "1")


def test_calls_are_listed_in_order_with_what_they_change(run, tmp_path):
    run("--list", tmp_path / "calls", "--")
    lines = (tmp_path / "calls").read_text().splitlines()
    made = tmp_path / "made"
    assert lines[:5] == [
        f"mkdir 1 {made}",
        f"open 1 {made / 'new'}",
        f"write 1 {made / 'new'}",
        f"fsync 1 {made / 'new'}",
        f"replace 1 {made / 'final'}",
    ]
    if os.rename in os.supports_dir_fd:
        assert lines.pop() == f"rename 1 {made / 'lower'}"
    assert lines.pop().endswith(f" {made / 'low'}")


def test_killed_at_each_call_a_run_gets_as_far_as_that_call(run, tmp_path):
    run("--list", tmp_path / "calls", "--below", tmp_path / "made", "--")
    calls = kill.taken(tmp_path / "calls")
    assert {call.kind: call.number for call in calls}.keys() >= KINDS.keys()
    for point in calls[:5]:
        shutil.rmtree(tmp_path / "made")
        done = run("--call", point.kind, "--at", point.number, "--below", tmp_path / "made", "--")
        assert done.status == kill.KILLED
        (tmp_path / "made").mkdir(exist_ok=True)
        assert not (tmp_path / "made/final").exists()
    failed = run("--call", "any", "--at", 1, "--error", "EROFS", "--")
    assert f"[Errno {errno.EROFS}]" in failed.stderr
