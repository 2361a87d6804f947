"""Killed, or failed by its disk, at whatever call: the mirror is OLD, NEW or BETWEEN, and the next run ends in NEW."""

import errno
import os
import random
import signal
import subprocess
import sys
import time

import pytest
from harness import kill, scenario

PARTS = 4
ERRORS = ("ENOSPC", "EIO", "EMFILE")
VERBS = {
    "update": scenario.update,
    "first update": scenario.first_update,
    "prune": scenario.prune,
    "forget": scenario.forget,
    "repair": scenario.repair,
    "update of PyPI files": scenario.python,
}


@pytest.fixture
def said(capsys):
    """Tell a number that the documentation quotes."""

    def say(*words):
        with capsys.disabled():
            print("\n  ", *words, end="")

    return say


@pytest.mark.parametrize("part", range(PARTS))
def test_an_update_killed_at_any_call_goes_on_in_the_next_run(world, said, part):
    updating = scenario.update(world)
    said("update killed,", scenario.require_survival(updating, updating.points(full=False)[part::PARTS]))


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb != "update"])
def test_a_verb_killed_at_any_call_goes_on_in_the_next_run(world, said, verb):
    changing = VERBS[verb](world)
    said(verb, "killed,", scenario.require_survival(changing, changing.points(full=False)[::4]))


@pytest.mark.full
@pytest.mark.timeout(900)
@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_killed_at_every_single_call_goes_on_in_the_next_run(world, said, verb):
    changing = VERBS[verb](world)
    said(verb, "killed,", scenario.require_survival(changing, changing.points(full=True)))


def failing(updating, points):
    """Fail a call at each point, each time with the next error; how many runs gave up."""
    judging = scenario.judge(updating)
    given_up = 0
    for number, point in enumerate(points):
        error = ERRORS[number % len(ERRORS)]
        place, done = updating.stopped(point, error=error)
        what = (point, error, done.stderr)
        assert "Traceback" not in done.stderr, what
        # A call that only saves time, a link or a note, may fail and be done without.
        assert done.status in (0, 8), (what, done.status)
        if done.status == 8:
            given_up += 1
            assert os.strerror(getattr(errno, error)) in done.stderr, what
            assert str(place.directory) in done.stderr, what
        judging.require_sound(place, what)
        judging.require_end(place, what, thrice=False)
    return given_up


@pytest.mark.parametrize("part", range(2))
def test_a_call_that_fails_ends_the_update_with_8_naming_the_file_and_the_mirror_is_served(world, said, part):
    updating = scenario.update(world)
    points = updating.points(full=False)[part::2][::2]
    given_up = failing(updating, points)
    assert given_up
    said(f"update failed, {len(points)} points: {given_up} gave up, the others did without")


@pytest.mark.full
@pytest.mark.timeout(900)
def test_every_single_call_that_fails_ends_the_update_with_8(world, said):
    updating = scenario.update(world)
    points = updating.points(full=True)
    said(f"update failed, {len(points)} points: {failing(updating, points)} gave up")


@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL")
def test_an_update_with_eight_jobs_killed_at_any_time_goes_on_in_the_next_run(world, said):
    updating = scenario.first_update(world)
    judging = scenario.judge(updating)
    seed = random.randrange(1 << 32)
    chance = random.Random(seed)
    states = {}
    for _ in range(20):
        place = updating.fresh()
        command = [sys.executable, "-m", "pixi_mirror", *map(str, updating.args(place.mirror)), "--jobs", "8"]
        options = {"env": updating.environment(place), "cwd": world.directory}
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options) as child:
            time.sleep(chance.uniform(0.1, 0.35))
            child.send_signal(signal.SIGKILL)
        state = judging.require_sound(place, seed)
        states[state] = states.get(state, 0) + 1
        judging.require_end(place, seed, thrice=False)
    said("20 random kills:", states)


def test_the_points_of_a_run_are_those_that_change_a_disk(world):
    kinds = {point.kind for point in scenario.update(world).points(full=True)}
    assert kinds >= {"replace", "link", "unlink", "fsync", "write", "open"}
    assert kill.KILLED != 0
