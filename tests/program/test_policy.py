"""`update --policy` and `--minimum-age` let nothing in that is against a policy, and `verify` judges by it again."""

import json
import shutil
import time
from datetime import UTC, datetime, timedelta

import pytest
from harness.python_index import PythonIndex
from harness.upstream import status

from pixi_mirror.demo.distributions import build_wheel
from pixi_mirror.demo.packages import build_package

LOCK = ("--lock", "workspace/pixi.lock")
HOUR_MS = 3_600_000


def now_ms():
    return int(time.time() * 1000)


def ago(**span):
    return (datetime.now(tz=UTC) - timedelta(**span)).isoformat(timespec="seconds").replace("+00:00", "Z")


@pytest.fixture
def shop(world):
    """A workspace with an old and a new conda package, and a wheel that was uploaded an hour ago."""
    index = PythonIndex(world)
    wheel = build_wheel(name="thing", version="1.0")
    entries = [
        world.publish(build_package(name="old")),
        world.publish(build_package(name="new", timestamp=now_ms() - HOUR_MS, license="")),
        index.publish(wheel, name="thing", version="1.0", **{"upload-time": ago(hours=1)}),
    ]
    world.lock("workspace", environments={"default": {"linux-64": entries}}, indexes=[index.url], version=7)
    return world, index


def policy(world, text, name="pixi-mirror-policy.toml"):
    path = world.directory / name
    path.write_text(text, encoding="utf-8")
    return path


def rules(found):
    return [(each["rule"].removeprefix("mirror."), each["package"]) for each in found["policy"]["findings"]]


def inventory(world):
    return json.loads((world.mirror / "pixi-mirror.json").read_text(encoding="utf-8"))


def asked(world):
    """What was requested besides index pages."""
    return [request.path for request in world.requests if not request.bare.startswith("/simple/")]


def test_what_is_too_young_is_status_4_before_a_byte_is_brought(shop):
    world, _ = shop
    found = world.run_json(*LOCK, "--minimum-age", "7d", status=4)
    assert rules(found) == [("age", "new"), ("age", "thing")]
    assert (found["fetched"], asked(world), world.mirror.exists()) == ([], [], False)
    assert found["error"]["items"][0].startswith("mirror.age: new 1.0 was built 1 h ago (")
    assert found["policy"]["findings"][0]["where"] == ["workspace/default/linux-64"]
    text = world.run(*LOCK, "--minimum-age", "7d").stderr
    assert "2 findings against the policy --minimum-age; nothing was brought:" in text
    dry = world.run(*LOCK, "--minimum-age", "7d", "--dry-run")
    assert (dry.status, "against something; without that it would bring 3 files" in dry.stdout) == (4, True)
    assert world.run(*LOCK, "--minimum-age", "30m").status == 2


def test_the_policy_is_recorded_and_holds_for_every_later_run(shop):
    world, index = shop
    assert world.run(*LOCK, "--policy", policy(world, '[mirror.age]\nminimum = "30h"\n[mirror.age.of]\nsimple = "0d"\n'
                                                '"conda-forge" = "1h"\n')).status == 0  # fmt: skip
    assert inventory(world)["policy"]["rules"]["age"]["minimum"] == "30h"
    assert world.run_json("status")["policy"] == "pixi-mirror-policy.toml"
    assert "policy pixi-mirror-policy.toml: " in world.run("status").stdout
    assert world.run_json("verify")["policy"]["findings"] == []
    before = (world.mirror / "pixi-mirror.json").read_bytes()
    entries = [
        world.publish(build_package(name="old")),
        world.publish(build_package(name="newest", timestamp=now_ms())),
    ]
    world.lock("workspace", environments={"default": {"linux-64": entries}}, indexes=[index.url], version=7)
    found = world.run_json(status=4)
    assert rules(found) == [("age", "newest")]
    assert (world.mirror / "pixi-mirror.json").read_bytes() == before
    assert world.run("--no-policy", "--minimum-age", "1d").status == 2
    assert world.run("--no-policy").status == 0
    assert "policy" not in inventory(world)
    assert world.run_json("verify")["policy"] is None


def test_a_minimum_age_is_added_to_the_policy_that_is_recorded(shop):
    world, _ = shop
    assert world.run(*LOCK, "--policy", policy(world, '[mirror.files]\nmax-size = "1M"\n')).status == 0
    assert rules(world.run_json("--minimum-age", "7d", status=4)) == [("age", "new"), ("age", "thing")]
    assert world.run("--minimum-age", "1h").status == 0
    assert inventory(world)["policy"]["rules"] == {"age": {"minimum": "1h"}, "files": {"max-size": "1M"}}
    assert rules(world.run_json("--minimum-age", "2d", status=4)) == [("age", "new"), ("age", "thing")]


def test_an_unchanged_run_is_judged_again(shop):
    world, _ = shop
    assert world.run(*LOCK).status == 0
    assert world.run(*LOCK).status == 0
    waiver = '[[mirror.waivers]]\nrule = "age"\npackage = "{}"\nreason = "r"\nexpires = 2999-01-01\n'
    young = '[mirror.age]\nminimum = "7d"\n' + waiver.format("new") + waiver.format("thing")
    assert world.run(*LOCK, "--policy", policy(world, young)).status == 0
    text = (world.mirror / "pixi-mirror.json").read_text(encoding="utf-8")
    (world.mirror / "pixi-mirror.json").write_text(text.replace("2999-01-01", "2020-01-01"), encoding="utf-8")
    assert rules(world.run_json(*LOCK, status=4)) == [("age", "new"), ("age", "thing")]
    verified = world.run("verify")
    assert verified.status == 1
    assert "all is as recorded, and 2 findings against the policy" in verified.stdout
    assert "against the policy pixi-mirror-policy.toml:" in verified.stdout
    assert "its waiver expired on 2020-01-01 (r)" in verified.stdout


