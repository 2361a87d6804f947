"""Every complete change of a mirror is a generation: listed, compared, named, gone back to, and kept by `prune`."""

import gzip
import json
import shutil

import pytest
from harness.examples import first
from harness.looking import archives, contents, identities, repodata

from pixi_mirror.demo.packages import build_package

LOCK = "workspace/pixi.lock"


def run(world, *words, status=0):
    return world.run_json(*words, status=status)


def folder(world):
    return world.mirror / world.authority_path / "conda-forge" / "noarch"


def path(world, name, version="1.0"):
    return f"{world.authority_path}/conda-forge/noarch/{name}-{version}-0.conda"


def lock(world, *names, where="workspace"):
    """Lock packages, each `name` or `name=version`."""
    parts = [name.partition("=") for name in names]
    packages = [build_package(name=name, version=version or "1.0") for name, _, version in parts]
    entries = [world.publish(package) for package in packages]
    return world.lock(where, environments={"default": {"linux-64": entries}})


def updated(world, *names):
    lock(world, *names)
    return run(world, "--lock", LOCK)


def listed(world):
    return {name.rsplit("-", 1)[0] for name in repodata(folder(world))}


def served(world):
    """What clients may see, without the inventory."""
    found = contents(world.mirror).items()
    return {path: data for path, data in found if "/" in path and not path.startswith(".pixi-mirror/")}


def log(world):
    return run(world, "log")


def numbers(world):
    return [each["number"] for each in log(world)["generations"]]


@pytest.fixture
def three(world):
    """A mirror with three generations."""
    updated(world, "kept", "old")
    updated(world, "kept", "base=1.0")
    updated(world, "kept", "base=2.0")


def test_a_mirror_without_a_change_by_this_program_has_none(world):
    world.mirror.mkdir()
    (world.mirror / ".pixi-mirror").mkdir(mode=0o700)
    found = log(world)
    assert (found["id"], found["current"], found["generations"]) == (None, None, [])
    assert "no generation yet" in world.run("log").stdout
    assert world.run("rollback", "1").status == 3
    assert run(world, "diff", "current")["environments"] == []


def test_each_complete_change_is_one_and_a_run_that_changes_nothing_is_none(world, three):
    found = log(world)
    assert found["current"] == 3
    assert [(each["number"], each["verb"], each["files"]) for each in found["generations"]] == [
        (3, "update", 4), (2, "update", 3), (1, "update", 2),
    ]  # fmt: skip
    assert [(each["files_added"], each["files_removed"]) for each in found["generations"]] == [(1, 0), (1, 0), (2, 0)]
    newest, middle, oldest = found["generations"]
    assert (newest["parent"], middle["parent"], oldest["parent"]) == (
        middle["fingerprint"], oldest["fingerprint"], None,
    )  # fmt: skip
    run(world, "--lock", LOCK)
    run(world, "update")
    run(world, "verify", "--repair")
    run(world, "prune", status=1)
    assert numbers(world) == [3, 2, 1]
    run(world, "prune", "--apply", "--grace", "0", "--force")
    run(world, "forget", "--lock", LOCK)
    assert [(each["number"], each["verb"]) for each in log(world)["generations"][:2]] == [(5, "forget"), (4, "prune")]
    inventory = json.loads((world.mirror / "pixi-mirror.json").read_bytes())
    assert inventory["generation"]["mirror"] == found["id"]
    assert (inventory["generation"]["number"], inventory["generation"]["last"]) == (5, 5)


def test_people_see_the_current_one_its_fingerprint_and_its_names(world, three):
    run(world, "pin", "2", "release-1")
    newest, middle, _ = world.run("log").stdout.splitlines()
    assert newest.startswith("* g3  ")
    assert middle.startswith("  g2  ")
    fingerprint = log(world)["generations"][0]["fingerprint"]
    assert "-".join(fingerprint[start : start + 4] for start in range(0, 20, 4)) in newest
    assert middle.endswith("(release-1)")


def test_going_back_lists_what_was_listed_and_removes_nothing(world):
    updated(world, "kept", "old")
    first = served(world)
    updated(world, "kept", "new")
    before = archives(world.mirror)
    old_tag = (folder(world) / "repodata.json").stat().st_mtime_ns
    done = run(world, "rollback", "1")
    assert (done["was"], done["current"]) == (2, 1)
    assert done["unlisted"] == [path(world, "new")]
    assert listed(world) == {"kept-1.0", "old-1.0"}
    assert archives(world.mirror) == before
    assert {path: data for path, data in served(world).items() if path not in before - {*first}} == first
    assert (folder(world) / "repodata.json").stat().st_mtime_ns > old_tag
    assert log(world)["current"] == 1
    assert numbers(world) == [2, 1]
    assert run(world, "verify")["unknown"] == []
    assert "nothing to do" in world.run("rollback", "g1").stdout


