"""Work in several processes: all of it once, in order, and no process that outlives the run."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress

import pytest
from harness.child import ROOT, python_environment

from pixi_mirror.environments.processes import CAN_FORK, Processes
from pixi_mirror.errors import MachineError, WrongBytesError

pytestmark = pytest.mark.skipif(not CAN_FORK, reason="only Linux forks here")

PARENT = os.getpid()


def wait_for(happened):
    while not happened():
        time.sleep(0.001)


def is_running(pid):
    with suppress(OSError), open(f"/proc/{pid}/stat", encoding="ascii") as file:
        return file.read().rpartition(")")[2].split()[0] != "Z"
    return False


def written(folder):
    return {int(path.name) for path in folder.iterdir()}


@pytest.fixture
def pids(tmp_path):
    """Where each process leaves its number; none of them may run when the test has ended."""
    folder = tmp_path / "pids"
    folder.mkdir()
    yield folder
    assert [pid for pid in written(folder) - {PARENT} if is_running(pid)] == []


@pytest.fixture
def scratch(tmp_path):
    folder = tmp_path / "scratch"
    folder.mkdir()
    yield folder
    assert list(folder.iterdir()) == []


def test_everything_is_done_once_in_order_and_at_the_same_time(pids, scratch):
    advanced = []

    def work(number):
        (pids / str(os.getpid())).touch()
        wait_for(lambda: len(written(pids)) == 3)  # nobody ends before all three have begun
        return number * number, os.getpid()

    done = Processes(3, scratch).each(work, 50, lambda: advanced.append(os.getpid()))
    assert [result for result, _ in done] == [number * number for number in range(50)]
    assert {pid for _, pid in done} == written(pids)
    assert advanced == [PARENT] * 50


@pytest.mark.parametrize("jobs", [1, 2, 9])
def test_more_or_fewer_processes_than_things_to_do(scratch, jobs):
    assert Processes(jobs, scratch).each(str, 5, lambda: None) == ["0", "1", "2", "3", "4"]
    assert Processes(jobs, scratch).each(str, 0, lambda: None) == []


@pytest.mark.parametrize("place", ["here", "there"])
@pytest.mark.parametrize("error", [WrongBytesError("x is damaged", items=["x"]), OSError(28, "No space left", "f")])
def test_a_failure_anywhere_ends_all_and_is_raised_as_it_was(pids, scratch, place, error):
    processes = Processes(2, scratch)

    def work(number):
        is_here = os.getpid() == PARENT
        (pids / str(os.getpid())).touch()
        wait_for(lambda: len(written(pids)) == 2)
        if is_here == (place == "here"):
            raise error
        if not is_here:
            wait_for(processes.check)  # which gives nothing: until it is ended
        return number

    with pytest.raises(type(error), match=str(error).replace("[", r"\[").replace("]", r"\]")) as caught:
        processes.each(work, 1000, lambda: None)
    assert caught.value.args == error.args
    assert getattr(caught.value, "items", None) == getattr(error, "items", None)


def test_a_process_that_is_killed_from_outside_is_told(pids, scratch):
    def work(number):
        (pids / str(os.getpid())).touch()
        if os.getpid() != PARENT:
            os.kill(os.getpid(), signal.SIGKILL)
        wait_for(lambda: len(written(pids)) == 2)
        return number

    with pytest.raises(MachineError, match="ended from outside"):
        Processes(2, scratch).each(work, 1000, lambda: None)


def test_an_interrupted_run_leaves_no_process(pids, scratch):
    def work(number):
        (pids / str(os.getpid())).touch()
        wait_for(lambda: len(written(pids)) == 2)
        if os.getpid() == PARENT:
            raise KeyboardInterrupt
        wait_for(lambda: False)

    with pytest.raises(KeyboardInterrupt):
        Processes(2, scratch).each(work, 10, lambda: None)


def test_without_another_process_all_is_done_here(scratch, monkeypatch):
    def fork():
        raise OSError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", fork)
    assert Processes(4, scratch).each(lambda number: os.getpid(), 3, lambda: None) == [PARENT] * 3


PROGRAM = """\
import os, sys
from pathlib import Path
from pixi_mirror.environments.processes import Processes

parent, scratch = os.getpid(), Path(sys.argv[1])
processes = Processes(2, scratch)

def work(number):
    if os.getpid() == parent:
        sys.stdin.read()
    print(os.getpid(), flush=True)
    while True:
        processes.check()

processes.each(work, 2, lambda: None)
"""


def test_whoever_works_for_a_run_that_is_killed_ends_too(scratch):
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, scratch],
        env=python_environment(),
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as run:
        child = int(run.stdout.readline())
        assert is_running(child)
        run.kill()
        run.wait()
        wait_for(lambda: not is_running(child))
