"""The documents of a pack are pixi-pack's, byte for byte, and are read back with its own complaints."""

import json

import pytest
from harness.corpus import lock_path

from pixi_mirror.lockfile.entries import CondaBinary
from pixi_mirror.lockfile.reader import read_lock
from pixi_mirror.pack.documents import (
    checksums_bytes,
    environment_bytes,
    explicit_bytes,
    metadata_bytes,
    repodata_bytes,
)
from pixi_mirror.pack.parse import Metadata, read_checksums, read_metadata

ONE, TWO = "1" * 64, "2" * 64


def record(name="a", **more):
    return {
        "name": name, "version": "1.0", "build": "0", "build_number": 0, "subdir": "linux-64", "depends": [],
        "sha256": ONE, **more,
    }  # fmt: skip


def listed(**more):
    document = json.loads(repodata_bytes("linux-64", {"a-1.0-0.conda": record(**more)}, is_strict=True))
    return document["packages.conda"]["a-1.0-0.conda"]


def test_the_metadata_are_those_of_pixi_pack_and_come_back():
    metadata = Metadata(pixi_pack_version="0.7.10", platform="linux-64")
    data = metadata_bytes(metadata)
    assert data == b'{\n  "version": "1",\n  "pixi-pack-version": "0.7.10",\n  "platform": "linux-64"\n}'
    assert read_metadata(data) == metadata


def test_metadata_of_the_oldest_packs_do_not_say_who_wrote_them():
    data = metadata_bytes(Metadata(pixi_pack_version=None, platform="win-64"))
    assert b"pixi-pack-version" not in data
    assert read_metadata(data) == Metadata(pixi_pack_version=None, platform="win-64")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"version": "1", "pixi-pack-version": "1", "platform": "linux64"}', '"linux64" is not a known platform'),
        ('{"version": 1.0, "pixi-pack-version": "1", "platform": "linux-64"}', "has the version 1.0, which is not"),
        ('{"version": 1, "pixi-pack-version": "1", "platform": "linux-64"}', "has the version 1, which is not a str"),
        ('{"version": "v0", "pixi-pack-version": "1", "platform": "linux-64"}', "Unsupported pixi-pack version: v0"),
        ('{"version": "1", "pixi-pack-version": 7, "platform": "linux-64"}', "pixi-pack-version is not a string"),
        ('{"version": "1"}', "null is not a known platform"),
        ("[]", "is not an object"),
        ("", "is not JSON"),
    ],
)
def test_metadata_that_are_none_are_refused(text, reason):
    with pytest.raises(ValueError, match=reason.replace(".", r"\.")):
        read_metadata(text.encode())


def test_repodata_are_pretty_and_end_without_a_line_feed():
    data = repodata_bytes("linux-64", {"a-1.0-0.conda": record(license="Ü", purls=[])}, is_strict=True)
    assert (
        data.decode()
        == """\
{
  "info": {
    "subdir": "linux-64"
  },
  "packages": {},
  "packages.conda": {
    "a-1.0-0.conda": {
      "build": "0",
      "build_number": 0,
      "depends": [],
      "license": "Ü",
      "name": "a",
      "purls": [],
      "sha256": "1111111111111111111111111111111111111111111111111111111111111111",
      "subdir": "linux-64",
      "version": "1.0"
    }
  },
  "repodata_version": 2
}"""
    )


def test_an_old_archive_is_listed_where_conda_looks_for_it_unless_pixi_pack_would_not():
    records = {"b-1-0.conda": record("b"), "a-1-0.tar.bz2": record()}
    ours = json.loads(repodata_bytes("linux-64", records, is_strict=False))
    assert (list(ours["packages"]), list(ours["packages.conda"])) == (["a-1-0.tar.bz2"], ["b-1-0.conda"])
    theirs = json.loads(repodata_bytes("linux-64", records, is_strict=True))
    assert (theirs["packages"], list(theirs["packages.conda"])) == ({}, ["a-1-0.tar.bz2", "b-1-0.conda"])


def test_a_time_is_told_in_milliseconds_and_what_is_no_repodata_is_left_out():
    assert listed(timestamp=1_700_000_000)["timestamp"] == 1_700_000_000_000
    assert listed(timestamp=1_700_000_000_123)["timestamp"] == 1_700_000_000_123
    assert (
        not {"indexed_timestamp", "attestations_sha256"} & listed(indexed_timestamp=1, attestations_sha256=ONE).keys()
    )


