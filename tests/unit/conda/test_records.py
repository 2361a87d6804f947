"""A conda package says its record as an index would show it, and one that lies, is damaged or is hostile is refused."""

import bz2
import io
import json
import tarfile
import tracemalloc
import zipfile

import pytest
from harness.examples import examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pixi_mirror.archives.compression import zstd_library
from pixi_mirror.conda import records
from pixi_mirror.conda.records import read_record
from pixi_mirror.demo.packages import build_package
from pixi_mirror.errors import MachineError

INDEX = {"name": "foo", "version": "1.0", "build": "h_0", "build_number": 0, "depends": [], "subdir": "linux-64"}
NAMES = {"conda": "foo-1.0-h_0.conda", "tar.bz2": "foo-1.0-h_0.tar.bz2"}
BOTH = pytest.mark.parametrize("extension", NAMES)


def tarred(*entries, form=tarfile.PAX_FORMAT):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
        for name, data in entries:
            entry = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def packed(tar, extension, *, parts=("info-foo.tar.zst", "pkg-foo.tar.zst")):
    """A package of either format whose tar with the index is `tar`."""
    if extension == "tar.bz2":
        return bz2.compress(tar)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for part in parts:
            archive.writestr(part, zstd_library().compress(tar if part.startswith("info-") else tarred()))
    return buffer.getvalue()


def read(directory, data, file_name):
    path = directory / file_name
    path.write_bytes(data)
    return read_record(path)


def refused(directory, data, extension, because):
    with pytest.raises(ValueError, match=because) as caught:
        read(directory, data, NAMES[extension])
    assert str(caught.value).startswith(f"{NAMES[extension]}: ")


def said(tmp_path, **changed):
    index = {key: value for key, value in {**INDEX, **changed}.items() if value is not ...}
    return read(tmp_path, packed(tarred(("info/index.json", json.dumps(index).encode())), "conda"), NAMES["conda"])


@BOTH
@pytest.mark.parametrize("subdir", ["linux-64", "noarch", "osx-arm64"])
def test_a_package_has_the_record_that_its_index_shows(tmp_path, extension, subdir):
    package = build_package(
        name="foo",
        version="1!2.0",
        build="py_1",
        build_number=1,
        subdir=subdir,
        depends=["a >1", "b"],
        constrains=["c <2"],
        track_features=["x", "y"],
        files={"bin/foo": b"#!/bin/sh\n"},
        payload_size=200_000,
        extension=extension,
    )
    found = read(tmp_path, package.data, package.file_name)
    assert found == package.record
    assert list(found) == sorted(found)


@BOTH
@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
@pytest.mark.parametrize("prefix", ["", "./"])
def test_the_index_is_found_in_a_tar_of_every_dialect_behind_long_names(tmp_path, extension, form, prefix):
    name = f"{'d' * 80}/{'f' * 99}" if form == tarfile.USTAR_FORMAT else "é" * 90
    entries = (name, b"a" * 700), (f"{prefix}info/index.json", json.dumps(INDEX).encode()), ("info/z", b"z")
    found = read(tmp_path, packed(tarred(*entries, form=form), extension), NAMES[extension])
    assert (found["name"], found["subdir"]) == ("foo", "linux-64")


@BOTH
def test_the_name_that_an_extended_header_announces_counts(tmp_path, extension):
    content = json.dumps(INDEX).encode()
    by_pax, by_gnu = tarfile.TarInfo("elsewhere"), tarfile.TarInfo("././@LongLink")
    by_pax.pax_headers = {"path": "info/index.json"}
    by_gnu.type = tarfile.GNUTYPE_LONGNAME
    for tar in (tarred((by_pax, content)), tarred((by_gnu, b"info/index.json\0"), ("elsewhere", content))):
        assert read(tmp_path, packed(tar, extension), NAMES[extension])["name"] == "foo"
    hidden = tarfile.TarInfo("info/index.json")
    hidden.pax_headers = {"path": "elsewhere"}
    refused(tmp_path, packed(tarred((hidden, content)), extension), extension, "it has no")


