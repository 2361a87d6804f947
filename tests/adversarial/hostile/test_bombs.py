"""Archives and indexes that grow without end when they are opened: little work, little memory, no harm."""

import bz2
import hashlib
import io
import json
import os
import struct
import sys
import tarfile
import zipfile
import zlib

import pytest
from harness.examples import first
from harness.python_index import PythonIndex
from harness.several import run_several

from pixi_mirror.archives.compression import zstd_library
from pixi_mirror.demo.distributions import BuiltDistribution, build_wheel
from pixi_mirror.demo.packages import build_package

zstd = zstd_library()

BYTES = 300_000_000
CALLS = 2_000_000
"""Function calls of a run; these make at most 815,000."""
GIGABYTES = 1


def deflated(piece, times):
    """A deflate stream of a piece as often as told, compressed but once: a megabyte spells a gigabyte."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    once = packer.compress(piece) + packer.flush(zlib.Z_FULL_FLUSH)
    return once * times + packer.flush()


def zeros_deflated(gigabytes):
    return deflated(bytes(1 << 24), gigabytes * 64)


def zipped(members):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return stream.getvalue()


def built(file_name, data):
    return BuiltDistribution(file_name=file_name, data=data, sha256=hashlib.sha256(data).hexdigest(), metadata=b"")


def wheel_of(name, data):
    return built(f"{name}-1.0-py3-none-any.whl", data)


def lying_wheel(name):
    """METADATA of gigabytes that calls itself a kilobyte."""
    info = f"{name}-1.0.dist-info/METADATA".encode()
    packed, said = zeros_deflated(GIGABYTES), 1000
    local = struct.pack("<4s5H3L2H", b"PK\3\4", 20, 0, 8, 0, 33, 0, len(packed), said, len(info), 0) + info + packed
    entry = struct.pack(
        "<4s6H3L5H2L", b"PK\1\2", 20, 20, 0, 8, 0, 33, 0, len(packed), said, len(info), 0, 0, 0, 0, 0, 0
    ) + info  # fmt: skip
    return wheel_of(name, local + entry + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, len(entry), len(local), 0))


def sdist_of(name, data):
    return built(f"{name}-1.0.tar.gz", data)


def bombs():
    """Name -> what makes a distribution that should cost nobody anything."""
    quine = zipped([("r/r.zip", zipped([("r/r.zip", zipped([("r.zip", b"")]))]))])
    endless = tarfile.TarInfo("tarbomb-1.0/zeros")
    endless.size = 1 << 40
    gzip_head = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"
    return {
        "lying": lambda: lying_wheel("lying"),
        "quine": lambda: wheel_of("quine", quine),
        "tarbomb": lambda: sdist_of("tarbomb", gzip_head + deflated(endless.tobuf() + bytes(1 << 24), 64) + bytes(8)),
        "huge": lambda: wheel_of("huge", zipped([("huge-1.0.dist-info/METADATA", bytes(70 << 20))])),
        "many": lambda: wheel_of("many", zipped((f"{number}", b"") for number in range(20_000))),
        "gzbomb": lambda: sdist_of("gzbomb", gzip_head + zeros_deflated(GIGABYTES) + bytes(8)),
    }


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells how much memory it took")
@pytest.mark.parametrize("kinds", first(1, [3, 6]))
def test_bombs_are_mirrored_as_they_are_and_opened_no_further_than_is_safe(world, kinds):
    index = PythonIndex(world)
    entries = []
    for name, build in [*bombs().items()][:kinds]:
        built = build()
        assert len(built.data) < 40 << 20
        entries.append(index.publish(built, name=name, version="1.0"))
    good = build_wheel(name="good", version="1.0", requires_python=">=3.8")
    entries.append(index.publish(good, name="good", version="1.0"))
    lines = []
    for number, entry in enumerate(entries):
        lock = world.lock(f"w{number}", environments={"default": {"linux-64": [entry]}}, indexes=[index.url], version=7)
        lines.append(["--lock", lock, "-o", f"m{number}"])
    for entry, done in zip(
        entries, run_several(lines, env=world.environment, cwd=world.directory, count_calls=True), strict=True
    ):
        assert done.status == 0, (entry.name, done)
        assert done.calls < CALLS, (entry.name, done.calls)
        assert done.peak < BYTES, (entry.name, done.peak)
    beside = {path.name for path in world.directory.glob("m*/**/*.metadata")}
    assert beside == {good.file_name + ".metadata"}


def compressed_zeros(megabytes, *, told):
    """A zstd frame of that many zeros, of which the header tells the length or not."""
    packer = zstd.ZstdCompressor(level=1)
    packer.set_pledged_input_size(megabytes << 20 if told else None)
    piece = bytes(1 << 24)
    return b"".join(packer.compress(piece) for _ in range(megabytes // 16)) + packer.flush()


@pytest.mark.broken_mirror("its indexes are bombs")
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells how much memory it took")
@pytest.mark.parametrize("told", first(1, [True, False]))
def test_an_index_that_is_a_bomb_is_a_finding(world, told):
    """A mirror may have come on somebody's disk; `verify` is what one asks then."""
    one = world.publish(build_package(name="one", subdir="linux-64"))
    lock = world.lock("workspace", environments={"default": {"linux-64": [one]}})
    assert world.run("--lock", lock).status == 0
    channel = world.mirror / world.authority_path / "conda-forge/linux-64"
    bomb = compressed_zeros(512, told=told)
    (channel / "repodata.json.zst").write_bytes(bomb)
    inventory = json.loads((world.mirror / "pixi-mirror.json").read_bytes())
    name = f"{world.authority_path}/conda-forge/linux-64/repodata.json"
    inventory["tree"][f"{name}.zst"] = inventory["tree"][name]
    (world.mirror / "pixi-mirror.json").write_text(json.dumps(inventory))
    (done,) = run_several([["verify", "--json"]], env=world.environment, cwd=world.directory, count_calls=True)
    assert done.status == 1, done
    problems = {row["path"]: row["problem"] for row in json.loads(done.stdout)["indexes"]}
    assert f"{name}.zst" in problems
    assert "bytes long" in problems[f"{name}.zst"]
    assert done.peak < BYTES, done.peak
    assert done.calls < CALLS, done.calls