def test_run_exports_stand_in_the_order_of_rattler():
    exports = {"strong_constrains": ["e"], "noarch": ["c"], "weak": ["a"], "strong": ["b"], "weak_constrains": ["d"]}
    assert list(listed(run_exports=exports)["run_exports"]) == [
        "weak", "strong", "noarch", "weak_constrains", "strong_constrains",
    ]  # fmt: skip


def test_the_environment_names_wheels_only_where_there_are_some():
    conda = [("_libgcc_mutex", "0.1", "conda_forge"), ("Python", "3.12.3", "h1_0")]
    text = "channels:\n  - ./channel\n  - nodefaults\ndependencies:\n  - _libgcc_mutex=0.1=conda_forge\n"
    text += "  - python=3.12.3=h1_0\n"
    assert environment_bytes(conda, []).decode() == text
    text += "  - pip:\n    - --no-index\n    - --find-links ./pypi\n    - ordered-enum==0.0.9\n"
    assert environment_bytes(conda, [("ordered-enum", "0.0.9")]).decode() == text


def test_the_explicit_list_has_what_is_needed_before_what_needs_it():
    records = {
        "channel/linux-64/a-1-0.conda": record("a", depends=["c >=1", "b"]),
        "channel/linux-64/b-1-0.conda": record("b", depends=["a", "c>=1", "__glibc >=2"]),
        "channel/noarch/c-1-0.conda": record("c", sha256=TWO),
    }
    lines = explicit_bytes("linux-64", records).decode().splitlines()
    assert "# platform: linux-64" in lines
    assert lines[lines.index("@EXPLICIT") + 1 :] == [
        f"channel/noarch/c-1-0.conda#{TWO}",
        f"channel/linux-64/b-1-0.conda#{ONE}",
        f"channel/linux-64/a-1-0.conda#{ONE}",
    ]


def test_checksums_come_back():
    sums = {"pypi/a.whl": ONE, "channel/noarch/b.conda": TWO}
    data = checksums_bytes(sums)
    assert data.decode() == f"{TWO}  channel/noarch/b.conda\n{ONE}  pypi/a.whl\n"
    assert read_checksums(data) == sums
    assert read_checksums(f"{ONE.upper()} *./a\n".encode()) == {"a": ONE}


@pytest.mark.parametrize(
    "text",
    [f"{ONE}  a", f"{ONE}  ../a\n", f"{ONE}  /a\n", f"{ONE}  a//b\n", f"{ONE}  a\\b\n", f"{ONE[1:]}  a\n", "\n",
     f"{ONE}  a\n{TWO}  a\n", f"{ONE}  a/../b\n", f"{ONE}  a\n{TWO}  ./a\n"],
)  # fmt: skip
def test_checksums_that_are_none_are_refused(text):
    with pytest.raises(ValueError, match="SHA256SUMS"):
        read_checksums(text.encode())


def test_a_name_that_sha256sum_would_escape_is_refused():
    with pytest.raises(ValueError, match="SHA256SUMS"):
        checksums_bytes({"a\nb": ONE})


@pytest.mark.rattler
@pytest.mark.parametrize("name", ["simple-python", "repodata-patches", "no-timestamp", "pypi-wheel-packages"])
def test_a_record_is_what_rattler_writes_of_the_same_lock(name):
    """`repodata.json` of pixi-pack is rattler's own serialisation of what it reads from the lock."""
    rattler = pytest.importorskip("rattler")
    path = lock_path(f"Quantco__pixi-pack__examples-{name}")
    if not path.is_file():
        pytest.skip("no corpus")
    locked = rattler.LockFile.from_path(path)
    theirs = {}
    for platform in locked.platforms():
        for package in locked.default_environment().packages(platform):
            if hasattr(package, "package_record"):
                theirs[package.location] = json.loads(package.package_record.to_json())
    compared = 0
    for entries in read_lock(path.read_bytes(), name=name).environments["default"].packages.values():
        for entry in entries:
            if isinstance(entry, CondaBinary) and entry.location in theirs:
                data = repodata_bytes("x", {"f.conda": entry.record}, is_strict=True)
                ours = json.loads(data)["packages.conda"]["f.conda"]
                assert json.dumps(ours) == json.dumps(theirs[entry.location])
                compared += 1
    assert compared
