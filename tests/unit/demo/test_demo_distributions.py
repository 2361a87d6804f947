"""Built wheels and sdists are what pip takes for such, byte for byte the same each time."""

import base64
import csv
import gzip
import hashlib
import importlib.util
import io
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from harness.child import python_environment

from pixi_mirror.demo.distributions import build_sdist, build_wheel

needs_pip = pytest.mark.skipif(importlib.util.find_spec("pip") is None, reason="there is no pip")


def wheel(**changes):
    return build_wheel(
        **{
            "name": "Hello.World",
            "version": "1.0",
            "requires_python": ">=3.8",
            "entry_points": {"console_scripts": {"hello": "hello_world:main"}},
            "payload_size": 1000,
            **changes,
        }
    )


def sdist(**changes):
    return build_sdist(**{"name": "Hello.World", "version": "1.0", "build_requires": (), **changes})


def test_the_bytes_are_those_of_the_day_the_builder_was_written():
    found = [wheel().sha256, sdist().sha256, sdist(extension="zip").sha256]
    assert found == [
        "4131c222917893fb77cc4e9c7485bab54d26efa7520696ce3c2943aed2269d4c",
        "a33adf27d9624d86b7ba16bc931e4dba1a65de38a6adf776ea3f569bd41423b7",
        "d6192491309c695f2f651a8ba290a6d596b51ddaa4af770b30b9e1342d515ca7",
    ]


def test_the_same_description_gives_the_same_bytes_in_another_process():
    code = "import test_demo_distributions as t; print(t.wheel().sha256, t.sdist().sha256)"
    elsewhere = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        check=True,
        text=True,
        cwd=Path(__file__).parent,
        env=python_environment() | {"PYTHONPATH": os.pathsep.join(sys.path), "PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo"},
    )
    assert elsewhere.stdout.split() == [wheel().sha256, sdist().sha256]


def test_the_sha256_is_that_of_the_bytes():
    for built in (wheel(), sdist()):
        assert built.sha256 == hashlib.sha256(built.data).hexdigest()


@pytest.mark.parametrize(
    ("changes", "file_name"),
    [
        ({}, "hello_world-1.0-py3-none-any.whl"),
        ({"build": "2"}, "hello_world-1.0-2-py3-none-any.whl"),
        ({"version": "1.0+a-b", "tag": "cp311-abi3-win_amd64"}, "hello_world-1.0+a_b-cp311-abi3-win_amd64.whl"),
    ],
)
def test_a_wheel_is_named_after_pep_427(changes, file_name):
    assert wheel(**changes).file_name == file_name


def test_the_record_lists_every_file_with_its_true_hash_and_size():
    with zipfile.ZipFile(io.BytesIO(wheel(files={"a,b.txt": b"comma"}).data)) as archive:
        itself = "hello_world-1.0.dist-info/RECORD"
        rows = {path: rest for path, *rest in csv.reader(io.StringIO(archive.read(itself).decode()))}
        assert rows.pop(itself) == ["", ""]
        assert rows.keys() == set(archive.namelist()) - {itself}
        for path, (digest, size) in rows.items():
            data = archive.read(path)
            expected = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
            assert (digest, int(size)) == (f"sha256={expected}", len(data))


def test_a_wheel_of_several_tags_lists_each_and_whether_it_is_pure():
    with zipfile.ZipFile(io.BytesIO(wheel(tag="py2.py3-none-any", build="7").data)) as archive:
        lines = archive.read("hello_world-1.0.dist-info/WHEEL").decode().splitlines()
    assert lines[2:] == ["Root-Is-Purelib: true", "Tag: py2-none-any", "Tag: py3-none-any", "Build: 7"]
    with zipfile.ZipFile(io.BytesIO(wheel(tag="cp311-abi3-win_amd64").data)) as archive:
        assert b"Root-Is-Purelib: false" in archive.read("hello_world-1.0.dist-info/WHEEL")


def test_the_metadata_stand_in_the_archives_as_they_are_told():
    described = {"requires_dist": ["other >=1; extra == 'test'"], "requires_python": ">=3.8"}
    built = wheel(**described, extra_metadata=["Provides-Extra: test"])
    with zipfile.ZipFile(io.BytesIO(built.data)) as archive:
        assert archive.read("hello_world-1.0.dist-info/METADATA") == built.metadata
    lines = built.metadata.decode().splitlines()
    assert lines[:3] == ["Metadata-Version: 2.1", "Name: Hello.World", "Version: 1.0"]
    assert lines[4:] == [
        "Requires-Python: >=3.8",
        "Requires-Dist: other >=1; extra == 'test'",
        "Provides-Extra: test",
    ]
    source = sdist(**described)
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(source.data))) as archive:
        assert archive.extractfile("hello_world-1.0/PKG-INFO").read() == source.metadata


@pytest.mark.parametrize(
    ("changes", "wanted", "unwanted"),
    [
        ({}, {"pyproject.toml", "build_backend/demo_backend.py"}, {"setup.py"}),
        ({"build_backend": "setuptools.build_meta"}, {"pyproject.toml"}, {"build_backend/demo_backend.py"}),
        ({"with_pyproject": False}, {"setup.py"}, {"pyproject.toml", "build_backend/demo_backend.py"}),
    ],
)
def test_an_sdist_holds_what_its_way_of_building_needs(changes, wanted, unwanted):
    with zipfile.ZipFile(io.BytesIO(sdist(**changes, extension="zip").data)) as archive:
        names = {name.removeprefix("hello_world-1.0/") for name in archive.namelist()}
    assert wanted | {"PKG-INFO", "hello_world.py"} <= names
    assert not names & unwanted


def test_what_a_build_requires_is_listed():
    import tomllib

    for backend in (None, "setuptools.build_meta"):
        built = sdist(build_requires=["setuptools>=61", "wheel"], build_backend=backend, requires_dist=["other"])
        with tarfile.open(fileobj=io.BytesIO(gzip.decompress(built.data))) as archive:
            text = archive.extractfile("hello_world-1.0/pyproject.toml").read().decode()
        document = tomllib.loads(text)
        assert document["build-system"]["requires"] == ["setuptools>=61", "wheel"]
        assert document.get("project", {}).get("name") == (backend and "Hello.World")


@needs_pip
@pytest.mark.parametrize(
    "built",
    [wheel(), *(pytest.param(each, marks=pytest.mark.python_tools) for each in (sdist(), sdist(extension="zip")))],
    ids=lambda built: built.file_name,
)
def test_pip_installs_it_and_python_imports_it(tmp_path, built):
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / built.file_name).write_bytes(built.data)
    options = [
        "--isolated",
        "--no-input",
        "--disable-pip-version-check",
        "--no-cache-dir",
        "--no-index",
        "--no-compile",
    ]
    environment = python_environment() | {"HOME": str(tmp_path)}
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "install",
            *options,
            "--find-links",
            "links",
            "--target",
            "out",
            "hello-world==1.0",
        ],
        check=True,
        capture_output=True,
        cwd=tmp_path,
        env=environment,
    )
    code = "import hello_world; print(hello_world.__version__, hello_world.__file__)"
    run = [sys.executable, "-c", code]
    told = subprocess.run(
        run, check=True, capture_output=True, text=True, cwd=tmp_path, env={**environment, "PYTHONPATH": "out"}
    ).stdout.split()
    assert told[0] == "1.0"
    assert (tmp_path / told[1]).is_relative_to(tmp_path / "out")
