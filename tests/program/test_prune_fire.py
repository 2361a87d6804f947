"""`prune` removes nothing that it cannot be sure of: records cut short, other people's files, readers under way."""

import json
import os
import shutil
import urllib.request

import pytest
from harness.directly import Directly
from harness.examples import first
from harness.looking import archives, contents, identities
from harness.serving import served

from pixi_mirror.demo.packages import build_package
from pixi_mirror.errors import BusyError, MachineError
from pixi_mirror.mirror.tree import Tree

LOCK = "workspace/pixi.lock"
KEPT = ("kept", "also")
RECORDS = ("pixi-mirror.json", ".pixi-mirror/state.json")


def lock(world, *names, directory="workspace", **keys):
    entries = [world.publish(build_package(name=name, **keys)) for name in names]
    world.lock(directory, environments={"default": {"linux-64": entries}})


def path(world, name, channel="conda-forge"):
    return f"{world.authority_path}/{channel}/noarch/{name}-1.0-0.conda"


@pytest.fixture
def surplus(world):
    """A mirror of `kept` and `also` that holds, wanted by nobody any more, `extra`."""
    mirror = Directly(world=world)
    lock(world, *KEPT, "extra")
    mirror.update(LOCK)
    lock(world, *KEPT)
    mirror.update()
    assert archives(world.mirror) == {path(world, name) for name in (*KEPT, "extra")}
    return mirror


def packages(world):
    return {each: data for each, data in contents(world.mirror).items() if each.endswith(".conda")}


def refused(mirror, match):
    """Every way to prune refuses, and no package goes."""
    before = packages(mirror.world)
    for apply in (False, True):
        with pytest.raises(MachineError, match=match):
            mirror.prune(apply=apply)
    assert packages(mirror.world) == before


