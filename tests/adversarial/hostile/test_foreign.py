"""Caches and mirrors that somebody else owns, can write, or has made up: refused, or not believed."""

import json
import os
import random
import shutil

import pytest
from harness.examples import first
from harness.looking import sha256
from harness.python_index import PythonIndex
from harness.several import run_several

from pixi_mirror.commands.text import plain
from pixi_mirror.demo.distributions import build_wheel
from pixi_mirror.demo.packages import build_package

STATE = ".pixi-mirror/state.json"

pytestmark = pytest.mark.skipif(os.name == "nt", reason="owners and modes of POSIX")


@pytest.fixture
def built():
    return build_package(name="one", subdir="linux-64", payload_size=1000)


@pytest.fixture
def lock(world, built):
    return world.lock("workspace", environments={"default": {"linux-64": [world.publish(built)]}})


def give_away(path):
    """Make another user its owner, where this one may and another exists."""
    try:
        os.chown(path, 65534, 65534)
    except OSError:
        pytest.skip("only root can give a file away")


@pytest.mark.parametrize("where", ["", "partial", "sha256"])
@pytest.mark.parametrize("how", ["owned by another user", 0o777, 0o1777, 0o770])
def test_a_cache_in_which_others_could_plant_is_refused_before_the_first_request(world, lock, where, how):
    folder = world.home / "cache" / where
    folder.mkdir(parents=True, mode=0o700)
    is_owned_by_another = how == "owned by another user"
    if is_owned_by_another:
        give_away(folder)
    else:
        folder.chmod(how)
    done = world.run("--lock", lock)
    assert (done.status, str(folder) in done.stderr) == (8, True), done.stderr
    assert ("Run this as the user" if is_owned_by_another else "chmod go-w") in done.stderr
    assert world.requests == []


