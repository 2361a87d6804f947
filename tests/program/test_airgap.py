"""A mirror crosses an air gap: by full exports and by increments, in any order, and never by halves."""

import itertools
import json
import os
import re
import shutil

import pytest
from harness import scenario
from harness.gap import LOCK, SIZE, Gap, payload
from harness.looking import archives, contents, identities, served_files

from pixi_mirror.demo.packages import build_package
from pixi_mirror.lockfile.writer import CondaLockEntry


@pytest.fixture
def gap(world):
    return Gap(world)


def test_a_full_export_becomes_the_same_mirror_with_the_same_fingerprint(gap):
    gap.update("a", "b")
    (archive,) = gap.export("--full")
    before = archive.read_bytes()
    done = gap.bring(archive)
    assert (done["was"], done["current"], done["changed"], len(done["placed"])) == (None, 1, True, 2)
    gap.require_same()
    assert gap.fingerprints(gap.near) == gap.fingerprints(gap.far)
    assert gap.run("verify", gap.far)["unknown"] == []
    assert archive.read_bytes() == before
    assert not (gap.far / ".pixi-mirror/staged").exists()


def test_the_same_archive_again_changes_nothing(gap):
    gap.update("a")
    (archive,) = gap.export("--full")
    gap.bring(archive)
    before = identities(gap.far)
    done = gap.bring(archive)
    assert (done["changed"], done["current"]) == (False, 1)
    assert "nothing to do" in gap.world.run("import", archive, gap.far).stdout
    after = identities(gap.far)
    assert {name for name in before if before[name] != after.get(name)} <= {"", ".pixi-mirror", ".pixi-mirror/lock"}


def test_an_increment_brings_what_was_not_acknowledged_and_nothing_else(gap):
    gap.update("a", "b")
    gap.bring(*gap.export("--to", "site-b"))
    gap.update("a", "c")
    full = gap.run("export", "--to", "site-b", "--dry-run")
    assert (full["base"], full["files"]) == (None, 3)
    assert "acknowledged nothing" in full["why"]
    fingerprint = gap.fingerprints(gap.far)[1]
    spoken = "-".join(fingerprint[start : start + 4] for start in range(0, 20, 4))
    assert gap.run("ack", "site-b", "g1", spoken)["acknowledged"]["how"] == "words"
    (archive,) = gap.export("--to", "site-b")
    found = gap.run("inspect", archive)["exports"][0]
    assert (found["base"], found["receiver"], found["files"], found["generation_files"]) == (1, "site-b", 1, 3)
    assert gap.bring(archive)["current"] == 2
    assert gap.listed() == gap.listed(gap.near) == {"a", "b", "c"}
    gap.run("ack", gap.receipt())
    nothing = gap.world.run("export", "--to", "site-b", "-o", gap.usb)
    assert (nothing.status, "nothing to export" in nothing.stdout) == (0, True)
    (known,) = gap.run("ledger")["receivers"]
    assert known["acknowledged"]["how"] == "receipt"
    assert (known["outstanding_files"], [each["acknowledged"] for each in known["exports"]]) == (0, [True, True])


def test_a_lost_medium_comes_with_the_next_export(gap):
    gap.update("a")
    gap.bring(*gap.export("--to", "b"))
    gap.run("ack", gap.receipt())
    gap.update("a", "lost")
    for archive in gap.export("--to", "b"):
        archive.unlink()
    gap.update("a", "lost", "new")
    gap.bring(*gap.export("--to", "b"))
    assert gap.listed() == {"a", "lost", "new"}


def test_what_is_incomplete_waits_and_names_what_brings_the_rest(gap):
    gap.update("a")
    gap.bring(*gap.export("--to", "b", "--assume-received"))
    gap.update("a", "x")
    second = gap.export("--to", "b", "--assume-received")
    gap.update("a", "x", "y")
    third = gap.export("--to", "b", "--assume-received")
    clients = served_files(gap.far)
    done = gap.bring(*third, status=10)
    (lacks,) = done["incomplete"]
    assert (lacks["generation"], lacks["files"], lacks["lacks"][0]["generation"]) == (3, 1, 2)
    assert "came with g2" in done["error"]["message"]
    assert served_files(gap.far) == clients
    receipt = gap.receipt()
    said = gap.run("export", "--have", receipt, "--dry-run")
    x = next(path for path in archives(gap.near) if "/x-1" in path)
    assert (said["files"], said["bytes"]) == (1, (gap.near / x).stat().st_size)
    assert gap.bring(*second)["current"] == 3
    assert gap.listed() == {"a", "x", "y"}
    assert not (gap.far / ".pixi-mirror/staged").exists()


