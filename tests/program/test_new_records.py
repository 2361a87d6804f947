"""Records that only newer clients can read (CEP 43 to 48) are listed where these look, and cost nobody a sidecar."""

import json
from dataclasses import replace

import pytest
from harness.world import small_packages

from pixi_mirror.demo.packages import build_package
from pixi_mirror.lockfile.writer import CondaLockEntry

DEPENDS = ['base[version=">=2024"]', 'nowhere[when="python<3"]']


def _published(world) -> list[CondaLockEntry]:
    """A plain package, and one whose record was given a condition, as by a hotfix."""
    base = world.publish(small_packages()["base"])
    built = world.publish(build_package(name="newer", subdir="noarch", depends=["base >=2024"]))
    return [base, replace(built, record={**built.record, "depends": DEPENDS})]


def _locked(world):
    return world.lock("workspace", environments={"default": {"linux-64": _published(world)}}, version=7)


def test_a_record_with_a_condition_stands_in_the_v3_section_and_verifies(world):
    world.run_json("update", "--lock", _locked(world), "--index", "json")
    document = json.loads(next(world.mirror.rglob("noarch/repodata.json")).read_bytes())
    assert list(document["packages.conda"]) == ["base-2024.1-0.conda"]
    assert list(document["v3"]["conda"]) == ["newer-1.0-0"]
    assert document["v3"]["conda"]["newer-1.0-0"]["depends"] == DEPENDS
    assert world.run("verify").status == 0
    assert world.run("status", "--check").status == 0


@pytest.mark.rattler
def test_it_costs_its_channel_no_sidecar_and_py_rattler_solves_from_each_kind(world):
    world.run_json("update", "--lock", _locked(world), "--index", "rattler", "--shards", "always")
    noarch = next(world.mirror.rglob("noarch/repodata.json")).parent
    assert {path.name for path in noarch.glob("repodata*")} == {
        "repodata.json",
        "repodata.json.zst",
        "repodata_shards.msgpack.zst",
    }
    assert len([*noarch.glob("shards/*")]) == 2
    assert world.run("verify").status == 0
    found = world.run_json("verify", "--solve")["solved"]
    assert [(each["problem"], each["otherwise"]) for each in found] == [(None, [])]


def test_a_wheel_in_a_conda_channel_is_refused_by_name_and_can_be_left_out(world):
    lock = _locked(world)
    wheel = f"{world.upstream.url}/conda-forge/noarch/thing-1.0-py3-none-any.whl"
    text = lock.read_text().replace("\npackages:\n", f"\npackages:\n- conda: {wheel}\n  sha256: '{'a' * 64}'\n")
    lock.write_text(text.replace("      linux-64:\n", f"      linux-64:\n      - conda: {wheel}\n"))
    found = world.run_json("update", "--lock", lock, status=4)
    (row,) = found["refused"]
    assert "thing-1.0-py3-none-any.whl" in row["entry"]
    assert "a wheel in a conda channel" in row["reason"]
    world.run_json("update", "--lock", lock, "--skip-unmirrorable")
    assert world.run("verify").status == 0


def test_a_conda_lock_of_conda_workspaces_is_mirrored(world):
    lock = world.workspace()
    lock = lock.rename(lock.with_name("conda.lock"))
    lock.write_text(lock.read_text().replace("version: 6", "version: 1", 1))
    found = world.run_json("update", "--lock", lock)
    assert {row["name"] for row in found["wanted"]} == {"base", "old-thing", "pure", "tool"}
    assert world.run("verify").status == 0
    assert world.run("status", "--check").status == 0


def test_a_channel_that_only_packages_name_is_in_status_and_config_with_its_subdirs(world):
    named = world.publish(small_packages()["base"])
    other = world.publish(build_package(name="other", subdir="linux-64"), channel="brought/in")
    channels = [named.url.rsplit("/", 2)[0] + "/"]
    lock = world.lock("workspace", environments={"default": {"linux-64": [named, other]}}, channels=channels)
    world.run_json("update", "--lock", lock)
    rows = {each["path"]: each for each in world.run_json("status")["channels"]}
    assert {path: (row["files"], row["subdirs"]) for path, row in rows.items()} == {
        f"{world.authority_path}/conda-forge": (1, ["linux-64", "noarch"]),
        f"{world.authority_path}/brought/in": (1, ["linux-64", "noarch"]),
    }
    assert f'"{world.upstream.url}/brought/in"' in world.run("config").stdout
    assert f"{world.authority_path}/brought/in" in world.run("config", "--for", "conda").stdout
