"""A mirror follows locks: what was asked of each is kept, and a refresh brings what they say now."""

import shutil

import pytest
from harness.looking import archives, contents, repodata
from harness.world import small_packages

from pixi_mirror.demo.packages import build_package

LOCK = "workspace/pixi.lock"


def run(world, *args, status=0, **options):
    done = world.run(*args, **options)
    assert done.status == status, f"{done.status}\n{done.stdout}\n{done.stderr}"
    return done


def names(world):
    return {path.rpartition("/")[2].split("-")[0] for path in archives(world.mirror)}


def entry(world, name, **options):
    return world.publish(build_package(name=name, **options))


def subscriptions(world):
    """Workspace -> what `status` says of it."""
    return {each["workspace"]: each for each in world.run_json("status")["subscriptions"]}


def change(world):
    """Let the lock be read again, though it says the same."""
    path = world.directory / LOCK
    path.write_bytes(path.read_bytes() + b"\n")


def wanted(world):
    return {row["name"] for row in world.run_json("--dry-run")["wanted"]}


@pytest.fixture
def two(world):
    """A mirror that follows the workspaces `a` and `b`, with a package each."""
    world.lock("a", environments={"default": {"linux-64": [entry(world, "first")]}})
    world.lock("b", environments={"default": {"linux-64": [entry(world, "second")]}})
    run(world, "--lock", "a/pixi.lock", "--lock", "b/pixi.lock")


def test_a_package_that_appears_in_the_lock_comes_at_a_bare_refresh(world):
    one, two = entry(world, "one"), entry(world, "two")
    world.lock("workspace", environments={"prod": {"linux-64": [one]}, "dev": {"linux-64": [two]}})
    run(world, "--lock", LOCK, "-e", "prod")
    three = entry(world, "three")
    world.lock("workspace", environments={"prod": {"linux-64": [one, three]}, "dev": {"linux-64": [two]}})
    run(world)
    assert names(world) == {"one", "three"}


def test_a_platform_that_appears_in_the_lock_comes_when_all_were_asked_for(world):
    linux, mac = entry(world, "linux", subdir="linux-64"), entry(world, "mac", subdir="osx-arm64")
    world.lock("workspace", environments={"default": {"linux-64": [linux]}})
    run(world, "--lock", LOCK)
    world.lock("workspace", environments={"default": {"linux-64": [linux], "osx-arm64": [mac]}})
    run(world)
    assert names(world) == {"linux", "mac"}


def test_a_platform_that_appears_in_the_lock_does_not_come_when_one_was_asked_for(world):
    linux, mac = entry(world, "linux", subdir="linux-64"), entry(world, "mac", subdir="osx-arm64")
    world.lock("workspace", environments={"default": {"linux-64": [linux]}})
    run(world, "--lock", LOCK, "-p", "linux-64")
    world.lock("workspace", environments={"default": {"linux-64": [linux], "osx-arm64": [mac]}})
    run(world)
    assert names(world) == {"linux"}


def test_an_environment_that_appears_comes_only_if_all_were_asked_for(world):
    one, two = entry(world, "one"), entry(world, "two")
    world.lock("all", environments={"default": {"linux-64": [one]}})
    world.lock("some", environments={"default": {"linux-64": [one]}})
    run(world, "--lock", "all/pixi.lock", "--all-environments")
    run(world, "--lock", "some/pixi.lock", "-o", "other")
    for workspace in ("all", "some"):
        world.lock(workspace, environments={"default": {"linux-64": [one]}, "new": {"linux-64": [two]}})
    run(world)
    run(world, "-o", "other")
    assert names(world) == {"one", "two"}
    assert len(archives(world.directory / "other")) == 1