def test_a_change_that_only_the_checksum_of_the_zip_archive_shows_is_refused(tmp_path):
    data = build_package(name="foo", build="h_0", subdir="linux-64").data
    assert b"BSD-3-Clause" in data  # nothing in it is really compressed
    refused(tmp_path, data.replace(b"BSD-3-Clause", b"BSD-4-Clause"), "conda", "CRC-32")


def test_only_what_repodata_has_is_taken_and_nothing_empty(tmp_path):
    found = said(
        tmp_path, app_entry="x", run_exports=["y"], arch=None, constrains=[], track_features=[], flags=[], noarch=False
    )
    assert set(found) == {*INDEX, "md5", "sha256", "size"}
    assert said(tmp_path, depends=...)["depends"] == []
    assert said(tmp_path, purls=[])["purls"] == []


def test_old_packages_are_understood(tmp_path):
    assert said(tmp_path, subdir=..., arch="x86_64", platform="linux")["subdir"] == "linux-64"
    assert said(tmp_path, subdir=..., noarch="generic")["subdir"] == "noarch"
    assert said(tmp_path, track_features="a b")["track_features"] == "a b"


@pytest.mark.parametrize(
    ("changed", "because"),
    [
        ({"name": "bar"}, "says that it is bar-1.0-h_0"),
        ({"version": "1.1"}, "says that it is foo-1.1-h_0"),
        ({"build": "h_1"}, "says that it is foo-1.0-h_1"),
        ({"name": ...}, "does not say its name"),
        ({"build_number": ...}, "does not say its build_number"),
        ({"subdir": ...}, "does not say its subdir"),
        ({"subdir": "../linux-64"}, "is no subdir of a channel"),
        ({"build_number": -1}, "build_number in its"),
        ({"build_number": True}, "build_number in its"),
        ({"depends": "python"}, "depends in its"),
        ({"depends": [1]}, "depends in its"),
        ({"noarch": "ruby"}, "noarch in its"),
        ({"extra_depends": {"x": "y"}}, "extra_depends in its"),
        ({"timestamp": "now"}, "timestamp in its"),
        ({"track_features": [["x"]]}, "track_features in its"),
    ],
)
def test_a_package_that_contradicts_itself_is_refused(tmp_path, changed, because):
    with pytest.raises(ValueError, match=because):
        said(tmp_path, **changed)


@BOTH
@pytest.mark.parametrize(
    ("content", "because"),
    [(b"{", "is no JSON"), (b"\xff", "is no JSON"), (b"[" * 100_000, "is no JSON"), (b"[]", "is no table")],
)
def test_an_index_that_is_none_is_refused(tmp_path, extension, content, because):
    refused(tmp_path, packed(tarred(("info/index.json", content)), extension), extension, because)


@BOTH
def test_an_index_that_is_missing_twice_a_link_or_huge_is_refused(tmp_path, extension, monkeypatch):
    index = ("info/index.json", json.dumps(INDEX).encode())
    link = tarfile.TarInfo("info/index.json")
    link.type, link.linkname = tarfile.SYMTYPE, "../../secret"
    refused(tmp_path, packed(tarred(("info/other", b"")), extension), extension, "it has no info/index.json")
    refused(tmp_path, packed(tarred(index, index), extension), extension, "more than one info/index.json")
    refused(tmp_path, packed(tarred((link, b"")), extension), extension, "no regular file")
    huge = ("info/index.json", b" " * (records.LARGEST_INDEX + 1))
    refused(tmp_path, packed(tarred(huge), extension), extension, "are not read")
    monkeypatch.setattr(records, "SMALLEST_LIMIT", 100_000)
    monkeypatch.setattr(records, "LARGEST_RATIO", 0)
    refused(tmp_path, packed(tarred(index, ("b", bytes(200_000))), extension), extension, "more than 100000 bytes")
    monkeypatch.setattr(records, "LARGEST_RATIO", 2000)
    assert read_record(tmp_path / NAMES[extension])["name"] == INDEX["name"]  # the same, large enough for that
    monkeypatch.setattr(records, "MOST_MEMBERS", 3)
    refused(tmp_path, packed(tarred(index, *[("c", b"")] * 5), extension), extension, "more than 3 members")