@pytest.mark.slow
def test_an_update_after_that_goes_forward_to_a_new_number(world, three):
    newest = served(world)
    fingerprint = log(world)["generations"][2]["fingerprint"]
    run(world, "rollback", "1")
    world.upstream.forget_requests()
    assert run(world, "update")["fetched"] == []
    assert world.requests == []
    found = log(world)
    assert (found["current"], numbers(world)) == (4, [4, 3, 2, 1])
    assert found["generations"][0]["parent"] == fingerprint
    assert listed(world) == {"kept-1.0", "base-2.0", "old-1.0"}
    assert newest.keys() == served(world).keys()
    run(world, "rollback", "g3")
    assert served(world) == newest


@pytest.mark.slow
def test_a_subscription_that_came_later_stays_and_one_that_was_forgotten_does_not_come_back(world):
    lock(world, "first", where="first")
    run(world, "--lock", "first/pixi.lock")
    lock(world, "second", where="second")
    run(world, "--lock", "second/pixi.lock")
    run(world, "forget", "--lock", "first/pixi.lock")
    run(world, "prune", "--apply")
    assert listed(world) == {"second-1.0"}
    run(world, "rollback", "1")
    assert listed(world) == {"first-1.0"}
    run(world, "verify")
    run(world, "update")
    assert [each["workspace"] for each in run(world, "status")["subscriptions"]] == ["second"]
    assert listed(world) == {"second-1.0", "first-1.0"}  # surplus until it is pruned
    assert log(world)["current"] == 5


def test_requests_that_were_added_later_are_kept(world):
    entries = [world.publish(build_package(name=name)) for name in ("one", "two")]
    world.lock("workspace", environments={name: {"linux-64": [each]} for name, each in zip("ab", entries, strict=True)})
    run(world, "--lock", LOCK, "-e", "a")
    run(world, "--lock", LOCK, "-e", "b")
    run(world, "rollback", "1")
    assert listed(world) == {"one-1.0"}
    run(world, "update")
    assert listed(world) == {"one-1.0", "two-1.0"}
    assert run(world, "status")["subscriptions"][0]["environments"] == ["a", "b"]


def test_bytes_that_others_replaced_come_back(world):
    updated(world, "same")
    first = served(world)
    entry = world.publish(build_package(name="same", payload_size=5000))
    world.lock("workspace", environments={"default": {"linux-64": [entry]}})
    run(world, "update")
    second = served(world)
    assert first != second
    done = run(world, "rollback", "1")
    assert done["restored"] == [path(world, "same")]
    assert served(world) == first
    assert len(list((world.mirror / ".pixi-mirror/replaced").iterdir())) == 1
    run(world, "rollback", "2")
    assert served(world) == second
    pruned = run(world, "prune", "--keep", "2")
    assert pruned["replaced"] == []
    assert len(run(world, "prune", status=1)["replaced"]) == 1
    run(world, "prune", "--apply")
    assert run(world, "rollback", "1", status=10)["error"]["items"]
    assert served(world) == second


@pytest.mark.broken_mirror("a file that only an earlier generation lists was removed")
def test_a_file_that_is_missing_or_damaged_is_status_10_and_changes_nothing(world):
    updated(world, "kept", "old")
    updated(world, "kept")
    run(world, "prune", "--apply")
    (world.mirror / path(world, "old")).unlink()
    before = identities(world.mirror / world.authority_path), log(world)
    found = run(world, "rollback", "1", status=10)["error"]
    assert path(world, "old") in found["items"][0]
    assert "g1" in found["message"]
    assert (identities(world.mirror / world.authority_path), log(world)) == before
    (world.mirror / path(world, "old")).write_bytes(b"other bytes")
    assert run(world, "rollback", "1", status=10)["error"]["items"]


