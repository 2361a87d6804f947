"""What building conda source packages needs and no lock names: resolved once, mirrored, and said by `status`."""

import os
import shutil

import pytest
from harness.examples import first
from harness.python_index import PythonIndex
from harness.python_tools import uv_program
from harness.repository import Repository
from harness.world import small_packages

from pixi_mirror.conda.repodata import repodata
from pixi_mirror.demo.distributions import build_wheel
from pixi_mirror.demo.packages import build_package
from pixi_mirror.lockfile.writer import PypiLockEntry

BUILD = '[package]\nname = "mine"\nversion = "1"\n\n[package.build]\nbackend = { name = "builder", version = ">=2" }\n'


@pytest.fixture
def channel(world):
    """The channel has a build backend in two versions, with what it depends on; no lock names any of them."""
    tools = [
        build_package(name="builder", version="1.0"),
        build_package(name="builder", version="2.0", depends=["helper"]),
        build_package(name="helper", version="1.0"),
    ]
    for each in tools:
        world.publish(each)
    records = {each.file_name: each.record for each in (small_packages()["base"], *tools)}
    (world.root / "conda-forge/noarch/repodata.json").write_bytes(repodata("noarch", records))


@pytest.fixture
def workspace(world, channel):
    """A workspace with a conda package of its own, whose manifest names the build backend."""
    locked = [world.publish(package) for package in (small_packages()["base"], small_packages()["tool-osx"])]
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


# Manifests in commits