def test_asking_again_adds_and_asking_the_same_again_changes_nothing(world):
    world.workspace()
    run(world, "--lock", LOCK, "-e", "prod")
    run(world, "--lock", LOCK, "-e", "default", "-p", "osx-arm64")
    (subscription,) = subscriptions(world).values()
    assert (subscription["environments"], subscription["platforms"]) == (["default", "prod"], ["linux-64", "osx-arm64"])
    inventory = (world.mirror / "pixi-mirror.json").read_bytes()
    run(world, "--lock", LOCK, "-e", "prod")
    assert (world.mirror / "pixi-mirror.json").read_bytes() == inventory
    assert len(archives(world.mirror)) == 4  # `old` is asked for by neither


def test_a_lock_by_its_directory_and_by_a_link_is_the_same_subscription(world):
    world.workspace()
    (world.directory / "link").symlink_to(world.directory / "workspace")
    run(world, "--lock", LOCK)
    run(world, "--lock", "workspace")
    run(world, "--lock", "link/pixi.lock")
    assert len(subscriptions(world)) == 1


def test_a_bare_refresh_renews_all(world, two):
    for workspace, name in (("a", "third"), ("b", "fourth")):
        world.lock(workspace, environments={"default": {"linux-64": [entry(world, name)]}})
    assert {each["state"] for each in subscriptions(world).values()} == {"changed"}
    run(world)
    assert names(world) == {"first", "second", "third", "fourth"}
    assert wanted(world) == {"third", "fourth"}
    assert {each["state"] for each in subscriptions(world).values()} == {"current"}


def test_naming_one_lock_leaves_the_others_as_they_were(world, two):
    for workspace, name in (("a", "third"), ("b", "fourth")):
        world.lock(workspace, environments={"default": {"linux-64": [entry(world, name)]}})
    run(world, "--lock", "a/pixi.lock")
    assert names(world) == {"first", "second", "third"}
    assert {name: each["state"] for name, each in subscriptions(world).items()} == {"a": "current", "b": "changed"}


@pytest.mark.parametrize("how", ["missing", "unreadable"])
def test_a_lock_that_cannot_be_read_keeps_what_it_wanted_and_stops_no_other(world, two, how):
    lock = world.directory / "a" / "pixi.lock"
    if how == "missing":
        lock.unlink()
    else:
        lock.write_text("version: 6\n<<<<<<< HEAD\n")
    world.lock("b", environments={"default": {"linux-64": [entry(world, "third")]}})
    done = run(world, status=3)
    assert str(lock) in done.stderr
    assert names(world) == {"first", "second", "third"}
    listed = repodata(world.mirror / world.authority_path / "conda-forge" / "noarch")
    assert "first-1.0-0.conda" in listed
    assert {name: each["state"] for name, each in subscriptions(world).items()} == {"a": how, "b": "current"}
    assert {row["name"] for row in world.run_json("--dry-run", status=3)["wanted"]} == {"first", "third"}
    assert run(world, status=3).stdout == ""


def test_a_lock_that_comes_back_is_followed_again(world, two):
    lock = world.directory / "a" / "pixi.lock"
    text = lock.read_bytes()
    lock.unlink()
    run(world, status=3)
    lock.write_bytes(text)
    assert run(world).stdout.startswith("nothing to do")


def test_an_environment_that_has_left_the_lock_is_status_3_and_what_it_wanted_stays(world):
    one = entry(world, "one")
    world.lock("workspace", environments={"default": {"linux-64": [one]}, "dev": {"linux-64": [one]}})
    run(world, "--lock", LOCK, "-e", "dev")
    world.lock("workspace", environments={"default": {"linux-64": [one]}})
    assert "dev" in run(world, status=3).stderr
    assert names(world) == {"one"}


def test_a_name_follows_a_lock_that_moves(world):
    one, two = entry(world, "one"), entry(world, "two")
    world.lock("build-1", environments={"default": {"linux-64": [one]}})
    run(world, "--lock", "build-1/pixi.lock", "--name", "nightly")
    shutil.rmtree(world.directory / "build-1")
    world.lock("build-2", environments={"default": {"linux-64": [two]}})
    run(world, "--lock", "build-2/pixi.lock", "--name", "nightly")
    (subscription,) = subscriptions(world).values()
    assert subscription["workspace"] == "nightly"
    assert subscription["lock"] == str(world.directory / "build-2" / "pixi.lock")
    assert wanted(world) == {"two"}
    assert run(world).stdout.startswith("nothing to do")


