"""`repodata.json.zst` and shards: with the same records as `repodata.json`, or not there."""

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from harness import kill, oracle, program
from harness.examples import first
from harness.world import small_packages

from pixi_mirror.demo.packages import build_package

ZST, SHARDS = "repodata.json.zst", "repodata_shards.msgpack.zst"


def states(mirror):
    return {
        path: path.stat().st_mtime_ns
        for path in mirror.rglob("*")
        if path.is_file() and ".pixi-mirror" not in path.parts
    }


@pytest.fixture
def smaller(indexed):
    """A lock that wants less than the standard workspace, and changes two of its three indexes."""
    entry = {name: indexed.world.publish(package) for name, package in small_packages().items()}
    cell = {"linux-64": [entry["tool-linux"], entry["base"], entry["pure"]]}
    return indexed.world.lock("smaller", environments={"default": cell})


@pytest.mark.parametrize("version", ["0.28", "0.34"])
def test_the_options_are_those_that_the_program_says_it_has(indexed, version):
    indexed.update("--lock", indexed.world.workspace(), "--shards", "never", version=version)
    (run,) = indexed.runs
    assert ("--write-shards" in run["arguments"]) == (version == "0.28")
    assert ("--config" in run["arguments"]) == (version == "0.34")
    assert indexed.files("repodata*") == {"repodata.json", ZST}
    assert not indexed.files("shards/*")


def test_the_indexer_sees_empty_stand_ins_and_is_never_forced(indexed):
    indexed.update("--lock", indexed.world.workspace())
    (run,) = indexed.runs
    assert len(run["sizes"]) == 5
    assert set(run["sizes"]) == {0}
    assert not {"-f", "--force"} & {*run["arguments"]}


def test_every_format_lists_the_same(indexed):
    indexed.update("--lock", indexed.world.workspace(), "--shards", "always")
    found = oracle.listing(indexed.world.mirror)
    assert {path.rpartition("/")[2] for path in found.indexes} == {"repodata.json", ZST, SHARDS}
    assert oracle.problems(indexed.world.mirror) == []
    assert len(indexed.files("shards/*")) == 2


def test_an_empty_index_has_no_sidecar(indexed):
    entry = indexed.world.publish(small_packages()["old"])
    lock = indexed.world.lock("one", environments={"default": {"linux-64": [entry]}})
    indexed.update("--lock", lock, "--shards", "always")
    assert [path.name for path in next(indexed.world.mirror.rglob("noarch")).iterdir()] == ["repodata.json"]


def test_a_second_update_runs_no_program_and_touches_no_file(indexed):
    indexed.update("--lock", indexed.world.workspace(), "--shards", "always")
    before = states(indexed.world.mirror)
    indexed.update("--shards", "always")
    assert len(indexed.runs) == 1
    assert states(indexed.world.mirror) == before


@pytest.mark.parametrize("mood", ["lies", "idle"])
@pytest.mark.parametrize("shards", first(1, ["always", "never"]))
def test_what_says_something_else_is_not_published_and_not_tried_again(indexed, mood, shards):
    done = indexed.update("--lock", indexed.world.workspace(), "--shards", shards, mood=mood)
    assert done.stderr.count("is not published") == 3
    assert indexed.files("*repodata*") == {"repodata.json"}
    assert not indexed.files("shards/*")
    assert "is not published" not in indexed.update("--shards", shards, mood=mood).stderr
    assert len(indexed.runs) == 1


def test_shards_that_say_something_else_beside_an_honest_zst_are_found(indexed):
    done = indexed.update("--lock", indexed.world.workspace(), "--shards", "always", mood="shards lie")
    assert done.stderr.count(f"the {SHARDS} that the indexer made is not published") == 3
    assert "(depends)" in done.stderr
    assert indexed.files("*repodata*") == {"repodata.json"}


def test_an_indexer_asked_for_by_name_that_fails_is_a_failure_and_the_mirror_is_right(indexed):
    done = indexed.update("--lock", indexed.world.workspace(), mood="fails", status=7)
    assert "it is a bad day" in done.stderr
    assert indexed.world.run("status", "--check").status == 0
    indexed.update()
    assert ZST in indexed.files("*")


