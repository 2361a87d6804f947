"""Manifests of source directories are read within limits."""

import os

import pytest

from pixi_mirror.lockfile.source_entries import read_manifest


def test_a_manifest_is_its_bytes(tmp_path):
    path = tmp_path / "pyproject.toml"
    path.write_bytes(b"x" * (1 << 20))
    assert read_manifest(path) == path.read_bytes()


@pytest.mark.parametrize("kind", ["absent", "too large", "a folder", "below a file", "a link"])
def test_what_cannot_be_read_is_none(tmp_path, kind):
    path = tmp_path / "pyproject.toml"
    if kind == "too large":
        path.write_bytes(b"x" * ((1 << 20) + 1))
    elif kind == "a folder":
        path.mkdir()
    elif kind == "below a file":
        path.write_bytes(b"")
        path = path / "pyproject.toml"
    elif kind == "a link":
        os.symlink(tmp_path / "circle", tmp_path / "circle")
        path = tmp_path / "circle"
    assert read_manifest(path) is None
