"""py-rattler solves from the sidecars that we write, over HTTP and from files, and rattler-index writes the same."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from harness.corpus import LOCKS, needs_corpus
from harness.serving import served
from harness.world import small_packages

from pixi_mirror.archives.compression import decompress_zstd
from pixi_mirror.conda.matchspec_spelling import normal_record
from pixi_mirror.conda.msgpack import unpacked
from pixi_mirror.conda.shards import read_shard, read_shard_index

pytestmark = pytest.mark.rattler

SHARDS = "repodata_shards.msgpack.zst"

SOLVE = """
import asyncio, json, os, sys
import rattler
gateway = rattler.Gateway(cache_dir=sys.argv[2])
found = asyncio.run(rattler.solve(
    sources=[rattler.Channel(sys.argv[1])], specs=sys.argv[3:], gateway=gateway, platforms=["linux-64", "noarch"],
))
print(json.dumps({each.file_name: json.loads(each.to_json()) for each in found}), flush=True)
os._exit(0)
"""
"""It leaves at once: py-rattler crashes now and then where Python ends after an asynchronous call."""


@pytest.fixture
def mirror(world):
    """A mirror with sidecars of our own."""
    entry = {name: world.publish(package) for name, package in small_packages().items()}
    packages = [entry["tool-linux"], entry["base"], entry["pure"], entry["old"]]
    lock = world.lock("workspace", environments={"default": {"linux-64": packages}}, version=7)
    world.run_json("update", "--index", "own", "--shards", "always", "--lock", lock)
    return world.mirror


@pytest.mark.broken_mirror("all indexes but one are removed, so that a client must take that one")
@pytest.mark.parametrize(
    ("way", "kept"), [("http", SHARDS), ("http", "repodata.json.zst"), ("file", "repodata*")], ids=lambda word: word
)
def test_py_rattler_solves_from_each_of_them_alone(world, mirror, way, kept, tmp_path):
    channel = next(mirror.rglob("linux-64")).parent
    for path in channel.glob("*/repodata*"):
        if not path.match(kept):
            path.unlink()
    with served(mirror, env=world.environment) as url:
        place = f"{url}/{channel.relative_to(mirror).as_posix()}" if way == "http" else channel.as_uri()
        command = [sys.executable, "-c", SOLVE, place, tmp_path / "cache", "tool", "old-thing"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert {each["name"] for each in found.values()} == {"tool", "base", "pure", "old-thing"}
    for each in found.values():
        assert (channel / each["subdir"] / each["fn"]).is_file()
        assert len(each["sha256"]) == 64


def shards_of(folder: Path):
    """What a subdir's shards say: about itself, and for each package name its content with its records apart."""
    index = (folder / SHARDS).read_bytes()
    about = unpacked(decompress_zstd(index))["info"]
    about.pop("created_at", None)
    contents = {}
    for name, sha256 in read_shard_index(index)[1].items():
        data = (folder / "shards" / f"{sha256}.msgpack.zst").read_bytes()
        document = unpacked(decompress_zstd(data))
        listed = {key: sorted(value) for key, value in document.items() if key != "v3"}
        listed["v3"] = {key: sorted(value) for key, value in document.get("v3", {}).items() if value}
        records = {file_name: normal_record(each) for file_name, each in read_shard(data).items()}
        kinds = {
            file_name: {key: type(value) for key, value in each.items() if value not in (None, [], "")}
            for file_name, each in read_shard(data).items()
        }
        contents[name] = (listed, records, kinds)
    return about, contents


@needs_corpus
@pytest.mark.timeout(300)
@pytest.mark.parametrize("lock", ["scipy__scipy__root", "conda__rattler__root"])
def test_rattler_index_writes_the_same_of_real_locks(world, lock, tmp_path):
    mirrors = {}
    for choice in ("own", "rattler"):
        mirrors[choice] = tmp_path / choice
        command = [
            "update",
            "--index",
            choice,
            "--shards",
            "always",
            "--lock",
            LOCKS / lock / "pixi.lock",
            "-o",
            mirrors[choice],
        ]
        done = world.run(*command, "--defer", "--no-pypi", "--all-environments", "--skip-unmirrorable")
        assert done.status == 0, done.stderr
    folders = [path.parent.relative_to(mirrors["own"]) for path in mirrors["own"].rglob(SHARDS)]
    assert folders
    for folder in folders:
        ours, theirs = (shards_of(mirrors[choice] / folder) for choice in ("own", "rattler"))
        assert ours[0] == theirs[0]
        assert {name for name in {*ours[1], *theirs[1]} if ours[1].get(name) != theirs[1].get(name)} == set()