@pytest.mark.slow
def test_prune_keeps_the_files_of_the_last_ones_and_of_those_with_a_name(world):
    for name in ("one", "two", "three", "four"):
        updated(world, "kept", name)
    run(world, "pin", "1", "first")
    run(world, "prune", "--apply", "--grace", "0", "--force", "--keep", "2")
    held = {file.rsplit("/", 1)[-1].split("-")[0] for file in archives(world.mirror)}
    assert held == {"kept", "one", "two", "three", "four"}  # g4 lists two and three still
    again = run(world, "prune", "--apply", "--grace", "0", "--force", "--keep", "1")
    assert again["kept"] == [path(world, "one")]
    assert {file.rsplit("/", 1)[-1].split("-")[0] for file in archives(world.mirror)} == {"kept", "one", "four"}
    assert listed(world) == {"kept-1.0", "four-1.0"}
    run(world, "rollback", "first")
    assert listed(world) == {"kept-1.0", "one-1.0"}
    assert run(world, "rollback", "2", status=10)["error"]["items"]
    run(world, "update")
    run(world, "unpin", "first")
    run(world, "prune", "--apply", "--grace", "0", "--force")
    assert {file.rsplit("/", 1)[-1].split("-")[0] for file in archives(world.mirror)} == {"kept", "four"}


@pytest.mark.parametrize("harm", first(1, ["truncated", "missing", "names"]))
def test_prune_removes_nothing_if_a_generation_that_it_keeps_cannot_be_read(world, three, harm):
    history = world.mirror / ".pixi-mirror" / "generations"
    run(world, "pin", "1", "first")
    victim = history / ("names.json" if harm == "names" else "2.gz")
    if harm == "missing":
        victim.unlink()
    else:
        victim.write_bytes(victim.read_bytes()[:-9])
    before = contents(world.mirror)
    run(world, "prune", "--apply", "--grace", "0", "--force", "--keep", "3", status=8)
    after = contents(world.mirror)
    assert {name for name in before if before[name] != after.get(name)} <= {".pixi-mirror/lock"}