@pytest.mark.parametrize("mood", ["fails", "lies"])
def test_where_a_task_fails_unasked_we_make_the_sidecars_with_a_warning(indexed, task, mood):
    env = indexed.env | {"INDEXER_MOOD": mood}
    done = indexed.world.run("update", "--index", "auto", "--lock", task.lock, "--shards", "always", env=env)
    assert done.status == 0
    assert ("it is a bad day" if mood == "fails" else "is not published") in done.stderr
    assert task.log.exists()
    assert {ZST, SHARDS} < indexed.files("*")
    assert oracle.problems(indexed.world.mirror) == []
    before = states(indexed.world.mirror)
    assert "bad day" not in indexed.world.run("update", "--index", "auto", "--shards", "always", env=env).stderr
    assert states(indexed.world.mirror) == before


@pytest.mark.parametrize("mood", first(1, ["honest", "lies"]))
def test_a_changed_index_leaves_no_stale_sidecar(indexed, smaller, mood):
    indexed.update("--lock", smaller, "--shards", "always")
    indexed.update("--lock", indexed.world.workspace(), "--shards", "always", mood=mood)
    assert oracle.problems(indexed.world.mirror) == []
    assert (ZST in indexed.files("*")) == (SHARDS in indexed.files("*")) == (mood == "honest")


def test_without_an_indexer_the_index_is_json_alone_and_the_old_sidecars_go(indexed, smaller):
    indexed.update("--lock", smaller, "--shards", "always")
    indexed.world.run_json("update", "--index", "json", "--lock", indexed.world.workspace())
    assert indexed.files("repodata*") == {"repodata.json"}
    assert oracle.problems(indexed.world.mirror) == []


@pytest.mark.parametrize("choice", ["task", "rattler-index", "exec"])
def test_a_program_asked_for_by_name_that_is_not_there_fails_before_anything_is_fetched(world, choice):
    done = world.run("update", "--index", choice, "--lock", world.workspace())
    assert done.status == 7
    assert f"--index {choice} cannot be done" in done.stderr
    assert not world.requests


def test_old_shards_stay_for_readers_under_way_until_prune_removes_them(indexed, smaller):
    indexed.update("--lock", smaller, "--shards", "always")
    old = indexed.files("shards/*")
    # The same names with one more dependency: every shard of linux-64 is another.
    lock = json.loads(json.dumps(smaller.read_text()))
    smaller.write_text(lock.replace("base >=2024", "base >=2024.1"))
    indexed.update("--shards", "always")
    both = indexed.files("shards/*")
    assert old < both
    assert indexed.world.run("verify").status == 0
    assert indexed.world.run_json("prune", status=0)["waiting"]
    assert indexed.world.run_json("prune", "--grace", "0", status=1)["removed"]
    assert indexed.world.run_json("prune", "--apply", "--grace", "0")["removed"]
    assert indexed.files("shards/*") == both - old
    assert indexed.world.run("verify").status == 0


def test_a_shard_that_is_named_again_is_not_removed(indexed, smaller):
    indexed.update("--lock", smaller, "--shards", "always")
    indexed.update("--shards", "never")
    indexed.update("--shards", "always")
    assert indexed.world.run_json("prune", "--apply", "--grace", "0")["removed"] == []
    assert oracle.problems(indexed.world.mirror) == []


def test_prune_and_forget_keep_sidecars_right_and_make_no_new_kind(indexed, smaller):
    indexed.update("--lock", indexed.world.workspace(), "--shards", "always", "--all-environments")
    indexed.update("--lock", smaller, "--shards", "always")
    env = indexed.env
    assert indexed.world.run("forget", "--lock", "workspace/pixi.lock", env=env).status == 0
    assert indexed.world.run("prune", "--apply", "--grace", "0", "--force", env=env).status == 0
    assert oracle.problems(indexed.world.mirror) == []
    assert {ZST, SHARDS} < indexed.files("*")
    assert not [path for path in indexed.world.mirror.rglob("osx-arm64/**/*") if path.is_file()]
    assert indexed.world.run("verify").status == 0


