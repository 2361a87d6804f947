"""`verify --report FILE` keeps what may have to be shown later: each file and its digest, for whom, by which tool."""

import json
import shutil
import subprocess
from functools import partial

import pytest
from harness.looking import contents, identities, sha256
from harness.several import run_several
from harness.world import small_packages
from seen import Seen

from pixi_mirror import __version__
from pixi_mirror.commands.evidence_page import evidence_page
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


def test_it_has_what_the_mirror_holds_licences_and_generations(mirrored):
    several(mirrored, ["verify", "--report", "report.json"])
    found = report(mirrored)
    assert found["inventory"]["generation"] == 1
    assert found["inventory"]["kinds"]["conda"]["files"] == found["inventory"]["environments"][0]["files"]
    assert sum(each["files"] for each in found["licenses"]) == found["inventory"]["kinds"]["conda"]["files"]
    (generation,) = found["generations"]
    assert generation["fingerprint"] == found["inventory"]["fingerprint"]
    assert (found["advisories"], found["attestations"]) == (None, None)


@pytest.mark.broken_mirror("damaged on purpose, and verify alone does not mend it")
def test_a_page_has_the_same_and_nothing_from_elsewhere(mirrored):
    next(mirrored.mirror.rglob("tool-*.conda")).unlink()
    (told,) = several(mirrored, ["verify", "--report", "report.html"])
    assert told.status == 1
    page = Seen((mirrored.directory / "report.html").read_bytes())
    for expected in ("missing", "base", "prod", "workspace", "Not checked (--attestations)", "carries no advisories"):
        assert expected in page.text
    assert sha256(mirrored.mirror / "pixi-mirror.json") in page.text
    assert not page.all("script", "link", "img", "a", "form")
    assert len(page.all("caption")) == len(page.all("table"))


def test_a_failure_is_on_the_page_too(world):
    (told,) = several(world, ["verify", "nowhere", "--report", "report.html"])
    assert told.status == 8
    assert "It ended with status 8" in Seen((world.directory / "report.html").read_bytes()).text


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="there is no ssh-keygen")
@pytest.mark.parametrize("name", ["report.json", "report.html"])
def test_it_is_signed_and_a_changed_one_is_not(mirrored, name):
    run = partial(subprocess.run, cwd=mirrored.directory, capture_output=True, check=False)
    assert run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "key"]).returncode == 0
    public = (mirrored.directory / "key.pub").read_text()
    (mirrored.directory / "signers").write_text(f"me@example {public}")
    (told,) = several(mirrored, ["verify", "--report", name, "--sign", "key"])
    assert told.status == 0, told.stderr
    check = [
        "ssh-keygen",
        "-Y",
        "verify",
        "-f",
        "signers",
        "-I",
        "me@example",
        "-n",
        "report@pixi-mirror",
        "-s",
        f"{name}.sig",
    ]
    data = (mirrored.directory / name).read_bytes()
    assert run(check, input=data).returncode == 0
    assert run(check, input=data + b" ").returncode != 0


def test_a_key_that_is_not_there_and_no_report_are_said_before_anything_is_hashed(mirrored):
    absent, none = several(mirrored, ["verify", "--report", "r.json", "--sign", "no-key"], ["verify", "--sign", "key"])
    assert (absent.status, "--sign: there is no key" in absent.stderr) == (8, True)
    assert (none.status, "--report FILE" in none.stderr) == (2, True)


def test_no_text_becomes_markup_on_the_page_whatever_was_found():
    attack = '<script>alert(1)</script>"\u202e'
    finding = {"rule": attack, "package": attack, "version": attack, "message": attack, "help": attack}
    page = Seen(
        evidence_page(
            {
                "verb": "verify", "mirror": attack, "missing": [attack], "changed": [], "indexes": [], "closure": [],
                "policy": {"name": attack, "findings": [finding], "warnings": [finding], "waived": []},
                "attestations": {
                    "root_sha256": "0" * 64, "attested": [], "failed": [{"path": attack, "reason": attack}],
                    "unattested": [],
                },
                "advisories": {
                    "databases": [{"name": attack}], "newest": attack, "checked": 1,
                    "findings": [{"id": attack, "name": attack, "version": "1", "severity": "high", "summary": attack}],
                },
                "licenses": [{"license": attack, "expression": None, "files": 1}],
            }
        )
    )  # fmt: skip
    assert not page.all("script")
    assert "3 findings" in page.text
    assert "\u202e" not in page.text
    assert page.text.count("alert(1)") >= 10
