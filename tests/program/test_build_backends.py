"""What building conda source packages needs and no lock names: resolved once, mirrored, and said by `status`."""

import pytest
from harness.world import small_packages

from pixi_mirror.conda.repodata import repodata
from pixi_mirror.demo.packages import build_package

BUILD = '[package]\nname = "mine"\nversion = "1"\n\n[package.build]\nbackend = { name = "builder", version = ">=2" }\n'


@pytest.fixture
def workspace(world):
    """A workspace with a conda package of its own; its channel has the build backend, which the lock does not name."""
    locked = [world.publish(package) for package in (small_packages()["base"], small_packages()["tool-osx"])]
    tools = [
        build_package(name="builder", version="1.0"),
        build_package(name="builder", version="2.0", depends=["helper"]),
        build_package(name="helper", version="1.0"),
    ]
    for each in tools:
        world.publish(each)
    records = {each.file_name: each.record for each in (small_packages()["base"], *tools)}
    (world.root / "conda-forge/noarch/repodata.json").write_bytes(repodata("noarch", records))
    cells = {"linux-64": [locked[0]], "osx-arm64": locked}
    lock = world.lock("workspace", environments={"default": cells}, version=7)
    text = lock.read_text().replace("\npackages:\n", "\npackages:\n- conda_source: mine[1a2b3c4d] @ ./mine\n")
    for platform in cells:
        text = text.replace(
            f"      {platform}:\n", f"      {platform}:\n      - conda_source: mine[1a2b3c4d] @ ./mine\n"
        )
    lock.write_text(text)
    (lock.parent / "mine").mkdir()
    (lock.parent / "mine/pixi.toml").write_text(BUILD)
    return lock


def test_without_the_option_status_names_what_will_not_build_offline_and_why(world, workspace):
    found = world.run_json("update", "--lock", workspace)
    (row,) = found["checkout"]
    assert (row["path"], row["builds_offline"]) == ("./mine", False)
    assert [(each["entry"], each["lacks"]) for each in found["unbuildable"]] == [
        ("mine @ ./mine", ['builder[version=">=2"]'])
    ]
    assert 'the mirror lacks builder[version=">=2"]' in world.run("status").stdout


def test_a_package_that_does_not_say_how_it_is_built_will_not_build_offline(world, workspace):
    (workspace.parent / "mine/pixi.toml").write_text("")
    found = world.run_json("update", "--lock", workspace)
    assert [each["builds_offline"] for each in found["checkout"]] == [False]
    assert [each["lacks"] for each in found["unbuildable"]] == [None]
    assert "nothing here says what building it needs" in world.run("status").stdout


@pytest.mark.rattler
def test_the_backend_is_resolved_once_pinned_and_mirrored_for_every_platform(world, workspace):
    found = world.run_json("update", "--lock", workspace, "--with-build-requirements")
    assert {path.rpartition("/")[2] for path in found["fetched"]} >= {"builder-2.0-0.conda", "helper-1.0-0.conda"}
    told = world.run_json("status")
    assert ([each["builds_offline"] for each in told["checkout"]], told["unbuildable"]) == ([True], [])
    assert "will not build" not in world.run("status").stdout
    assert not [*world.mirror.rglob("builder-1.0-0.conda")]
    assert world.run("verify").status == 0
    assert world.run("verify", "--solve").status == 0
    before = len(world.requests)
    world.run_json("update")
    assert len(world.requests) == before


@pytest.mark.rattler
def test_a_backend_that_no_channel_has_is_status_7_and_the_locked_packages_are_there(world, workspace):
    (workspace.parent / "mine/pixi.toml").write_text(BUILD.replace("builder", "nowhere"))
    found = world.run_json("update", "--lock", workspace, "--with-build-requirements", status=7)
    assert "nowhere" in found["error"]["message"]
    assert [*world.mirror.rglob("base-*.conda")]


@pytest.mark.rattler
def test_a_backend_comes_through_mirrors_and_is_filed_under_its_own_channel(world, workspace):
    text = BUILD.replace('version = ">=2"', 'version = ">=2", channels = ["https://tools.example/conda-forge"]')
    (workspace.parent / "mine/pixi.toml").write_text(text)
    config = world.directory / "config.toml"
    config.write_text(f'[mirrors]\n"https://tools.example" = ["{world.upstream.url}"]\n')
    world.run_json("update", "--lock", workspace, "--with-build-requirements", "--config-file", config)
    assert (world.mirror / "tools.example/conda-forge/noarch/builder-2.0-0.conda").is_file()
    assert (world.mirror / "tools.example/conda-forge/noarch/repodata.json").is_file()
    assert world.run_json("status")["checkout"][0]["builds_offline"] is True