def test_a_receipt_brings_exactly_what_is_missing(gap):
    gap.update("a", "b")
    first = gap.export("--full")
    gap.update("b", "c", "d")
    second = gap.export("--full", "--volume-size", "60k")
    assert len(second) == 4
    gap.bring(*first)
    gap.bring(second[0], second[2], status=10)
    held = set(json.loads(gap.receipt().read_text())["files"])
    (archive,) = gap.export("--have", gap.receipt())
    wanted = {each for each in _sha256s(gap.near) if each not in held}
    assert payload(archive) == wanted
    assert gap.bring(archive)["current"] == 2


def _sha256s(mirror):
    return {
        row["sha256"]
        for row in json.loads((mirror / "pixi-mirror.json").read_bytes())["tree"].values()
        if "size" in row
    }


@pytest.mark.slow
def test_volumes_are_imported_in_any_order_and_one_by_one(gap):
    gap.update("a", "b", "c")
    volumes = gap.export("--full", "--volume-size", "60k")
    assert len(volumes) == 3
    assert all(each.stat().st_size <= 60_000 for each in volumes)
    assert ".vol1of3." in volumes[0].name
    done = gap.bring(volumes[2], status=10)
    assert [part["volume"] for part in done["incomplete"][0]["lacks"]] == [1, 2]
    assert "volume 1 of 3" in done["error"]["message"]
    found = gap.run("inspect", volumes[0], volumes[2])["exports"][0]
    assert [len(each["archives"]) for each in found["volumes"]] == [1, 0, 1]
    assert "volume 2 of 3: missing here" in gap.world.run("inspect", volumes[0], volumes[2]).stdout
    gap.bring(volumes[0], status=10)
    assert gap.bring(volumes[1])["current"] == 1
    assert gap.world.run("export", "--full", "-o", gap.usb, "--volume-size", "20k").status == 2


