"""`verify --report FILE` keeps what may have to be shown later: each file and its digest, for whom, by which tool."""

import json

import pytest
from harness.looking import contents, identities, sha256
from harness.several import run_several
from harness.world import small_packages

from pixi_mirror import __version__
from pixi_mirror.lockfile.writer import PypiLockEntry

LOCK = "workspace/pixi.lock"
TOOL = "conda-forge/linux-64/tool-1.0-h12_1.conda"


def several(world, *lines):
    return run_several(lines, env=world.environment, cwd=world.directory)


def report(world, name="report.json"):
    return json.loads((world.directory / name).read_bytes())


@pytest.fixture
def mirrored(world):
    world.workspace()
    (update,) = several(world, ["update", "--lock", LOCK, "-e", "prod"])
    assert update.status == 0, update.stderr
    return world


def test_it_has_every_file_with_its_digest_and_the_tool_and_the_inventory_by_which_it_was_judged(mirrored):
    before = identities(mirrored.mirror)
    plain, told = several(mirrored, ["verify", "--json"], ["verify", "--report", "report.json"])
    found = report(mirrored)
    assert (plain.status, told.status) == (0, 0)
    served = {path: data for path, data in contents(mirrored.mirror).items() if not path.startswith(".pixi-mirror/")}
    assert found["inventory_sha256"] == sha256(mirrored.mirror / "pixi-mirror.json")
    del served["pixi-mirror.json"]
    rows = {row["path"]: (row["sha256"], row["size"]) for row in found["files"]}
    assert rows == {path: (sha256(mirrored.mirror / path), len(data)) for path, data in served.items()}
    assert found["checked"]["files"] == len(rows)
    assert (found["tool"], found["quick"]) == (f"pixi-mirror {__version__}", False)
    assert found["at"].endswith("+00:00")
    assert {key: each for key, each in found.items() if key in plain.json} == plain.json
    assert identities(mirrored.mirror) == before


def test_it_says_for_whom_the_mirror_is_and_nothing_of_this_machine(mirrored):
    several(mirrored, ["verify", "--report", "report.json"])
    (subscription,) = report(mirrored)["subscriptions"]
    assert (subscription["workspace"], subscription["left_out"]) == ("workspace", [])
    assert [request["environments"] for request in subscription["requests"]] == [["prod"]]
    assert str(mirrored.directory) not in (mirrored.directory / "report.json").read_text()


def test_it_says_what_was_left_out_and_what_was_not_hashed(world):
    entry = {name: world.publish(package) for name, package in small_packages().items()}
    git = PypiLockEntry(url="git+https://git.example/thing.git?rev=main", name="thing", version="1.0")
    world.lock("workspace", environments={"default": {"linux-64": [entry["base"], git]}})
    update, verify = several(
        world,
        ["update", "--lock", LOCK, "--skip-unmirrorable"],
        ["verify", "--quick", "--report", "report.json"],
    )
    assert (update.status, verify.status) == (0, 0), update.stderr
    found = report(world)
    assert found["quick"] is True
    (subscription,) = found["subscriptions"]
    assert subscription["requests"][0]["skip_unmirrorable"] is True
    assert ["thing" in each["entry"] for each in subscription["left_out"]] == [True]


@pytest.mark.broken_mirror("damaged on purpose, and verify alone does not mend it")
def test_findings_are_in_it_as_they_were_before_a_repair(mirrored):
    tool = mirrored.mirror / mirrored.authority_path / TOOL
    good = sha256(tool)
    tool.unlink()
    tool.write_bytes(b"other bytes")
    found, repaired = several(
        mirrored, ["verify", "--report", "one.json"], ["verify", "--repair", "--report", "two.json"]
    )
    assert (found.status, repaired.status) == (1, 0)
    for name in ("one.json", "two.json"):
        (changed,) = report(mirrored, name)["changed"]
        row = next(row for row in report(mirrored, name)["files"] if row["path"] == changed["path"])
        assert (changed["expected"], row["sha256"], row["size"]) == (good, changed["found"], len(b"other bytes"))
    assert report(mirrored, "two.json")["repaired"] == [changed["path"]]
    assert sha256(tool) == good


def test_a_report_that_cannot_be_written_or_made_is_no_success(mirrored):
    (unwritable, nowhere) = several(
        mirrored,
        ["verify", "--report", "no/such/folder.json"],
        ["verify", "nowhere", "--report", "report.json"],
    )
    assert (unwritable.status, nowhere.status) == (8, 8)
    assert "there is no directory no/such" in unwritable.stderr
    assert report(mirrored)["error"]["status"] == 8
