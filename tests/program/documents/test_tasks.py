"""pixi.toml: its tasks are there and call what is there, and pixi.lock is solved for its dependencies."""

import re
import shlex
import tomllib
from pathlib import Path

import pytest
import yaml
from harness.child import ROOT
from harness.corpus import CORPUS

TASKS = {
    "develop", "mirror", "mirror-update", "mirror-index", "mirror-serve", "demo", "test", "test-full", "lint",
    "types", "check", "build", "site",
}  # fmt: skip
_SOLVED = ("workspace", "dependencies", "feature", "environments")


@pytest.fixture(scope="module")
def solved_for():
    """The directory with the workspace that pixi.lock was solved for."""
    directory = CORPUS / "workspace"
    if not (directory / "pixi.toml").exists():
        pytest.skip("the corpus is not here")
    return directory


@pytest.fixture(scope="module")
def lock():
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load((ROOT / "pixi.lock").read_bytes(), Loader=loader)


def features(manifest, environment):
    """The tables that an environment is made of, the one of the workspace first."""
    told = manifest["environments"][environment]
    names = told["features"] if isinstance(told, dict) else told
    own = [] if isinstance(told, dict) and told.get("no-default-feature") else [manifest]
    return own + [manifest["feature"][name] for name in names]


def dependencies(manifest, environment):
    return {name for table in features(manifest, environment) for name in table.get("dependencies", {})}


def programs(task):
    """The programs that a task calls, one for each command of its line."""
    line = task.get("cmd", "")
    words = shlex.split(line, comments=False) if isinstance(line, str) else line
    starts = [0] + [place + 1 for place, word in enumerate(words) if word in {"&&", "||", ";", "|"}]
    return [words[start] for start in starts if start < len(words)]


def test_the_tasks_are_these(manifest):
    assert set(manifest["tasks"]) == TASKS


def test_mirror_update_mirrors_the_environment_prod_of_this_workspace(manifest):
    assert manifest["tasks"]["mirror-update"]["cmd"] == "pixi-mirror -e prod"
    assert "prod" in manifest["environments"]


@pytest.mark.parametrize("task", sorted(TASKS))
def test_a_task_says_what_it_does(manifest, task):
    assert re.fullmatch(r"[A-Za-z].{5,}[^.]", manifest["tasks"][task]["description"])


@pytest.mark.parametrize("task", sorted(TASKS))
def test_a_task_calls_a_command_of_the_project_or_a_dependency(manifest, project, task):
    told = manifest["tasks"][task]
    assert programs(told) or told.get("depends-on"), "it does nothing"
    assert set(programs(told)) <= set(project["scripts"]) | dependencies(manifest, "default")


@pytest.mark.parametrize("task", sorted(TASKS))
def test_a_task_that_calls_a_command_of_the_project_installs_the_project_first(manifest, project, task):
    told = manifest["tasks"][task]
    if set(programs(told)) & {*project["scripts"], "pytest"}:
        assert "develop" in told["depends-on"]


@pytest.mark.parametrize("task", sorted(TASKS))
def test_a_task_depends_on_tasks_and_not_on_itself(manifest, task):
    def before(name, seen):
        assert name not in seen, f"{name} depends on itself"
        for each in manifest["tasks"][name].get("depends-on", []):
            before(each, {*seen, name})

    before(task, set())


def test_check_is_all_that_must_hold(manifest):
    assert set(manifest["tasks"]["check"]["depends-on"]) == {"lint", "types", "site", "test"}


def test_the_files_that_a_task_names_are_there(manifest):
    for told in manifest["tasks"].values():
        assert all((ROOT / each).exists() for each in told.get("inputs", []))
    recipe = re.search(r"--recipe (\S+)", manifest["tasks"]["build"]["cmd"])[1]
    assert (ROOT / recipe).is_file()


def test_the_manifest_asks_for_what_the_lock_was_solved_for(manifest, solved_for):
    theirs = tomllib.loads((solved_for / "pixi.toml").read_text(encoding="utf-8"))
    assert {key: manifest.get(key) for key in _SOLVED} == {key: theirs.get(key) for key in _SOLVED}
    assert manifest.keys() - {"tasks"} == theirs.keys() - {"tasks"}


def test_the_lock_is_the_one_that_was_solved(solved_for):
    assert (ROOT / "pixi.lock").read_bytes() == (solved_for / "pixi.lock").read_bytes()


def test_the_lock_has_the_environments_channels_and_platforms_of_the_manifest(manifest, lock):
    assert lock["environments"].keys() == manifest["environments"].keys()
    for told in lock["environments"].values():
        assert [each["url"].rstrip("/").rpartition("/")[2] for each in told["channels"]] == manifest["workspace"][
            "channels"
        ]
        assert set(told["packages"]) == set(manifest["workspace"]["platforms"])


def test_the_lock_has_every_dependency_in_every_environment_that_asks_for_it(manifest, lock):
    for environment, told in lock["environments"].items():
        asked = dependencies(manifest, environment)
        assert asked
        for platform, entries in told["packages"].items():
            locked = {Path(each["conda"]).name.rsplit("-", 2)[0] for each in entries if "conda" in each}
            assert asked <= locked, (environment, platform)
