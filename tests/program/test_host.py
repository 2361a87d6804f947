"""`host` as it is run: names are made, files put, yanked and deleted, and every verb knows what is hosted."""

import json

import pytest
from harness import oracle

from pixi_mirror.demo.distributions import build_wheel
from pixi_mirror.demo.packages import build_package

TOOL = build_package(name="tool", subdir="linux-64")
WHEEL = build_wheel(name="demo", version="1.0")


@pytest.fixture
def files(world):
    """A conda package and a wheel that a colleague has built."""
    for built in (TOOL, WHEEL):
        (world.directory / built.file_name).write_bytes(built.data)
    return [world.directory / TOOL.file_name, world.directory / WHEEL.file_name]


@pytest.fixture
def hosting(world, files):
    """A mirror with the name `team`, which holds both."""
    assert world.run("host", "add", "team").status == 0
    assert world.run("host", "put", *files, "--to", "team").status == 0
    return world


def records(world, subdir="linux-64"):
    return json.loads((world.mirror / f"team/{subdir}/repodata.json").read_bytes())["packages.conda"]


def page(world, project="demo"):
    return json.loads((world.mirror / f"team/simple/{project}/index.v1_json").read_bytes())["files"]


def test_what_is_put_is_listed_and_put_again_it_is_there(hosting, files):
    assert records(hosting)[TOOL.file_name]["sha256"] == TOOL.record["sha256"]
    assert [each["filename"] for each in page(hosting)] == [WHEEL.file_name]
    again = hosting.run_json("host", "put", *files, "--to", "team")
    assert [each["is_new"] for each in again["files"]] == [False, False]
    assert oracle.problems(hosting.mirror) == []
    (row,) = hosting.run_json("host", "list")["hosted"]
    assert (row["name"], row["kinds"], row["files"]) == ("team", ["conda", "pypi"], 2)


def test_other_bytes_under_a_known_name_are_status_4_and_the_others_go_in(hosting, world):
    (world.directory / WHEEL.file_name).write_bytes(build_wheel(name="demo", version="1.0", payload_size=9).data)
    new = build_wheel(name="demo", version="2.0")
    (world.directory / new.file_name).write_bytes(new.data)
    done = hosting.run_json("host", "put", WHEEL.file_name, new.file_name, "--to", "team", status=4)
    assert "other bytes have this name" in done["error"]["message"]
    assert [each["path"] for each in done["files"]] == [f"team/files/{new.file_name}"]


def test_a_damaged_file_is_status_6(hosting, world):
    (world.directory / "demo-3.0-py3-none-any.whl").write_bytes(WHEEL.data)
    done = hosting.run("host", "put", "demo-3.0-py3-none-any.whl", "--to", "team")
    assert done.status == 6
    assert "demo 1.0" in done.stderr or "dist-info" in done.stderr


@pytest.mark.parametrize("what", ["damaged", "gone"])
def test_what_a_disk_has_lost_is_put_back_as_the_repair_advises(hosting, files, what):
    for place in (f"linux-64/{TOOL.file_name}", f"files/{WHEEL.file_name}"):
        path = hosting.mirror / "team" / place
        path.chmod(0o644)
        path.write_bytes(path.read_bytes()[:-1] + b"x") if what == "damaged" else path.unlink()
    said = hosting.run("verify", "--repair")
    assert (said.status, "`pixi-mirror host put FILE --to team`" in said.stderr) == (5, True)
    assert hosting.run("host", "put", *files, "--to", "team").status == 0
    assert hosting.run("verify").status == 0
    assert oracle.problems(hosting.mirror) == []


def test_a_yanked_file_is_listed_as_yanked_and_comes_back(hosting):
    hosting.run_json("host", "yank", WHEEL.file_name, TOOL.file_name, "--from", "team", "--reason", "broken")
    assert page(hosting)[0]["yanked"] == "broken"
    assert records(hosting) == {}
    assert (hosting.mirror / f"team/linux-64/{TOOL.file_name}").read_bytes() == TOOL.data
    assert oracle.problems(hosting.mirror) == []
    assert hosting.run("verify").status == 0
    hosting.run_json("host", "yank", WHEEL.file_name, TOOL.file_name, "--from", "team", "--undo")
    assert page(hosting)[0]["yanked"] is False
    assert TOOL.file_name in records(hosting)


def test_a_deleted_file_is_gone_from_the_indexes_and_from_the_disk(hosting):
    hosting.run_json("host", "delete", WHEEL.file_name, TOOL.file_name, "--from", "team")
    left = {path.name for path in (hosting.mirror / "team").rglob("*") if path.is_file()}
    assert left <= {"repodata.json", "repodata.json.zst", "index.html", "index.v1_json"}
    assert not (hosting.mirror / "simple/demo").exists()
    assert records(hosting) == {}
    assert oracle.problems(hosting.mirror) == []
    assert hosting.run("verify").status == 0


def test_a_name_with_files_is_removed_only_when_that_is_said(hosting):
    assert hosting.run("host", "remove", "team").status == 4
    assert hosting.run("host", "remove", "team", "--with-files").status == 0
    assert not list((hosting.mirror / "team").rglob("*.whl"))
    assert hosting.run_json("host", "list")["hosted"] == []
    assert oracle.problems(hosting.mirror) == []


@pytest.mark.parametrize("name", ["simple", "local", "linux-64", "all", "Team", "a.b", "-x", "con", "host_8080"])
def test_a_name_that_means_something_else_is_status_4(world, name):
    done = world.run("host", "add", "--", name) if name.startswith("-") else world.run("host", "add", name)
    assert done.status == 4
    assert not world.mirror.exists()


def test_a_name_that_is_hosted_already_is_status_4(hosting):
    done = hosting.run("host", "add", "team", "--pypi")
    assert done.status == 4
    assert "hosts 'team' already" in done.stderr


def test_a_flat_mirror_hosts_nothing(world):
    assert world.run("--lock", world.workspace(), "--flat").status == 0
    assert world.run("host", "add", "team").status == 4


def test_the_log_says_who_changed_what(hosting):
    hosting.run_json("host", "yank", WHEEL.file_name, "--from", "team", "--reason", "broken")
    entries = hosting.run_json("host", "log")["entries"]
    assert [each["action"] for each in entries] == ["add", "upload", "upload", "yank"]
    assert entries[1]["sha256"] == TOOL.record["sha256"]
    assert entries[3]["reason"] == "broken"
    assert all(each["user"] for each in entries)


def test_each_change_is_a_generation(hosting):
    generations = hosting.run_json("log")["generations"]
    assert [each["verb"] for each in generations] == ["upload", "upload", "host add"]


def test_an_update_keeps_what_is_hosted_and_prune_never_proposes_it(hosting, world):
    lock = world.workspace()
    assert world.run("--lock", lock).status == 0
    assert TOOL.file_name in records(hosting)
    assert world.run("prune").status == 0
    assert world.run("verify").status == 0
    assert world.run("forget", "--lock", lock).status == 0
    planned = world.run_json("prune", "--force", status=1)
    assert not [path for path in planned["unlisted"] if path.startswith("team/")]
    assert world.run("prune", "--apply", "--force", "--grace", "0").status == 0
    assert TOOL.file_name in records(hosting)
    assert [each["filename"] for each in page(hosting)] == [WHEEL.file_name]
    assert oracle.problems(hosting.mirror) == []


@pytest.mark.parametrize("words", [["add"], ["put", "x"], ["yank", "x"], ["add", "a", "b", "c"], ["list", "a", "b"]])
def test_a_word_too_few_or_too_many_is_status_2(world, words):
    assert world.run("host", *words).status == 2
