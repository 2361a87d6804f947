"""The conda package: its recipe agrees with the project, and it is built, installed and run for real.

rattler-build and py-rattler do it (extra `recipe`), from nothing but what this machine has installed: every proxy leads
to a closed port, so that a request would be a failure.
"""

import json
import os
import re
import shutil
import sys
from pathlib import Path

import pytest
import yaml
from harness.child import ROOT, Completed, run_program, user_environment
from harness.runnable import packages_of_installed, python_package, rattler_index_package, write_channel

import pixi_mirror

RECIPE = ROOT / "recipe" / "recipe.yaml"
_OFFLINE = {f"{scheme}_proxy": "http://127.0.0.1:9" for scheme in ("http", "https", "all")}


@pytest.fixture(scope="module")
def recipe():
    return yaml.safe_load(RECIPE.read_text(encoding="utf-8"))


def normalised(requirement):
    """A requirement in one spelling; a recipe has no markers, and takes what some Pythons need on all of them."""
    return requirement.partition(";")[0].replace(" ", "")


def test_the_recipe_has_the_version_of_the_program_and_of_the_project(recipe, project, manifest):
    version = pixi_mirror.__version__
    assert recipe["context"]["version"] == version
    assert recipe["package"]["version"] == "${{ version }}"
    assert project["version"] == version
    assert manifest["workspace"]["version"] == version


def test_the_recipe_runs_with_what_the_project_needs_and_rattler_index(recipe, project):
    needs = {normalised(each) for each in project["dependencies"]} | {f"python{project['requires-python']}"}
    told = {normalised(each) for each in recipe["requirements"]["run"]}
    assert needs < told
    assert {re.split("[<>=]", each)[0] for each in told - needs} == {"rattler-index"}


def test_the_recipe_has_the_dependencies_of_the_workspace(recipe, manifest):
    told = {normalised(each) for each in recipe["requirements"]["run"]}
    assert told < {f"{name}{spec}" for name, spec in manifest["dependencies"].items()}


def test_the_recipe_has_the_commands_of_the_project(recipe, project):
    assert recipe["build"]["python"]["entry_points"] == [f"{k} = {v}" for k, v in project["scripts"].items()]


def test_the_recipe_says_of_the_package_what_the_project_does(recipe, project):
    assert recipe["about"]["summary"] == project["description"]
    assert recipe["about"]["license"] == project["license"]
    assert [recipe["about"]["license_file"]] == project["license-files"]


# What follows builds.


def run(home: Path, *words: object, path: str = os.defpath) -> Completed:
    """Run a program as a user whose home is `home`, with no network and without this checkout on Python's path."""
    environment = user_environment(home) | _OFFLINE | {"RATTLER_CACHE_DIR": str(home / "rattler"), "PATH": path}
    del environment["PYTHONPATH"]
    return run_program(*words, env=environment, cwd=home)


def tool(home: Path, *words: object) -> str:
    done = run(home, sys.executable, ROOT / "tests" / "harness" / "conda_tools.py", *words)
    assert done.status == 0, f"{words[0]} ended with {done.status}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def channel(tmp_path_factory, home):
    """A channel made on this machine: Python, pip, hatchling, and what pixi-mirror needs."""
    if not sys.platform.startswith("linux") or os.uname().machine != "x86_64":
        pytest.skip("the channel whose Python runs is made for linux-64 alone")
    directory = tmp_path_factory.mktemp("made") / "channel"
    needed = ["pyyaml", "requests", "tqdm", "platformdirs", "pip", "hatchling", "packaging", "backports.zstd"]
    write_channel(directory, [python_package(), rattler_index_package(), *packages_of_installed(needed)])
    tool(home, "index", directory)
    return directory


@pytest.fixture(scope="module")
def built(tmp_path_factory, home, channel):
    """A channel with the package that rattler-build made of this checkout; the recipe's own tests have passed."""
    directory = tmp_path_factory.mktemp("built") / "channel"
    tool(home, "build", RECIPE, directory, channel)
    tool(home, "index", directory)
    return directory


@pytest.fixture(scope="module")
def prefix(tmp_path_factory, home, channel, built):
    """An environment in which py-rattler has installed `pixi-mirror`, knowing nothing but that name."""
    directory = tmp_path_factory.mktemp("installed") / "prefix"
    installed = tool(home, "install", directory, "pixi-mirror", built, channel).split()
    assert {each.rsplit("-", 2)[0] for each in installed} >= {"python", "pixi-mirror", "rattler-index", "requests"}
    return directory


@pytest.mark.recipe
def test_the_built_package_is_noarch_and_has_the_record_of_the_recipe(built, recipe):
    index = json.loads((built / "noarch" / "repodata.json").read_text(encoding="utf-8"))
    (record,) = index["packages.conda"].values()
    assert record["noarch"] == "python"
    assert (record["name"], record["version"]) == ("pixi-mirror", pixi_mirror.__version__)
    assert sorted(record["depends"]) == sorted(recipe["requirements"]["run"])


@pytest.mark.recipe
def test_the_installed_package_is_whole_and_is_not_this_checkout(prefix, home):
    asked = "import pixi_mirror; print(pixi_mirror.__file__)"
    package = Path(run(home, prefix / "bin/python", "-c", asked).stdout.strip()).parent
    assert package.is_relative_to(prefix)
    sources = {each.relative_to(ROOT / "pixi_mirror") for each in (ROOT / "pixi_mirror").rglob("*.py")}
    assert {each.relative_to(package) for each in package.rglob("*.py")} == sources
    assert (package / "py.typed").exists()


@pytest.mark.recipe
def test_the_installed_program_tells_its_version_and_shows_its_demo(prefix, home):
    told = run(home, prefix / "bin/pixi-mirror", "--version")
    assert (told.status, told.stdout.strip()) == (0, f"pixi-mirror {pixi_mirror.__version__}"), told.stderr
    shown = run(home, prefix / "bin/pixi-mirror", "demo", home / "stage")
    assert shown.status == 0, shown.stderr
    assert "all is as recorded" in shown.stdout


@pytest.mark.recipe
def test_pixi_would_find_the_installed_program_as_its_extension(prefix, home, tmp_path):
    # As pixi does: an executable `pixi-X` on PATH takes the place of `pixi X`, with the words after it as they are.
    pixi = tmp_path / "pixi"
    pixi.write_text('#!/bin/sh\nname=$1\nshift\nexec "pixi-$name" "$@"\n', encoding="utf-8")
    pixi.chmod(0o755)
    path = os.pathsep.join([str(prefix / "bin"), os.defpath])
    assert shutil.which("pixi-mirror", path=path) == str(prefix / "bin/pixi-mirror")
    told = run(home, pixi, "mirror", "--version", path=path)
    assert (told.status, told.stdout.strip()) == (0, f"pixi-mirror {pixi_mirror.__version__}"), told.stderr
    assert run(home, pixi, "mirror", "stats", path=path).status == 2


@pytest.mark.recipe
def test_the_installed_program_uses_the_rattler_index_that_came_with_it(built, channel, home, world):
    prefix = world.directory / "prefix"
    tool(home, "install", prefix, "pixi-mirror", built, channel)
    if (prefix / "bin/rattler-index").read_bytes().startswith(b"#!"):
        pytest.skip("this machine has no rattler-index; a stand-in was packaged")
    lock = world.workspace()
    words = ("--lock", lock, "-e", "prod", "-o", world.mirror, "--index", "rattler-index")
    done = run(home, prefix / "bin/pixi-mirror", *words)
    assert done.status == 0, done.stderr
    assert list(world.mirror.rglob("linux-64/repodata.json.zst"))