@pytest.mark.broken_mirror("the inventory or the state is cut short, and prune is to refuse")
@pytest.mark.parametrize("record", first(1, RECORDS))
def test_a_record_cut_anywhere_removes_nothing(surplus, record):
    whole = (surplus.mirror / record).read_bytes()
    ends = {0, 1, len(whole) - 2, *range(0, len(whole) - 2, max(1, len(whole) // 60))}
    for end in sorted(ends):
        (surplus.mirror / record).write_bytes(whole[:end])
        refused(surplus, "does not parse")
    (surplus.mirror / record).write_bytes(whole)
    assert surplus.prune(apply=True).removed == (path(surplus.world, "extra"),)


@pytest.mark.broken_mirror("a snapshot is cut so that it still parses, and prune is to refuse")
def test_a_snapshot_that_lacks_packages_that_its_environments_name_removes_nothing(surplus):
    file = surplus.mirror / "pixi-mirror.json"
    document = json.loads(file.read_bytes())
    assert len(document["subscriptions"][0]["packages"]) == 2
    for left in (1, 0):
        del document["subscriptions"][0]["packages"][left:]
        file.write_text(json.dumps(document))
        refused(surplus, "has a package that the subscription lacks")


def test_records_that_are_gone_remove_nothing(surplus):
    """Without the inventory nothing is ours; without the state every file is looked at and its time begins anew."""
    inventory = (surplus.mirror / "pixi-mirror.json").read_bytes()
    (surplus.mirror / "pixi-mirror.json").unlink()
    refused(surplus, "no subscription")
    (surplus.mirror / "pixi-mirror.json").write_bytes(inventory)
    surplus.prune(apply=True, grace_days=7)
    (surplus.mirror / ".pixi-mirror/state.json").unlink()
    assert surplus.prune(apply=True, grace_days=7).removed == ()
    assert path(surplus.world, "extra") in archives(surplus.mirror)


def test_a_lock_cut_short_removes_nothing_of_what_it_pinned(surplus):
    """Pins are what counts: they are as the lock was when it could last be read."""
    file = surplus.world.directory / LOCK
    file.write_bytes(file.read_bytes()[:100])
    surplus.prune(apply=True)
    assert archives(surplus.mirror) == {path(surplus.world, name) for name in KEPT}


@pytest.mark.parametrize("apply", [False, True])
@pytest.mark.parametrize("how", ["no mirror", "a stray private part", "a stray inventory", "a copied inventory"])
@pytest.mark.broken_mirror("it is somebody's home, and no mirror")
def test_a_home_given_by_mistake_stays_as_it_is(surplus, how, apply):
    home = surplus.world.directory / "somebody"
    for name in ("thesis.txt", ".ssh/id", "conda-forge/noarch/mine-1.0-0.conda", ".cache/a/b"):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text("mine")
    if how == "a stray private part":
        (home / ".pixi-mirror").mkdir()
    elif how == "a stray inventory":
        (home / "pixi-mirror.json").write_text('{"mine": true}')
    elif how == "a copied inventory":
        shutil.copy(surplus.mirror / "pixi-mirror.json", home)
    before = contents(home)
    with pytest.raises(MachineError):
        Directly(world=surplus.world, place=home).prune(apply=apply)
    assert {each: data for each, data in contents(home).items() if each != ".pixi-mirror/lock"} == before


def test_what_others_put_into_the_mirror_survives_and_is_told(surplus):
    """Among our files, in folders that go, and under names that only look like ours."""
    world = surplus.world
    second = world.publish(build_package(name="other"), channel="second")
    world.lock("more", environments={"default": {"linux-64": [second]}})
    surplus.update("more/pixi.lock")
    surplus.forget("more/pixi.lock")
    mine = {
        f"{world.authority_path}/conda-forge/noarch/extra-1.0-0.conda.mine",
        f"{world.authority_path}/conda-forge/noarch/stray-1.0-0.conda",
        f"{world.authority_path}/second/noarch/notes.txt",
        "second/mine.json",
        "README",
    }
    for name in mine:
        (surplus.mirror / name).parent.mkdir(exist_ok=True)
        (surplus.mirror / name).write_text("mine")
    (surplus.mirror / "linked").symlink_to(world.root)
    planned, applied = surplus.prune(apply=False), surplus.prune(apply=True)
    assert {*planned.unknown} == {*applied.unknown} == {*mine, "linked"}
    assert {*applied.removed} >= {path(world, "extra"), path(world, "other", "second")}
    assert {name for name in mine if (surplus.mirror / name).read_text() == "mine"} == mine
    assert (surplus.mirror / "linked").is_symlink()
    assert (world.root / "second").is_dir()


def test_what_a_plan_tells_is_what_is_done(surplus):
    """Twice: first what is to be unlisted, and when that is done what is due."""
    world = surplus.world
    for grace_days in (7, 0):
        before = archives(surplus.mirror)
        planned, applied = (surplus.prune(apply=apply, grace_days=grace_days) for apply in (False, True))
        told = [(each.unlisted, each.removed, each.waiting, each.unknown, each.size) for each in (planned, applied)]
        assert told[0] == told[1]
        assert before - archives(surplus.mirror) == {*planned.removed}
    assert planned.removed == (path(world, "extra"),)
    assert not surplus.prune(apply=False).found


@pytest.mark.skipif(os.name == "nt", reason="Windows removes no file that somebody reads")
def test_a_reader_that_is_downloading_gets_the_whole_file(world):
    mirror = Directly(world=world)
    lock(world, *KEPT)
    big = build_package(name="big", payload_size=8_000_000)
    entries = [world.publish(build_package(name=name)) for name in KEPT]
    world.lock("workspace", environments={"default": {"linux-64": [*entries, world.publish(big)]}})
    mirror.update(LOCK)
    lock(world, *KEPT)
    mirror.update()
    with served(world.mirror, env=world.environment) as url:
        with urllib.request.urlopen(f"{url}/{path(world, 'big')}", timeout=30) as reply:
            got = reply.read(1000)
            assert mirror.prune(apply=True).removed == (path(world, "big"),)
            assert not (world.mirror / path(world, "big")).exists()
            got += reply.read()
        assert got == big.data
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"{url}/{path(world, 'big')}", timeout=30)


def test_a_file_waits_its_grace_time_to_the_day(surplus):
    """A reader that took the index just before has that long to fetch what it lists."""
    surplus.prune(apply=True, grace_days=7)
    state = surplus.mirror / ".pixi-mirror/state.json"
    document = json.loads(state.read_bytes())
    (extra,) = document["unlisted"]
    for days, removed in ((6.99, ()), (7.01, (extra,))):
        old = json.loads(state.read_bytes())
        old["unlisted"][extra] = document["unlisted"][extra] - days * 86_400
        state.write_text(json.dumps(old))
        assert surplus.prune(apply=True, grace_days=7).removed == removed


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="no links")
@pytest.mark.parametrize("blind", [True, False])
def test_a_name_that_differs_only_in_case_takes_no_wanted_file_with_it(world, blind):
    """Where case does not count, `Channel/noarch` and `channel/noarch` are one folder, and its files have two names."""
    mirror = Directly(world=world)
    entries = [world.publish(build_package(name="same"), channel=channel) for channel in ("Channel", "channel")]
    world.lock("upper", environments={"default": {"linux-64": entries[:1]}})
    world.lock("lower", environments={"default": {"linux-64": entries[1:]}})
    mirror.update("upper/pixi.lock", "lower/pixi.lock")
    mirror.forget("upper/pixi.lock")
    upper, lower = (path(world, "same", channel) for channel in ("Channel", "channel"))
    if blind:  # by links, as such a filesystem would show it
        (world.mirror / ".PIXI-MIRROR").symlink_to(".pixi-mirror")
    assert mirror.prune(apply=True).removed == (upper,)
    assert (world.mirror / lower).is_file()
    assert (world.mirror / upper).exists() == blind
    assert upper not in json.loads((world.mirror / "pixi-mirror.json").read_bytes())["tree"]
    assert not mirror.prune(apply=False).found
    if blind:
        (world.mirror / ".PIXI-MIRROR").unlink()
        shutil.rmtree((world.mirror / upper).parents[1])


def test_beside_a_writer_it_tells_its_plan_and_applies_nothing(surplus):
    with Tree(surplus.mirror).writing(timeout_s=0):
        assert surplus.prune(apply=False).unlisted == (path(surplus.world, "extra"),)
        with pytest.raises(BusyError, match=str(os.getpid())):
            surplus.prune(apply=True)
    assert path(surplus.world, "extra") in archives(surplus.mirror)
    assert surplus.prune(apply=True).removed == (path(surplus.world, "extra"),)


def test_a_prune_that_finds_nothing_writes_nothing(surplus):
    surplus.prune(apply=True)
    before = identities(surplus.mirror)
    surplus.prune(apply=True)
    after = identities(surplus.mirror)
    own = {".pixi-mirror", ".pixi-mirror/lock", ".pixi-mirror/reserve"}  # who writes, and room to begin with
    assert {each for each in before if before[each] != after.get(each)} <= own
