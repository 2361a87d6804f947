"""The world that other tests live in is true: what its locks name can be fetched, and lies about mirrors come out."""

import hashlib
import os
import subprocess
import sys
import urllib.request
from pathlib import Path

import harness.world
import pytest
import yaml
from harness.world import small_packages

LYING = """
import json, pytest

def write(tmp_path):
    place = tmp_path / "mirror" / "conda-forge" / "noarch"
    place.mkdir(parents=True)
    (tmp_path / "mirror" / "pixi-mirror.json").write_text("{}")
    record = {"name": "gone", "sha256": "0" * 64}
    document = {"info": {"subdir": "noarch"}, "packages.conda": {"gone-1-0.conda": record}}
    (place / "repodata.json").write_text(json.dumps(document))

def test_lies(tmp_path):
    write(tmp_path)

@pytest.mark.broken_mirror("it is the fault that is looked for")
def test_is_excused(tmp_path):
    write(tmp_path)

@pytest.mark.broken_mirror
def test_is_not_excused_without_a_reason(tmp_path):
    write(tmp_path)

def test_leaves_no_mirror(tmp_path):
    (tmp_path / "file").touch()
"""


def test_a_test_that_leaves_a_lying_mirror_fails(tmp_path):
    (tmp_path / "test_lying.py").write_text(LYING)
    here = Path(harness.world.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "conftest", "-c", here.parent / "pyproject.toml", "-rA",
         "-p", "no:cacheprovider", "-n", "0", "--rootdir", tmp_path, tmp_path],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(here), str(here.parent)])},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    summary = done.stdout.partition("short test summary info")[2]
    errors = [line.partition(" - ")[0].rpartition("::")[2] for line in summary.splitlines() if line.startswith("ERROR")]
    assert errors == ["test_lies", "test_is_not_excused_without_a_reason"], done.stdout
    assert "lists conda-forge/noarch/gone-1-0.conda, which is not there" in done.stdout
    assert "3 passed, 2 errors" in summary


@pytest.mark.parametrize("version", [6, 7])
def test_what_a_lock_names_can_be_fetched_and_has_its_hash(world, version):
    lock = yaml.safe_load(world.workspace(version=version).read_text())
    assert lock["version"] == version
    assert lock["environments"].keys() == {"default", "prod"}
    assert len(lock["packages"]) == len(small_packages())
    for entry in lock["packages"]:
        with urllib.request.urlopen(entry["conda"]) as response:
            assert hashlib.sha256(response.read()).hexdigest() == entry["sha256"]
    assert len(world.requests) == len(small_packages())


def test_a_hotfixed_record_differs_from_the_archive(world):
    published = world.publish(small_packages()["pure"])
    lock = world.lock("w", environments={"default": {"linux-64": [published.hotfixed(depends=["base <2025"])]}})
    (entry,) = yaml.safe_load(lock.read_text())["packages"]
    assert entry["depends"] == ["base <2025"]
    assert small_packages()["pure"].record["depends"] == ["base"]


def test_urls_may_stand_below_another_address(world):
    published = world.publish(small_packages()["base"], channel="other", base="https://conda.anaconda.org/")
    assert published.url == "https://conda.anaconda.org/other/noarch/base-2024.1-0.conda"
    lock = yaml.safe_load(world.lock("w", environments={"default": {"linux-64": [published]}}).read_text())
    assert lock["environments"]["default"]["channels"] == [{"url": "https://conda.anaconda.org/other/"}]


def test_the_user_has_no_settings_of_the_machine(world, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("PIXI_MIRROR_OUTPUT", "/elsewhere")
    assert not {name for name in world.environment if "PROXY" in name.upper() or name == "PIXI_MIRROR_OUTPUT"}
    assert Path(world.environment["HOME"]).parent == world.directory
