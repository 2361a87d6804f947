"""`update` brings exactly what the locks pin, once, and an unchanged run touches nothing."""

import json
import os

import pytest
from harness.looking import archives, contents, identities, repodata, sha256
from harness.world import small_packages

from pixi_mirror.demo.packages import build_package
from pixi_mirror.lockfile.writer import LockPlatform

BASE = "noarch/base-2024.1-0.conda"
PURE = "noarch/pure-1.0-pyhd8ed1ab_0.conda"
TOOL = "linux-64/tool-1.0-h12_1.conda"
TOOL_OSX = "osx-arm64/tool-1.0-h34_1.conda"
OLD = "linux-64/old-thing-1!0.5-0.tar.bz2"
PROD = {BASE, PURE, TOOL}
MEMO = ".pixi-mirror/unchanged.json"
LOCK = ".pixi-mirror/lock"
PRIVATE_FOLDERS = {".pixi-mirror", ".pixi-mirror/tmp"}


def channel(world):
    return world.mirror / world.authority_path / "conda-forge"


def update(world, *args, status=0, **options):
    done = world.run("--lock", "workspace/pixi.lock", *args, **options)
    assert done.status == status, done.stderr
    return done


def is_quick(world, *args, **options):
    """Whether an update answered from its memo: whoever decides in full takes the lock and signs it."""
    before = identities(world.mirror)
    done = world.run(*args, **options)
    assert done.status == 0, done.stderr
    return identities(world.mirror)[LOCK] == before[LOCK]


