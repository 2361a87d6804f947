"""An installed prefix is read by its records under `conda-meta`."""

import json
import os

import pytest

from pixi_mirror.errors import WorkspaceError
from pixi_mirror.lockfile.source import LockSource
from pixi_mirror.model.request import Request

CANARY = "cAnArY7"
SHA = "ab" * 32
ALL = Request(environments=None, platforms=(), allow_unhashed=True)


def record(name="a", subdir="linux-64", **more):
    url = f"https://h.example/t/*****/chan/{subdir}/{name}-1.0-0.conda"
    fields = {"name": name, "version": "1.0", "build": "0", "build_number": 0, "subdir": subdir, "url": url}
    about = {"sha256": SHA, "md5": "cd" * 16, "size": 12, "timestamp": 1_700_000_000_000, "depends": ["b >=1"]}
    return {**fields, **about, "files": ["bin/a"], "link": {"source": "/somewhere"}, **more}


def prefix(directory, *records):
    folder = directory / "env" / "conda-meta"
    folder.mkdir(parents=True)
    for each in records:
        text = each if isinstance(each, str) else json.dumps(each)
        name = "x-1-0" if isinstance(each, str) else f"{each['name']}-1.0-0"
        (folder / f"{name}.json").write_text(text)
    (folder / "history").write_text("==> x <==\n")
    return directory / "env"


def selected(path, **options):
    return LockSource(path, **options).select((ALL,), subscription="s", workspace="w", layout="channels")


def test_a_prefix_is_one_environment_with_its_whole_records(tmp_path):
    b = record("b", "noarch", noarch="python", track_features="x y", timestamp=1)
    result = selected(prefix(tmp_path, record(), b))
    (cell,) = result.snapshot.cells
    assert (cell.environment, cell.platform) == ("default", "linux-64")
    assert [each.path for each in result.snapshot.packages] == [
        "h.example/chan/linux-64/a-1.0-0.conda",
        "h.example/chan/noarch/b-1.0-0.conda",
    ]
    first, second = (each.record for each in result.snapshot.packages)
    assert (first["depends"], first["size"], first["timestamp"], first["sha256"]) == (
        ["b >=1"],
        12,
        1_700_000_000_000,
        SHA,
    )
    assert (second["noarch"], second["track_features"]) == ("python", "x y")
    assert "files" not in first
    assert result.snapshot.newest_timestamp == 1_700_000_000_000


def test_a_lock_in_the_directory_comes_before_the_prefix(tmp_path):
    path = prefix(tmp_path, record())
    (path / "pixi.lock").write_text("version: 6\nenvironments: {}\npackages: []\n")
    assert LockSource(path).location.name == "pixi.lock"
    assert LockSource(path, lock_format="prefix").location == path.resolve()


def test_the_digest_follows_the_records_and_not_the_installation(tmp_path):
    path = prefix(tmp_path, record())
    first = LockSource(path).digest()
    place = path / "conda-meta" / "a-1.0-0.json"
    place.write_text(json.dumps(record(files=["bin/other"])))
    assert LockSource(path).digest() == first
    place.write_text(json.dumps(record(sha256="cd" * 32)))
    assert LockSource(path).digest() != first


@pytest.mark.parametrize(
    "damaged",
    ["", "{", "[]", "7", "null", "[" * 100_000, json.dumps({"name": "x"})],
    ids=range(7),
)
def test_a_record_that_is_none_is_refused_by_name(tmp_path, damaged):
    with pytest.raises(WorkspaceError, match="x-1-0"):
        selected(prefix(tmp_path, record(), damaged))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("url", f"https://u:{CANARY}@h.example/chan/linux-64/other-1.0-0.conda"),
        ("url", f"https://u:{CANARY}@h.example/"),
        ("url", f"https://u:{CANARY}@h.example/chan/linux-64/..%2fa-1.0-0.conda"),
        ("url", 7),
        ("sha256", f"https://u:{CANARY}@h"),
        ("md5", "ab"),
        ("depends", f"https://u:{CANARY}@h"),
        ("size", -1),
        ("subdir", "../x"),
        ("subdir", ["x"]),
        ("timestamp", 1.5),
    ],
)
def test_a_hostile_record_is_refused_and_no_secret_shown(tmp_path, key, value):
    with pytest.raises(WorkspaceError) as caught:
        selected(prefix(tmp_path, record(**{key: value})))
    assert CANARY not in str(caught.value)


def test_a_prefix_without_packages_of_one_platform_is_refused(tmp_path):
    with pytest.raises(WorkspaceError, match="which one platform"):
        selected(prefix(tmp_path))
    with pytest.raises(WorkspaceError, match="linux-64, osx-64"):
        selected(prefix(tmp_path / "two", record(), record("b", "osx-64")))


def test_a_record_that_is_too_large_is_refused_by_name_and_size(tmp_path):
    path = prefix(tmp_path, record(), "{}")
    os.truncate(path / "conda-meta" / "x-1-0.json", 65 << 20)
    with pytest.raises(WorkspaceError, match=r"x-1-0\.json is damaged: it is 68157440 bytes long"):
        selected(path)
