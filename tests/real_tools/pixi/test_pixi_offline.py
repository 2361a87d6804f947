"""The real pixi, where it is on PATH: an unchanged workspace works from a served mirror, its upstream shut."""

import json
import os
import shutil
import subprocess
import sys

import pytest
from harness.python_index import PythonIndex
from harness.runnable import python_package
from harness.serving import served
from harness.upstream import status

from pixi_mirror.conda.repodata import repodata
from pixi_mirror.demo.distributions import build_wheel
from pixi_mirror.demo.packages import build_package

pytestmark = [
    pytest.mark.pixi,
    pytest.mark.timeout(600),
    pytest.mark.skipif(shutil.which("pixi") is None, reason="no pixi on PATH"),
    pytest.mark.skipif(
        not sys.platform.startswith("linux") or os.uname().machine != "x86_64",
        reason="the channel whose Python runs is made for linux-64 alone",
    ),
]

MANIFEST = """\
# A comment that stays.
[workspace]
name = "small"
channels = ["{channel}"]
platforms = ["linux-64"]

[pypi-options]
index-url = "{index}"

[dependencies]
python = "*"
greeting = "*"

[pypi-dependencies]
spoken = "*"

[feature.more.dependencies]
extra = "*"

[environments]
more = ["more"]
"""
PLAIN = """\
[workspace]
name = "plain"
channels = ["{channel}"]
platforms = ["linux-64"]

[dependencies]
python = "*"
greeting = "*"
"""
MAPPING = "https://conda-mapping.prefix.dev"


def package(name, code):
    files = {f"site-packages/{name}.py": code}
    return build_package(name=name, noarch="python", build="py_0", depends=["python"], files=files)


@pytest.fixture
def workspace(world):
    """A workspace that pixi has locked and that is mirrored whole; its upstream answers nothing any more."""
    records = {"noarch": {}, "linux-64": {}}
    for built in (
        python_package(),
        package("greeting", b"def greet():\n    return 'hello from the mirror'\n"),
        package("extra", b"EXTRA = True\n"),
    ):
        world.publish(built)
        # As the true host answers for what is not on PyPI; a lock tells which of its sources an answer came from.
        known = {"pypi_normalized_names": None, "versions": None, "conda_name": built.record["name"]}
        known |= {"package_name": built.file_name, "direct_url": None}
        world.upstream.put(f"/mapping/hash-v0/{built.record['sha256']}", json.dumps(known).encode())
        records[built.record["subdir"]][built.file_name] = built.record
    for subdir, of in records.items():
        (world.root / "conda-forge" / subdir / "repodata.json").write_bytes(repodata(subdir, of))
    index = PythonIndex(world)
    times = {"upload-time": "2024-06-07T18:52:13Z", "core-metadata": False}
    index.publish(build_wheel(name="spoken", version="1.0"), name="spoken", version="1.0", **times)
    world.upstream.put("/mapping/compressed-v0/compressed_mapping.json", b"{}")
    directory = world.directory / "small"
    directory.mkdir()
    manifest = MANIFEST.format(channel=f"{world.upstream.url}/conda-forge", index=index.url)
    (directory / "pixi.toml").write_text(manifest, encoding="utf-8")
    # While there is a network, the mapping host is reached, too.
    config = world.directory / "with-network.toml"
    config.write_text(f'[mirrors]\n"{MAPPING}" = ["{world.upstream.url}/mapping"]\n', encoding="utf-8")
    pixi(world, "lock", cache="first", more={"PIXI_CONFIG_FILE": str(config)})
    done = world.run("-m", directory, "--all-environments", env={"PATH": os.environ["PATH"]})
    assert done.status == 0, done.stderr
    world.upstream.script("*", status(503))
    world.upstream.forget_requests()
    return directory


@pytest.fixture
def url(world, workspace):
    """The mirror, served; the workspace is configured to use it."""
    with served(world.mirror, env=world.environment) as address:
        done = world.run("config", world.mirror, "--url", address, "--write", cwd=workspace)
        assert done.status == 0, done.stderr
        yield address
    assert world.requests == [], "something was asked of upstream"


def pixi(world, *words, cache, more=None, workspace="small"):
    """Run pixi in a workspace, with a cache of its own that begins empty."""
    environment = world.environment | {
        "PATH": os.environ["PATH"],
        "PIXI_CACHE_DIR": str(world.directory / f"pixi-cache-{cache}"),
        **(more or {}),
    }
    done = subprocess.run(
        ["pixi", *words], cwd=world.directory / workspace, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def contents(workspace):
    return {name: (workspace / name).read_bytes() for name in ("pixi.toml", "pixi.lock")}


@pytest.mark.parametrize("how", ["--frozen", "--locked"])
def test_an_unchanged_workspace_installs(world, workspace, url, how):
    before = contents(workspace)
    pixi(world, "install", how, cache=how)
    said = pixi(world, "run", how, "python", "-c", "import greeting, spoken; print(greeting.greet())", cache=how)
    assert "hello from the mirror" in said
    assert contents(workspace) == before


def test_a_lock_that_is_solved_again_is_the_same_lock(world, workspace, url):
    before = contents(workspace)
    (workspace / "pixi.lock").unlink()
    pixi(world, "lock", cache="again")
    assert contents(workspace) == before


def test_adding_a_mirrored_package_changes_only_what_it_adds(world, workspace, url):
    before = (workspace / "pixi.lock").read_text(encoding="utf-8")
    pixi(world, "add", "extra", cache="add")
    after = (workspace / "pixi.lock").read_text(encoding="utf-8")
    gone = set(before.splitlines()) - set(after.splitlines())
    assert not gone
    assert url not in after
    assert "/extra-1.0-py_0.conda" in after


def test_pixi_exec_takes_a_mirrored_package(world, workspace, url):
    channel = f"{world.upstream.url}/conda-forge"
    words = ("--channel", channel, "--spec", "python", "--spec", "greeting", "python", "-c")
    said = pixi(world, "exec", *words, "import greeting; print(greeting.greet())", cache="exec")
    assert "hello from the mirror" in said


def test_a_primed_cache_is_enough_to_install_with_no_server(world, workspace, url):
    plain = world.directory / "plain"
    plain.mkdir()
    channel = f"{world.upstream.url}/conda-forge"
    (plain / "pixi.toml").write_text(PLAIN.format(channel=channel), encoding="utf-8")
    assert world.run("config", world.mirror, "--url", url, "--write", cwd=plain).status == 0
    pixi(world, "lock", cache="lock", workspace="plain")
    assert world.run("config", world.mirror, "--remove", cwd=plain).status == 0  # nobody is to be asked from here on
    followed = world.run("--lock", plain / "pixi.lock", env={"PATH": os.environ["PATH"]})
    assert followed.status == 0, followed.stderr
    cache = world.directory / "pixi-cache-primed"
    primed = world.run("prime", "--lock", plain / "pixi.lock", "--pixi-cache-dir", cache)
    assert primed.status == 0, primed.stderr
    pixi(world, "install", "--frozen", "--offline", cache="primed", workspace="plain")
    words = ("run", "--frozen", "python", "-c", "import greeting; print(greeting.greet())")
    assert "hello from the mirror" in pixi(world, *words, cache="primed", workspace="plain")
