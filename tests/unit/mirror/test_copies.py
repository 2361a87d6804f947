"""A mirror that was copied, restored or moved is as good as before: its files are hashed once, and nothing is made."""

import json
import os
import shutil
from pathlib import Path

import pytest
from harness.examples import first
from harness.looking import identities

from pixi_mirror.disk.files import FileIdentity, is_same
from pixi_mirror.mirror.tree import Tree
from pixi_mirror.model.packages import GeneratedFile

SHARDS = "repodata_shards.msgpack.zst"


def copy_of(mirror: Path, *, keeps_times: bool = True, private: bool = True) -> Path:
    """Every file of the copy has another inode, and with `keeps_times` False another date."""
    copy = mirror.with_name("copy")
    ignore = None if private else shutil.ignore_patterns(".pixi-mirror")
    shutil.copytree(mirror, copy, copy_function=shutil.copy2 if keeps_times else shutil.copyfile, ignore=ignore)
    return copy


def is_remembered(mirror: Path) -> bool:
    """Whether the state has the identity of every file as it is now."""
    recorded = json.loads((mirror / ".pixi-mirror/state.json").read_bytes())["identities"]
    tree = json.loads((mirror / "pixi-mirror.json").read_bytes())["tree"]
    return recorded.keys() == tree.keys() and all(
        is_same(FileIdentity(*row), os.stat(mirror / path)) for path, row in recorded.items()
    )


@pytest.fixture
def sharded(indexed):
    """A mirror with shards."""
    indexed.update("--lock", indexed.world.workspace(), "--shards", "always")
    return indexed


@pytest.mark.parametrize(
    ("private", "keeps_times"),
    [
        (True, True),
        (False, False),
        pytest.param(True, False, marks=pytest.mark.slow),
        pytest.param(False, True, marks=pytest.mark.slow),
    ],
)
def test_a_copy_is_current_and_is_hashed_once(sharded, keeps_times, private):
    copy = copy_of(sharded.world.mirror, keeps_times=keeps_times, private=private)
    before = identities(copy)
    assert sharded.world.run_json("status", copy)["stale_indexes"] == []
    assert identities(copy) == before
    found = sharded.world.run_json("status", copy, "--check")
    assert found["missing"] == found["changed"] == found["stale_indexes"] == []
    assert is_remembered(copy)
    assert {path: each for path, each in identities(copy).items() if path in before and path[0] != "."} == {
        path: each for path, each in before.items() if path[0] != "."
    }


def test_an_update_of_a_copy_writes_nothing_and_remembers(sharded):
    copy = copy_of(sharded.world.mirror)
    before = {path: each for path, each in identities(copy).items() if not path.startswith(".pixi-mirror")}
    done = sharded.update("-o", copy, "--shards", "always")
    assert done.stdout.startswith("nothing to do")
    after = {path: each for path, each in identities(copy).items() if not path.startswith(".pixi-mirror")}
    assert after == before
    assert len(sharded.runs) == 1
    assert is_remembered(copy)


@pytest.mark.slow
@pytest.mark.parametrize("words", first(1, [["--index", "json"], ["--index", "auto"]]))
def test_a_copy_whose_shards_are_dropped_is_current(sharded, words):
    """The old shards stay for clients that hold the old index; nothing is wrong with them."""
    copy = copy_of(sharded.world.mirror, keeps_times=False)
    assert sharded.world.run("update", "-o", copy, *words).status == 0
    assert list(copy.rglob("shards/*"))
    assert not list(copy.rglob(SHARDS))
    assert sharded.world.run_json("status", copy, "--check")["stale_indexes"] == []
    assert sharded.world.run("update", "-o", copy, *words).stdout.startswith("nothing to do")
    assert sharded.world.run_json("prune", copy, "--apply", "--grace", "0")["removed"]
    assert not list(copy.rglob("shards/*"))


@pytest.mark.slow
@pytest.mark.parametrize("words", first(1, [["verify", "--repair"], ["update", "--index", "json", "-o"]]))
def test_an_old_shard_that_is_damaged_is_reported_and_removed(sharded, words):
    mirror = sharded.world.mirror
    assert sharded.world.run("update", "--index", "json").status == 0
    shard = min(mirror.rglob("shards/*"))
    shard.write_bytes(b"other bytes")
    path = shard.relative_to(mirror).as_posix()
    assert sharded.world.run_json("status", "--check", status=1)["stale_indexes"] == [path]
    assert sharded.world.run_json("verify", status=1)["indexes"][0]["path"] == path
    assert sharded.world.run(*words, mirror).status == 0
    assert not shard.exists()
    assert sharded.world.run_json("status", "--check")["stale_indexes"] == []
    assert sharded.world.run("verify").status == 0


@pytest.mark.parametrize("name", first(1, [SHARDS, "repodata.json", "repodata.json.zst"]))
def test_a_copy_with_another_byte_is_not_current(sharded, name):
    copy = copy_of(sharded.world.mirror)
    victim = next(copy.rglob(f"linux-64/{name}"))
    shutil.copyfile(next(copy.rglob(f"noarch/{name}")), victim)
    found = sharded.world.run_json("status", copy, "--check", status=1)
    assert victim.relative_to(copy).as_posix() in found["stale_indexes"]
    sharded.update("-o", copy, "--shards", "always")
    assert sharded.world.run_json("status", copy, "--check")["stale_indexes"] == []


@pytest.mark.broken_mirror("a shard is gone, and nothing mends it")
def test_a_shard_index_whose_shard_is_gone_is_not_intact(sharded):
    mirror = sharded.world.mirror
    held = Tree(mirror).held()
    assert None not in held.values()
    min(mirror.rglob("linux-64/shards/*")).unlink()
    copy = copy_of(mirror)
    tree = Tree(copy)
    damaged = [path for path, sha256 in tree.held().items() if sha256 is None]
    assert [path.rpartition("/")[2] for path in damaged] == [SHARDS]
    assert isinstance(tree.inventory.tree[damaged[0]], GeneratedFile)


@pytest.mark.slow
def test_a_moved_mirror_whose_locks_stayed_behind_is_current(sharded):
    """Its locks are paths of another machine, so nothing can be said of them, and no update helps."""
    moved = sharded.world.mirror.rename(sharded.world.mirror.with_name("moved"))
    shutil.rmtree(sharded.world.directory / "workspace")
    found = sharded.world.run_json("status", moved, "--check")
    assert [each["state"] for each in found["subscriptions"]] == ["missing"]
    next(moved.rglob("linux-64/repodata.json")).unlink()
    told = sharded.world.run("status", moved).stdout
    assert "pixi-mirror verify --repair" in told
    assert "pixi-mirror update" not in told
    assert sharded.world.run("verify", moved, "--repair").status == 0
    assert sharded.world.run("status", moved, "--check").status == 0


def test_a_lock_that_is_gone_beside_its_own_mirror_is_out_of_date(sharded):
    shutil.rmtree(sharded.world.directory / "workspace")
    assert sharded.world.run("status", "--check").status == 1


@pytest.mark.slow
def test_a_repair_that_finds_nothing_remembers_a_copy(sharded):
    copy = copy_of(sharded.world.mirror)
    assert sharded.world.run("verify", copy, "--repair").status == 0
    assert is_remembered(copy)


@pytest.mark.slow
def test_a_copy_that_somebody_writes_is_looked_at_all_the_same(sharded):
    copy = copy_of(sharded.world.mirror)
    with Tree(copy).writing(timeout_s=0):
        assert sharded.world.run("status", copy, "--check").status == 0
    assert not is_remembered(copy)
