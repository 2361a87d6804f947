"""py-rattler, which is pixi's engine, installs from a primed cache and asks nobody."""

import json
import socket
import subprocess
import sys

import pytest
from harness.world import CHANNEL, small_packages

from pixi_mirror.demo.packages import build_package

pytestmark = pytest.mark.rattler

# A program of its own that leaves by `os._exit`, as `harness.conda_tools` does and tells why.
PROGRAM = """\
import asyncio, json, os, sys, traceback
from pathlib import Path
import rattler

def records():
    for raw in json.loads(sys.argv[1]):
        package = rattler.PackageRecord.from_index_json(raw["index"])
        package.sha256 = bytes.fromhex(raw["sha256"])
        yield rattler.RepoDataRecord(package, raw["file_name"], raw["url"], raw["channel"])

async def main():
    await rattler.install(list(records()), target_prefix=sys.argv[2], cache_dir=Path(sys.argv[3]), show_progress=False)

status = 0
try:
    asyncio.run(main())
except BaseException:
    traceback.print_exc()
    status = 1
sys.stderr.flush()
os._exit(status)
"""


@pytest.fixture
def closed_port():
    """The URL of a port at which nobody listens, and nobody will."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


def install(world, packages, url, *, cache="pixi-cache"):
    records = []
    for number, package in enumerate(packages):
        index = world.directory / f"index{number}.json"
        index.write_text(json.dumps(dict(package.record)), encoding="utf-8")
        channel = f"{url}/{CHANNEL}"
        records.append(
            {
                "index": str(index),
                "sha256": package.record["sha256"],
                "file_name": package.file_name,
                "url": f"{channel}/{package.record['subdir']}/{package.file_name}",
                "channel": channel,
            }
        )
    return subprocess.run(
        [
            sys.executable,
            "-c",
            PROGRAM,
            json.dumps(records),
            world.directory / "prefix",
            world.directory / cache / "pkgs",
        ],
        env=world.environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


@pytest.fixture
def packages(world):
    """What an environment of a mirror is made of."""
    tool = build_package(
        name="linked", subdir="linux-64", files={"bin/linked": b"#!/bin/sh\necho linked\n", "lib/a.so.1": b"elf"}
    )
    old = small_packages()["old"]
    packages = [small_packages()["base"], tool, old]
    world.lock("workspace", environments={"default": {"linux-64": [world.publish(each) for each in packages]}})
    assert world.run("--lock", "workspace/pixi.lock").status == 0
    return packages


def test_an_environment_is_installed_from_a_primed_cache_with_no_server(world, packages, closed_port):
    words = ("prime", "-p", "linux-64", "--pixi-cache-dir", "pixi-cache")
    assert world.run(*words).status == 0
    revisions = {each.name: each.read_bytes() for each in (world.directory / "pixi-cache/pkgs").glob("*.lock")}
    done = install(world, packages, closed_port)
    assert done.returncode == 0, done.stderr
    prefix = world.directory / "prefix"
    assert len(list((prefix / "conda-meta").glob("*.json"))) == 3
    assert subprocess.run([prefix / "bin/linked"], capture_output=True, text=True, check=True).stdout == "linked\n"
    # rattler took the entries as they were, and so they still are for us.
    assert (
        revisions.items()
        <= {each.name: each.read_bytes() for each in (world.directory / "pixi-cache/pkgs").glob("*.lock")}.items()
    )
    assert world.run_json(*words)["primed"] == []


def test_without_priming_the_same_installation_fails(world, packages, closed_port):
    done = install(world, packages, closed_port)
    assert done.returncode != 0


def test_what_rattler_has_put_there_is_not_primed_again(world, packages):
    done = install(world, packages, world.upstream.url.rstrip("/"))
    assert done.returncode == 0, done.stderr
    primed = world.run_json("prime", "-p", "linux-64", "--pixi-cache-dir", "pixi-cache")
    assert (primed["primed"], len(primed["there"])) == ([], 3)
