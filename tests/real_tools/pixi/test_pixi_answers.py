"""The real pixi, where it is on PATH, asked about a small workspace whose channel is on loopback."""

import os
import shutil
import subprocess
import sys

import pytest
from harness.world import small_packages

from pixi_mirror.conda.repodata import repodata

pytestmark = [
    pytest.mark.pixi,
    pytest.mark.skipif(shutil.which("pixi") is None, reason="no pixi on PATH"),
    pytest.mark.skipif(sys.platform == "win32", reason="the extension is a script"),
]

MANIFEST = """\
[workspace]
name = "small"
channels = ["{channel}"]
platforms = ["linux-64", {{ name = "mac", platform = "osx-arm64", macos = "13.5" }}]

[dependencies]
tool = "*"

[feature.prod]
platforms = ["linux-64"]
[feature.prod.dependencies]
pure = "*"

[environments]
prod = {{ features = ["prod"], no-default-feature = true }}
"""


@pytest.fixture
def workspace(world, tmp_path):
    """A workspace that the real pixi has locked, and the environment of its user, whose `pixi mirror` is ours."""
    records: dict[str, dict] = {"noarch": {}, "linux-64": {}, "osx-arm64": {}}
    for package in small_packages().values():
        world.publish(package)
        records[package.record["subdir"]][package.file_name] = package.record
    for subdir, of in records.items():
        (world.root / "conda-forge" / subdir).mkdir(exist_ok=True)
        (world.root / "conda-forge" / subdir / "repodata.json").write_bytes(repodata(subdir, of))
    directory = tmp_path / "small"
    directory.mkdir()
    (directory / "pixi.toml").write_text(MANIFEST.format(channel=f"{world.upstream.url}/conda-forge"))
    extension = tmp_path / "bin" / "pixi-mirror"
    extension.parent.mkdir()
    extension.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m pixi_mirror "$@"\n')
    extension.chmod(0o755)
    pixi = shutil.which("pixi")
    path = os.pathsep.join([str(extension.parent), os.path.dirname(pixi), world.environment["PATH"]])
    environ = {**world.environment, "PATH": path, "PIXI_CACHE_DIR": str(world.home / "pixi-cache")}
    subprocess.run([pixi, "lock"], cwd=directory, env=environ, check=True, capture_output=True)
    return directory, environ


def run(workspace, *words, status=0):
    directory, environ = workspace
    done = subprocess.run(["pixi", *words], cwd=directory, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    return done


def test_pixi_mirror_e_prod_in_a_workspace_mirrors_it(workspace):
    run(workspace, "mirror", "-e", "prod")
    found = {path.name for path in (workspace[0] / "mirror").rglob("*.conda")}
    assert found == {"base-2024.1-0.conda", "pure-1.0-pyhd8ed1ab_0.conda"}
    assert "nothing to do" in run(workspace, "mirror", "-e", "prod").stdout


def test_platforms_go_by_their_names_in_the_manifest(workspace):
    run(workspace, "mirror", "-p", "mac")
    assert [path.parent.name for path in (workspace[0] / "mirror").rglob("tool-*.conda")] == ["osx-arm64"]


def test_a_stale_lock_is_refused_where_that_is_asked(workspace):
    manifest = workspace[0] / "pixi.toml"
    manifest.write_text(manifest.read_text().replace('pure = "*"', 'pure = "*"\nold-thing = "*"'))
    assert "not up-to-date" in run(workspace, "mirror", "-e", "prod", "--locked", status=3).stderr
    run(workspace, "mirror", "-e", "prod")


def test_a_manifest_that_does_not_load_is_refused_in_pixis_words(workspace):
    (workspace[0] / "pixi.toml").write_text("[workspace\nname = 3")
    assert "expected a right bracket" in run(workspace, "mirror", "-e", "prod", status=3).stderr
