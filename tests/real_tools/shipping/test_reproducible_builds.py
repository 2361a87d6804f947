"""What is shipped: the same bytes from the same sources wherever they are built, and nothing in them but ours."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile

import pytest
import yaml
from harness.child import ROOT

_SHIPPED = ("pixi_mirror", "docs", "recipe", "README.md", "CHANGELOG.md", "LICENSE", "pyproject.toml")
_BUILD = """
import os, sys
os.umask(int(sys.argv[2], 8))
from hatchling.build import build_sdist, build_wheel
print(build_wheel(sys.argv[1]), build_sdist(sys.argv[1]))
"""


def copied(where, *, mode):
    """The sources as a checkout of somebody else has them: another place, other times and modes, and leftovers."""
    where.mkdir()
    for name in _SHIPPED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(
                source, where / name, ignore=shutil.ignore_patterns("__pycache__"), copy_function=shutil.copy
            )
        else:
            shutil.copy(source, where / name)
    for folder, _, files in os.walk(where):
        for name in files:
            os.chmod(os.path.join(folder, name), mode)
            os.utime(os.path.join(folder, name), (1_000_000_000 + mode, 1_000_000_000 + mode))
    return where


def built(sources, out, *, umask, env):
    """The wheel and the sdist."""
    surroundings = {"PATH": os.defpath, "SOURCE_DATE_EPOCH": "1700000000", "PYTHONDONTWRITEBYTECODE": "1", **env}
    out.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", _BUILD, out, umask],
        cwd=sources, env=surroundings, capture_output=True, text=True, check=True, timeout=100,
    )  # fmt: skip
    return [out / name for name in done.stdout.split()]


@pytest.fixture(scope="module")
def twice(tmp_path_factory):
    """Both distributions, built twice in other surroundings."""
    root = tmp_path_factory.mktemp("wheel")
    first = {"TZ": "Asia/Tokyo", "PYTHONHASHSEED": "1", "LC_ALL": "C"}
    second = {"TZ": "America/New_York", "PYTHONHASHSEED": "2", "LC_ALL": "C.UTF-8", "HOME": str(root)}
    return (
        built(copied(root / "one", mode=0o644), root / "out-one", umask="022", env=first),
        built(copied(root / "two", mode=0o600), root / "out-two", umask="077", env=second),
    )


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.recipe
def test_two_builds_are_the_same_bytes(twice):
    (wheel, sdist), (other_wheel, other_sdist) = twice
    assert (wheel.name, sdist.name) == (other_wheel.name, other_sdist.name)
    assert digest(wheel) == digest(other_wheel)
    assert digest(sdist) == digest(other_sdist)


@pytest.mark.recipe
def test_the_wheel_holds_every_file_of_the_package_and_nothing_else(twice):
    (wheel, _), _ = twice
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    ours = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "pixi_mirror").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert names == ours


@pytest.mark.recipe
def test_the_sdist_has_no_link_no_owner_and_nothing_executable(twice):
    (_, sdist), _ = twice
    with tarfile.open(sdist) as archive:
        for member in archive:
            assert member.isfile() or member.isdir(), member.name
            assert (member.uid, member.gid, member.mode & 0o022) == (0, 0, 0), member.name


def test_every_locked_package_of_the_project_has_a_sha256(manifest):
    """What `pixi install --locked` brings for us is checked as what we mirror for others is."""
    lock = yaml.load((ROOT / "pixi.lock").read_text(encoding="utf-8"), yaml.CSafeLoader)
    rows = [row for row in lock["packages"] if "." not in row.values()]
    assert len(rows) > 50
    assert [row for row in rows if not re.fullmatch("[0-9a-f]{64}", row.get("sha256", ""))] == []
    plain = [row for row in rows if not (row.get("conda") or row.get("pypi")).startswith("https://")]
    assert plain == []


def test_every_tool_that_ci_fetches_beside_the_lock_has_a_version():
    """`pip install .[extras]` takes what the index has; what is compiled or downloaded by name must be told exactly."""
    text = (ROOT / ".ci/run").read_text(encoding="utf-8")
    for line in re.findall(r"cargo install [^\n]*", text):
        assert "--locked" in line, line
        assert re.search(r"--version \d+\.\d+\.\d+", line), line
    assert not re.search(r"(curl|wget)[^\n]*\|", text)
