"""One writer at a time, in threads and processes; whoever waits is told who holds the lock."""

import json
import os
import re
import subprocess
import sys
import threading

import pytest

from pixi_mirror.disk.lock import lock_file, wait_for_lock
from pixi_mirror.errors import BusyError, MachineError

HOLDER = """
import sys
from pathlib import Path
from pixi_mirror.disk.lock import lock_file
with lock_file(Path(sys.argv[1]), timeout_s=0, what="it"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock until its standard input ends."""
    command = [sys.executable, "-c", HOLDER, tmp_path / "lock"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.stdin.close()


def test_a_second_process_is_refused_and_told_who_holds_it(tmp_path, holder):
    told = rf"writing the mirror \(process {holder.pid} on "
    with pytest.raises(BusyError, match=told), lock_file(tmp_path / "lock", timeout_s=0, what="the mirror"):
        pass


def test_a_writer_that_has_ended_is_not_taken_for_who_holds_it_now(tmp_path):
    """As while a backup holds the lock with `flock`: the file has the name of the last writer."""
    lock = tmp_path / "lock"
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    note = {"pid": ended.pid, "host": os.uname().nodename, "since": "2026-11-30T06:13:59Z"}
    with lock_file(lock, timeout_s=0, what="it"):
        for said, told in (
            (note, "it did not leave its name, as the `flock` of a backup"),
            (note | {"pid": os.getpid()}, f"process {os.getpid()} on {note['host']}, since 2026-11-30 06:13 UTC"),
            (note | {"host": "another"}, f"process {ended.pid} on another, since 2026-11-30 06:13 UTC"),
            (note | {"pid": 1 << 80}, "it did not leave its name"),
            (note | {"since": "long ago"}, "it did not leave its name"),
        ):
            lock.write_text(json.dumps(said))
            with (
                pytest.raises(BusyError, match=re.escape(f"writing it ({told}")),
                lock_file(lock, timeout_s=0, what="it"),
            ):
                pass


def test_whoever_waits_gets_it_when_the_other_ends(tmp_path, holder):
    threading.Timer(0.1, holder.stdin.close).start()
    with lock_file(tmp_path / "lock", timeout_s=60, what="it") as is_held:
        assert is_held()
        assert json.loads((tmp_path / "lock").read_text())["pid"] == os.getpid()


def test_a_holder_that_is_killed_leaves_no_lock(tmp_path, holder):
    holder.kill()
    holder.wait()
    with lock_file(tmp_path / "lock", timeout_s=0, what="it"):
        pass


def test_several_share_it_and_nobody_else_gets_in(tmp_path):
    lock = tmp_path / "lock"
    with lock_file(lock, timeout_s=0, shared=True, what="it"), lock_file(lock, timeout_s=0, shared=True, what="it"):
        with pytest.raises(BusyError), lock_file(lock, timeout_s=0, what="it"):
            pass
        assert lock.read_bytes() == b""


def test_a_lock_that_is_removed_keeps_nobody_out_and_says_so(tmp_path):
    lock = tmp_path / "lock"
    with lock_file(lock, timeout_s=0, what="it") as is_held:
        lock.unlink()
        assert not is_held()
        with lock_file(lock, timeout_s=0, what="it") as other:
            assert other()
            assert not is_held()


def test_only_one_of_many_threads_holds_it(tmp_path):
    inside, most = [], []

    def enter():
        with lock_file(tmp_path / "lock", timeout_s=60, what="it"):
            inside.append(1)
            most.append(len(inside))
            inside.pop()

    threads = [threading.Thread(target=enter) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 8


def test_a_file_of_somebody_else_is_not_written_into(tmp_path):
    (tmp_path / "theirs").write_bytes(b"theirs")
    os.link(tmp_path / "theirs", tmp_path / "lock")
    with pytest.raises(MachineError, match="one name"), lock_file(tmp_path / "lock", timeout_s=0, what="it"):
        pass
    assert (tmp_path / "theirs").read_bytes() == b"theirs"


def test_a_link_is_no_lock_file(tmp_path):
    (tmp_path / "theirs").touch()
    (tmp_path / "lock").symlink_to(tmp_path / "theirs")
    unopened = pytest.raises(MachineError, match="open the lock file")
    with unopened, lock_file(tmp_path / "lock", timeout_s=0, what="it"):
        pass


def test_a_file_of_another_program_keeps_its_content(tmp_path):
    (tmp_path / "lock").write_bytes(b"theirs")
    with lock_file(tmp_path / "lock", timeout_s=0, signed=False, what="it"):
        pass
    assert (tmp_path / "lock").read_bytes() == b"theirs"


def test_an_open_file_that_was_replaced_is_not_the_one_of_that_name(tmp_path):
    path = tmp_path / "file"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
    try:
        assert wait_for_lock(descriptor, path)
        path.unlink()
        path.touch()
        assert not wait_for_lock(descriptor, path)
    finally:
        os.close(descriptor)
