"""Twenty real wheels are installed as the library `installer` does it, and in the same way by both ways of unpacking.

They come from `PIXI_MIRROR_WHEELS`, a folder of wheels, or from pip's registry where that can be reached.
"""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from harness.conda_packages import Link, conda_package
from harness.packs import pack_files
from harness.unpacking import WAYS, Bench, tree

from pixi_mirror.demo.distributions import BuiltDistribution
from pixi_mirror.environments.platform import own_subdir

pytestmark = [pytest.mark.python_tools, pytest.mark.timeout(300)]

PROJECTS = [
    "attrs",
    "blinker",
    "certifi",
    "charset-normalizer",
    "click",
    "flask",
    "greenlet",
    "idna",
    "iniconfig",
    "ipykernel",
    "itsdangerous",
    "jinja2",
    "jupyterlab-widgets",
    "markupsafe",
    "ninja",
    "packaging",
    "pip",
    "pluggy",
    "pyyaml",
    "requests",
    "ruff",
    "setuptools",
    "urllib3",
    "werkzeug",
    "wheel",
]
"""With scripts, data, headers, entry points, compiled parts, and metadata of many writers."""
SITE = "lib/python3.12/site-packages"
HERE = own_subdir()


@pytest.fixture(scope="module")
def wheels(tmp_path_factory):
    folder = Path(os.environ.get("PIXI_MIRROR_WHEELS") or tmp_path_factory.mktemp("wheels"))
    found = sorted(folder.glob("*.whl"))
    if not found:
        words = ["download", "-q", "--no-deps", "--only-binary", ":all:", "--python-version", "3.12", "-d", folder]
        done = subprocess.run([sys.executable, "-m", "pip", *words, *PROJECTS], capture_output=True, check=False)
        if done.returncode:
            pytest.skip("no registry can be reached, and PIXI_MIRROR_WHEELS names no wheels")
        found = sorted(folder.glob("*.whl"))
    assert len(found) >= 20
    return found


@pytest.fixture
def bench(tmp_path):
    return Bench(folder=tmp_path)


def packed(wheels):
    python = {"bin/python3.12": b"#!/bin/sh\n", "bin/python": Link(target="python3.12")}
    python = conda_package("python", python, version="3.12.1", subdir=HERE, extension="tar.bz2")
    given = []
    for path in wheels:
        name, version, *_ = path.name.split("-")
        data = path.read_bytes()
        given.append(
            BuiltDistribution(
                file_name=path.name, data=data, sha256=hashlib.sha256(data).hexdigest(), metadata=b"",
            )
        )  # fmt: skip
        assert name
        assert version
    return pack_files([python], given, platform=HERE)


def test_both_ways_make_the_same_of_them(bench, wheels):
    ours, bare = (bench.made(way, packed(wheels)) for way in WAYS)
    assert {path for path in {*ours, *bare} if ours.get(path) != bare.get(path)} == set()


def with_installer(wheels, prefix, project):
    installer = pytest.importorskip("installer")
    from installer.destinations import SchemeDictionaryDestination
    from installer.sources import WheelFile

    for path in wheels:
        site = str(prefix / SITE)
        places = {"purelib": site, "platlib": site, "scripts": str(prefix / "bin"), "data": str(prefix)}
        places["headers"] = str(prefix / "include/python3.12" / project(path))
        destination = SchemeDictionaryDestination(places, interpreter=str(prefix / "bin/python"), script_kind="posix")
        with WheelFile.open(path) as source:
            installer.install(source, destination, additional_metadata={"INSTALLER": b"pixi-mirror\n"})


def test_the_library_installer_makes_the_same_of_them(bench, wheels):
    bench.write(packed(wheels))
    bench.run("unpack")
    ours = tree(bench.env)
    theirs = bench.folder / "theirs"
    with_installer(wheels, theirs, lambda path: path.name.split("-")[0])
    found = tree(theirs)
    commands = {path for path in found if path.startswith("bin/") and b"sys.exit(" in found[path][2]}
    for path, told in found.items():
        if told[0] == "folder" or path.endswith(".dist-info/RECORD"):
            continue
        assert path in ours
        if path not in commands:  # whose words are ours
            assert ours[path][2] == told[2].replace(os.fsencode(theirs), os.fsencode(bench.env)), path
        # Where the archive has no mode a file is as the umask says.
        assert bool(ours[path][1] & 0o100) == bool(told[1] & 0o100) or path.startswith("bin/"), path
        assert not path.startswith("bin/") or ours[path][1] == 0o755
    mine = {path for path, told in ours.items() if told[0] == "file" and not path.startswith("conda-meta/")}
    extra = mine - found.keys() - {"bin/python3.12"}
    assert {path.rpartition("/")[2] for path in extra} <= {"pixi-mirror.json"}
