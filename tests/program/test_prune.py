"""`prune` takes out what nobody wants, in two steps, and refuses wherever it cannot be sure."""

import json
import re

import pytest
from harness import kill, program
from harness.examples import first
from harness.looking import archives, contents, identities, repodata

from pixi_mirror.demo.packages import build_package

LOCK = "workspace/pixi.lock"
KEPT = ("kept", "also")


def run(world, *args, status=0, **options):
    done = world.run(*args, **options)
    assert done.status == status, f"{done.status}\n{done.stdout}\n{done.stderr}"
    return done


def folder(world):
    return world.mirror / world.authority_path / "conda-forge" / "noarch"


def file_name(name):
    return f"{name}-1.0-0.conda"


def path(world, name):
    return f"{world.authority_path}/conda-forge/noarch/{file_name(name)}"


def lock(world, *names):
    entries = [world.publish(build_package(name=name)) for name in names]
    return world.lock("workspace", environments={"default": {"linux-64": entries}})


def listed(world):
    return {name.rsplit("-", 2)[0] for name in repodata(folder(world))}


@pytest.fixture
def surplus(world):
    """A mirror that holds `kept`, `also` and, wanted by nobody any more, `extra`."""
    lock(world, *KEPT, "extra")
    run(world, "--lock", LOCK)
    lock(world, *KEPT)
    run(world)
    assert listed(world) == {*KEPT, "extra"}


def untouched(world):
    return identities(world.mirror / world.authority_path), contents(world.mirror / world.authority_path)


def test_with_nothing_to_do_it_is_status_0(world):
    lock(world, *KEPT)
    run(world, "--lock", LOCK)
    assert run(world, "prune").stdout.startswith("nothing to do")
    assert run(world, "prune", "--apply").stdout.startswith("nothing to do")


def test_a_plan_is_status_1_and_changes_nothing(world, surplus):
    before = identities(world.mirror)
    answer = world.run_json("prune", status=1)
    assert (answer["applied"], answer["unlisted"], answer["removed"]) == (False, [path(world, "extra")], [])
    said = run(world, "prune", status=1).stdout.splitlines()[-1]
    assert re.fullmatch(
        r"would unlist 1 file, [\d.]+ \w+, to be removed from \d{4}-\d\d-\d\d \d\d:\d\d UTC on; would remove 0 files; "
        r"nothing was changed \(--apply does it\)",
        said,
    )
    now = run(world, "prune", "--grace", "0", status=1).stdout.splitlines()[-1]
    assert re.fullmatch(r"would unlist (1 file, [\d.]+ \w+); would remove 1 file, .*; nothing was .*", now)
    assert identities(world.mirror) == before


def test_apply_unlists_at_once_and_keeps_the_file(world, surplus):
    answer = world.run_json("prune", "--apply")
    assert (answer["applied"], answer["unlisted"], answer["removed"]) == (True, [path(world, "extra")], [])
    assert listed(world) == {*KEPT}
    assert (world.mirror / path(world, "extra")).is_file()


def test_what_waits_is_status_0_and_stays_unlisted(world, surplus):
    run(world, "prune", "--apply")
    answer = world.run_json("prune")
    assert (answer["waiting"], answer["unlisted"], answer["removed"]) == ([path(world, "extra")], [], [])
    run(world, "prune", "--apply")
    run(world)
    assert listed(world) == {*KEPT}
    assert (world.mirror / path(world, "extra")).is_file()


def test_to_apply_it_again_does_not_begin_the_waiting_anew(world, surplus):
    def unlisted():
        return json.loads((world.mirror / ".pixi-mirror/state.json").read_bytes())["unlisted"]

    world.run_json("prune", "--apply")
    before = unlisted()
    assert before
    world.run_json("prune", "--apply")
    assert unlisted() == before


def test_what_was_unlisted_long_enough_is_removed(world, surplus):
    run(world, "prune", "--apply")
    answer = world.run_json("prune", "--grace", "0", status=1)
    assert answer["removed"] == [path(world, "extra")]
    assert (world.mirror / path(world, "extra")).is_file()
    answer = world.run_json("prune", "--grace", "0", "--apply")
    assert answer["removed"] == [path(world, "extra")]
    assert answer["bytes"] == build_package(name="extra").record["size"]
    assert not (world.mirror / path(world, "extra")).exists()
    assert run(world, "prune").stdout.startswith("nothing to do")


def test_no_grace_removes_in_one_run(world, surplus):
    run(world, "prune", "--apply", "--grace", "0")
    assert archives(world.mirror) == {path(world, name) for name in KEPT}
    assert run(world).stdout.startswith("nothing to do")
    assert run(world, "verify").status == 0


@pytest.mark.parametrize("grace", first(1, ["-1", "nan", "soon"]))
def test_a_grace_that_is_no_number_of_days_is_a_usage_error(world, surplus, grace):
    before = untouched(world)
    run(world, "prune", "--apply", "--grace", grace, status=2)
    assert untouched(world) == before