@pytest.mark.broken_mirror("its indexes or its records are bombs")
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells how much memory it took")
def test_an_index_or_a_record_without_end_is_not_read_into_memory(world):
    """Such files are sparse: they cost who plants them nothing."""
    one = world.publish(build_package(name="one", subdir="linux-64"))
    lock = world.lock("workspace", environments={"default": {"linux-64": [one]}})
    assert world.run("--lock", lock).status == 0
    name = f"{world.authority_path}/conda-forge/linux-64/repodata.json"
    os.truncate(world.mirror / name, 300 << 20)
    (done,) = run_several([["verify", "--json"]], env=world.environment, cwd=world.directory, count_calls=True)
    assert done.status == 1, done
    assert [row["path"] for row in json.loads(done.stdout)["indexes"]] == [name]
    assert done.peak < BYTES, done.peak
    os.truncate(world.mirror / "pixi-mirror.json", 2 << 30)
    (done,) = run_several([["status"]], env=world.environment, cwd=world.directory, count_calls=True)
    assert (done.status, "pixi-mirror.json does not parse" in done.stderr) == (8, True), done
    assert done.peak < BYTES, done.peak


def conda_of(info):
    """A .conda whose info part is these bytes."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("metadata.json", '{"conda_pkg_format_version": 2}')
        archive.writestr("pkg-bomb-1.0-0.tar.zst", zstd.compress(bytes(1024)))
        archive.writestr("info-bomb-1.0-0.tar.zst", info)
    return stream.getvalue()


def index_json_of(size):
    """The head of a tar that goes on with an index.json of that many bytes."""
    member = tarfile.TarInfo("info/index.json")
    member.size = size
    return member.tobuf()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells how much memory it took")
def test_a_package_that_is_a_bomb_is_refused_where_it_is_opened(world):
    """`update` never opens a conda package; `prime` does."""
    bombs = {
        "zeros": conda_of(compressed_zeros(512, told=False)),
        "long": conda_of(zstd.compress(index_json_of(5 << 30) + bytes(1 << 20))),
        "bz2": bz2.compress(index_json_of(5 << 30) + bytes(1 << 20)),
    }
    lines = []
    for name, data in bombs.items():
        built = build_package(name="bomb", subdir="linux-64", extension="tar.bz2" if name == "bz2" else "conda")
        entry = world.publish(built, channel=name)
        place = world.root / name / "linux-64" / built.file_name
        place.write_bytes(data)
        entry = entry.hotfixed(sha256=hashlib.sha256(data).hexdigest(), md5=None, size=len(data))
        lock = world.lock(name, environments={"default": {"linux-64": [entry]}})
        lines += [
            ["--lock", lock, "-o", f"m-{name}"],
            ["prime", f"m-{name}", "--platform", "linux-64", "--pixi-cache-dir", world.directory / f"p-{name}"],
        ]
    runs = run_several(lines, env=world.environment, cwd=world.directory, count_calls=True)
    for words, done in zip(lines, runs, strict=True):
        assert done.status == (6 if words[0] == "prime" else 0), (words, done)
        assert done.peak < BYTES, (words, done.peak)
        assert done.calls < CALLS, (words, done.calls)
        assert "Traceback" not in done.stderr
