"""Channels upstream are read in each form that they have, and copied as far as a solver needs them."""

import json

import pytest
from harness.channel import lab_packages, publish_channel
from harness.directly import Directly

from pixi_mirror.demo.packages import build_package
from pixi_mirror.workspace import channels, solver_input
from pixi_mirror.workspace.channels import ChannelReader


@pytest.fixture
def reader(world, tmp_path):
    """A reader of the channels `conda-forge` and `team`, the second of which depends on the first."""
    publish_channel(world, lab_packages(), form="zst")
    publish_channel(world, [build_package(name="team", depends=["numpy >=2"])], channel="team")
    (tmp_path / "folder").mkdir()
    made = ChannelReader(
        Directly(world=world).context,
        workspace=tmp_path,
        folder=tmp_path / "folder",
        channels=[f"{world.upstream.url}/{name}" for name in ("conda-forge", "team")],
    )
    yield made
    made.close()


def listed(tmp_path, channel, subdir):
    document = json.loads((tmp_path / "folder" / channel / subdir / "repodata.json").read_text())
    return {record["name"] for section in ("packages", "packages.conda") for record in document[section].values()}


def test_the_names_are_those_of_all_channels_for_the_platform(reader):
    assert reader.names("linux-64") == {"python", "numpy", "tzdata", "modern", "rattler-index", "team"}
    assert reader.names("win-64") == {"tzdata", "team"}


def test_what_packages_may_depend_on_is_copied_across_channels(reader, tmp_path):
    urls = reader.copy_channels(["team"], "linux-64")
    assert urls == tuple((tmp_path / "folder" / f"linux-64-{number}").as_uri() for number in (0, 1))
    assert listed(tmp_path, "linux-64-0", "linux-64") == {"python", "numpy"}
    assert listed(tmp_path, "linux-64-0", "noarch") == {"tzdata"}
    assert listed(tmp_path, "linux-64-1", "noarch") == {"team"}
    assert listed(tmp_path, "linux-64-1", "linux-64") == set()


def test_a_large_index_is_not_taken_apart(reader, tmp_path, monkeypatch):
    """Its names are found all the same, and the solver gets all that there is."""
    monkeypatch.setattr(channels, "_SMALL_INDEX", 1000)
    monkeypatch.setattr(solver_input, "_PIECE", 300)
    assert reader.names("linux-64") == {"python", "numpy", "tzdata", "modern", "rattler-index", "team"}
    reader.copy_channels(["team"], "linux-64")
    assert listed(tmp_path, "linux-64-0", "linux-64") == {"python", "numpy", "modern", "rattler-index"}
    assert listed(tmp_path, "linux-64-1", "noarch") == {"team"}


def test_each_index_is_fetched_once(reader, world):
    reader.names("linux-64")
    reader.copy_channels(["team"], "linux-64")
    reader.copy_channels(["numpy"], "osx-arm64")
    found = [request.path for request in world.requests if request.path.endswith("/noarch/repodata.json.zst")]
    assert sorted(found) == ["/conda-forge/noarch/repodata.json.zst", "/team/noarch/repodata.json.zst"]
