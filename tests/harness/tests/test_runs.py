"""A run that is forked is like one that is started: what it prints, what it is given, how it ends and is ended."""

import os
import signal
import subprocess
import sys

import pytest
from harness import program
from harness.child import run_python

pytestmark = pytest.mark.skipif(not program.CAN_FORK, reason="every run is a new interpreter here")

LOCK = ("--lock", "workspace/pixi.lock", "--all-environments")


@pytest.fixture
def serving(world):
    """Start a server of a mirror that is there."""
    world.workspace()
    assert world.run(*LOCK).status == 0
    started = []

    def serve():
        process = program.start(["serve", "--port", "0"], env=world.environment, cwd=world.directory)
        started.append(process)
        return process

    yield serve
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def both(world):
    """Run it in both ways."""

    def run(*args, **more):
        surroundings = {"env": world.environment | more, "cwd": world.directory}
        assert program.can_fork(surroundings["env"])
        return program.run([*args], **surroundings), run_python("-m", "pixi_mirror", *args, **surroundings)

    return run


@pytest.mark.parametrize(
    ("args", "status"),
    [
        (["--version"], 0),
        (["serve", "--help"], 0),
        (["nothing"], 2),
        (["update", "--jobs", "none"], 2),
        (["status", "nowhere"], 8),
        (["--lock", "nowhere"], 3),
        (["status", "--json", "nowhere"], 8),
    ],
)
def test_it_prints_the_same_and_ends_the_same(both, args, status):
    forked, real = both(*args)
    assert forked == real
    assert forked.status == status


def test_a_mirror_that_one_made_is_unchanged_for_the_other(both, world):
    world.workspace()
    assert world.run(*LOCK).status == 0
    forked, real = both(*LOCK)
    assert forked == real
    assert forked.stdout.startswith("nothing to do")


def test_variables_count_as_they_do_for_a_new_process(both):
    forked, real = both("status", "nowhere", PIXI_MIRROR_JSON="true")
    assert forked == real
    assert forked.json["error"]["status"] == 8


@pytest.mark.parametrize("name", ["PYTHONPATH", "PYTHONOPTIMIZE", "TZ", "LC_ALL"])
def test_what_an_interpreter_reads_as_it_starts_needs_a_new_one(world, name):
    assert not program.can_fork(world.environment | {name: "1"})
    (world.directory / "sitecustomize.py").write_text("print('new')\n")
    new = world.run("--version", env={"PYTHONPATH": f"{world.directory}{os.pathsep}{world.environment['PYTHONPATH']}"})
    assert new.stdout.startswith("new\n")


def test_a_signal_ends_it_with_its_status(serving):
    ends = {}
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGKILL):
        process = serving()
        assert process.stdout.readline().startswith("http://")
        assert process.poll() is None
        process.send_signal(number)
        process.communicate(timeout=60)
        ends[number] = process.returncode
    assert ends == {signal.SIGTERM: 143, signal.SIGINT: 130, signal.SIGKILL: -signal.SIGKILL}


def test_several_run_at_once_and_none_holds_the_streams_of_another(serving):
    first, second = serving(), serving()
    assert first.stdout.readline() != second.stdout.readline()
    first.terminate()
    assert first.communicate(timeout=60)[0] == ""
    assert second.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        second.wait(timeout=0)
    second.kill()
    assert second.wait(timeout=60) == -signal.SIGKILL


def test_what_it_prints_may_have_no_reader(world):
    process = program.start(["--help"], env=world.environment, cwd=world.directory)
    process.stdout.close()
    command = [sys.executable, "-m", "pixi_mirror", "--help"]
    with subprocess.Popen(
        command, env=world.environment, cwd=world.directory, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as real:
        real.stdout.close()
        said = real.stderr.read()
    assert (process.communicate(timeout=60)[1], process.returncode) == (said, real.returncode)


def test_what_is_given_stands_on_its_stdin_and_else_nothing_does(world):
    words = ["users", "add", "somebody", "--file", "users"]
    surroundings = {"env": world.environment, "cwd": world.directory}
    assert program.run(words, given="a password that is long\n", **surroundings).status == 0
    assert program.run([*words[:2], "other", *words[3:]], **surroundings).status == 2


@pytest.mark.parametrize("is_told", [True, False])
def test_its_umask_is_the_one_that_it_is_given_or_ours(world, is_told):
    world.workspace()
    before = os.umask(0o22 if is_told else 0o77)
    try:
        options = {"umask": 0o77} if is_told else {}
        assert program.run([*LOCK], env=world.environment, cwd=world.directory, **options).status == 0
    finally:
        after = os.umask(before)
    assert world.mirror.stat().st_mode & 0o777 == 0o700
    assert after == (0o22 if is_told else 0o77)
