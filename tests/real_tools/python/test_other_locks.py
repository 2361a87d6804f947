"""Locks that the real uv and pip make are mirrored, and installed from the mirror by the tool that made them."""

import hashlib
import re
import subprocess
import sys
from urllib.parse import unquote

import pytest
from harness.python_index import PythonIndex
from harness.python_tools import PythonTools, StaticServer, uv_program

from pixi_mirror.demo.distributions import build_sdist, build_wheel

pytestmark = pytest.mark.python_tools

THING = build_wheel(name="thing", version="1.0", requires_dist=["other>=1"])
OTHER = build_wheel(name="other", version="1.0")
WINDOWS = build_wheel(name="onlywin", version="1.0")
EXTRA = build_wheel(name="extra", version="2.0+local.1")
TOOL = build_wheel(name="tool", version="3.0")
PROJECT = """\
[project]
name = "proj"
version = "0.1"
requires-python = ">=3.11"
dependencies = ["thing", "onlywin; sys_platform == 'win32'"]
[project.optional-dependencies]
more = ["extra"]
old = ["pick==0.9"]
new = ["pick==1.0"]
[dependency-groups]
lint = ["tool"]
[tool.uv]
package = false
conflicts = [[{ extra = "old" }, { extra = "new" }]]
"""


@pytest.fixture(autouse=True)
def _programs():
    if not uv_program().exists():
        pytest.skip("needs uv beside this Python: the extra `python-tools`")


@pytest.fixture
def tools(world):
    folder = world.directory / "proj"
    folder.mkdir()
    return PythonTools(directory=folder)


@pytest.fixture
def index(world):
    index = PythonIndex(world)
    picks = [build_wheel(name="pick", version=version) for version in ("0.9", "1.0")]
    for each in (THING, OTHER, WINDOWS, EXTRA, TOOL, *picks):
        name, version = each.file_name.split("-")[:2]
        index.publish(each, name=name, version=version)
    return index


def mirrored(world, *args):
    done = world.run(*args, "--all-environments")
    assert done.status == 0, done.stderr
    return done


def cells(world):
    """Environment and platform -> the names of the projects there."""
    found = {}
    for row in world.run_json("--dry-run")["wanted"]:
        for target in row["targets"]:
            found.setdefault((target["environment"], target["platform"]), set()).add((row["name"], row["version"]))
    return found


def locked_by_uv(tools, index):
    (tools.directory / "pyproject.toml").write_text(PROJECT, encoding="utf-8")
    done = tools.uv_itself("lock", "--default-index", index.url)
    assert done.status == 0, done.stderr


def test_a_uv_lock_is_mirrored_with_its_extras_groups_markers_and_conflicts(world, index, tools):
    locked_by_uv(tools, index)
    mirrored(world, "--lock", "proj/uv.lock")
    found = cells(world)
    assert found["group:lint", "linux-64"] == {("thing", "1.0"), ("other", "1.0"), ("tool", "3.0")}
    assert found["extra:old", "linux-64"] == {("thing", "1.0"), ("other", "1.0"), ("pick", "0.9")}
    assert found["extra:new", "linux-64"] == {("thing", "1.0"), ("other", "1.0"), ("pick", "1.0")}
    assert ("extra", "2.0+local.1") in found["extra:more", "osx-arm64"]
    assert ("onlywin", "1.0") in found["default", "win-64"]
    assert ("onlywin", "1.0") not in found["default", "linux-64"]
    assert "nothing to do" in world.run().stdout


@pytest.mark.parametrize("form", ["requirements.txt", "pylock.toml"])
def test_what_uv_exports_of_its_lock_is_installed_from_the_mirror_by_uv(world, index, tools, form):
    locked_by_uv(tools, index)
    exported = tools.directory / form
    options = ("--no-emit-project", "--extra", "more", "-o", exported)
    done = tools.uv_itself("export", "--default-index", index.url, "--format", form, *options)
    assert done.status == 0, done.stderr
    mirrored(world, "--lock", "proj/uv.lock")
    world.upstream.close()
    if form == "pylock.toml":
        with_paths(exported, world)
        done = tools.uv("install", "--target", tools.directory / "t", "--offline", "--no-index", "-r", exported)
    else:
        with StaticServer(world.mirror) as served:
            page = f"{served.url}/simple/"
            options = ("--require-hashes", "--default-index", page, "-r", exported)
            done = tools.uv("install", "--target", tools.directory / "t", *options)
    assert done.status == 0, done.stderr
    names = {path.name for path in (tools.directory / "t").iterdir()}
    assert {"thing.py", "other.py", "extra.py"} <= names


def with_paths(lock, world):
    """As docs/locks.md has it: each URL becomes the path of the same file in the mirror."""
    text = lock.read_text(encoding="utf-8")
    place = f'path = "../mirror/{world.authority_path}/'
    text, count = re.subn(rf'url = "{world.upstream.url}/([^"]*)', lambda url: place + unquote(url[1]), text)
    assert count > 1
    lock.write_text(text, encoding="utf-8")


