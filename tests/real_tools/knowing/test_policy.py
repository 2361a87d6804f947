"""The real pixi-policy judges workspaces, lone locks and what a mirror records."""

import json
import os
import shutil

import pytest
from harness.corpus import ROWS, lock_path, needs_corpus

from pixi_mirror.demo.packages import build_package
from pixi_mirror.errors import WorkspaceError
from pixi_mirror.lockfile.source import LockSource
from pixi_mirror.model.request import Request
from pixi_mirror.policy.inventory_lock import lock_of_snapshot
from pixi_mirror.policy.program import PolicyProgram

pytestmark = pytest.mark.sbom_tools

LOCK = ("--lock", "workspace/pixi.lock")
BAN = '[bans]\ndeny = [{ name = "bad", reason = "it phones home" }]\n'


@pytest.fixture
def shop(world):
    """A workspace whose environment `test` has a banned package, and `default` has none."""
    good, bad = (world.publish(build_package(name=name)) for name in ("good", "bad"))
    environments = {"default": {"linux-64": [good]}, "test": {"linux-64": [good, bad], "osx-arm64": [bad]}}
    world.lock("workspace", environments=environments)
    return world


def policy(world, text, name="pixi-policy.toml"):
    path = world.directory / name
    path.write_text(text, encoding="utf-8")
    return path


def test_only_what_is_mirrored_counts_and_the_text_is_its_own(shop):
    ban = policy(shop, BAN)
    assert shop.run(*LOCK, "--policy", ban, "-o", "clean").status == 0
    found = shop.run_json(*LOCK, "--all-environments", "--policy", ban, status=4)
    (finding,) = found["policy"]["findings"]
    assert (finding["rule"], finding["package"], finding["where"]) == (
        "bans.deny", "bad", ["workspace/test/linux-64", "workspace/test/osx-arm64"],
    )  # fmt: skip
    assert "it phones home" in finding["message"]
    assert not shop.mirror.exists()
    narrow = shop.run_json(*LOCK, "-e", "test", "-p", "osx-arm64", "--policy", ban, status=4)
    assert narrow["policy"]["findings"][0]["where"] == ["workspace/test/osx-arm64"]


def test_what_it_extends_is_recorded_and_verify_judges_without_lock_and_network(shop):
    policy(shop, BAN, "base.toml")
    extending = policy(shop, '[policy]\nextends = ["base.toml"]\n[lock]\nin-sync = false\n')
    ours = policy(shop, '[mirror.sources]\nallowed-hosts = ["127.0.0.1"]\n', "pixi-mirror-policy.toml")
    shop.run(*LOCK, "-e", "test", "-o", "early")
    assert shop.run(*LOCK, "--policy", extending).status == 0
    recorded = json.loads((shop.mirror / "pixi-mirror.json").read_text(encoding="utf-8"))["policy"]
    assert (recorded["name"], "it phones home" in recorded["program"]) == (f"pixi-policy.toml and {ours.name}", True)
    for path in (ours, extending, shop.directory / "base.toml"):
        path.unlink()
    assert shop.run(*LOCK, "-e", "test").status == 4
    text = (shop.mirror / "pixi-mirror.json").read_text(encoding="utf-8")
    (shop.mirror / "pixi-mirror.json").write_text(text.replace('\\"bad\\"', '\\"good\\"'), encoding="utf-8")
    shutil.rmtree(shop.directory / "workspace")
    shop.upstream.close()
    found = shop.run_json("verify", status=1)
    assert [(each["rule"], each["package"]) for each in found["policy"]["findings"]] == [("bans.deny", "good")]
    assert "bans.deny: good 1.0 is banned" in shop.run("verify").stdout
    without = shop.run("verify", "--json", env={"PATH": ""}).json["policy"]  # it may lie beside Python
    assert without["findings"] or "is not installed" in without["notes"][0]


def test_waivers_of_its_own_and_an_error_in_its_file(shop):
    waiver = '[[waivers]]\nrule = "bans.deny"\npackage = "bad"\nreason = "until May"\nexpires = {}\n'
    held = policy(shop, BAN + waiver.format("2999-01-01"))
    found = shop.run_json(*LOCK, "-e", "test", "--policy", held)
    assert (found["policy"]["findings"], len(found["policy"]["waived"])) == ([], 1)
    gone = policy(shop, BAN + waiver.format("2020-01-01"))
    assert shop.run(*LOCK, "-e", "test", "--policy", gone, "-o", "other").status == 4
    broken = policy(shop, "[bans]\ndeny = 1\n")
    done = shop.run(*LOCK, "--policy", broken, "-o", "other")
    assert (done.status, "is no policy that pixi-policy can read" in done.stderr) == (8, True)


def test_a_lone_lock_is_judged_as_far_as_it_can_be(shop):
    (shop.directory / "workspace" / "pixi.toml").unlink()
    (shop.directory / "workspace" / "pixi.lock").rename(shop.directory / "my.lock")
    assert shop.run("--lock", "my.lock", "-e", "test", "--policy", policy(shop, BAN)).status == 4
    wants_manifest = policy(shop, "[manifest]\npython-pinned = true\n")
    done = shop.run("--lock", "my.lock", "--policy", wants_manifest)
    assert done.status == 0
    assert "pixi-policy cannot judge" in done.stderr
    assert "The rules of pixi-mirror itself were judged all the same." in done.stderr


def test_data_out_of_reach_are_told_apart_from_findings(shop):
    wants_data = policy(shop, '[advisories]\nfail-on = "high"\n')
    offline = {"PIXI_POLICY_OFFLINE": "1", "PIXI_POLICY_CACHE_DIR": str(shop.directory / "empty")}
    found = shop.run_json(*LOCK, "--policy", wants_data, env=offline, status=5)
    assert found["policy"]["findings"] == []
    assert found["policy"]["unavailable"][0].startswith("advisories.unavailable: ")
    both = policy(shop, '[advisories]\nfail-on = "high"\n' + BAN)
    assert shop.run(*LOCK, "-e", "test", "--policy", both, env=offline).status == 4


@needs_corpus
@pytest.mark.slow
def test_locks_that_are_written_from_what_is_recorded_are_read_for_the_whole_corpus(tmp_path):
    program, count = PolicyProgram(os.environ), 0
    policy = tmp_path / "pixi-policy.toml"
    policy.write_text('[sources]\nallowed-channels = ["nowhere"]\n', encoding="utf-8")
    everything = Request(environments=None, platforms=(), skip_unmirrorable=True)
    for row in ROWS:
        try:
            answer = LockSource(lock_path(row)).select(
                (everything,), subscription="s", workspace="w", layout="channels"
            )
        except WorkspaceError:
            continue
        lock = tmp_path / "pixi.lock"
        lock.write_text(lock_of_snapshot(answer.snapshot), encoding="utf-8")
        report = program.check(policy, lock, offline=True)
        assert report.problem is None, (row, report.problem)
        installed = {
            (path, cell.environment, cell.platform)
            for cell in answer.snapshot.cells
            for path in cell.packages
            if path not in cell.build_packages
        }
        assert bool(report.findings) == any(path.endswith((".conda", ".tar.bz2")) for path, _, _ in installed), row
        count += 1
    assert count > 30