def test_a_mirror_without_sidecars_gets_none_from_prune(indexed, smaller):
    indexed.world.run_json("update", "--lock", indexed.world.workspace(), "--lock", smaller)
    indexed.world.run_json("forget", "--lock", "workspace/pixi.lock")
    assert indexed.world.run("prune", "--apply", "--grace", "0", "--force", env=indexed.env).status == 0
    assert indexed.runs == []


def test_a_flat_mirror_has_sidecars_too(indexed):
    indexed.update("--lock", indexed.world.workspace(), "--flat", "--shards", "always")
    assert (indexed.world.mirror / "linux-64" / SHARDS).is_file()
    assert indexed.world.run("verify").status == 0


@pytest.mark.parametrize("name", first(1, [SHARDS, ZST, "shards"]))
def test_verify_finds_a_sidecar_that_says_something_else_and_repairs_it(indexed, name):
    indexed.update("--lock", indexed.world.workspace(), "--shards", "always")
    noarch, linux = (next(indexed.world.mirror.rglob(subdir)) for subdir in ("noarch", "linux-64"))
    if name == "shards":
        victim = min((linux / "shards").iterdir())
        shutil.copyfile(next((noarch / "shards").iterdir()), victim)
    else:
        victim = linux / name
        shutil.copyfile(noarch / name, victim)
    found = indexed.world.run_json("verify", status=1)
    assert victim.name in {each["path"].rpartition("/")[2] for each in found["indexes"]}
    assert indexed.world.run("verify", "--repair", env=indexed.env).status == 0
    assert indexed.world.run("verify").status == 0


def test_verify_does_not_wait_for_a_shard_that_became_a_fifo(indexed):
    indexed.update("--lock", indexed.world.workspace(), "--shards", "always")
    shard = next(indexed.world.mirror.rglob("shards/*"))
    shard.unlink()
    os.mkfifo(shard)
    found = indexed.world.run_json("verify", status=1)
    path = shard.relative_to(indexed.world.mirror).as_posix()
    assert found["missing"] == [path]
    assert [row["path"].rpartition("/")[2] for row in found["indexes"]] == [SHARDS]
    indexed.world.run_json("verify", "--repair", env=indexed.env)