@pytest.mark.slow
def test_a_damaged_history_stops_no_update_and_the_next_generation_is_whole(world, three):
    history = world.mirror / ".pixi-mirror" / "generations"
    data = bytearray((history / "2.gz").read_bytes())
    data[len(data) // 2] ^= 1
    (history / "2.gz").write_bytes(data)
    assert world.run("rollback", "3").status in (0, 8)
    run(world, "rollback", "2", status=8)
    shutil.rmtree(history)
    updated(world, "kept", "after")
    assert numbers(world) == [4]
    updated(world, "kept", "later")
    run(world, "rollback", "4")
    assert "after-1.0" in listed(world)


def test_names_are_given_once_and_taken_away(world, three):
    assert run(world, "pin", "current", "stable")["number"] == 3
    assert run(world, "pin", "g3", "stable")["number"] == 3
    assert world.run("pin", "2", "stable").status == 2
    for name in ("42", "g7", "current", "../x", "", "a b", "-x", "a" * 65):
        assert world.run("pin", "2", "--", name).status == 2, name
    assert world.run("pin", "9", "nine").status == 3
    assert world.run("pin", "2").status == 2
    assert run(world, "diff", "2", "stable")["after"] == "g3"
    assert run(world, "unpin", "stable")["number"] == 3
    run(world, "unpin", "stable", status=3)
    assert world.run("rollback", "stable").status == 3


def test_diff_of_generations_names_packages_with_sizes(world, three):
    found = run(world, "diff", "1", "3")
    assert (found["before"], found["after"]) == ("g1", "g3")
    (environment,) = found["environments"]
    assert (environment["workspace"], environment["environment"], environment["platform"]) == (
        "workspace", "default", "linux-64",
    )  # fmt: skip
    assert [each["name"] for each in environment["added"]] == ["base"]
    assert [each["path"] for each in environment["removed"]] == [path(world, "old")]
    size = (world.mirror / path(world, "base", "2.0")).stat().st_size
    assert (found["files_added"], found["bytes_added"], found["files_removed"]) == (1, size, 1)
    (changed,) = run(world, "diff", "2")["environments"][0]["changed"]
    assert (changed["before"]["version"], changed["after"]["version"]) == ("1.0", "2.0")
    assert run(world, "diff", "current", "g3")["environments"] == []
    text = world.run("diff", "2", "3").stdout
    assert "~ base 1.0 0 -> 2.0 0" in text
    markdown = world.run("diff", "2", "3", "--markdown").stdout
    assert "| base | 1.0 0 | 2.0 0 |" in markdown
    assert world.run("diff").status == 2
    assert world.run("diff", "1", "no-such").status == 3


def test_diff_of_a_mirror_and_a_lock_says_what_an_update_would_change(world, three):
    lock(world, "kept", "base=3.0", "extra")
    found = run(world, "diff", "current", LOCK)
    (environment,) = found["environments"]
    assert [each["name"] for each in environment["added"]] == ["extra"]
    assert [(each["before"]["version"], each["after"]["version"]) for each in environment["changed"]] == [
        ("2.0", "3.0")
    ]
    other = lock(world, "kept", where="elsewhere")
    found = run(world, "diff", other, "current")
    assert [each["name"] for each in found["environments"][0]["added"]] == ["base"]
    assert numbers(world) == [3, 2, 1]


def test_a_mirror_that_an_older_build_wrote_becomes_a_generation_of_its_own(world):
    updated(world, "kept", "old")
    inventory = json.loads((world.mirror / "pixi-mirror.json").read_bytes())
    del inventory["generation"]
    (world.mirror / "pixi-mirror.json").write_text(json.dumps(inventory))
    shutil.rmtree(world.mirror / ".pixi-mirror" / "generations")
    assert log(world)["generations"] == []
    updated(world, "kept", "new")
    assert [(each["number"], each["verb"]) for each in log(world)["generations"]] == [(2, "update"), (1, "found")]
    run(world, "rollback", "1")
    assert listed(world) == {"kept-1.0", "old-1.0"}


def test_an_older_build_in_between_loses_no_history(world):
    updated(world, "kept", "old")
    mirror = log(world)["id"]
    inventory = json.loads((world.mirror / "pixi-mirror.json").read_bytes())
    del inventory["generation"]
    (world.mirror / "pixi-mirror.json").write_text(json.dumps(inventory))
    updated(world, "kept", "new")
    assert log(world)["id"] == mirror
    assert numbers(world) == [3, 2, 1]
    run(world, "rollback", "1")
    assert listed(world) == {"kept-1.0", "old-1.0"}


def test_history_costs_in_proportion_to_what_changed(world):
    names = [f"package-{number}" for number in range(60)]
    updated(world, *names)
    first = (world.mirror / ".pixi-mirror/generations/1.gz").stat().st_size
    assert first < (world.mirror / "pixi-mirror.json").stat().st_size
    updated(world, *names, "aaa")
    data = (world.mirror / ".pixi-mirror/generations/2.gz").read_bytes()
    lines = gzip.decompress(data).decode().splitlines()[1:]
    assert sorted(line.split('"')[1] for line in lines if line[0] == "+") == sorted(
        ["package", "wanted", "in", "file", "requests"]
    )
    assert [line for line in lines if line[0] == "-"] == []


@pytest.mark.slow
def test_status_and_prune_say_the_same_of_files_that_a_generation_with_a_name_keeps(world, three):
    run(world, "pin", "2", "release-2")
    run(world, "rollback", "1")
    told = run(world, "status")
    assert told["surplus"] == [path(world, "base"), path(world, "base", "2.0")]
    assert (told["kept"], told["waiting"]) == ([path(world, "base")], [path(world, "base", "2.0")])
    lines = world.run("status").stdout.splitlines()
    assert "1 file no longer wanted, and kept for a generation with a name: see `pixi-mirror log`" in lines
    assert "1 file unlisted, and waiting to be removed: see `pixi-mirror prune`" in lines
    assert f"  {world.directory / LOCK}: the lock wants something other than the mirror offers: run " in "\n".join(
        lines
    )
    planned = run(world, "prune")
    assert (planned["kept"], planned["waiting"]) == (told["kept"], told["waiting"])
    title = "kept, since a generation with a name, or one of --keep, lists them (see `pixi-mirror log`):"
    assert title in world.run("prune").stdout.splitlines()
    run(world, "prune", "--apply", "--grace", "0")
    left = run(world, "status")
    assert (left["surplus"], left["kept"], left["waiting"]) == ([path(world, "base")], [path(world, "base")], [])


def test_status_is_told_where_the_history_cannot_be_read(world, three):
    run(world, "pin", "1", "release-1")
    (world.mirror / ".pixi-mirror" / "generations" / "1.gz").write_bytes(b"torn")
    told = run(world, "status")
    assert (told["kept"], len(told["surplus"])) == ([], 2)


@pytest.mark.parametrize(("names", "told"), first(1, [(["a"], "and the name a"), (["a", "b"], "and the names a, b")]))
def test_a_generation_that_is_not_there_is_answered_with_those_that_are(world, three, names, told):
    for name in names:
        run(world, "pin", "1", name)
    done = world.run("rollback", "9")
    assert (done.status, f"it has g1 to g3, {told} (see" in done.stderr) == (3, True), done.stderr