@BOTH
def test_a_bomb_is_read_in_little_memory(tmp_path, extension):
    tar = tarred(("info/index.json", json.dumps(INDEX).encode()), ("zeros", bytes(40 << 20)))
    data = packed(tar, extension)
    del tar
    (tmp_path / NAMES[extension]).write_bytes(data)
    tracemalloc.start()
    assert read_record(tmp_path / NAMES[extension])["size"] == len(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 << 20


@BOTH
def test_a_tar_without_its_end_or_with_a_strange_header_is_refused(tmp_path, extension):
    tar = tarred(("info/index.json", json.dumps(INDEX).encode()))
    refused(tmp_path, packed(tar[:1024], extension), extension, "cut short")
    refused(tmp_path, packed(b"x" * 10240, extension), extension, "its tar is damaged")
    announced = tarfile.TarInfo("x")
    announced.type = tarfile.GNUTYPE_LONGNAME
    endless = packed(tarred((announced, bytes(2 << 20))), extension)
    refused(tmp_path, endless, extension, "an extended header of its tar is 2097152 bytes long")


@pytest.mark.parametrize(
    "parts",
    [("pkg-foo.tar.zst",), ("info-foo.tar.zst",), ("info-a.tar.zst", "info-b.tar.zst", "pkg-a.tar.zst"), ()],
)
def test_a_conda_file_of_other_parts_is_refused(tmp_path, parts):
    tar = tarred(("info/index.json", json.dumps(INDEX).encode()))
    refused(tmp_path, packed(tar, "conda", parts=parts), "conda", "a conda package has one")


@BOTH
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=examples(60), deadline=None)
@given(share=st.floats(0, 0.999))
def test_a_package_that_was_cut_anywhere_is_refused(tmp_path, extension, share):
    data = build_package(name="foo", build="h_0", subdir="linux-64", extension=extension).data
    with pytest.raises(ValueError, match=NAMES[extension]):
        read(tmp_path, data[: int(len(data) * share)], NAMES[extension])


@BOTH
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=examples(60), deadline=None)
@given(share=st.floats(0, 0.999), bit=st.integers(0, 7))
def test_a_package_with_one_bit_turned_is_refused_or_says_the_same(tmp_path, extension, share, bit):
    package = build_package(name="foo", build="h_0", subdir="linux-64", extension=extension)
    data = bytearray(package.data)
    data[int(len(data) * share)] ^= 1 << bit
    measured = {"md5", "sha256", "size"}
    try:
        found = read(tmp_path, bytes(data), NAMES[extension])
    except ValueError:
        return
    assert {key: found[key] for key in found if key not in measured} == {
        key: package.record[key] for key in package.record if key not in measured
    }


def test_what_is_not_named_as_a_conda_package_or_is_not_there_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"foo\.zip"):
        read(tmp_path, b"PK", "foo.zip")
    with pytest.raises(ValueError, match="no zip archive"):
        read(tmp_path, b"hello", NAMES["conda"])
    with pytest.raises(MachineError):
        read_record(tmp_path / "no-1.0-0.conda")


def test_a_package_may_lie_under_another_name(tmp_path):
    package = build_package(name="foo")
    (tmp_path / "blob").write_bytes(package.data)
    assert read_record(tmp_path / "blob", file_name=package.file_name) == package.record


@pytest.mark.rattler
@BOTH
def test_py_rattler_makes_the_same_record(tmp_path, extension):
    import rattler
    from rattler.package_streaming import extract

    package = build_package(
        name="foo",
        subdir="linux-64",
        depends=["a >1"],
        constrains=["c <2"],
        track_features=["y", "x"],
        extension=extension,
        extra={"license_family": "BSD", "purls": ["pkg:conda/foo"], "timestamp": 1_500_000_000, "app_entry": "x"},
    )
    path = tmp_path / package.file_name
    path.write_bytes(package.data)
    extract(path, tmp_path / "extracted")
    theirs = rattler.PackageRecord.from_index_json(
        tmp_path / "extracted" / "info" / "index.json",
        size=package.record["size"],
        sha256=package.record["sha256"],
        md5=package.record["md5"],
    )
    assert read_record(path) == json.loads(theirs.to_json())
