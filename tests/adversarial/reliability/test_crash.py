"""Killed, or failed by its disk, at whatever call: the mirror is OLD, NEW or BETWEEN, and the next run ends in NEW."""

import errno
import os
import random
import shutil
import time
from collections import Counter

import pytest
from harness import cases, kill, oracle, program, scenario

ERRORS = ("ENOSPC", "EIO", "EMFILE")
VERBS = {
    "update": scenario.update,
    "first update": scenario.first_update,
    "update of PyPI files": scenario.python,
    "prune": scenario.prune,
    "forget": scenario.forget,
    "repair": scenario.repair,
    "rollback": scenario.rollback,
    "advisories": scenario.advisories,
    "upload": scenario.hosted_upload,
    "yank": scenario.hosted_yank,
    "deletion": scenario.hosted_deletion,
    "prime": cases.prime,
    "pack": cases.pack,
    "pack as a folder": cases.pack_folder,
    "unpack": cases.unpack,
    "export": cases.export,
    "import": cases.import_archives,
    "ack": cases.acknowledge,
}
ALL = [pytest.param(verb, verb, id=verb) for verb in VERBS]
KILLED = ("update", "upload", "import", "ack")
FAILED = ("update",)
"""What the unmarked run tries; CI tries all."""
SAMPLE, SMALL_SAMPLE = 12, 36
"""Of so many points of a run that only the full matrix tries, the sample takes one, and one of each kind."""
FULL_KILLS = 200


def slow_but(usual):
    """All verbs; some are in the unmarked run, too, with fewer points."""
    marks = {"unpack": pytest.mark.rattler}
    few = [pytest.param(verb, verb, SMALL_SAMPLE, id=verb) for verb in usual]
    return few + [
        pytest.param(verb, verb, SAMPLE, id=f"{verb}, more points", marks=marks.get(verb, pytest.mark.slow))
        for verb in VERBS
    ]


def sample(points, number, step=SAMPLE):
    """Of every kind of call one, not always the first, and one of `step` of all; others for each number."""
    kinds = {}
    for point in points:
        kinds.setdefault(point.kind, []).append(point)
    chosen = {same[number % len(same)] for same in kinds.values()} | {*points[number % step :: step]}
    return [point for point in points if point in chosen]


@pytest.fixture
def changing(world, request):
    """The scenario of a verb."""
    if request.param == "unpack":
        pytest.importorskip("rattler")
    return VERBS[request.param](world)


@pytest.mark.parametrize(("verb", "changing", "step"), slow_but(KILLED), indirect=["changing"])
def test_a_verb_killed_at_any_kind_of_call_goes_on_in_the_next_run(said, verb, changing, step):
    points = sample(changing.points(full=True), [*VERBS].index(verb), step)
    said(verb, "killed,", scenario.require_survival(changing, points))


@pytest.mark.parametrize("step", [4, pytest.param(1, marks=pytest.mark.slow)], ids=["some", "all"])
def test_an_update_killed_after_any_rename_and_taken_back_leaves_a_true_mirror(world, step):
    """The next run need not want what the killed one did: no identity of a new file may stand for the old bytes."""
    changing = scenario.update(world)
    points = [point for point in changing.points(full=True) if point.kind in {"rename", "replace"}]
    assert len(points) > 5
    places = [(point, changing.stopped(point)[0]) for point in points[::step]]
    scenario.locked(world)
    for point, place in places:
        done = changing.run(place)
        assert done.status == 0, (point, done.stderr)
        assert oracle.problems(place.mirror) == [], point
        verified = program.run(["verify", place.mirror, "--json"], **changing.surroundings(place))
        assert (verified.status, verified.json["unknown"]) == (0, []), (point, verified.stdout)


@pytest.mark.full
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("verb", "changing"), ALL, indirect=["changing"])
def test_a_verb_killed_at_every_single_call_goes_on_in_the_next_run(said, verb, changing):
    said(verb, "killed,", scenario.require_survival(changing, changing.points(full=True)))


