"""A verified file gets a second place, with the same bytes or not at all."""

import hashlib
import os

import pytest

from pixi_mirror.disk.links import link_or_copy
from pixi_mirror.errors import WrongBytesError

DATA = b"verified bytes" * 100_000
SHA256 = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "source"
    path.write_bytes(DATA)
    return path


def put(source, target, *, sha256=SHA256):
    return link_or_copy(source, target, sha256=sha256, temporary=target.with_name("temporary"))


def names(directory):
    return sorted(path.name for path in directory.iterdir())


def test_it_is_a_link_where_the_disk_is_the_same(tmp_path, source):
    status = put(source, tmp_path / "target")
    assert os.path.samestat(status, source.stat())
    assert names(tmp_path) == ["source", "target"]


def test_the_same_file_once_more_leaves_one_name(tmp_path, source):
    put(source, tmp_path / "target")
    put(source, tmp_path / "target")
    assert names(tmp_path) == ["source", "target"]
    assert source.stat().st_nlink == 2


def test_a_file_of_another_mode_is_copied(tmp_path, source):
    source.chmod(0o600)
    status = put(source, tmp_path / "target")
    assert not os.path.samestat(status, source.stat())
    assert (tmp_path / "target").read_bytes() == DATA
    assert status.st_mode & 0o777 == 0o444 & ~_umask()


def _umask():
    umask = os.umask(0)
    os.umask(umask)
    return umask


def test_what_stood_there_is_replaced(tmp_path, source):
    (tmp_path / "target").write_bytes(b"old")
    put(source, tmp_path / "target")
    assert (tmp_path / "target").read_bytes() == DATA


def test_a_link_is_replaced_and_not_followed(tmp_path, source):
    (tmp_path / "theirs").write_bytes(b"theirs")
    (tmp_path / "target").symlink_to(tmp_path / "theirs")
    put(source, tmp_path / "target")
    assert (tmp_path / "theirs").read_bytes() == b"theirs"
    assert not (tmp_path / "target").is_symlink()


def test_a_copy_with_other_bytes_is_refused_and_leaves_what_was_there(tmp_path, source):
    source.chmod(0o600)  # it is copied, so it is hashed
    (tmp_path / "target").write_bytes(b"old")
    with pytest.raises(WrongBytesError, match="changed on disk"):
        put(source, tmp_path / "target", sha256="0" * 64)
    assert (tmp_path / "target").read_bytes() == b"old"
    assert names(tmp_path) == ["source", "target"]


def test_a_source_that_is_gone_leaves_what_was_there(tmp_path, source):
    (tmp_path / "target").write_bytes(b"old")
    source.unlink()
    with pytest.raises(FileNotFoundError):
        put(source, tmp_path / "target")
    assert names(tmp_path) == ["target"]
