"""`prime` puts the mirror's conda packages into pixi's package cache, beside whoever uses that."""

import fcntl
import hashlib
import json
import shutil
import struct
import sys
from dataclasses import replace

import pytest
from harness.looking import contents
from harness.upstream import Upstream
from harness.world import World, small_packages

from pixi_mirror.demo.packages import build_package

if sys.platform == "win32":
    pytest.skip("the locks of the test are those of POSIX", allow_module_level=True)

CHOICE = ("-p", "linux-64", "--pixi-cache-dir", "pixi-cache")
ENTRIES = {
    "base-2024.1-0": "base",
    "old-thing-1!0.5-0": "old",
    "pure-1.0-pyhd8ed1ab_0": "pure",
    "tool-1.0-h12_1": "tool-linux",
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A world with a mirror of the two environments of the standard workspace; its upstream is gone."""
    directory = tmp_path_factory.mktemp("made")
    with Upstream(root=directory / "upstream") as upstream:
        world = World(directory=directory, root=directory / "upstream", upstream=upstream)
        world.workspace()
        assert world.run("--lock", "workspace/pixi.lock", "--all-environments").status == 0
    return world


@pytest.fixture
def mirrored(made, tmp_path):
    """A world with a mirror of its own, whose subscription is that of the workspace that all share."""
    shutil.copytree(made.mirror, tmp_path / "mirror", symlinks=True)
    (tmp_path / "workspace").symlink_to(made.directory / "workspace")
    return replace(made, directory=tmp_path)


def pkgs(world):
    return world.directory / "pixi-cache" / "pkgs"


def prime(world, *words, status=0, **options):
    done = world.run("prime", *CHOICE, *words, **options)
    assert done.status == status, f"ended with {done.status}:\n{done.stdout}\n{done.stderr}"
    return done


def names(world):
    """What lies in the cache, but for what rattler needs to lock it."""
    return {each.name for each in pkgs(world).iterdir()} - {".cache.lock"}


def archive(world, name):
    package = small_packages()[name]
    return world.mirror / world.authority_path / "conda-forge" / package.record["subdir"] / package.file_name


def metadata(sha256, revision=1):
    return struct.pack(">Q", revision) + bytes.fromhex(sha256)


def test_every_package_becomes_an_entry_as_rattler_makes_it(mirrored):
    done = prime(mirrored)
    assert "got the packages of 4 files" in done.stdout
    assert names(mirrored) == {*ENTRIES, *(f"{name}.lock" for name in ENTRIES)}
    for name, package in ENTRIES.items():
        lock = (pkgs(mirrored) / f"{name}.lock").read_bytes()
        assert lock == metadata(small_packages()[package].record["sha256"])
        index = json.loads((pkgs(mirrored) / name / "info/index.json").read_bytes())
        assert name == f"{index['name']}-{index['version']}-{index['build']}"
    assert (pkgs(mirrored) / "base-2024.1-0/share/base.txt").read_bytes() == b"base\n"


def test_priming_again_leaves_every_entry_as_it_is(mirrored):
    prime(mirrored)
    kept = pkgs(mirrored) / "base-2024.1-0" / "kept"
    kept.touch()
    before = contents(pkgs(mirrored))
    done = mirrored.run_json("prime", *CHOICE)
    assert (len(done["primed"]), len(done["there"])) == (0, 4)
    assert contents(pkgs(mirrored)) == before


def test_an_environment_a_platform_or_a_subscription_can_be_chosen(mirrored):
    assert len(mirrored.run_json("prime", *CHOICE, "-e", "prod", "--dry-run")["primed"]) == 3
    osx = mirrored.run_json("prime", "-p", "osx-arm64", "--pixi-cache-dir", "pixi-cache")
    assert {each["name"] for each in osx["primed"]} == {"base-2024.1-0", "tool-1.0-h34_1"}
    assert len(mirrored.run_json("prime", *CHOICE, "--lock", "workspace/pixi.lock", "--dry-run")["primed"]) == 3
    assert len(mirrored.run_json("prime", *CHOICE, "-m", "workspace", "--dry-run")["primed"]) == 3


@pytest.mark.parametrize("words", [("-e", "prd"), ("-p", "win-64"), ("--name", "other")])
def test_what_the_mirror_does_not_have_is_told_with_what_it_has(mirrored, words):
    done = prime(mirrored, *words, status=3)
    assert words[1] in done.stderr
    assert "there are: " in done.stderr
    assert not pkgs(mirrored).exists()


def test_a_dry_run_writes_nothing(mirrored):
    done = prime(mirrored, "--dry-run")
    assert "  tool-1.0-h12_1\n" in done.stdout
    assert "would get the packages of 4 files" in done.stdout
    assert not pkgs(mirrored).exists()


@pytest.mark.parametrize("variable", ["PIXI_CACHE_DIR", "RATTLER_CACHE_DIR"])
def test_without_option_the_cache_is_the_one_of_the_environment(mirrored, variable):
    where = mirrored.directory / "elsewhere"
    done = mirrored.run("prime", "-p", "linux-64", env={variable: str(where)})
    assert done.status == 0, done.stderr
    assert (where / "pkgs/base-2024.1-0/info/index.json").exists()


def test_without_pixi_the_cache_is_where_pixi_has_it_by_default(mirrored):
    done = mirrored.run_json("prime", "-p", "linux-64")
    assert done["cache"] == str(mirrored.home / ".cache/rattler/cache/pkgs")


def test_otherwise_pixi_says_where_its_cache_is(mirrored):
    where = mirrored.directory / "told"
    pixi = mirrored.directory / "pixi"
    answer = json.dumps({"version": "0.77.0", "cache_dir": str(where)})
    pixi.write_text(f"#!/bin/sh\n[ \"$*\" = 'info --json' ] && [ -z \"$(ls)\" ] && echo '{answer}'\n")
    pixi.chmod(0o755)
    done = mirrored.run_json("prime", "-p", "linux-64", env={"PIXI_EXE": str(pixi)})
    assert done["cache"] == str(where / "pkgs")


@pytest.mark.broken_mirror("a package has other bytes")
def test_wrong_bytes_in_the_mirror_leave_nothing_and_hinder_no_other(mirrored):
    path = archive(mirrored, "base")
    other = build_package(name="base", version="2024.1", files={"share/base.txt": b"evil\n"})
    path.unlink()
    path.write_bytes(other.data)
    done = prime(mirrored, status=6)
    assert "noarch/base-2024.1-0.conda: expected sha256" in done.stderr
    assert hashlib.sha256(other.data).hexdigest() in done.stderr
    left = set(ENTRIES) - {"base-2024.1-0"}
    assert names(mirrored) == {*left, *(f"{name}.lock" for name in left)}


@pytest.mark.broken_mirror("a package is gone")
def test_a_package_that_the_mirror_lacks_is_named(mirrored):
    archive(mirrored, "base").unlink()
    done = prime(mirrored, status=8)
    assert "noarch/base-2024.1-0.conda is missing in the mirror" in done.stderr
    assert "tool-1.0-h12_1" in names(mirrored)


def test_a_deferred_package_is_missing_unless_it_was_primed_before(mirrored):
    words = ("--lock", "workspace/pixi.lock", "--all-environments", "--defer", "-o", "deferring")
    assert mirrored.run(*words).status == 0
    done = prime(mirrored, "deferring", status=8)
    assert "is missing in the mirror" in done.stderr
    prime(mirrored)
    assert "nothing to put there; 4 packages" in prime(mirrored, "deferring").stdout


@pytest.mark.parametrize("lock", [".cache.lock", "base-2024.1-0.lock"])
def test_a_running_pixi_is_waited_for_and_then_told_of(mirrored, lock):
    pkgs(mirrored).mkdir(parents=True)
    with (pkgs(mirrored) / lock).open("wb") as held:
        held.write(b"what pixi wrote")
        held.flush()
        fcntl.flock(held, fcntl.LOCK_EX)
        done = prime(mirrored, "--lock-timeout", "0.2", status=75)
        assert lock in done.stderr
        assert "--lock-timeout" in done.stderr
        assert (pkgs(mirrored) / lock).read_bytes() == b"what pixi wrote"
        assert names(mirrored) <= {lock}
    prime(mirrored)
    assert names(mirrored) == {*ENTRIES, *(f"{name}.lock" for name in ENTRIES)}


def test_what_a_killed_run_has_left_is_cleared_and_what_a_running_one_has_is_not(mirrored):
    killed, running = (pkgs(mirrored) / f".pixi-mirror-{name}" for name in ("killed", "running"))
    for each in (killed, running):
        (each / "base-2024.1-0/info").mkdir(parents=True)
    with (running / "lock").open("wb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        prime(mirrored)
    assert names(mirrored) == {*ENTRIES, *(f"{name}.lock" for name in ENTRIES), running.name}
    prime(mirrored)  # with nothing to put there
    assert running.name not in names(mirrored)


def collision(world):
    """Two channels with one name, version and build, and two environments that pin one each."""
    entries = [
        world.publish(build_package(name="twin", files={"share/from": channel.encode()}), channel=channel)
        for channel in ("second", "first")
    ]
    base = world.upstream.url.rstrip("/")
    world.lock(
        "workspace",
        environments={"a": {"linux-64": [entries[0]]}, "b": {"linux-64": [entries[1]]}},
        channels=[f"{base}/first/", f"{base}/second/"],
    )
    assert world.run("--lock", "workspace/pixi.lock", "--all-environments").status == 0


def test_of_two_packages_with_one_entry_that_of_the_first_channel_wins(world):
    collision(world)
    done = prime(world)
    assert "first/noarch/twin-1.0-0.conda" in done.stderr
    assert "second/noarch/twin-1.0-0.conda" in done.stderr
    assert (pkgs(world) / "twin-1.0-0/share/from").read_bytes() == b"first"
    assert prime(world, "-e", "b").stderr == ""


def test_a_cache_that_cannot_be_made_is_named(mirrored):
    (mirrored.directory / "pixi-cache").write_bytes(b"a file")
    done = prime(mirrored, status=8)
    assert "pixi-cache/pkgs" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_mirror_that_is_not_there_is_named(world):
    assert "there is no mirror at" in prime(world, status=8).stderr