def test_more_than_half_needs_force(world):
    lock(world, "one", "two", "three")
    run(world, "--lock", LOCK)
    lock(world, "one")
    run(world)
    before = untouched(world)
    assert "--force" in run(world, "prune", "--apply", status=8).stderr
    assert untouched(world) == before
    run(world, "prune", "--apply", "--force", "--grace", "0")
    assert archives(world.mirror) == {path(world, "one")}


def test_half_needs_no_force(world):
    lock(world, "one", "two")
    run(world, "--lock", LOCK)
    lock(world, "one")
    run(world)
    run(world, "prune", "--apply")
    assert listed(world) == {"one"}


def test_unknown_files_are_reported_and_never_touched(world, surplus):
    notes = folder(world) / "notes.txt"
    stray = world.mirror / "mine" / "stray-1.0-0.conda"
    stray.parent.mkdir()
    for each in (notes, stray):
        each.write_text("mine")
    answer = world.run_json("prune", "--apply", "--grace", "0")
    assert answer["unknown"] == [f"{world.authority_path}/conda-forge/noarch/notes.txt", "mine/stray-1.0-0.conda"]
    assert (notes.read_text(), stray.read_text()) == ("mine", "mine")
    assert world.run_json("prune")["unknown"] == answer["unknown"]


def test_what_is_wanted_again_is_listed_again_and_not_fetched(world, surplus):
    run(world, "prune", "--apply")
    lock(world, *KEPT, "extra")
    world.upstream.forget_requests()
    run(world)
    assert listed(world) == {*KEPT, "extra"}
    assert world.requests == []
    assert world.run_json("prune", "--grace", "0")["removed"] == []


def test_what_was_wanted_in_between_waits_its_whole_time_anew(world, surplus):
    run(world, "prune", "--apply")
    lock(world, *KEPT, "extra")
    run(world)
    lock(world, *KEPT)
    run(world)
    assert world.run_json("prune", status=1)["unlisted"] == [path(world, "extra")]


def test_a_channel_that_nobody_names_any_more_goes_whole(world):
    other = world.publish(build_package(name="other"), channel="second")
    kept = [world.publish(build_package(name=name)) for name in KEPT]
    world.lock("workspace", environments={"default": {"linux-64": [*kept, other]}})
    run(world, "--lock", LOCK)
    lock(world, *KEPT)
    run(world)
    run(world, "prune", "--apply", "--grace", "0")
    assert not (world.mirror / world.authority_path / "second").exists()


@pytest.mark.broken_mirror("a wanted file is missing or changed, and prune is to refuse")
@pytest.mark.parametrize("damage", first(1, ["missing", "changed"]))
def test_it_refuses_when_a_wanted_file_is_not_whole(world, surplus, damage):
    wanted = folder(world) / file_name("kept")
    data = wanted.read_bytes()
    wanted.unlink()
    if damage == "changed":
        wanted.write_bytes(bytes(len(data)))
    before = untouched(world)
    for options in ([], ["--apply"], ["--apply", "--grace", "0", "--force"]):
        assert "kept-1.0-0.conda" in run(world, "prune", *options, status=8).stderr
    assert untouched(world) == before


@pytest.mark.broken_mirror("the inventory or the state does not parse, and prune is to refuse")
@pytest.mark.parametrize("record", first(1, ["pixi-mirror.json", ".pixi-mirror/state.json"]))
def test_it_refuses_when_its_records_do_not_parse(world, surplus, record):
    for text in ("", "{", "[]", '{"format": 999}', "null"):
        (world.mirror / record).write_text(text)
        before = untouched(world)
        done = run(world, "prune", "--apply", "--grace", "0", "--force", status=8)
        assert record.rpartition("/")[2] in done.stderr, text
        assert untouched(world) == before, text


def test_it_refuses_when_there_is_no_subscription(world, surplus):
    run(world, "forget", "--lock", LOCK)
    before = untouched(world)
    for options in ([], ["--apply", "--grace", "0", "--force"]):
        assert "no subscription" in run(world, "prune", *options, status=8).stderr
    assert untouched(world) == before


def test_it_needs_a_mirror(world):
    (world.directory / "folder").mkdir()
    run(world, "prune", "folder", status=8)
    run(world, "prune", "nowhere", "--apply", status=8)
    assert not (world.directory / "nowhere").exists()


def test_a_lock_that_is_gone_keeps_what_it_wanted(world, surplus):
    (world.directory / LOCK).unlink()
    run(world, "prune", "--apply", "--grace", "0")
    assert archives(world.mirror) == {path(world, name) for name in KEPT}


@pytest.mark.parametrize(
    "calls", [pytest.param(call, marks=() if call % 24 == 1 else pytest.mark.slow) for call in range(1, 50, 2)]
)
def test_right_after_a_killed_prune_verify_finds_nothing(world, surplus, calls):
    """Wherever it is killed: what it had unlisted and removed is missed by nobody."""
    command, point = ["prune", "--apply", "--grace", "0", "--force"], kill.Point(kind="any", number=calls)
    killed = program.run(command, env=world.environment, cwd=world.directory, point=point)
    assert killed.status in (0, kill.KILLED), killed.stderr
    run(world, "verify")
    run(world, "prune", "--apply", "--grace", "0", "--force")
    run(world, "verify")