def written_since(world, before):
    """What was written, made or removed in the mirror, but for the signature of whoever decided in full."""
    after = identities(world.mirror)
    touched = {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
    return touched - PRIVATE_FOLDERS - {LOCK}


def test_the_first_update_brings_what_the_lock_pins_and_nothing_else(world):
    world.workspace()
    done = update(world, "-e", "default", "-e", "prod")
    assert "brought 5 files" in done.stdout
    assert archives(channel(world)) == PROD | {TOOL_OSX, OLD}
    assert archives(world.mirror) == {f"{world.authority_path}/conda-forge/{path}" for path in archives(channel(world))}
    for package in small_packages().values():
        stored = channel(world) / package.record["subdir"] / package.file_name
        assert sha256(stored) == package.record["sha256"]


def test_the_default_environment_is_default_and_prod_alone_is_linux_alone(world):
    world.workspace()
    update(world)
    assert archives(channel(world)) == PROD | {TOOL_OSX, OLD}
    assert world.run("--lock", "workspace/pixi.lock", "-e", "prod", "-o", "other").status == 0
    assert archives(world.directory / "other" / world.authority_path / "conda-forge") == PROD


def test_noarch_is_there_even_when_nothing_comes_from_it(world):
    tool = world.publish(build_package(name="alone", subdir="linux-64"))
    world.lock("workspace", environments={"default": {"linux-64": [tool]}})
    update(world)
    assert repodata(channel(world) / "noarch") == {}
    assert set(repodata(channel(world) / "linux-64")) == {"alone-1.0-0.conda"}


def test_a_second_update_asks_nothing_and_writes_nothing(world):
    world.workspace()
    update(world, "-e", "prod")
    before = identities(world.mirror)
    world.upstream.forget_requests()
    done = update(world, "-e", "prod")
    assert done.stdout.startswith("nothing to do")
    assert world.requests == []
    assert identities(world.mirror) == before
    refreshed = world.run()
    assert refreshed.stdout.startswith("nothing to do")
    assert world.requests == []
    assert written_since(world, before) == {MEMO}


def test_without_its_memo_an_update_finds_the_same_and_writes_only_the_memo(world):
    world.workspace()
    update(world, "-e", "prod")
    (world.mirror / MEMO).unlink()
    before = identities(world.mirror)
    world.upstream.forget_requests()
    assert update(world, "-e", "prod").stdout.startswith("nothing to do")
    assert world.requests == []
    assert written_since(world, before) == {MEMO}


@pytest.fixture
def settled(world):
    """A mirror of `prod` of which the quick answer is known; the arguments of the update."""
    world.workspace()
    args = ("--lock", "workspace/pixi.lock", "-e", "prod")
    assert world.run(*args).status == 0
    assert is_quick(world, *args)
    return args


def test_the_quick_answer_is_given_up_when_the_lock_changes_by_a_byte(world, settled):
    lock = world.directory / "workspace" / "pixi.lock"
    lock.write_bytes(lock.read_bytes() + b"\n")
    assert not is_quick(world, *settled)
    assert is_quick(world, *settled)


def test_the_quick_answer_is_given_up_when_a_file_is_touched(world, settled):
    os.utime(channel(world) / TOOL, ns=(1, 1))
    world.upstream.forget_requests()
    assert not is_quick(world, *settled)
    assert world.requests == []


def test_the_quick_answer_is_given_up_when_a_file_is_replaced(world, settled):
    tool = channel(world) / TOOL
    data, status = tool.read_bytes(), tool.stat()
    tool.unlink()
    tool.write_bytes(bytes(len(data)))
    os.utime(tool, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert not is_quick(world, *settled)
    assert tool.read_bytes() == data


def test_a_file_that_is_gone_comes_back_from_the_cache(world, settled):
    (channel(world) / TOOL).unlink()
    world.upstream.forget_requests()
    assert not is_quick(world, *settled)
    assert world.requests == []
    assert sha256(channel(world) / TOOL) == small_packages()["tool-linux"].record["sha256"]


def test_an_index_that_is_gone_is_written_again(world, settled):
    index = channel(world) / "noarch" / "repodata.json"
    data = index.read_bytes()
    index.unlink()
    assert not is_quick(world, *settled)
    assert index.read_bytes() == data


def test_the_quick_answer_is_given_up_when_the_inventory_is_replaced(world, settled):
    inventory = world.mirror / "pixi-mirror.json"
    data = inventory.read_bytes()
    inventory.unlink()
    inventory.write_bytes(data)
    assert not is_quick(world, *settled)


def test_the_quick_answer_is_to_the_same_question_only(world, settled):
    done = world.run("--lock", "workspace/pixi.lock", "-e", "default")
    assert "brought 2 files" in done.stdout
    elsewhere = world.directory / "elsewhere"
    other = world.publish(build_package(name="other"))
    world.lock("elsewhere/workspace", environments={"prod": {"noarch": [other]}})
    mirror = ("-o", world.mirror)
    assert world.run(*settled, *mirror).status == 0
    done = world.run(*settled, *mirror, cwd=elsewhere)
    assert "brought 1 file" in done.stdout
    assert "noarch/other-1.0-0.conda" in archives(channel(world))


def test_an_increment_fetches_only_what_is_new(world):
    world.workspace()
    update(world, "-e", "prod")
    world.upstream.forget_requests()
    update(world)
    assert {request.bare for request in world.requests} == {f"/conda-forge/{OLD}", f"/conda-forge/{TOOL_OSX}"}
    assert archives(channel(world)) == PROD | {OLD, TOOL_OSX}


def test_an_increment_never_touches_the_files_that_are_there(world):
    world.workspace()
    update(world, "-e", "prod")
    before = {path: identities(channel(world))[path] for path in PROD}
    update(world)
    assert {path: identities(channel(world))[path] for path in PROD} == before


def test_workspaces_share_files(world):
    world.workspace("a")
    world.workspace("b", version=7)
    done = world.run("--lock", "a/pixi.lock", "--lock", "b", "-e", "prod")
    assert done.status == 0, done.stderr
    assert len(world.requests) == len(PROD)
    answer = world.run_json("--lock", "a/pixi.lock", "--lock", "b", "-e", "prod", "--dry-run")
    assert {target["workspace"] for row in answer["wanted"] for target in row["targets"]} == {"a", "b"}


def test_a_second_mirror_is_filled_from_the_cache(world):
    world.workspace()
    update(world, "-e", "prod")
    world.upstream.forget_requests()
    update(world, "-e", "prod", "-o", "second")
    assert world.requests == []


def test_all_environments_are_all(world):
    one, two = (world.publish(build_package(name=name)) for name in ("one", "two"))
    world.lock("workspace", environments={"a": {"linux-64": [one]}, "b": {"linux-64": [two]}})
    update(world, "--all-environments")
    assert archives(channel(world)) == {"noarch/one-1.0-0.conda", "noarch/two-1.0-0.conda"}


@pytest.mark.parametrize("platform", ["linux-64", "subdir:linux-64"])
def test_a_platform_narrows(world, platform):
    world.workspace()
    update(world, "-p", platform)
    assert archives(channel(world)) == PROD | {OLD}


@pytest.fixture
def named_platforms(world):
    """A lock whose platforms `linux-64`, `cuda` and `mac` have two subdirs, with a package for each."""
    entries = {
        name: [world.publish(build_package(name=f"for-{name}", subdir=subdir))]
        for name, subdir in (("linux-64", "linux-64"), ("cuda", "linux-64"), ("mac", "osx-arm64"))
    }
    world.lock(
        "workspace",
        version=7,
        environments={"default": entries},
        platforms=[
            LockPlatform(name="cuda", subdir="linux-64", virtual_packages=("__cuda=12",)),
            LockPlatform(name="mac", subdir="osx-arm64"),
        ],
    )


@pytest.mark.parametrize(
    ("platform", "names"),
    [
        ("cuda", {"cuda"}),
        ("linux-64", {"linux-64"}),
        ("subdir:linux-64", {"linux-64", "cuda"}),
        ("osx-arm64", {"mac"}),
        ("subdir:osx-arm64", {"mac"}),
    ],
)
def test_an_exact_platform_name_wins_and_a_subdir_means_all_of_it(world, named_platforms, platform, names):
    answer = world.run_json("--lock", "workspace/pixi.lock", "-p", platform, "--dry-run")
    assert {row["name"] for row in answer["wanted"]} == {f"for-{name}" for name in names}


def test_two_names_for_one_platform_list_one_package_once(world):
    entry = world.publish(build_package(name="shared", subdir="linux-64"))
    world.lock(
        "workspace",
        version=7,
        environments={"default": {"linux-64": [entry], "alias": [entry]}},
        platforms=[LockPlatform(name="alias", subdir="linux-64", virtual_packages=("__glibc=2.28",))],
    )
    answer = world.run_json("--lock", "workspace/pixi.lock")
    (row,) = answer["wanted"]
    assert {target["platform"] for target in row["targets"]} == {"alias", "linux-64"}
    assert len(world.requests) == 1


def test_a_platform_that_no_environment_has_is_status_3(world):
    world.workspace()
    done = update(world, "-p", "win-64", status=3)
    assert "win-64" in done.stderr
    assert "linux-64" in done.stderr
    assert not world.mirror.exists()


def test_a_platform_that_only_some_lack_is_a_warning(world):
    world.workspace()
    done = update(world, "-e", "default", "-e", "prod", "-p", "osx-arm64")
    assert "prod" in done.stderr
    assert "osx-arm64" in done.stderr
    assert archives(channel(world)) == {BASE, TOOL_OSX}


def test_an_unknown_environment_is_status_3_and_lists_those_there_are(world):
    world.workspace()
    done = update(world, "-e", "prid", status=3)
    assert all(word in done.stderr for word in ("prid", "default", "prod"))
    assert not world.mirror.exists()
    assert world.requests == []


def test_an_environment_must_be_in_every_workspace_that_is_named(world):
    world.workspace("a")
    world.lock("b", environments={"default": {"linux-64": []}})
    done = world.run("--lock", "a/pixi.lock", "--lock", "b/pixi.lock", "-e", "prod")
    assert done.status == 3
    assert "b" in done.stderr
    assert not world.mirror.exists()


def test_a_dry_run_changes_nothing_and_asks_nothing(world):
    world.workspace()
    world.home.mkdir()
    before = identities(world.directory)
    done = update(world, "--dry-run")
    assert "would bring 5 files" in done.stdout
    assert not world.mirror.exists()
    assert not (world.home / "cache").exists()
    assert identities(world.directory) == before
    assert world.requests == []


def test_a_dry_run_over_a_mirror_says_the_difference_and_leaves_it(world):
    world.workspace()
    update(world, "-e", "prod")
    before = identities(world.mirror)
    answer = world.run_json("--lock", "workspace/pixi.lock", "--dry-run")
    assert {path.split("/", 2)[2] for path in answer["missing"]} == {OLD, TOOL_OSX}
    assert answer["fetched"] == []
    assert answer["bytes"] == sum(small_packages()[name].record["size"] for name in ("old", "tool-osx"))
    assert identities(world.mirror) == before


def test_a_mirror_in_pixis_configuration_is_asked_and_the_lock_decides_the_path(world):
    package = build_package(name="remote", subdir="linux-64")
    entry = world.publish(package, base="https://conda.anaconda.org")
    world.lock("workspace", environments={"default": {"linux-64": [entry]}})
    config = world.directory / "config.toml"
    config.write_text(f'[mirrors]\n"https://conda.anaconda.org" = ["{world.upstream.url}"]\n')
    update(world, "--config-file", config)
    assert archives(world.mirror) == {"conda-forge/linux-64/remote-1.0-0.conda"}
    assert sha256(world.mirror / "conda-forge/linux-64/remote-1.0-0.conda") == package.record["sha256"]
    assert [request.bare for request in world.requests] == ["/conda-forge/linux-64/remote-1.0-0.conda"]


def test_the_inventory_names_no_path_of_this_machine(world):
    world.workspace()
    update(world)
    assert str(world.directory) not in (world.mirror / "pixi-mirror.json").read_text()
    json.loads((world.mirror / "pixi-mirror.json").read_text())


def test_the_same_locks_make_the_same_mirror(world):
    world.workspace()
    update(world, "-o", "one")
    update(world, "-o", "two", "-e", "prod")
    update(world, "-o", "two")

    def served(name):
        files = contents(world.directory / name)
        hidden = (".pixi-mirror/", "pixi-mirror.json")
        return {path: data for path, data in files.items() if not path.startswith(hidden)}

    assert served("one") == served("two")
