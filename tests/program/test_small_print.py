"""What is easily forgotten: the cache, status, silence, a reader that leaves, PyPI entries, empty environments."""

import gzip
import inspect
import json
import os
import queue
import subprocess
import sys
import types

import pytest
from harness.looking import contents, repodata
from harness.world import small_packages

from pixi_mirror.commands.progress_output import Plain
from pixi_mirror.mirror import inventory_file, inventory_text

LOCK = "workspace/pixi.lock"


@pytest.fixture
def mirrored(world):
    world.workspace()
    assert world.run("--lock", LOCK).status == 0
    return world


def test_the_cache_says_what_it_holds_and_what_of_it_mirrors_share(mirrored):
    told = mirrored.run_json("cache")
    assert (told["files"], told["linked"]["files"], told["partial"]["files"]) == (5, 5, 0)
    assert told["bytes"] == told["linked"]["bytes"] == sum(len(each.data) for each in small_packages().values())


def test_cache_prune_spares_what_a_mirror_links_and_what_is_young(mirrored):
    assert mirrored.run("cache", "prune", "--grace", "0").status == 0
    for path in mirrored.mirror.rglob("*.conda"):
        path.unlink()
    assert mirrored.run_json("cache", "prune")["waiting"] == 4
    planned = mirrored.run_json("cache", "prune", "--grace", "0", status=1)
    assert len(planned["removed"]) == 4
    assert mirrored.run_json("cache")["files"] == 5
    assert mirrored.run("cache", "prune", "--grace", "0", "--apply").status == 0
    assert mirrored.run_json("cache")["files"] == 1
    assert mirrored.run("--lock", LOCK).status == 0


def test_status_tells_for_whom_and_how_much_and_whether_it_is_current(mirrored):
    told = mirrored.run_json("status", "--check")
    (follows,) = told["subscriptions"]
    assert (follows["environments"], follows["state"]) == (["default"], "current")
    assert follows["platforms"] == ["linux-64", "osx-arm64"]
    (channel,) = told["channels"]
    assert (channel["path"], channel["files"]) == (f"{mirrored.authority_path}/conda-forge", 5)
    assert (told["files"], told["bytes"], told["surplus"]) == (5, channel["bytes"], [])


@pytest.mark.parametrize(
    ("change", "state"),
    [
        (lambda lock: lock.write_text(lock.read_text() + "\n"), "changed"),
        (lambda lock: lock.unlink(), "missing"),
        (lambda lock: lock.write_text("version: 6\n<<<<<<< HEAD\n"), "unreadable"),
    ],
)
def test_status_sees_what_became_of_the_lock(mirrored, change, state):
    change(mirrored.directory / LOCK)
    told = mirrored.run_json("status", "--check", status=1)
    assert told["subscriptions"][0]["state"] == state


def test_a_reader_that_leaves_is_no_failure(mirrored):
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "pixi_mirror", "status", "--json"]
    done = subprocess.run(
        command, cwd=mirrored.directory, env=mirrored.environment, stdout=write, stderr=subprocess.PIPE, check=False
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("words", [("-q",), ("--progress", "none")])
def test_progress_can_be_turned_off(world, words):
    world.workspace()
    done = world.run("--lock", LOCK, *words)
    assert done.status == 0
    assert "bringing" not in done.stderr
    assert done.stdout.startswith("" if words == ("-q",) else "brought 5 files")


def test_without_a_terminal_progress_is_a_plain_line(world):
    world.workspace()
    done = world.run("--lock", LOCK)
    assert "bringing 5 files" in done.stderr
    assert "\r" not in done.stderr


def test_a_task_of_which_nothing_moves_is_told_again_and_again_until_it_is_done():
    assert inspect.signature(Plain).parameters["heartbeat_s"].default <= 30
    told = queue.SimpleQueue()
    report = Plain(types.SimpleNamespace(write=told.put, flush=lambda: None), verbose=False, heartbeat_s=0.01)
    report.begin("bringing", files=2, size=2000)
    report.advance(files=1, size=1000)
    lines = "".join(told.get(timeout=30) for _ in range(20)).splitlines()
    assert lines[0].startswith("bringing 2 files")
    assert lines[2:].count("bringing: 1 of 2 files, 1.0 kB of 2.0 kB") > 2
    report.advance(files=1, size=1000)


def test_an_update_into_a_home_given_by_mistake_asks_for_nothing_and_leaves_it_as_it_is(world):
    world.workspace()
    home = world.directory / "somebody"
    home.mkdir()
    (home / "thesis.txt").write_text("years")
    done = world.run("--lock", LOCK, "-o", home)
    assert (done.status, "not a mirror" in done.stderr) == (8, True), done.stderr
    assert (contents(home), world.requests) == ({"thesis.txt": b"years"}, [])


def test_an_empty_environment_still_makes_a_channel(world):
    world.lock("workspace", environments={"default": {"linux-64": []}}, channels=[f"{world.upstream.url}/conda-forge"])
    assert world.run("--lock", LOCK).status == 0
    assert repodata(world.mirror / world.authority_path / "conda-forge" / "noarch") == {}
    assert world.run("verify").status == 0


def test_the_inventory_is_read_back_as_it_was_written(mirrored):
    data = (mirrored.mirror / "pixi-mirror.json").read_bytes()
    assert inventory_text.dump(inventory_file.parse(data)) == data
    assert str(mirrored.directory).encode() not in data


@pytest.mark.parametrize("damage", [lambda raw: raw.pop("tree"), lambda raw: raw.update(format=99)])
def test_an_inventory_that_says_something_else_is_refused_and_kept(mirrored, damage):
    path = mirrored.mirror / "pixi-mirror.json"
    raw = json.loads(path.read_bytes())
    damage(raw)
    path.write_text(json.dumps(raw))
    before = contents(mirrored.mirror)
    done = mirrored.run("--lock", LOCK, "-e", "prod")
    assert done.status == 8
    assert "pixi-mirror.json" in done.stderr
    assert contents(mirrored.mirror) == before


@pytest.mark.parametrize("name", ["pixi-mirror.json", ".pixi-mirror/state.json"])
def test_a_mirror_of_a_newer_program_is_left_alone_and_the_program_is_to_be_upgraded(mirrored, name):
    path = mirrored.mirror / name
    raw = json.loads(path.read_bytes())
    newest = inventory_file.FORMAT if name == "pixi-mirror.json" else raw["format"]
    found = newest + 1
    path.write_text(json.dumps(raw | {"format": found}))
    before = contents(mirrored.mirror)
    for words in (("status",), (), ("verify", "--repair"), ("prune", "--apply")):
        done = mirrored.run(*words)
        assert (done.status, done.stdout) == (8, ""), words
        assert done.stderr == (
            f"pixi-mirror: mirror/{name} was written by a newer pixi-mirror: it has format {found}, and the one here "
            f"reads 1 to {newest}. Nothing was changed. Upgrade pixi-mirror on this machine.\n"
        ), words
        assert contents(mirrored.mirror) == before, words


def test_a_generation_of_a_newer_program_is_not_said_to_be_damaged(mirrored):
    path = mirrored.mirror / ".pixi-mirror" / "generations" / "1.gz"
    head, _, rows = gzip.decompress(path.read_bytes()).partition(b"\n")
    path.write_bytes(gzip.compress(json.dumps(json.loads(head) | {"format": 2}).encode() + b"\n" + rows))
    done = mirrored.run("log")
    assert done.status == 8
    assert "was written by a newer pixi-mirror: it has format 2, and the one here reads 1." in done.stderr
    assert "backup" not in done.stderr
