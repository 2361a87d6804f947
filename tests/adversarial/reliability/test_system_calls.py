"""The same with strace at true system calls, which hears also what Python does not do itself; and a power loss."""

import errno
import os
import shutil
from collections import Counter
from pathlib import Path

import pytest
from harness import cases, durability, scenario, tracing

ERRORS = ("ENOSPC", "EIO", "EMFILE")
VERBS = {
    "update": scenario.update,
    "update of PyPI files": scenario.python,
    "prune": scenario.prune,
    "repair": scenario.repair,
    "prime": cases.prime,
    "import": cases.import_archives,
}

needs_strace = pytest.mark.skipif(tracing.MISSING, reason="no strace")


def survived(changing, *, full):
    """Kill a run at each system call, and fail it there; a sample is one call of each name, and one error."""
    place = changing.fresh()
    calls = tracing.recorded(changing.alone(place), **changing.surroundings(place), below=place.directory)
    shutil.rmtree(place.directory)
    if not full:
        names = dict.fromkeys(call.name for call in calls)
        alike = [[call for call in calls if call.name == name] for name in names]
        calls = [same[len(same) * number // len(alike)] for number, same in enumerate(alike)]
    judging, ends = scenario.judge(changing), Counter()
    for number, call in enumerate(calls):
        for error in (None, *(ERRORS if full else ERRORS[number % len(ERRORS) :][:1])):
            place = changing.fresh()
            done = tracing.stopped(call, changing.alone(place), **changing.surroundings(place), error=error)
            what = (call, error, done.stderr)
            if error is None:
                assert done.status == -9, what
            else:
                require_honest(done, error, what)
            state = judging.require_sound(place, what)
            ends[f"killed {state}" if error is None else f"ended with {done.status}"] += 1
            judging.require_end(place, what, thrice=full)
            shutil.rmtree(place.directory)
    shutil.rmtree(changing.seed.directory)
    return f"{len(calls)} calls: " + ", ".join(f"{end} {times}" for end, times in sorted(ends.items()))


def require_honest(done, error, what):
    """Fail unless a run whose call failed says so, or did without it."""
    assert "Traceback" not in done.stderr, what
    assert done.status in (0, 8), (what, done.status)
    if done.status == 8:
        assert os.strerror(getattr(errno, error)) in done.stderr, what


@needs_strace
@pytest.mark.strace
def test_an_update_stopped_at_any_kind_of_system_call_goes_on_in_the_next_run(world, said):
    said("update", survived(scenario.update(world), full=False))


@needs_strace
@pytest.mark.full
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_stopped_at_every_system_call_goes_on_in_the_next_run(world, said, verb):
    said(verb, survived(VERBS[verb](world), full=True))


@needs_strace
@pytest.mark.strace
@pytest.mark.parametrize("verb", ["update", "update of PyPI files", "prune", "repair", "first update", "import"])
def test_a_power_loss_finds_bytes_behind_every_name_and_nothing_counted_on_too_early(world, verb):
    changing = {**VERBS, "first update": scenario.first_update}[verb](world)
    place = changing.fresh()
    stood = {str(path) for path in place.directory.rglob("*") if path.is_file()}
    events = durability.traced(changing.alone(place), **changing.surroundings(place))
    assert {"sync", "rename"} <= {call for call, _ in events}
    assert any(path.startswith(f"{place.mirror}/") for _, paths in events for path in paths)
    assert durability.faults(events, place.mirror, stood=stood) == []
    shutil.rmtree(changing.seed.directory)


MIRROR = Path("/m")
NAMED = [
    ("sync", ("/m/.pixi-mirror/tmp/1",)),
    ("rename", ("/m/.pixi-mirror/tmp/1", "/m/c/a.conda")),
    ("sync", ("/m/c",)),
    ("sync", ("/m/.pixi-mirror/tmp/2",)),
    ("rename", ("/m/.pixi-mirror/tmp/2", "/m/pixi-mirror.json")),
    ("sync", ("/m",)),
]


@pytest.mark.parametrize(
    ("without", "fault"),
    [
        (0, "/m/c/a.conda was named before its bytes were synced"),
        (2, "/m/c was not synced before rename /m/pixi-mirror.json"),
        (3, "/m/pixi-mirror.json was named before its bytes were synced"),
        (5, "/m was not synced at all"),
    ],
)
def test_the_reader_of_traces_finds_each_sync_that_is_missing(without, fault):
    assert durability.faults(NAMED, MIRROR) == []
    less = [event for number, event in enumerate(NAMED) if number != without]
    assert fault in durability.faults(less, MIRROR)


def test_the_reader_of_traces_finds_a_file_that_goes_before_its_index_is_synced():
    events = [
        ("sync", ("/m/.pixi-mirror/tmp/1",)),
        ("rename", ("/m/.pixi-mirror/tmp/1", "/m/c/repodata.json")),
        ("unlink", ("/m/c/a.conda",)),
        ("sync", ("/m/c",)),
    ]
    assert durability.faults(events, MIRROR) == ["/m/c was not synced before unlink /m/c/a.conda"]
