"""Locks as conda-lock, conda-lockfiles and conda-workspaces write them are read: `tests/recorded/locks`."""

import pytest
from harness.child import ROOT

from pixi_mirror.lockfile.source import LockSource
from pixi_mirror.model.request import Request

LOCKS = ROOT / "tests" / "recorded" / "locks"
ALL = Request(environments=None, platforms=(), allow_unhashed=True, allow_md5=True)
SHA256, MD5 = "ab" * 32, "cd" * 16
A, B, C = "a-1.0-0.conda", "b-1.0-pyh0_1.conda", "c-1!1.0-0.tar.bz2"


def selected(name):
    return LockSource(LOCKS / name).select((ALL,), subscription="s", workspace="w", layout="channels")


def cells(result):
    """Environment and platform -> the names of the files there."""
    return {
        (cell.environment, cell.platform): {path.rpartition("/")[2] for path in cell.packages}
        for cell in result.snapshot.cells
    }


def test_conda_lock():
    result = selected("conda-lock/conda-lock.yml")
    wheel = "w-1.0-py3-none-any.whl"
    assert cells(result) == {
        ("default", "linux-64"): {A, B},
        ("default", "osx-arm64"): {B},
        ("category:dev", "linux-64"): {A, B, C, wheel},
        ("category:dev", "osx-arm64"): {B, wheel},
        ("category:test", "linux-64"): {A, B, wheel},
        ("category:test", "osx-arm64"): {B, wheel},
    }
    found = {package.name: package for package in result.snapshot.packages}
    assert (found["a"].sha256, found["a"].md5) == (SHA256, None), "an empty md5 is none"
    assert (found["c"].sha256, found["c"].md5) == (None, MD5)
    assert found["a"].record["depends"] == ["__glibc >=2.17", "b >=1"]
    assert found["w"].kind == "pypi"
    assert result.notes == ()


@pytest.mark.parametrize("name", ["conda-lockfiles/conda-lock.yml", "conda-lockfiles/pixi.lock"])
def test_conda_lockfiles(name):
    result = selected(name)
    assert cells(result) == {("default", "linux-64"): {A, B, C}, ("default", "osx-arm64"): {B}}
    found = {package.name: package for package in result.snapshot.packages}
    assert [(each.sha256, each.md5) for each in found.values()] == [(SHA256, None), (None, MD5), (SHA256, MD5)]
    assert {channel.url for cell in result.snapshot.cells for channel in cell.channels} == {"https://h.example/chan"}


def test_conda_workspaces():
    result = selected("conda-workspaces/conda.lock")
    assert cells(result) == {
        ("default", "linux-64"): {A, B},
        ("default", "osx-arm64"): {B},
        ("test", "linux-64"): {B, C},
    }
    found = {package.name: package for package in result.snapshot.packages}
    assert found["b"].record["build_number"] == 1
    assert found["b"].record["constrains"] == ["d <2"]
    assert (found["c"].sha256, found["c"].md5) == (None, MD5)
    channels = next(cell.channels for cell in result.snapshot.cells if cell.environment == "default")
    assert [channel.url for channel in channels] == ["https://conda.anaconda.org/conda-forge", "https://h.example/chan"]