@pytest.mark.rattler
def test_a_script_that_a_killed_unpack_has_begun_is_gone_after_the_next(world):
    changing = cases.unpack(world)
    *_, point = [point for point in changing.points(full=True) if point.kind == "fsync" and "/." in point.path]
    place, done = changing.stopped(point)
    assert done.status == kill.KILLED
    assert cases.left_beside(place) != set()
    assert changing.run(place).status == 0
    assert cases.left_beside(place) == set()


def survived_failures(changing, points, errors):
    """Fail the call at each point with each error; how many runs gave up, of how many."""
    judging = scenario.judge(changing)
    ends = Counter()
    for point, error in [(each, error) for each in points for error in errors(each)]:
        place, done = changing.stopped(point, error=error)
        what = (point, error, done.stderr)
        assert "Traceback" not in done.stderr, what
        # A call that only saves time, a link or a note, may fail and be done without.
        assert done.status in (0, 8), (what, done.status)
        ends[done.status] += 1
        if done.status == 8:
            assert os.strerror(getattr(errno, error)) in done.stderr, what
            assert str(place.directory) in done.stderr, what
        judging.require_sound(place, what)
        judging.require_end(place, what, thrice=False)
        shutil.rmtree(place.directory)
    shutil.rmtree(changing.seed.directory)
    return f"{ends.total()} failures: {ends[8]} gave up, {ends[0]} did without"


@pytest.mark.parametrize(("verb", "changing", "step"), slow_but(FAILED), indirect=["changing"])
def test_a_call_that_fails_ends_a_verb_with_8_naming_the_file_and_the_mirror_is_served(said, verb, changing, step):
    points = sample(changing.points(full=True), [*VERBS].index(verb) + 3, step)[::2]
    said(verb, survived_failures(changing, points, lambda point: [ERRORS[point.number % len(ERRORS)]]))


@pytest.mark.full
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("verb", "changing"), ALL, indirect=["changing"])
def test_every_single_call_that_fails_ends_a_verb_with_8_whatever_the_error(said, verb, changing):
    said(verb, survived_failures(changing, changing.points(full=True), lambda _point: ERRORS))


def killed_at_random(world, verb, times):
    """Kill a run with eight jobs at random times; where that left the mirror."""
    changing = VERBS[verb](world)
    judging = scenario.judge(changing)
    seed = random.randrange(1 << 32)
    chance = random.Random(seed)
    long_s, states = min(taken_s(changing) for _ in range(3)), Counter()
    for _ in range(times):
        place, done = changing.stopped_after(chance.uniform(0, long_s), "--jobs", "8")
        assert done.status in (0, kill.KILLED), done
        states[judging.require_sound(place, seed) + ("" if done.status else ", ended")] += 1
        judging.require_end(place, seed, thrice=False)
        shutil.rmtree(place.directory)
    return f"{times} random kills, seed {seed}: {dict(sorted(states.items()))}"


def taken_s(changing):
    """How long a run takes that nobody stops."""
    began = time.monotonic()
    place, done = changing.stopped_after(60, "--jobs", "8")
    ended = time.monotonic()
    assert done.status == 0, done.stderr
    shutil.rmtree(place.directory)
    return ended - began


needs_fork = pytest.mark.skipif(not program.CAN_FORK, reason="a run cannot be killed here as soon as it begins")


@needs_fork
@pytest.mark.parametrize("kills", [3, pytest.param(10, marks=pytest.mark.slow)])
def test_an_update_with_eight_jobs_killed_at_any_time_goes_on_in_the_next_run(world, said, kills):
    said(killed_at_random(world, "first update", kills))


@needs_fork
@pytest.mark.full
@pytest.mark.timeout(900)
@pytest.mark.parametrize("verb", ["update", "first update", "update of PyPI files"])
def test_two_hundred_times_an_update_killed_at_any_time_goes_on_in_the_next_run(world, said, verb):
    said(verb, killed_at_random(world, verb, FULL_KILLS))


def test_the_points_of_a_run_are_those_that_change_a_disk(world):
    kinds = {point.kind for point in scenario.update(world).points(full=True)}
    assert kinds >= {"replace", "link", "unlink", "fsync", "write", "open"}
    assert kill.KILLED != 0