def test_a_wrong_file_under_a_right_name_is_not_believed(world, lock, built):
    digest = built.record["sha256"]
    lie = b"lie" * (len(built.data) // 3) + b"!" * (len(built.data) % 3)
    for folder in ("cache", f"cache/sha256/{digest[:2]}", "cache/partial"):
        (world.home / folder).mkdir(parents=True, exist_ok=True, mode=0o700)
    (world.home / "cache/sha256").chmod(0o700)
    blob = world.home / f"cache/sha256/{digest[:2]}/{digest}"
    blob.write_bytes(lie)
    (world.home / f"cache/partial/{digest}").write_bytes(lie[:100])
    (world.home / f"cache/partial/{digest}.validator").write_text('"made up"')
    place = world.mirror / world.authority_path / "conda-forge/linux-64" / built.file_name
    place.parent.mkdir(parents=True)
    (world.mirror / ".pixi-mirror").mkdir(mode=0o700)
    place.write_bytes(lie)
    assert world.run("--lock", lock).status == 0
    assert [sha256(path) for path in (blob, place)] == [digest] * 2
    assert len(world.upstream.requests_to(f"/conda-forge/linux-64/{built.file_name}")) == 1


def test_a_cached_file_of_another_user_is_copied_and_never_linked(world, lock, built):
    assert world.run("--lock", lock, "-o", "first").status == 0
    digest = built.record["sha256"]
    blob = world.home / f"cache/sha256/{digest[:2]}/{digest}"
    give_away(blob)
    assert world.run("--lock", lock, "-o", "second").status == 0
    copy = next((world.directory / "second").rglob("*.conda"))
    assert (copy.stat().st_ino == blob.stat().st_ino, copy.stat().st_uid) == (False, os.getuid())


DEEP = "[" * 200_000
RECORDS = {
    "nothing": "",
    "too deep": DEEP,
    "too deep within": '{"format": 1, "tree": ' + DEEP,
    "a list": "[]",
    "a number": "1e999",
    "a long number": '{"format": ' + "9" * 10_000 + "}",
    "half a character": '{"format": "\\ud800"}',
    "no UTF-8": b"\xff\xfe",
    "NULs": "\0" * 1000,
}


@pytest.mark.broken_mirror("records that nobody can read")
@pytest.mark.parametrize(
    "record", first(1, ["pixi-mirror.json", ".pixi-mirror/state.json", ".pixi-mirror/unchanged.json"])
)
def test_a_made_up_record_is_refused_by_its_name_or_not_believed(world, lock, record):
    """Every reading verb, and the writing one: a mirror may have come on somebody's disk."""
    assert world.run("--lock", lock).status == 0
    mirrors, verbs = [], []
    for number, data in enumerate(RECORDS.values()):
        mirror = world.directory / f"m{number}"
        shutil.copytree(world.mirror, mirror)
        (mirror / record).write_bytes(data if isinstance(data, bytes) else data.encode())
        mirrors.append(mirror)
        verbs += [["status", mirror, "--json"], ["verify", mirror], ["prune", mirror], ["config", mirror]]
        verbs += [["--lock", lock, "-o", mirror]]
    expected = 0 if record.endswith("unchanged.json") else 8
    for words, done in zip(verbs, run_several(verbs, env=world.environment, cwd=world.directory), strict=True):
        assert done.status == expected, (words, done)
        assert expected == 0 or record in done.stderr + done.stdout, (words, done)


HOSTILE_PATHS = [
    "../victim", "/etc/hostname", "a/../../victim", "conda-forge/../../victim", "a//b", "a/./b", "", ".", "..",
    ".pixi-mirror/lock", "pixi-mirror.json", "a\\b", "C:/x", "a\0b", "a\nb", "a/\u202eb", "a" * 5000, "con/x",
    " a/x", "a /x", "a./x", "a:b/x", "a|b", "a*", "cafe\u0301/x", "a/\udcff", ".hidden/x",
]  # fmt: skip


@pytest.mark.broken_mirror("its inventory names files outside")
def test_an_inventory_that_names_files_outside_removes_none_of_them(world, lock):
    """`prune` and `verify --repair` act on what the inventory says; it may have come on somebody's disk."""
    assert world.run("--lock", lock).status == 0
    victim = world.directory / "victim"
    victim.write_bytes(b"kept")
    inventory = json.loads((world.mirror / "pixi-mirror.json").read_bytes())
    state = json.loads((world.mirror / ".pixi-mirror/state.json").read_bytes())
    verbs = []
    for number, path in enumerate(HOSTILE_PATHS):
        mirror = world.directory / f"m{number}"
        shutil.copytree(world.mirror, mirror)
        row = {"sha256": sha256(victim), "size": 4}
        (mirror / "pixi-mirror.json").write_text(json.dumps({**inventory, "tree": {**inventory["tree"], path: row}}))
        told = {**state, "unlisted": {path: 0}, "placing": [path]}
        (mirror / ".pixi-mirror/state.json").write_text(json.dumps(told))
        verbs += [
            ["prune", mirror, "--apply", "--grace", "0", "--force"], ["verify", mirror, "--repair"],
            ["--lock", lock, "-o", mirror],
        ]  # fmt: skip
    for words, done in zip(verbs, run_several(verbs, env=world.environment, cwd=world.directory), strict=True):
        assert done.status == 8, (words, done)
    assert victim.read_bytes() == b"kept"


ODD = [None, True, -1, 1.5, "", "x", "\ud800", "../x", "\x1b[2J", [], [1], {}, {"a": 1}, 10**30, "a" * 300, "http://["]


HARMFUL = [
    ("pixi-mirror.json", ("packages", 0, "record", "name"), 1.5),
    ("pixi-mirror.json", ("packages", 0, "size"), "x"),
    ("pixi-mirror.json", ("packages", 0, "url"), []),
    ("pixi-mirror.json", ("packages", 1, "url"), "\ud800"),
    ("pixi-mirror.json", ("packages", 1, "name"), "../x"),
    ("pixi-mirror.json", ("packages", 1, "version"), []),
    ("pixi-mirror.json", ("packages", 1, "record"), {}),
    ("pixi-mirror.json", ("subscriptions", 0, "id"), {}),
    ("pixi-mirror.json", ("subscriptions", 0, "packages"), []),
    ("pixi-mirror.json", ("subscriptions", 0, "cells", 0, "environment"), "\x1b[2J"),
    ("pixi-mirror.json", ("subscriptions", 0, "cells", 0, "subdir"), ""),
    (STATE, ("identities",), {"pixi-mirror.json": [[], 1, 1, 1]}),
]


def places(value, path=()):
    """Every place in a JSON value."""
    yield path
    below = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in below:
        yield from places(item, (*path, key))


def changed(value, path, new):
    """The value with another at a place."""
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = changed(value[path[0]], path[1:], new)
    return copy


@pytest.mark.broken_mirror("records with a wrong value each")
def test_a_wrong_value_anywhere_in_a_record_is_refused_or_does_no_harm(world, lock):
    """A sample, always the same, of all places and values, and those that once did harm."""
    index = PythonIndex(world)
    wheel = index.publish(build_wheel(name="thing", version="1.0", requires_dist=["a"]), name="thing", version="1.0")
    one = world.publish(build_package(name="one", subdir="linux-64", depends=["base >=1"]))
    world.lock("workspace", environments={"default": {"linux-64": [one, wheel]}}, indexes=[index.url], version=7)
    assert world.run("--lock", lock).status == 0
    records = {name: json.loads((world.mirror / name).read_bytes()) for name in ("pixi-mirror.json", STATE)}
    chances = random.Random(7)
    cases = [(name, place) for name, record in records.items() for place in places(record)]
    verbs, told = [], []
    sample = [(name, place, chances.choice(ODD)) for name, place in chances.sample(cases, 60)]
    for number, (name, place, odd) in enumerate([*sample, *HARMFUL]):
        mirror = world.directory / f"m{number}"
        shutil.copytree(world.mirror, mirror)
        (mirror / name).write_text(json.dumps(changed(records[name], place, odd)))
        ways = [["status", mirror, "--json"], ["verify", mirror], ["prune", mirror], ["config", mirror]]
        ways += [["verify", mirror, "--repair"], ["--lock", lock, "-o", mirror]]
        chosen = [chances.choice(ways)] if number < len(sample) else [ways[1], ways[-1]]
        verbs += chosen
        told += [(name, place, odd)] * len(chosen)
    for what, done in zip(told, run_several(verbs, env=world.environment, cwd=world.directory), strict=True):
        assert "Traceback" not in done.stderr, (what, done)
        assert done.status in (0, 1, 3, 4, 5, 6, 8), (what, done)
        assert plain(done.stdout + done.stderr) == done.stdout + done.stderr, what