def test_a_name_refreshes_that_subscription_alone(world, two):
    world.lock("c", environments={"default": {"linux-64": [entry(world, "third")]}})
    run(world, "--lock", "c/pixi.lock", "--name", "named")
    for workspace, name in (("a", "fourth"), ("c", "fifth")):
        world.lock(workspace, environments={"default": {"linux-64": [entry(world, name)]}})
    run(world, "--name", "named")
    assert names(world) == {"first", "second", "third", "fifth"}
    assert "nobody" in run(world, "--name", "nobody", status=3).stderr


def test_one_name_is_not_for_two_locks(world, two):
    assert run(world, "--lock", "a/pixi.lock", "--lock", "b/pixi.lock", "--name", "both", status=2).stdout == ""


def test_forget_drops_a_subscription_and_keeps_its_files(world, two):
    before = contents(world.mirror / world.authority_path)
    answer = world.run_json("forget", "--lock", "a/pixi.lock")
    assert answer["workspace"] == "a"
    assert [path.rpartition("/")[2] for path in answer["surplus"]] == ["first-1.0-0.conda"]
    assert set(subscriptions(world)) == {"b"}
    assert contents(world.mirror / world.authority_path) == before
    assert run(world).stdout.startswith("nothing to do")


def test_forget_drops_a_part(world):
    world.workspace()
    run(world, "--lock", LOCK, "-e", "prod", "-e", "default")
    answer = world.run_json("forget", "--lock", LOCK, "-e", "default")
    assert {path.split("/", 2)[2] for path in answer["surplus"]} == {
        f"{small_packages()[name].record['subdir']}/{small_packages()[name].file_name}" for name in ("old", "tool-osx")
    }
    change(world)
    run(world)
    (subscription,) = subscriptions(world).values()
    assert subscription["environments"] == ["prod"]


def test_forget_of_one_of_all_environments_leaves_the_others(world):
    one, two = entry(world, "one"), entry(world, "two")
    world.lock("workspace", environments={"a": {"linux-64": [one]}, "b": {"linux-64": [two]}})
    run(world, "--lock", LOCK, "--all-environments")
    run(world, "forget", "--lock", LOCK, "-e", "b")
    change(world)
    run(world)
    assert wanted(world) == {"one"}


def test_forget_of_the_last_part_is_forget_of_the_whole(world):
    world.workspace()
    run(world, "--lock", LOCK, "-e", "prod")
    run(world, "forget", "--lock", LOCK, "-e", "prod")
    assert subscriptions(world) == {}


def test_forget_needs_no_lock(world, two):
    shutil.rmtree(world.directory / "a")
    run(world, "forget", "--lock", "a/pixi.lock")
    assert set(subscriptions(world)) == {"b"}
    run(world)


def test_forget_by_name(world):
    world.workspace()
    run(world, "--lock", LOCK, "--name", "nightly")
    run(world, "forget", "--name", "nightly")
    assert subscriptions(world) == {}


def test_forgetting_what_is_not_followed_is_status_3_and_says_what_is(world, two):
    done = run(world, "forget", "--lock", "c/pixi.lock", status=3)
    assert all(word in done.stderr for word in ("c/pixi.lock", "a", "b"))
    assert "prod" in run(world, "forget", "--lock", "a/pixi.lock", "-e", "prod", status=3).stderr
    assert set(subscriptions(world)) == {"a", "b"}


def test_forget_says_which_one_is_meant_or_it_is_a_usage_error(world, two):
    run(world, "forget", status=2)
    run(world, "forget", "--lock", "a/pixi.lock", "--name", "a", status=2)