def test_a_sidecar_that_is_gone_is_made_again(indexed):
    indexed.update("--lock", indexed.world.workspace())
    next(indexed.world.mirror.rglob(f"linux-64/{ZST}")).unlink()
    assert indexed.world.run("status", "--check").status == 1
    indexed.update()
    assert ZST in indexed.files("*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A workspace with the task `mirror-index`, and a pixi that runs it."""

    lock: Path
    log: Path
    """What pixi was started with; absent: it was not."""


@pytest.fixture
def task(indexed, tmp_path):
    """A workspace that defines the task; its environment is installed."""
    lock = indexed.world.workspace()
    pixi = tmp_path / "programs/pixi"
    # The task of this project's own pixi.toml.
    pixi.write_text(
        f'#!/bin/sh\necho "$@" >> "{tmp_path}/pixi.log"\nshift 5\n'
        f'exec "{tmp_path}/programs/rattler-index" --config "$2" fs "$1"\n'
    )
    pixi.chmod(0o755)
    with (lock.parent / "pixi.toml").open("a") as manifest:
        manifest.write('\n[tasks]\nmirror-index = "true"\n')
    (lock.parent / ".pixi/envs/default/conda-meta").mkdir(parents=True)
    return Task(lock=lock, log=tmp_path / "pixi.log")


def test_the_pixi_task_of_the_mirrored_workspace_is_preferred(indexed, task):
    lock, env = task.lock, indexed.env
    indexed.world.run_json("update", "--index", "auto", "--shards", "always", "--lock", lock, env=env)
    told = task.log.read_text().split()
    assert told[:5] == ["run", "--frozen", "--manifest-path", str(lock.parent / "pixi.toml"), "mirror-index"]
    assert SHARDS in indexed.files("*")
    assert len(indexed.runs) == 1


@pytest.mark.parametrize("lacking", ["the environment", "the task", "pixi"])
def test_where_there_is_no_task_we_make_the_sidecars_and_run_nothing(indexed, task, lacking, tmp_path):
    manifest = task.lock.parent / "pixi.toml"
    match lacking:
        case "the environment":
            shutil.rmtree(task.lock.parent / ".pixi")
        case "the task":
            manifest.write_text(manifest.read_text().partition("[tasks]")[0])
        case "pixi":
            (tmp_path / "programs/pixi").unlink()
    options = ("--shards", "always", "--lock", task.lock)
    assert indexed.world.run("update", "--index", "task", *options, env=indexed.env).status == 7
    done = indexed.world.run("update", "--index", "auto", *options, env=indexed.env)
    assert done.status == 0
    assert "index" not in done.stderr
    assert not task.log.exists()
    assert not indexed.runs
    assert {ZST, SHARDS} < indexed.files("*")
    assert oracle.problems(indexed.world.mirror) == []


def test_pixi_exec_is_used_only_when_asked_for(indexed, tmp_path):
    lock = indexed.world.workspace()
    (tmp_path / "programs/rattler-index").rename(tmp_path / "hidden")
    pixi = tmp_path / "programs/pixi"
    pixi.write_text(f'#!/bin/sh\necho "$1 $2" >> "{tmp_path}/pixi.log"\nshift 2\nexec "{tmp_path}/hidden" "$@"\n')
    pixi.chmod(0o755)
    (tmp_path / "blind").mkdir()
    env = indexed.env
    indexed.world.run_json("update", "--index", "exec", "--lock", lock, env=env)
    assert set((tmp_path / "pixi.log").read_text().splitlines()) == {"exec rattler-index"}
    assert ZST in indexed.files("*")


@pytest.mark.parametrize("choice", first(1, [["--index", "rattler-index", "--shards", "always"], ["--index", "json"]]))
def test_sidecars_that_are_not_made_again_are_gone_before_the_index_is_written(indexed, smaller, choice):
    indexed.update("--lock", smaller, "--shards", "always")
    command = ["update", *choice, "--lock", str(indexed.world.workspace())]
    env = indexed.world.environment | indexed.env | {"INDEXER_MOOD": "lies"}
    calls = program.mutating_calls(command, env=env, cwd=indexed.world.directory, below=indexed.world.mirror)
    changes = [
        (each.kind, Path(each.path).name)
        for each in calls
        if each.kind in {"replace", "unlink"}
        and Path(each.path).parent.name == "linux-64"
        and "repodata" in each.path
        and ".pixi-mirror" not in each.path
    ]
    assert changes == [("unlink", SHARDS), ("unlink", ZST), ("replace", "repodata.json")]


@pytest.mark.slow
@pytest.mark.parametrize("choice", ["rattler-index", "own"])
def test_killed_before_any_change_that_readers_can_see_an_update_leaves_a_true_mirror(
    indexed, smaller, tmp_path, choice
):
    world = indexed.world
    world.run_json("update", "--index", choice, "--lock", smaller, "--shards", "always", env=indexed.env)
    old, before = oracle.listing(world.mirror), tmp_path / "before"
    shutil.copytree(world.mirror, before, symlinks=True)
    lock = world.workspace()
    command = ["update", "--index", choice, "--shards", "always", "--lock", lock]
    options = {
        "env": world.environment | indexed.env | {"INDEXER_MOOD": "honest"},
        "cwd": world.directory,
        "below": world.mirror,
    }
    calls = program.mutating_calls(command, **options)
    new = oracle.listing(world.mirror)
    seen = [each for each in calls if each.kind in {"replace", "unlink"} and ".pixi-mirror" not in each.path]
    assert len(seen) >= 10
    names = [Path(each.path).name for each in seen if "linux-64" in each.path and each.kind == "replace"]
    assert [name for name in names if "repodata" in name] == [SHARDS, ZST, "repodata.json"]
    assert names.index(SHARDS) > max(
        n for n, name in enumerate(names) if len(name) > 64 and name.endswith(".msgpack.zst")
    )
    for point in seen:
        shutil.rmtree(world.mirror)
        shutil.copytree(before, world.mirror, symlinks=True)
        done = program.run(command, point=point, **options)
        assert done.status == kill.KILLED
        assert oracle.verdict(world.mirror, old=old, new=new).reasons == ()
    world.run_json("update", "--lock", lock, "--index", "json")
    assert oracle.problems(world.mirror) == []
    assert oracle.listing(world.mirror).files.keys() == new.files.keys()


@pytest.fixture
def own(world):
    """Update with our own writer, and give the mirror's files by path with their bytes."""

    def update(*args, mirror="mirror"):
        world.run_json("update", "--index", "own", "--shards", "always", "-o", mirror, *args)
        assert oracle.problems(world.directory / mirror) == []
        return {path: path.read_bytes() for path in (world.directory / mirror).rglob("*.zst")}

    return update


def test_one_package_more_makes_one_shard_and_the_mirror_is_that_of_a_fresh_start(world, own):
    first = world.workspace()
    before = own("--lock", first)
    times = states(world.mirror)
    more = world.publish(build_package(name="more", subdir="linux-64"))
    second = world.lock("second", environments={"default": {"linux-64": [more]}})
    after = own("--lock", second)
    changed = {path for path, at in states(world.mirror).items() if times.get(path) != at and path.suffix == ".zst"}
    assert sorted(path.name for path in changed if path.name in (ZST, SHARDS)) == [ZST, SHARDS]
    assert len([path for path in changed if path.parent.name == "shards"]) == 1
    assert {path.parent.name for path in changed} == {"linux-64", "shards"}
    fresh = own("--lock", first, "--lock", second, mirror="fresh")
    shown = {path.relative_to(world.mirror): data for path, data in after.items()}
    assert shown == {path.relative_to(world.directory / "fresh"): data for path, data in fresh.items()}
    assert before.keys() < after.keys()
    assert world.run("verify").status == 0


def test_shards_of_another_program_are_made_again_once_and_stay_for_readers(indexed, own):
    lock = indexed.world.workspace()
    indexed.update("--lock", lock, "--shards", "always")
    others = indexed.files("shards/*")
    assert own().keys() == set(indexed.world.mirror.rglob("*.zst"))
    assert indexed.files("shards/*") == others, "an index that has not changed keeps its sidecars"
    more = indexed.world.publish(build_package(name="more", subdir="linux-64"))
    own("--lock", indexed.world.lock("second", environments={"default": {"linux-64": [more]}}))
    assert others < indexed.files("shards/*")
    assert len(indexed.files("shards/*")) == 2 * len(others) + 1
    assert indexed.world.run("verify").status == 0


@pytest.mark.parametrize("damage", ["gone", "other bytes"])
def test_a_damaged_shard_of_ours_is_made_again_alone(world, own, damage):
    own("--lock", world.workspace())
    before = states(world.mirror)
    shard = next(world.mirror.rglob("linux-64/shards/*"))
    data = shard.read_bytes()
    if damage == "gone":
        shard.unlink()
    else:
        shard.write_bytes(b"x" * len(data))
    own()
    assert shard.read_bytes() == data
    after = states(world.mirror)
    changed = {path for path in after if after[path] != before.get(path) and path.parent.name == "shards"}
    assert changed == {shard}


def test_a_record_that_a_shard_cannot_say_leaves_its_subdir_without_sidecars_and_a_warning(world):
    entry = world.publish(small_packages()["old"])
    lock = world.lock("odd", environments={"default": {"linux-64": [entry]}})
    world.run_json("update", "--index", "json", "--lock", lock)
    inventory = world.mirror / "pixi-mirror.json"
    odd = inventory.read_text().replace('"build_number":', '"legacy_bz2_size":36893488147419103232,"build_number":', 1)
    assert odd != inventory.read_text()
    inventory.write_text(odd)
    done = world.run("update", "--index", "own", "--shards", "always", "--dry-run")
    assert done.status == 0
    done = world.run("update", "--index", "own", "--shards", "always")
    assert (done.status, "a shard cannot have all of it" in done.stderr) == (0, True), done.stderr
    assert not [*world.mirror.rglob("linux-64/*.zst")]