def test_a_pylock_of_uv_is_mirrored_and_installed_by_uv(world, index, tools):
    (tools.directory / "in.txt").write_text("thing\nonlywin; sys_platform == 'win32'\n", encoding="utf-8")
    lock = tools.directory / "pylock.toml"
    options = ("--default-index", index.url, "--universal", "--format", "pylock.toml", "-o", lock)
    done = tools.uv("compile", tools.directory / "in.txt", *options)
    assert done.status == 0, done.stderr
    mirrored(world, "--lock", "proj/pylock.toml")
    found = cells(world)
    assert {name for name, _ in found["default", "linux-64"]} == {"thing", "other"}
    assert {name for name, _ in found["default", "win-64"]} == {"thing", "other", "onlywin"}
    world.upstream.close()
    with_paths(lock, world)
    done = tools.uv("install", "--target", tools.directory / "t", "--offline", "--no-index", "-r", lock)
    assert done.status == 0, done.stderr
    assert (tools.directory / "t" / "thing.py").exists()


def pip_version():
    done = subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True, text=True, check=False)
    return int(done.stdout.split()[1].split(".")[0]) if done.returncode == 0 else 0


@pytest.mark.skipif(pip_version() < 26, reason="needs pip 26, which makes and installs pylock.toml")
def test_a_pylock_of_pip_is_mirrored_and_installed_by_pip(world, index, tools):
    sdist = build_sdist(name="made", version="1.0")
    index.publish(sdist, name="made", version="1.0")
    lock = tools.directory / "pylock.toml"
    done = tools.pip("lock", "thing", "--index-url", index.url, "-o", lock)
    assert done.status == 0, done.stderr
    done = mirrored(world, "--lock", "proj/pylock.toml")
    assert "made by pip" in done.stderr
    held = {path.name: path for path in (world.mirror / world.authority_path / "files").rglob("*.whl")}
    assert hashlib.sha256(held[THING.file_name].read_bytes()).hexdigest() == THING.sha256
    world.upstream.close()
    with_paths(lock, world)
    done = tools.pip("install", "--target", tools.directory / "t", "--no-index", "-r", lock)
    assert done.status == 0, done.stderr
    assert {"thing.py", "other.py"} <= {path.name for path in (tools.directory / "t").iterdir()}


@pytest.mark.parametrize("tool", ["uv", "pip"])
def test_requirements_that_uv_exports_are_mirrored_and_installed_from_the_mirror(world, index, tools, tool):
    locked_by_uv(tools, index)
    exported = tools.directory / "requirements.txt"
    options = ("--no-emit-project", "--extra", "more", "--emit-index-url", "-o", exported)
    done = tools.uv_itself("export", "--default-index", index.url, "--format", "requirements.txt", *options)
    assert done.status == 0, done.stderr
    text = exported.read_text(encoding="utf-8")
    assert f"--index-url {index.url}" in text
    mirrored(world, "--lock", "proj/requirements.txt")
    found = cells(world)
    assert found["default", "linux-64"] == {("thing", "1.0"), ("other", "1.0"), ("extra", "2.0+local.1")}
    assert ("onlywin", "1.0") in found["default", "win-64"]
    assert "nothing to do" in world.run().stdout
    world.upstream.close()
    exported.write_text(text.replace(f"--index-url {index.url}\n", ""), encoding="utf-8")
    with StaticServer(world.mirror) as served:
        page, target = f"{served.url}/simple/", ("--target", tools.directory / "t", "--require-hashes", "-r", exported)
        install = tools.uv if tool == "uv" else tools.pip
        done = install("install", "--default-index" if tool == "uv" else "--index-url", page, *target)
    assert done.status == 0, done.stderr
    assert {"thing.py", "other.py", "extra.py"} <= {path.name for path in (tools.directory / "t").iterdir()}


def test_requirements_that_uv_compiles_with_an_index_of_pixis_configuration_are_mirrored(world, index, tools):
    (tools.directory / "in.txt").write_text("thing\n", encoding="utf-8")
    compiled = tools.directory / "locked.txt"
    options = ("--default-index", index.url, "--generate-hashes", "-o", compiled)
    done = tools.uv("compile", tools.directory / "in.txt", *options)
    assert done.status == 0, done.stderr
    (world.directory / "config.toml").write_text(f'[pypi-config]\nindex-url = "{index.url}"\n', encoding="utf-8")
    mirrored(world, "--lock", "proj/locked.txt", "--config-file", "config.toml")
    assert {name for name, _ in cells(world)["default", "linux-64"]} == {"thing", "other"}


def test_uv_syncs_from_the_mirror_with_a_copy_of_its_lock_that_has_the_mirrors_address(world, index, tools):
    locked_by_uv(tools, index)
    mirrored(world, "--lock", "proj/uv.lock")
    world.upstream.close()
    lock = tools.directory / "uv.lock"
    with StaticServer(world.mirror) as served:
        text = lock.read_text(encoding="utf-8")
        text = text.replace(f'url = "{world.upstream.url}/', f'url = "{served.url}/{world.authority_path}/')
        lock.write_text(text, encoding="utf-8")
        done = tools.uv_itself("sync", "--frozen", "--extra", "more", "--group", "lint")
        assert done.status == 0, done.stderr
        assert served.asked_for(".whl")
    assert lock.read_text(encoding="utf-8") == text
    installed = {path.name for path in (tools.directory / ".venv").rglob("*.py")}
    assert {"thing.py", "other.py", "extra.py", "tool.py"} <= installed
