"""The real pixi-pack, pixi-unpack, conda and micromamba, where they are on PATH: each reads what the other wrote."""

import os
import shutil
import subprocess
import sys
import tarfile

import pytest
from harness.child import run_program
from harness.runnable import python_package

from pixi_mirror.demo.distributions import build_wheel
from pixi_mirror.demo.packages import build_package
from pixi_mirror.lockfile.writer import PypiLockEntry

pytestmark = [
    pytest.mark.real,
    pytest.mark.timeout(300),
    pytest.mark.skipif(
        not sys.platform.startswith("linux") or os.uname().machine != "x86_64",
        reason="the packages whose Python runs are made for linux-64 alone",
    ),
]

LINUX = ("-p", "linux-64")
WHEEL = build_wheel(name="spoken", version="1.0")


def program(name):
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"no {name} on PATH")
    return found


def locked(world, *, with_python):
    """A workspace whose default environment has a `.conda`, a `.tar.bz2`, and maybe a Python that runs and a wheel."""
    files = {"bin/tool": b"#!/bin/sh\necho tool works\n"}
    packages = [
        build_package(name="base", version="2024.1", files={"share/base.txt": b"base\n"}),
        build_package(name="tool", subdir="linux-64", depends=["base >=2024"], files=files),
        build_package(name="old-thing", version="0.5", subdir="linux-64", extension="tar.bz2"),
    ]
    entries = [world.publish(package) for package in packages]
    if with_python:
        url = world.upstream.put(f"/files/{WHEEL.file_name}", WHEEL.data)
        entries.append(world.publish(python_package()))
        entries.append(PypiLockEntry(url=url, name="spoken", version="1.0", sha256=WHEEL.sha256))
    return world.lock("workspace", environments={"default": {"linux-64": entries}}).parent


def packed(world, *words):
    done = world.run("pack", "workspace", *LINUX, *words)
    assert done.status == 0, done.stderr
    return world.directory / "environment.tar"


def ran(world, *command, cwd=None):
    """Run a client that cannot reach anybody, with what it keeps below the world's home."""
    dead = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), "http://127.0.0.1:1")
    root = {"MAMBA_ROOT_PREFIX": str(world.home / "mamba"), "CONDA_PKGS_DIRS": str(world.home / "pkgs")}
    environment = world.environment | dead | root | {"PATH": os.environ["PATH"], "PIXI_CACHE_DIR": str(world.home)}
    done = run_program(*command, env=environment, cwd=cwd or world.directory)
    assert done.status == 0, done.stdout + done.stderr
    return done


@pytest.mark.parametrize("words", [(), ("--strict-compat",)], ids=["ours", "strict"])
def test_pixi_unpack_makes_an_environment_of_our_pack(world, words):
    locked(world, with_python=True)
    pack = packed(world, *words)
    ran(world, program("pixi-unpack"), pack, "-o", world.directory / "there")
    prefix = world.directory / "there" / "env"
    said = subprocess.run([prefix / "bin/tool"], capture_output=True, text=True, check=True)
    assert said.stdout == "tool works\n"
    assert (prefix / "share/base.txt").read_bytes() == b"base\n"
    assert {path.name.partition("-")[0] for path in (prefix / "conda-meta").glob("*.json")} >= {"base", "tool", "old"}
    subprocess.run([prefix / "bin/python", "-c", "import spoken"], check=True)


def test_pixi_unpack_opens_our_executable(world):
    locked(world, with_python=False)
    unpacker = program("pixi-unpack")
    done = world.run("pack", "workspace", *LINUX, "--create-executable", "--pixi-unpack-source", unpacker)
    assert done.status == 0, done.stderr
    ran(world, "bash", world.directory / "environment.sh", "-o", world.directory / "there")
    assert (world.directory / "there/env/bin/tool").exists()


def test_the_strict_pack_is_byte_for_byte_the_one_of_pixi_pack(world):
    locked(world, with_python=True)
    version = ran(world, program("pixi-pack"), "--version").stdout.split()[-1]
    theirs = world.directory / "theirs.tar"
    environment = world.environment | {"PATH": os.environ["PATH"]}
    words = ("workspace/pixi.toml", *LINUX, "-o", theirs)
    done = run_program(program("pixi-pack"), *words, env=environment, cwd=world.directory)
    assert done.status == 0, done.stderr
    ours = packed(world, "--strict-compat", "--compat-version", version)
    assert ours.read_bytes() == theirs.read_bytes()


def test_we_make_an_environment_of_a_pack_of_pixi_pack(world):
    locked(world, with_python=True)
    environment = world.environment | {"PATH": os.environ["PATH"]}
    words = ("workspace/pixi.toml", *LINUX, "-o", "theirs.tar")
    done = run_program(program("pixi-pack"), *words, env=environment, cwd=world.directory)
    assert done.status == 0, done.stderr
    unpacked = world.run("unpack", "theirs.tar", "-o", "there")
    assert unpacked.status == 0, unpacked.stderr
    subprocess.run([world.directory / "there/env/bin/python", "-c", "import spoken"], check=True)


COMMANDS = {
    "conda": {
        "environment": ("env", "create", "-y", "--offline", "-f", "environment.yml"),
        "explicit": ("create", "-y", "--offline", "--file", "conda-explicit.txt"),
    },
    "micromamba": {
        "environment": ("create", "-y", "--offline", "-f", "environment.yml"),
        "explicit": ("create", "-y", "--offline", "--file", "conda-explicit.txt"),
    },
}


@pytest.mark.parametrize("form", ["environment", "explicit"])
@pytest.mark.parametrize("client", COMMANDS)
def test_conda_and_micromamba_take_our_pack(world, client, form):
    locked(world, with_python=False)
    folder = world.directory / "opened"
    with tarfile.open(packed(world)) as tar:
        tar.extractall(folder, filter="data")
    prefix = world.directory / "there"
    ran(world, program(client), *COMMANDS[client][form], "-p", prefix, cwd=folder)
    said = subprocess.run([prefix / "bin/tool"], capture_output=True, text=True, check=True)
    assert said.stdout == "tool works\n"
