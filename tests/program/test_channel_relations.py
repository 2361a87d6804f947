"""A channel that brings in another (CEP 42) does so in the mirror, too, as far as the mirror has the other."""

import json

import pytest
from harness.world import small_packages

from pixi_mirror.conda.repodata import repodata
from pixi_mirror.demo.packages import build_package


def related(world, relations):
    """An environment names `tools` alone, and has packages of `conda-forge` as well."""
    base = world.publish(small_packages()["base"])
    tool = world.publish(build_package(name="tool", subdir="linux-64", depends=["base >=2024"]), channel="tools")
    for subdir in ("linux-64", "noarch"):
        (world.root / "tools" / subdir).mkdir(exist_ok=True)
        (world.root / "tools" / subdir / "repodata.json").write_bytes(repodata(subdir, {}, relations=relations))
    channels = [tool.url.rsplit("/", 2)[0] + "/"]
    return world.lock("workspace", environments={"default": {"linux-64": [tool, base]}}, channels=channels)


def info(world, channel, subdir="linux-64"):
    place = world.mirror / world.authority_path / channel / subdir / "repodata.json"
    return json.loads(place.read_bytes())["info"]


def test_relations_are_learnt_from_upstream_and_kept(world):
    world.run_json("update", "--lock", related(world, {"base": "../conda-forge"}))
    for subdir in ("linux-64", "noarch"):
        assert info(world, "tools", subdir)["channel_relations"] == {"base": "../conda-forge"}
    assert "channel_relations" not in info(world, "conda-forge", "noarch")
    assert world.run("verify").status == 0
    assert world.run("status", "--check").status == 0
    before = len(world.requests)
    world.run_json("update")
    assert len(world.requests) == before
    assert world.run("verify", "--repair").status == 0
    assert info(world, "tools")["channel_relations"] == {"base": "../conda-forge"}


def test_a_relation_to_a_channel_that_is_not_here_is_left_out(world):
    world.run_json("update", "--lock", related(world, {"base": "../conda-forge", "overrides": "../elsewhere"}))
    assert info(world, "tools")["channel_relations"] == {"base": "../conda-forge"}


def test_nobody_is_asked_where_environments_name_all_their_channels(world):
    world.run_json("update", "--lock", world.workspace())
    assert not [request for request in world.requests if "repodata" in request.path]


@pytest.mark.rattler
def test_every_kind_of_index_has_them_and_a_solve_of_names_follows_them(world):
    lock = related(world, {"base": "../conda-forge"})
    world.run_json("update", "--lock", lock, "--index", "rattler", "--shards", "always")
    place = world.mirror / world.authority_path / "tools/linux-64"
    assert {path.name for path in place.glob("repodata*")} == {
        "repodata.json",
        "repodata.json.zst",
        "repodata_shards.msgpack.zst",
    }
    assert world.run("verify").status == 0
    (row,) = world.run_json("verify", "--solve")["solved"]
    assert (row["problem"], row["otherwise"]) == (None, [])