@pytest.fixture
def repository(world):
    """A repository with a conda package in a folder, and a Python package at the top."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    repository = Repository(world.directory / "git" / "org" / "thing.git")
    repository.commit({"README": "one"})
    return repository


@pytest.fixture
def led(world):
    """Whoever asks git.example is led to the repositories of this test."""
    config = world.home / "gitconfig"
    config.parent.mkdir(exist_ok=True)
    config.write_text(f'[url "{(world.directory / "git").as_uri()}/"]\n\tinsteadOf = https://git.example/\n')
    return {"GIT_CONFIG_GLOBAL": str(config), "PATH": os.environ["PATH"]}


def lock_with(world, location, more=""):
    """A lock with a conda source package at this location."""
    base = world.publish(small_packages()["base"])
    lock = world.lock("workspace", environments={"default": {"linux-64": [base]}}, version=7)
    line = f"- conda_source: mine[1a2b3c4d] @ {location}\n"
    text = lock.read_text().replace("      linux-64:\n", f"      linux-64:\n      {line}")
    lock.write_text(text.replace("\npackages:\n", f"\npackages:\n{line}{more}"))
    return lock


@pytest.mark.rattler
def test_the_manifest_in_a_commit_names_the_backend(world, channel, repository, led):
    commit = repository.commit({"recipes/mine/pixi.toml": BUILD})
    repository.commit({"recipes/mine/pixi.toml": BUILD.replace("builder", "newer")})
    lock = lock_with(world, f"git+https://git.example/org/thing.git?branch=main&subdirectory=recipes%2Fmine#{commit}")
    assert world.run("update", "--lock", lock, env=led).status == 0
    (told,) = world.run_json("status")["unbuildable"]
    assert told["entry"].startswith("mine @ git+https://git.example/org/thing.git")
    assert (told["workspace"], told["lacks"]) == ("workspace", ['builder[version=">=2"]'])
    assert "will not build offline: mine @ git+https://git.example/org/thing.git" in world.run("status").stdout
    found = world.run_json("update", "--lock", lock, "--with-build-requirements", env=led)
    assert {path.rpartition("/")[2] for path in found["fetched"]} >= {"builder-2.0-0.conda", "helper-1.0-0.conda"}
    assert world.run_json("status")["unbuildable"] == []
    assert "will not build" not in world.run("status").stdout
    assert world.run("verify").status == 0
    shutil.rmtree(repository.path)  # what was read once is recorded
    before = len(world.requests)
    assert world.run_json("update", env={"PATH": ""})["fetched"] == []
    assert len(world.requests) == before


@pytest.mark.parametrize(
    "files",
    first(1, [{"pixi.toml": "not toml"}, {"pixi.toml": "x = 1\n" * (1 << 18)}, {"other/pixi.toml": BUILD}]),
    ids=["broken", "huge", "elsewhere"],
)
def test_a_commit_that_does_not_say_how_it_is_built_will_not_build_offline(world, repository, led, files):
    commit = repository.commit(files)
    lock = lock_with(world, f"git+https://git.example/org/thing.git#{commit}")
    assert world.run("update", "--lock", lock, env=led).status == 0
    assert [each["lacks"] for each in world.run_json("status")["unbuildable"]] == [None]


@pytest.mark.parametrize("subdirectory", first(2, ["..", "../..", "/etc", ".%2F..", "a%0Ab", "%3Ax"]))
def test_no_subdirectory_leads_out_of_the_commit(world, repository, led, subdirectory):
    commit = repository.commit({"pixi.toml": BUILD})
    (repository.path.parent / "pixi.toml").write_text(BUILD)
    lock = lock_with(world, f"git+https://git.example/org/thing.git?subdirectory={subdirectory}#{commit}")
    assert world.run("update", "--lock", lock, env=led).status == 0
    assert [each["lacks"] for each in world.run_json("status")["unbuildable"]] == [None]


def test_the_manifest_of_one_repository_may_name_the_source_in_another(world, repository, led):
    other = Repository(world.directory / "git" / "org" / "source.git")
    source, manifest = other.commit({"x.c": "int x;"}), repository.commit({"pixi.toml": BUILD})
    more = f"  source:\n    git: https://git.example/org/source.git\n    branch: main\n    rev: {source}\n"
    lock = lock_with(world, f"git+https://git.example/org/thing.git#{manifest}", more)
    found = world.run_json("update", "--lock", lock, env=led)
    wanted = {
        (each["path"].partition("/objects")[0], each["version"]) for each in found["wanted"] if each["kind"] == "git"
    }
    assert wanted == {("git.example/org/thing.git", manifest), ("git.example/org/source.git", source)}
    assert [each["lacks"] for each in world.run_json("status")["unbuildable"]] == [['builder[version=">=2"]']]


@pytest.mark.parametrize("of", first(1, ["a commit", "a directory"]))
def test_a_python_source_says_what_building_it_needs_where_no_file_of_an_index_is_locked(world, repository, led, of):
    index = PythonIndex(world)
    index.publish(build_wheel(name="backend", version="3.0"), name="backend", version="3.0")
    text = '[build-system]\nrequires = ["backend>=2"]\nbuild-backend = "backend"\n'
    commit = repository.commit({"python/pyproject.toml": text})
    (world.directory / "workspace/own").mkdir(parents=True)
    (world.directory / "workspace/own/pyproject.toml").write_text(text)
    place = "./own" if of == "a directory" else f"git+https://git.example/org/thing.git?subdirectory=python#{commit}"
    python = world.publish(build_package(name="python", version="3.12.1", subdir="linux-64"))
    cells = {"default": {"linux-64": [python, PypiLockEntry(url=place, name="thing")]}}
    lock = world.lock("workspace", environments=cells, indexes=[index.url], version=7)
    assert world.run("update", "--lock", lock, env=led).status == 0
    assert [each["lacks"] for each in world.run_json("status")["unbuildable"]] == [["backend>=2"]]
    assert "the mirror lacks backend>=2" in world.run("status").stdout
    if not uv_program().exists():
        pytest.skip("needs uv beside this Python: the extra `python-tools`")
    env = {**led, "PATH": f"{uv_program().parent}{os.pathsep}{led['PATH']}"}
    done = world.run("update", "--lock", lock, "--with-build-requirements", env=env)
    assert done.status == 0, done.stderr
    assert [*world.mirror.rglob("backend-3.0-*.whl")]
    assert world.run_json("status")["unbuildable"] == []
    assert "backend" in (world.mirror / "simple/index.html").read_text()


@pytest.mark.parametrize("place", ["a directory", "a commit"])
def test_an_archive_that_a_conda_package_is_built_from_is_lacking_because_it_is_not_mirrored(
    world, repository, led, place
):
    commit = repository.commit({"recipe.yaml": ""})
    (world.directory / "workspace/own").mkdir(parents=True)
    (world.directory / "workspace/own/recipe.yaml").write_text("")
    more = "  source:\n    url: https://u:secret@files.example/x-1.0.tar.gz\n    sha256: " + "a" * 64 + "\n"
    location = "./own" if place == "a directory" else f"git+https://git.example/org/thing.git#{commit}"
    assert world.run("update", "--lock", lock_with(world, location, more), env=led).status == 0
    (told,) = world.run_json("status")["unbuildable"]
    assert told["lacks"] == ["pixi-build-rattler-build", "https://files.example/x-1.0.tar.gz"]
    assert "secret" not in (world.mirror / "pixi-mirror.json").read_text()
