"""`repodata.json.zst` and shards: with the same records as `repodata.json`, or not there."""

import json
import os
import shutil
from pathlib import Path

import pytest
from harness import kill, oracle, program
from harness.world import small_packages

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
@pytest.mark.parametrize("shards", ["always", "never"])
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


def test_an_indexer_that_fails_unasked_is_a_warning(indexed):
    env = indexed.env | {"INDEXER_MOOD": "fails"}
    done = indexed.world.run("update", "--index", "auto", "--lock", indexed.world.workspace(), env=env)
    assert done.status == 0
    assert "plain repodata.json only" in done.stderr


@pytest.mark.parametrize("mood", ["honest", "lies"])
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


@pytest.mark.parametrize("name", [ZST, SHARDS, "shards"])
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


def test_the_pixi_task_of_the_mirrored_workspace_is_preferred(indexed, tmp_path):
    lock = indexed.world.workspace()
    pixi = tmp_path / "programs/pixi"
    # The task of this project's own pixi.toml.
    pixi.write_text(
        f'#!/bin/sh\necho "$@" >> "{tmp_path}/pixi.log"\nshift 5\n'
        f'exec "{tmp_path}/programs/rattler-index" --config "$2" fs "$1"\n'
    )
    pixi.chmod(0o755)
    env = indexed.env
    indexed.world.run_json("update", "--index", "auto", "--lock", lock, env=env)
    assert not (tmp_path / "pixi.log").exists()
    with (lock.parent / "pixi.toml").open("a") as manifest:
        manifest.write('\n[tasks]\nmirror-index = "true"\n')
    assert indexed.world.run("update", "--index", "task", "--shards", "always", env=env).status == 7
    (lock.parent / ".pixi/envs/default/conda-meta").mkdir(parents=True)
    indexed.world.run_json("update", "--index", "auto", "--shards", "always", env=env)
    told = (tmp_path / "pixi.log").read_text().split()
    assert told[:5] == ["run", "--frozen", "--manifest-path", str(lock.parent / "pixi.toml"), "mirror-index"]
    assert SHARDS in indexed.files("*")


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


@pytest.mark.parametrize("choice", [["--index", "json"], ["--index", "rattler-index", "--shards", "always"]])
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
def test_killed_before_any_change_that_readers_can_see_an_update_leaves_a_true_mirror(indexed, smaller, tmp_path):
    world = indexed.world
    indexed.update("--lock", smaller, "--shards", "always")
    old, before = oracle.listing(world.mirror), tmp_path / "before"
    shutil.copytree(world.mirror, before, symlinks=True)
    lock = world.workspace()
    command = ["update", "--index", "rattler-index", "--shards", "always", "--lock", lock]
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
