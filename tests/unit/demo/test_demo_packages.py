"""Built packages are what conda's own tools take for packages, byte for byte the same each time."""

import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from harness.child import python_environment

from pixi_mirror.archives.compression import decompress_zstd
from pixi_mirror.demo.packages import build_package, zstd_frame

SCRIPT = {"bin/hello": b"#!/bin/sh\necho hello\n", "share/doc/hello.txt": b"hello\n"}


def built(**changes):
    return build_package(
        **{
            "name": "hello",
            "subdir": "linux-64",
            "build": "h1234_2",
            "build_number": 2,
            "depends": ["base >=1.0,<2"],
            "constrains": ["other <3"],
            "track_features": ["slow", "old"],
            "files": SCRIPT,
            "payload_size": 300_000,
            "extra": {"license_family": "BSD"},
            **changes,
        }
    )


@pytest.mark.parametrize("extension", ["conda", "tar.bz2"])
def test_the_same_description_gives_the_same_bytes_in_another_process(extension):
    code = "import sys, test_demo_packages as t; sys.stdout.write(t.built(extension=sys.argv[1]).record['sha256'])"
    environment = python_environment() | {
        "PYTHONPATH": os.pathsep.join(sys.path),
        "PYTHONHASHSEED": "7",
        "TZ": "Asia/Tokyo",
    }
    elsewhere = subprocess.run(
        [sys.executable, "-c", code, extension],
        capture_output=True,
        check=True,
        text=True,
        cwd=Path(__file__).parent,
        env=environment,
    )
    assert elsewhere.stdout == built(extension=extension).record["sha256"]


def test_the_bytes_are_those_of_the_day_the_builder_was_written():
    assert built().record["sha256"] == "fed013977d7c0e79d1de6cf914198729c223b57c89b06f1bf43397e12ffd751f"


def test_the_record_tells_the_truth_about_the_bytes():
    package = built()
    assert package.file_name == "hello-1.0-h1234_2.conda"
    assert package.record["sha256"] == hashlib.sha256(package.data).hexdigest()
    assert package.record["md5"] == hashlib.md5(package.data).hexdigest()
    assert package.record["size"] == len(package.data)
    assert (package.record["platform"], package.record["arch"]) == ("linux", "x86_64")
    assert package.record["track_features"] == "slow old"
    assert "noarch" not in package.record


def test_a_noarch_package_names_no_platform():
    record = build_package(name="plain").record
    assert record["noarch"] == "generic"
    assert not {"platform", "arch"} & record.keys()


@pytest.mark.parametrize("size", [0, 1, 128 * 1024 - 1, 128 * 1024, 128 * 1024 + 1, 300_000])
def test_a_raw_frame_is_read_by_a_zstd_library(size):
    data = hashlib.shake_256(b"x").digest(size)
    assert decompress_zstd(zstd_frame(data)) == data


def test_the_archives_hold_the_same_info():
    with zipfile.ZipFile(io.BytesIO(built().data)) as archive:
        info = decompress_zstd(archive.read("info-hello-1.0-h1234_2.tar.zst"))
    whole = io.BytesIO(built(extension="tar.bz2").data)
    with tarfile.open(fileobj=io.BytesIO(info)) as new, tarfile.open(fileobj=whole) as old:
        assert old.getnames()[0].startswith("info/")
        for name in ("info/index.json", "info/paths.json"):
            assert json.load(new.extractfile(name)) == json.load(old.extractfile(name))
        assert old.getmember("bin/hello").mode == 0o755


@pytest.mark.parametrize("extension", ["conda", "tar.bz2"])
def test_conda_package_streaming_reads_every_member(extension):
    streaming = pytest.importorskip("conda_package_streaming.package_streaming")
    package = built(extension=extension)
    members = {
        member.name: archive.extractfile(member).read()
        for component in (["info", "pkg"] if extension == "conda" else ["pkg"])
        for archive, member in streaming.stream_conda_component(
            package.file_name, io.BytesIO(package.data), component=component
        )
    }
    assert {path: members[path] for path in SCRIPT} == SCRIPT
    assert len(members["share/hello/payload.bin"]) == 300_000


# py-rattler may crash when its process ends soon after an await, so it works in a child that leaves by os._exit.
RATTLER = """
import asyncio, json, os, sys
from pathlib import Path
import rattler

async def main(channel, prefix):
    await rattler.index.index_fs(channel, write_zst=False, write_shards=False)
    records = await rattler.solve([rattler.Channel(channel.as_uri())], ["hello"], platforms=["linux-64", "noarch"])
    await rattler.install(records=records, target_prefix=str(prefix), cache_dir=str(prefix.parent / "cache"))
    print(json.dumps([record.file_name for record in records]))

asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2])))
sys.stdout.flush()
os._exit(0)
"""


@pytest.mark.rattler
@pytest.mark.parametrize("extension", ["conda", "tar.bz2"])
def test_rattler_indexes_solves_and_installs_what_was_built(tmp_path, extension):
    pytest.importorskip("rattler")
    packages = [built(extension=extension), build_package(name="base", version="1.5", extension=extension)]
    for package in packages:
        path = tmp_path / "channel" / package.record["subdir"] / package.file_name
        path.parent.mkdir(parents=True)
        path.write_bytes(package.data)
    prefix = tmp_path / "prefix"
    done = subprocess.run(
        [sys.executable, "-c", RATTLER, tmp_path / "channel", prefix], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert sorted(json.loads(done.stdout)) == sorted(package.file_name for package in packages)
    assert (prefix / "share/doc/hello.txt").read_bytes() == SCRIPT["share/doc/hello.txt"]
    assert os.access(prefix / "bin/hello", os.X_OK)
    for package in packages:
        subdir = package.record["subdir"]
        repodata = json.loads((tmp_path / "channel" / subdir / "repodata.json").read_bytes())
        found = repodata["packages.conda" if extension == "conda" else "packages"][package.file_name]
        found.pop("indexed_timestamp", None)
        kept = ("name", "version", "build", "build_number", "sha256", "md5", "size", "timestamp", "license", "subdir")
        assert {key: found[key] for key in kept} == {key: package.record[key] for key in kept}