def test_projects_that_their_index_quarantines_or_archives(shop):
    world, index = shop
    own = policy(world, "[mirror.projects]\n")
    assert world.run(*LOCK, "--policy", own).status == 0

    def say(word, *, files=True):
        content = {"meta": {"api-version": "1.4"}, "name": "thing", "files": index.rows["thing"] if files else []}
        data = json.dumps({**content, "project-status": {"status": word}}).encode()
        world.upstream.put("/simple/thing/", data, headers={"Content-Type": "application/vnd.pypi.simple.v1+json"})

    say("archived")
    found = world.run_json(status=0)
    assert [each["rule"] for each in found["policy"]["warnings"]] == ["mirror.archived"]
    assert next(iter(inventory(world)["listings"].values()))["status"] == "archived"
    say("quarantined", files=False)
    assert rules(world.run_json(status=4)) == [("quarantined", "thing")]
    assert rules(world.run_json(*LOCK, "-o", "other", "--policy", own, status=4)) == [("quarantined", "thing")]
    world.upstream.script("/simple/thing/", status(503))
    done = world.run("--retries", "0")
    assert done.status == 0
    assert "could not be asked again" in done.stderr


def test_an_index_that_does_not_answer_is_out_of_reach_and_no_finding(shop):
    world, _ = shop
    world.upstream.script("/simple/thing/", status(503))
    own = policy(world, '[mirror.age]\nminimum = "7d"\n[mirror.age.of]\n"conda-forge" = "0d"\n[mirror.projects]\n')
    found = world.run_json(*LOCK, "--policy", own, "--retries", "0", status=4)
    assert rules(found) == [("age-unknown", "thing")]
    assert "[mirror.age.of] of a policy" in found["policy"]["findings"][0]["help"]
    text = own.read_text(encoding="utf-8").replace("minimum", 'unknown = "allow"\nminimum')
    found = world.run_json(*LOCK, "--policy", policy(world, text), "--retries", "0", status=5)
    assert found["policy"]["findings"] == []
    assert found["policy"]["unavailable"][0].startswith("mirror.unavailable: the index http://")
    assert "data are out of reach; nothing was brought" in found["error"]["message"]


def test_licences_and_sizes_that_only_the_file_says_are_judged_when_it_is_here(shop):
    world, _ = shop
    strict = policy(world, '[mirror.licenses]\nmissing = "error"\n')
    assert rules(world.run_json(*LOCK, "--policy", strict, status=4)) == [("license", "new")]
    assert asked(world) == []
    waiver = '[[mirror.waivers]]\nrule = "license"\npackage = "new"\nreason = "r"\nexpires = 2999-01-01\n'
    found = world.run_json(*LOCK, "--policy", policy(world, strict.read_text(encoding="utf-8") + waiver), status=4)
    assert "mirror.license: thing 1.0" in found["error"]["items"][0]
    assert "the files are in the mirror already" in found["error"]["message"]
    assert rules(world.run_json("verify", status=1)) == [("license", "thing")]


def test_a_policy_crosses_an_air_gap_and_is_judged_on_the_far_side(shop):
    world, _ = shop
    young = '[mirror.age]\nminimum = "7d"\nunknown = "allow"\n'
    waivers = "".join(
        f'[[mirror.waivers]]\nrule = "age"\npackage = "{name}"\nreason = "r"\nexpires = 2999-01-01\n'
        for name in ("new", "thing")
    )
    assert world.run(*LOCK, "--policy", policy(world, young + waivers)).status == 0
    assert world.run("export", "--full", "-o", "usb").status == 0
    assert world.run("import", "usb", "far").status == 0
    shutil.rmtree(world.directory / "workspace")
    world.upstream.close()
    found = world.run_json("verify", "far")
    assert (found["policy"]["name"], len(found["policy"]["waived"])) == ("pixi-mirror-policy.toml", 2)
    assert world.run("rollback", "1").status == 0
    assert inventory(world)["policy"]["name"] == "pixi-mirror-policy.toml"


@pytest.mark.parametrize(
    ("text", "problem"),
    [("[mirror", "cannot be used"), ("[mirror.age]\nminimum = 7\n", "minimum takes a span"), ("", "no such file")],
)
def test_a_policy_that_does_not_parse_is_one_sentence_and_changes_nothing(shop, text, problem):
    world, _ = shop
    path = policy(world, text) if text else world.directory / "nowhere.toml"
    done = world.run(*LOCK, "--policy", path)
    assert (done.status, done.stdout, world.mirror.exists()) == (8, "", False)
    assert problem in done.stderr.lower()
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_policy_of_a_program_that_is_not_there_says_how_to_get_it(shop):
    world, _ = shop
    theirs = policy(world, "[bans]\n", "pixi-policy.toml")
    done = world.run(*LOCK, "--policy", theirs, env={"PATH": ""})
    if done.status == 0:
        pytest.skip("pixi-policy lies beside this Python")
    assert done.status == 7
    assert "pip install pixi-policy" in done.stderr
