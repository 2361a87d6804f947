"""A run that is killed, or whose disk fails, at any call leaves a true mirror, and the next run finishes its work."""

import shutil
from collections import Counter
from dataclasses import replace

import pytest
from breaking import recovery_faults, scene
from harness import kill
from harness.world import small_packages

from pixi_mirror.demo.packages import build_package

MACHINE = 8
DAMAGED = "tool-1.0-h12_1.conda"
LOCK = ("--lock", "workspace/pixi.lock", "--all-environments")


def first_lock(world):
    world.workspace()


def second_lock(world):
    """The lock adds a package, hotfixes the record of another and drops a third."""
    entry = {name: world.publish(package) for name, package in small_packages().items()}
    entry["added"] = world.publish(build_package(name="added", subdir="linux-64", payload_size=3000))
    tool = entry["tool-linux"]
    hotfixed = replace(tool, record={**tool.record, "depends": ["base >=2024,<2025"]})
    cell = [hotfixed, entry["base"], entry["pure"], entry["added"]]
    world.lock(
        "workspace",
        environments={
            "default": {"linux-64": cell, "osx-arm64": [entry["tool-osx"], entry["base"]]},
            "prod": {"linux-64": cell},
        },
    )


def updated(world):
    """The scene of an update to the second lock."""
    first_lock(world)
    assert world.run(*LOCK).status == 0
    second_lock(world)
    return scene(world, *LOCK)


def begun(world):
    """The scene of the first update."""
    first_lock(world)
    return scene(world, *LOCK)


def pruned(world):
    """The scene of `prune` where a package is surplus."""
    first_lock(world)
    assert world.run(*LOCK).status == 0
    second_lock(world)
    assert world.run(*LOCK).status == 0
    return scene(world, "prune", "--apply", "--grace", "0", "--force", after=())


def forgotten(world):
    """The scene of `forget` of one environment."""
    first_lock(world)
    assert world.run(*LOCK).status == 0
    return scene(world, "forget", "--lock", "workspace/pixi.lock", "-e", "default", after=())


def repaired(world):
    """The scene of `verify --repair` where a package of the mirror has wrong bytes."""
    first_lock(world)
    assert world.run(*LOCK).status == 0
    damaged = next(world.mirror.rglob(DAMAGED))
    size = damaged.stat().st_size
    damaged.unlink()  # else the cache's file, which is another name of it, were damaged, too
    damaged.write_bytes(bytes(size))
    return scene(world, "verify", "--repair")


def killed_everywhere(stage, capsys, *, every, share=(0, 1), third=True, excused=None, all_kinds=False):
    """Kill the run at a sample of its calls and gather what is wrong."""
    part, parts = share
    wrong, states, survivors = [], Counter(), 0
    points = stage.points if all_kinds else [*stage.sample(every=every)][part::parts]
    for point in points:
        stage.rewind()
        done = stage.stopped(point)
        survivors += done.status != kill.KILLED
        states[stage.verdict().state] += 1
        wrong += [f"{point}: {fault}" for fault in recovery_faults(stage, third=third, excused=excused)]
    tell(
        capsys,
        f"killed at {len(points)} of {len(stage.points)} calls: {dict(states)}, {survivors} survived, "
        f"{len(wrong)} faults",
    )
    assert not wrong, "\n".join(wrong)
    assert survivors == 0, "a point was not reached: the run is not the same twice"


def failed_everywhere(stage, capsys, error, *, every):
    """Let a sample of the run's calls fail and gather what is wrong."""
    wrong, states, statuses = [], Counter(), Counter()
    points = [*stage.sample(every=every)]
    for point in points:
        stage.rewind()
        done = stage.stopped(point, error)
        statuses[done.status] += 1
        states[stage.verdict().state] += 1
        wrong += [f"{point}: {fault}" for fault in [*failure_faults(done), *recovery_faults(stage, third=False)]]
    tell(capsys, f"{error} at {len(points)} of {len(stage.points)} calls: {dict(states)}, statuses {dict(statuses)}")
    assert not wrong, "\n".join(wrong)


def failure_faults(done):
    """What is wrong with how a run ended one of whose calls failed; it may have done without."""
    if "Traceback" in done.stderr:
        return [f"a traceback: {done.stderr}"]
    if done.status == 0:
        return []
    if done.status != MACHINE:
        return [f"ended with {done.status}: {done.stderr}"]
    return [] if "/" in done.stderr else [f"names no path: {done.stderr}"]


def tell(capsys, text):
    """Print a number that the documentation quotes."""
    with capsys.disabled():
        print(f"\n{text}")


@pytest.mark.parametrize("part", range(2))
def test_a_killed_update_leaves_a_true_mirror_and_the_next_run_ends_it(world, capsys, part):
    killed_everywhere(updated(world), capsys, every=2, share=(part, 2), third=part == 1)


def test_a_killed_first_update_leaves_a_true_mirror_and_the_next_run_ends_it(world, capsys):
    killed_everywhere(begun(world), capsys, every=6)


def test_a_killed_prune_leaves_a_true_mirror_and_the_next_one_ends_it(world, capsys):
    killed_everywhere(pruned(world), capsys, every=2)


def test_a_killed_forget_leaves_a_true_mirror(world, capsys):
    stage = forgotten(world)
    points = [*stage.sample(every=1)]
    for point in points:
        stage.rewind()
        assert stage.stopped(point).status == kill.KILLED
        assert stage.verdict().state != "broken", point
        # 3: it was forgotten already.
        assert world.run(*stage.args).status in (0, 3), point
        assert stage.verdict().state == "NEW", point
    tell(capsys, f"forget killed at {len(points)} of {len(stage.points)} calls")


def test_a_killed_repair_damages_nothing_else_and_the_next_one_ends_it(world, capsys):
    killed_everywhere(repaired(world), capsys, every=3, third=False, excused=DAMAGED)
    shutil.rmtree(world.directory / "before")  # holds the damaged mirror


@pytest.mark.parametrize("error", ["ENOSPC", "EIO", "EMFILE"])
def test_a_disk_that_fails_once_is_named_and_the_old_mirror_goes_on(world, capsys, error):
    failed_everywhere(updated(world), capsys, error, every=6)


@pytest.mark.full
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("setting", [updated, begun, pruned])
def test_every_point_of_a_killed_run_is_survived(world, capsys, setting):
    killed_everywhere(setting(world), capsys, every=1, all_kinds=True)


@pytest.mark.full
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("error", ["ENOSPC", "EIO", "EMFILE"])
def test_every_call_may_fail(world, capsys, error):
    failed_everywhere(updated(world), capsys, error, every=1)
