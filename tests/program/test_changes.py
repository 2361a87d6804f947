"""A refresh, a dry run and a prune name the packages that come and go."""

import re
import shutil
import time

import pytest

from pixi_mirror.commands.change_lines import moment, moment_json
from pixi_mirror.demo.packages import build_package
from pixi_mirror.model.values import DAY_S
from pixi_mirror.progress import format_size

LOCK = "workspace/pixi.lock"


def locked(world, **versions):
    """Lock packages by name: a version, or a tuple of version and build."""
    entries = {"linux-64": [], "osx-arm64": []}
    for name, each in versions.items():
        version, build = each if isinstance(each, tuple) else (each, "0")
        for subdir, of in entries.items():
            of.append(world.publish(build_package(name=name, version=version, build=build, subdir=subdir)))
    world.lock("workspace", environments={"default": entries})


@pytest.fixture
def changed(world):
    """A mirror whose lock has changed since: one package more, one less, one newer, one of another build."""
    locked(world, newer="2.3.1", built=("1.0", "h1_0"), gone="1.0", same="1.0")
    assert world.run("--lock", LOCK).status == 0
    locked(world, newer="2.3.2", built=("1.0", "h2_0"), more="0.1", same="1.0")
    return world


NAMED = """\
  + built 1.0 h1_0 -> h2_0 linux-64, osx-arm64
  + newer 2.3.1 -> 2.3.2 linux-64, osx-arm64
  + more 0.1 linux-64, osx-arm64
  - gone 1.0 linux-64, osx-arm64
"""


def test_a_dry_run_names_what_a_refresh_would_bring(changed):
    assert NAMED in changed.run("--dry-run").stdout
    refreshed = changed.run()
    assert NAMED in refreshed.stderr
    assert "same" not in NAMED
    assert changed.run_json()["changes"] == []  # nothing is told twice


def test_the_json_has_a_row_for_each_file(changed):
    rows = changed.run_json("--dry-run")["changes"]
    found = {(row["change"], row["name"], row["subdir"]): row for row in rows}
    assert sorted(found) == sorted(
        (change, name, subdir)
        for change, name in (("added", "more"), ("replaced", "built"), ("replaced", "newer"), ("removed", "gone"))
        for subdir in ("linux-64", "osx-arm64")
    )
    newer = found["replaced", "newer", "linux-64"]
    assert (newer["from"], newer["to"]) == ({"version": "2.3.1", "build": "0"}, {"version": "2.3.2", "build": "0"})
    assert newer["path"].endswith("linux-64/newer-2.3.2-0.conda")
    assert newer["replaces"].endswith("linux-64/newer-2.3.1-0.conda")


def test_a_file_that_was_damaged_is_named_as_brought_again(changed):
    assert changed.run().status == 0
    next(changed.mirror.rglob("linux-64/same-1.0-0.conda")).unlink()
    done = changed.run()
    assert "  + same 1.0 (again) linux-64\n" in done.stderr


def test_many_changes_are_cut_unless_all_are_wanted(world):
    locked(world, **{f"p{number}": "1.0" for number in range(25)})
    assert "  and 5 more (-v shows all)" in world.run("--lock", LOCK, "--dry-run").stdout
    assert world.run("--lock", LOCK, "--dry-run", "-v").stdout.count("  + p") == 25


def test_prune_names_what_goes_and_says_when_and_what_it_frees(changed):
    assert changed.run().status == 0
    planned = changed.run("prune")
    assert planned.status == 1
    assert "would unlist:\n  - built 1.0 linux-64, osx-arm64\n  - gone 1.0 linux-64, osx-arm64\n" in planned.stdout
    applied = changed.run("prune", "--apply")
    assert f"to be removed from {moment(time.time() + 7 * DAY_S)[:10]}" in applied.stdout
    waiting = changed.run("prune")
    assert (waiting.status, "waiting: 6 files" in waiting.stdout) == (0, True)
    told = changed.run_json("prune")
    assert {row["change"] for row in told["packages"]} == {"waiting"}
    assert told["waiting_bytes"] == sum((changed.mirror / path).stat().st_size for path in told["waiting"])
    assert all(row["removable_from"].startswith(moment(time.time() + 7 * DAY_S)[:10]) for row in told["packages"])
    for number, file in enumerate(told["waiting"]):
        if number < 2:  # as on another disk than the cache's
            data = (changed.mirror / file).read_bytes()
            (changed.mirror / file).unlink()
            (changed.mirror / file).write_bytes(data)
    own = sum((changed.mirror / path).stat().st_size for path in told["waiting"][:2])
    due = changed.run_json("prune", "--grace", "0", status=1)
    assert (due["bytes"], due["bytes"] - due["shared_bytes"]) == (told["waiting_bytes"], own)
    (last,) = changed.run("prune", "--apply", "--grace", "0").stdout.splitlines()[-1:]
    where = "in the cache or in other mirrors (see `pixi-mirror cache prune`)"
    frees = f"which frees {format_size(own)}; another {format_size(due['shared_bytes'])} stay {where}"
    assert last == f"unlisted 0 files; removed 6 files, {frees}"


def test_prune_does_not_say_that_it_frees_what_the_cache_holds(changed):
    assert changed.run().status == 0
    assert changed.run("prune", "--apply").status == 0
    planned = changed.run("prune", "--grace", "0").stdout.splitlines()[-1]
    assert re.search(r"would remove 6 files, [\d.]+ kB that stay in the cache or in other mirrors \(see ", planned)
    assert changed.run("cache", "prune", "--apply", "--grace", "0").status == 0
    shutil.rmtree(changed.home)
    assert " that stay in the cache" not in changed.run("prune", "--grace", "0").stdout


def test_a_grace_time_beyond_all_calendars_has_no_date():
    assert moment(1e15) == "a day that no calendar has"
    assert moment_json(1e15) is None


def without_size(lock, number):
    """Take the size of so many packages out of a lock."""
    lines = lock.read_text().splitlines(keepends=True)
    sizes = [index for index, line in enumerate(lines) if line.strip().startswith("size: ")]
    lock.write_text("".join(line for index, line in enumerate(lines) if index not in sizes[:number]))


@pytest.mark.parametrize(("number", "told"), [(1, " kB and more"), (4, ", size unknown")])
def test_a_size_that_is_not_whole_is_not_told_as_the_whole(world, number, told):
    locked(world, one="1.0", two="1.0")
    without_size(world.directory / LOCK, number)
    planned = world.run("--lock", LOCK, "--dry-run")
    (last,) = [line for line in planned.stdout.splitlines() if line.startswith("would bring")]
    assert f"{told}, and write" in last
    assert planned.status == 0
    brought = world.run("--lock", LOCK)
    (begun,) = [line for line in brought.stderr.splitlines() if line.startswith("bringing ")]
    assert begun.endswith(told)
    assert "and more" not in brought.stdout.splitlines()[-1]
    assert "unknown" not in brought.stdout.splitlines()[-1]