def test_inspect_notices_an_archive_that_was_cut_short(gap):
    gap.update("a", "b", "c")
    volumes = gap.export("--full", "--volume-size", "100k")
    assert len(volumes) == 2
    assert gap.run("inspect", *volumes)["exports"][0]["files"] == 3
    for volume in volumes:
        whole = volume.read_bytes()
        volume.write_bytes(whole[: len(whole) // 2])
        refused = gap.world.run("inspect", *volumes)
        assert (refused.status, f"{volume}: it was cut short" in refused.stderr) == (6, True), refused.stderr
        volume.write_bytes(whole)
    gap.bring(*volumes)


def test_the_volume_size_that_is_asked_for_is_enough(gap):
    gap.update("a", "b", "c")
    refused = gap.world.run("export", "--full", "-o", gap.usb, "--volume-size", "20k")
    (asked,) = re.findall(r"Use (\d+k) or more", refused.stderr)
    volumes = gap.export("--full", "--volume-size", asked)
    assert len(volumes) == 3
    gap.bring(*volumes)


def test_an_acknowledgement_for_a_mistyped_receiver_is_noticed(gap):
    gap.update("a")
    words = ("ack", "sit-b", "g1", gap.fingerprints(gap.near)[1])
    assert gap.world.run(*words).stderr == ""
    gap.export("--to", "site-b")
    warned = gap.world.run(*words).stderr
    assert "nothing was ever exported for sit-b, perhaps 'site-b' was meant" in warned
    assert gap.world.run("ack", "site-b", *words[2:]).stderr == ""


def increments(gap, count=5):
    """Exports of so many generations, each but the first without what came before; what each offers."""
    exports, offered = [], []
    for number in range(1, count + 1):
        assert gap.update("kept", *(f"p{each}" for each in range(max(1, number - 1), number + 1))) == number
        exports.append(gap.export("--to", "b", "--assume-received"))
        offered.append(gap.listed(gap.near))
    return exports, offered


ORDERS = [*itertools.permutations(range(5))]


def brought_in_order(gap, exports, offered, order):
    """Import five increments in an order; at each step clients have the highest complete generation."""
    shutil.rmtree(gap.far, ignore_errors=True)
    arrived: set[int] = set()
    for each in order:
        arrived.add(each)
        complete = next((number for number in range(5) if number not in arrived), 5)
        done = gap.world.run("import", *exports[each], "-o", gap.far, "--json")
        current = done.json["current"]
        # A generation that drops packages may be complete without those before it, so more may be allowed.
        assert (current or 0) >= complete, (order, each, done.stdout)
        assert done.status in (0, 4, 10), done.stderr
        if current:
            assert gap.listed() == offered[current - 1], (order, each)
    assert current == 5, order


@pytest.mark.slow
def test_increments_in_some_orders_end_in_the_last_one(gap):
    exports, offered = increments(gap)
    for order in ORDERS[7::40]:
        brought_in_order(gap, exports, offered, order)
    assert gap.run("verify", gap.far)["missing"] == []


@pytest.mark.slow
def test_increments_in_every_order_end_in_the_last_one(gap):
    exports, offered = increments(gap)
    for order in ORDERS:
        brought_in_order(gap, exports, offered, order)


@pytest.mark.slow
def test_an_older_one_needs_permission_and_nothing_else_goes_back(gap):
    gap.update("a")
    first = gap.export("--full")
    gap.update("a", "b")
    second = gap.export("--full")
    gap.bring(*second)
    refused = gap.bring(*first, status=4)["error"]["message"]
    assert "older than g2" in refused
    assert gap.bring(*first, more=["--allow-rollback"])["current"] == 1
    assert gap.listed() == {"a"}
    assert gap.bring(*second)["current"] == 2
    gap.run("rollback", "1", "-o", gap.far)
    assert gap.listed() == {"a"}
    gap.bring(*first, status=4)
    assert gap.run("log", "-o", gap.far)["current"] == 1
    assert gap.bring(*second)["current"] == 2


@pytest.mark.slow
def test_another_mirror_and_another_history_are_refused(gap):
    gap.update("a")
    first = gap.export("--full")
    shutil.copytree(gap.near, gap.world.directory / "backup")
    gap.update("a", "b")
    gap.bring(*gap.export("--full"))
    gap.update("a", "b", "c")
    third = gap.export("--full")
    shutil.rmtree(gap.near)
    (gap.world.directory / "backup").rename(gap.near)
    gap.update("a", "z")
    fork = gap.export("--full")
    before = contents(gap.far)
    assert "two different generations g2" in gap.bring(*fork, status=4)["error"]["message"]
    gap.update("a", "z", "y")
    gap.update("a", "z", "y", "x")
    assert "two different generations g2" in gap.bring(*gap.export("--full"), status=4)["error"]["message"]
    assert "two different generations" in gap.bring(*third, *fork, status=4)["error"]["message"]
    assert gap.run("export", "-o", gap.usb, "--have", gap.receipt(), status=4)["archives"] == []
    shutil.rmtree(gap.near)
    gap.update("a")
    other = gap.export("--full")
    assert "of the mirror" in gap.bring(*other, status=4)["error"]["message"]
    assert "is of" in gap.bring(*first, *other, status=4)["error"]["message"]
    after = contents(gap.far)
    assert {name for name in before if before[name] != after.get(name)} <= {".pixi-mirror/lock"}


def test_a_fingerprint_over_the_telephone(gap):
    gap.update("a")
    (archive,) = gap.export("--full")
    right = gap.fingerprints(gap.near)[1]
    wrong = "0" * 20
    assert gap.bring(archive, status=6, more=["--expect", wrong])["error"]["status"] == 6
    assert not gap.far.exists()
    for short in ("7f3a", "x" * 20, "0" * 65):
        assert gap.world.run("import", archive, gap.far, "--expect", short).status == 2
    spoken = " ".join(right[start : start + 4] for start in range(0, 20, 4)).upper()
    assert gap.bring(archive, more=["--expect", spoken])["current"] == 1
    assert gap.run("ack", "b", "g1", wrong, status=4)["acknowledged"] is None
    assert gap.run("ledger")["receivers"] == []


def test_a_dry_run_verifies_and_writes_nothing(gap):
    gap.update("a", "b")
    volumes = gap.export("--full", "--volume-size", "60k")
    done = gap.bring(*volumes, more=["--dry-run"])
    assert (done["changed"], done["current"], len(done["placed"])) == (True, 1, 2)
    assert not gap.far.exists()
    assert gap.bring(volumes[0], status=10, more=["--dry-run"])["error"]["status"] == 10
    assert not gap.far.exists()


def test_what_imports_fill_is_a_whole_mirror_but_for_its_own_changes(gap):
    gap.update("a", "b")
    gap.bring(*gap.export("--full"))
    gap.update("b")
    gap.run("prune", "--apply", "--grace", "0")
    gap.update("b", "c")
    gap.bring(*gap.export("--full"))
    assert gap.listed() == {"b", "c"}
    before = served_files(gap.far)
    for words in (["--lock", LOCK], ["--lock", LOCK, "--dry-run"], []):
        assert gap.world.run(*words, "-o", gap.far).status == 4
    assert gap.world.run("forget", gap.far, "--lock", LOCK).status == 4
    assert served_files(gap.far) == before
    assert gap.run("prune", gap.far, "--apply", "--grace", "0")["removed"] == [
        f"{gap.world.authority_path}/conda-forge/noarch/a-1.0-0.conda"
    ]
    assert served_files(gap.far).keys() == {name for name in before if "/a-1" not in name}
    assert gap.run("log", "-o", gap.far)["current"] == 4
    gap.run("verify", gap.far)
    onward = gap.world.directory / "onward"
    done = gap.run("export", gap.far, "--full", "-o", onward)
    assert gap.run("import", onward, "-o", gap.world.directory / "enclave")["current"] == 4
    enclave = gap.fingerprints(gap.world.directory / "enclave")
    assert enclave[4] == gap.fingerprints(gap.near)[4] == done["fingerprint"]


def test_a_repair_on_the_far_side_makes_no_generation(gap):
    gap.update("a", "b")
    gap.bring(*gap.export("--full"))
    for name in ("a-1.0-0.conda", "repodata.json"):
        next(gap.far.rglob(name)).unlink()
    repaired = gap.run("verify", gap.far, "--repair")["repaired"]
    assert {path.rsplit("/", 1)[1] for path in repaired} >= {"a-1.0-0.conda", "repodata.json"}
    assert gap.fingerprints(gap.far) == gap.fingerprints(gap.near)
    gap.require_same()


def test_surplus_that_the_origin_lists_stays_listed_on_the_far_side(gap):
    gap.update("a", "b")
    gap.update("a")
    gap.bring(*gap.export("--full"))
    assert gap.listed() == gap.listed(gap.near) == {"a", "b"}
    pruned = gap.run("prune", gap.far, "--apply", "--grace", "0")
    assert (pruned["unlisted"], pruned["removed"]) == ([], [])
    assert gap.listed() == {"a", "b"}
    assert gap.run("prune", gap.far)["unlisted"] == []


@pytest.mark.slow
def test_a_fork_goes_its_own_way(gap):
    gap.update("a")
    gap.bring(*gap.export("--full"))
    before = gap.run("log", "-o", gap.far)
    assert gap.world.run("--lock", LOCK, "--fork", "-o", gap.near).status == 2
    refused = gap.world.run("--lock", LOCK, "-o", "far")
    assert (refused.status, "with `pixi-mirror update --fork -o far`" in refused.stderr) == (4, True)
    forked = gap.world.run("--lock", LOCK, "--fork", "-o", "far")
    assert (forked.status, "far is a mirror of its own now" in forked.stderr) == (0, True)
    after = gap.run("log", "-o", gap.far)
    assert after["id"] != before["id"]
    assert (after["current"], after["generations"][0]["verb"]) == (2, "fork")
    gap.update("a", "b")
    gap.run("--lock", LOCK, "-o", gap.far)
    assert gap.run("log", "-o", gap.far)["current"] == 3
    assert gap.bring(*gap.export("--full"), status=4)["error"]["status"] == 4
    gap.run("rollback", "1", "-o", gap.far)
    gap.run("--lock", LOCK, "-o", gap.far)
    again = gap.run("log", "-o", gap.far)
    assert (again["id"], again["current"]) == (after["id"], 4)


@pytest.mark.slow
def test_files_that_a_far_side_lost_or_pruned_are_seen_and_come_again(gap):
    gap.update("a", "b")
    gap.bring(*gap.export("--to", "x"))
    gap.run("ack", gap.receipt())
    gap.update("a", "b", "c")
    (increment,) = gap.export("--to", "x")
    lost = next(gap.far.rglob("b-1.0-0.conda"))
    lost.unlink()
    done = gap.bring(increment, status=10)
    assert done["incomplete"][0]["lacks"][0]["paths"][0].endswith("b-1.0-0.conda")
    (rest,) = gap.export("--have", gap.receipt())
    assert gap.bring(rest)["current"] == 2
    lost.unlink()
    (whole,) = gap.export("--full")
    assert gap.bring(whole)["placed"] == [lost.relative_to(gap.far).as_posix()]


@pytest.mark.slow
def test_other_bytes_at_a_path(gap):
    world = gap.world

    def lock(*packages):
        entries = [world.publish(package) for package in packages]
        world.lock("workspace", environments={"default": {"linux-64": entries}})
        gap.run("--lock", LOCK)

    lock(build_package(name="same"))
    first = gap.export("--full")
    lock(build_package(name="same", payload_size=SIZE))
    second = gap.export("--full")
    gap.bring(*first)
    gap.bring(*second)
    gap.require_same()
    assert gap.bring(*first, more=["--allow-rollback"])["current"] == 1
    gap.run("verify", gap.far)


def test_files_that_change_places_are_not_taken_for_each_other(gap):
    one, two = (gap.world.publish(build_package(name=name, payload_size=SIZE)) for name in ("one", "two"))
    places = [gap.world.root / "conda-forge/noarch" / f"{name}-1.0-0.conda" for name in ("one", "two")]

    def lock(*records):
        hashes = [{key: record[key] for key in ("sha256", "md5", "size")} for record in records]
        entries = [
            CondaLockEntry(url=each.url, record={**each.record, **has})
            for each, has in zip((one, two), hashes, strict=True)
        ]
        gap.world.lock("workspace", environments={"default": {"linux-64": entries}})
        gap.run("--lock", LOCK)

    lock(one.record, two.record)
    gap.bring(*gap.export("--to", "b", "--assume-received"))
    first, second = (place.read_bytes() for place in places)
    places[0].write_bytes(second)
    places[1].write_bytes(first)
    lock(two.record, one.record)
    (archive,) = gap.export("--to", "b")
    assert gap.run("inspect", archive)["exports"][0]["files"] == 0
    gap.bring(archive)
    gap.require_same()


def test_python_files_and_their_pages_cross_too(gap):
    changing = scenario.python(gap.world)
    assert changing.run(changing.seed).status == 0
    gap.near = changing.seed.mirror
    (archive,) = (each["path"] for each in gap.run("export", gap.near, "--full", "-o", gap.usb)["archives"])
    gap.bring(archive)
    gap.require_same()
    assert any("/simple/" in path for path in served_files(gap.far))


def test_prune_keeps_the_files_of_exports_that_nobody_has_acknowledged(gap):
    gap.update("a", "old")
    gap.export("--to", "b")
    gap.update("a")
    kept = gap.run("prune", "--apply", "--grace", "0", "--force")
    assert [path.rsplit("/", 1)[1] for path in kept["kept"]] == ["old-1.0-0.conda"]
    gap.run("ack", "b", "g1", gap.fingerprints(gap.near)[1])
    assert gap.run("prune", "--apply", "--grace", "0", "--force")["removed"]


@pytest.mark.slow
def test_overlap_brings_the_last_exports_again(gap):
    for names in (["a"], ["a", "b"], ["a", "b", "c"]):
        gap.update(*names)
        gap.run("export", "--to", "diode", "--assume-received", "-o", gap.usb)
    gap.update("a", "b", "c", "d")
    plain = gap.run("export", "--to", "diode", "--dry-run")
    assert (plain["base"], plain["files"]) == (3, 1)
    assert gap.run("export", "--to", "diode", "--dry-run", "--overlap", "2")["files"] == 3
    assert gap.run("export", "--to", "diode", "--dry-run", "--overlap", "9")["files"] == 4
    said = gap.world.run("export", "--to", "diode", "--dry-run", "--overlap", "9").stdout
    assert "with all files, since diode is assumed to have g3" in said
    said = gap.world.run("export", "--to", "diode", "--dry-run", "--overlap", "2", "--with-tool").stdout
    assert "without the 1 file that is there" in said
    assert "is assumed to have g3" in gap.world.run("ledger").stdout


def test_what_is_assumed_takes_nothing_away_from_what_was_acknowledged(gap):
    gap.update("a")
    gap.export("--to", "b", "--assume-received")
    (known,) = gap.run("ledger")["receivers"]
    assert (known["acknowledged"], known["assumed"]["generation"]) == (None, 1)
    gap.run("ack", "b", "g1", gap.fingerprints(gap.near)[1])
    (known,) = gap.run("ledger")["receivers"]
    assert (known["acknowledged"]["how"], known["assumed"]) == ("words", None)
    gap.update("a", "b")
    gap.export("--to", "b", "--assume-received")
    (known,) = gap.run("ledger")["receivers"]
    assert (known["acknowledged"]["generation"], known["assumed"]["generation"]) == (1, 2)
    assert [each["acknowledged"] for each in known["exports"]] == [True, False]
    assert "b: has g1 (by its fingerprint), and is assumed to have g2" in gap.world.run("ledger").stdout
    gap.update("a", "b", "c")
    assert gap.run("export", "--to", "b", "--dry-run")["base"] == 2
    # An acknowledgement says more than an assumption, also where it is of an earlier generation.
    gap.run("ack", "b", "g1", gap.fingerprints(gap.near)[1])
    assert gap.run("export", "--to", "b", "--dry-run")["base"] == 1
    gap.run("ack", "b", "g3", gap.fingerprints(gap.near)[3])
    gap.run("rollback", "2")
    gap.export("--to", "b", "--have", _receipt_of(gap, gap.near), "--assume-received")
    (known,) = gap.run("ledger")["receivers"]
    assert (known["acknowledged"]["generation"], known["assumed"]) == (3, None)


def _receipt_of(gap, mirror):
    path = gap.world.directory / "near.json"
    path.write_text(gap.world.run("receipt", mirror).stdout)
    return path


def test_a_ledger_of_an_earlier_build_is_read(gap):
    gap.update("a")
    gap.export("--to", "b", "--assume-received")
    path = gap.near / ".pixi-mirror/ledger.json"
    ledger = json.loads(path.read_bytes())
    row = ledger["receivers"]["b"]
    row["acknowledged"] = row.pop("assumed")
    path.write_text(json.dumps(ledger))
    (known,) = gap.run("ledger")["receivers"]
    assert (known["acknowledged"], known["assumed"]["generation"]) == (None, 1)
    assert gap.run("export", "--to", "b", "--dry-run")["base"] == 1


def test_a_receiver_that_was_named_by_mistake_is_removed(gap):
    gap.update("a", "old")
    gap.export("--to", "mistake")
    gap.export("--to", "right")
    gap.run("ack", "right", "g1", gap.fingerprints(gap.near)[1])
    gap.update("a")
    assert gap.run("prune", "--apply", "--grace", "0", "--force")["kept"]
    refused = gap.world.run("ledger", "--remove", "mistak")
    assert (refused.status, "perhaps 'mistake' was meant" in refused.stderr) == (3, True), refused.stderr
    done = gap.world.run("ledger", "--remove", "mistake")
    assert (done.status, "removed mistake: 1 export" in done.stdout) == (0, True), done.stderr
    assert [each["receiver"] for each in gap.run("ledger")["receivers"]] == ["right"]
    assert gap.run("prune", "--apply", "--grace", "0", "--force")["removed"]
    assert gap.run("ledger", "--remove", "right")["removed"] == ["right"]
    assert gap.run("export", "--to", "right", "--dry-run")["base"] is None


def test_status_says_what_waits_and_what_is_missing(gap):
    gap.update("a")
    gap.bring(*gap.export("--to", "b", "--assume-received"))
    quiet = gap.run("status", gap.far)
    assert (quiet["staged"], quiet["incomplete"]) == ({"files": 0, "bytes": 0}, [])
    gap.update("a", "x")
    second = gap.export("--to", "b", "--assume-received")
    gap.update("a", "x", "y", "z")
    volumes = gap.export("--to", "b", "--assume-received", "--volume-size", "60k")
    error = gap.bring(volumes[0], status=10)
    said = gap.run("status", gap.far)
    y = (gap.near / next(path for path in archives(gap.near) if "/y-1" in path)).stat().st_size
    assert said["staged"]["files"] == 1
    assert abs(said["staged"]["bytes"] - y) < 100
    assert said["incomplete"] == error["incomplete"]
    shown = gap.world.run("status", gap.far).stdout
    assert "1 file, " in shown
    assert "g3 is not complete: it lacks 2 files" in shown
    assert "volume 2 of 2 of this export of g3" in shown
    assert "came with g2, in an archive that has not arrived" in shown
    (gap.far / ".pixi-mirror/staged/3.json").write_bytes(b"{}")
    for words in (["status", gap.far], ["receipt", gap.far]):
        damaged = gap.world.run(*words)
        assert "Traceback" not in damaged.stderr
    assert gap.world.run("status", gap.far).status == 8
    shutil.rmtree(gap.far / ".pixi-mirror/staged")
    gap.bring(*volumes, *second)
    assert gap.run("status", gap.far)["incomplete"] == []


def test_status_of_a_far_side_that_has_nothing_yet(gap):
    gap.update("a", "b")
    volumes = gap.export("--full", "--volume-size", "60k")
    gap.bring(volumes[0], status=10)
    said = gap.run("status", gap.far)
    assert (said["staged"]["files"], said["incomplete"][0]["files"]) == (1, 1)
    assert "follow" not in gap.world.run("status", gap.far).stdout
    (gap.far / ".pixi-mirror/staged/1.json").write_bytes(b"{}")
    damaged = gap.world.run("receipt", gap.far)
    assert (damaged.status, "Remove that folder" in damaged.stderr) == (8, True), damaged.stderr


MISTAKES = [
    (["export", "--full"], 2, "-o DIR is missing"),
    (["export", "-o", "usb"], 2, "say for whom"),
    (["export", "-o", "usb", "--full", "--have", "x"], 2, "choose one"),
    (["export", "-o", "usb", "--full", "--overlap", "2"], 2, "--overlap"),
    (["export", "-o", "usb", "--full", "--assume-received"], 2, "--to"),
    (["export", "-o", "usb", "--to", "a/b"], 2, "takes a name"),
    (["export", "-o", "usb", "--full", "--volume-size", "4X"], 2, "takes a size"),
    (["export", "-o", "usb", "--have", "nowhere.json"], 8, "nowhere.json"),
    (["export", "-o", "usb", "--have", "workspace/pixi.toml"], 8, "is no receipt: it is no JSON"),
    (["export", "-o", "usb", "--have", "mirror/pixi-mirror.json"], 8, "is no receipt: it has"),
    (["export", "-o", "mirror", "--full"], 8, "is in a mirror, "),
    (["export", "-o", "mirror/usb", "--full"], 8, "is in a mirror, "),
    (["export", "-o", "other/usb", "--full"], 8, "is in a mirror, "),
    (["export", "nowhere", "-o", "usb", "--full"], 8, "nowhere"),
    (["import"], 2, "ARCHIVES missing"),
    (["import", "nothing.tar", "far"], 8, "nothing.tar"),
    (["import", "workspace/pixi.lock", "far"], 6, "it is no tar archive"),
    (["import", "workspace", "far"], 2, "holds no archive"),
    (["inspect", "workspace/pixi.lock"], 6, "pixi.lock"),
    (["inspect", "x" * 300], 8, "File name too long"),
    (["import", "nothing.tar", "x" * 300], 8, "nothing.tar"),
    (["ack"], 2, "give a receipt"),
    (["ack", "b"], 2, "or the receiver's name with a generation and its fingerprint"),
    (["ack", "b.json"], 8, "b.json"),
    (["ledger", "--remove", "b"], 3, "has no receiver b"),
    (["ledger", "--remove", "a/b"], 2, "takes a name"),
    (["ack", "b", "g1"], 2, "pixi-mirror ack"),
    (["ack", "b", "g9", "0" * 20], 3, "g9"),
    (["receipt", "nowhere"], 8, "nowhere"),
]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
@pytest.mark.parametrize("words", [["inspect", "shut"], ["import", "shut/x.tar", "far"], ["import", "shut", "far"]])
def test_a_medium_that_may_not_be_read_gets_one_sentence(world, words):
    (world.directory / "shut").mkdir(mode=0)
    done = world.run(*words)
    assert (done.status, "Permission denied" in done.stderr, "Traceback" in done.stderr) == (8, True, False)


def test_mistakes_get_one_sentence(gap):
    gap.update("a")
    gap.run("import", *gap.export("--full"), "-o", gap.world.directory / "other")
    for words, status, says in MISTAKES:
        done = gap.world.run(*words)
        assert done.status == status, (words, done.stderr)
        assert says in done.stderr, words
        assert "Traceback" not in done.stderr
    assert not gap.far.exists()
    assert gap.run("verify")["unknown"] == []
