"""Single files: read only if regular, written whole or not at all, and known by their identity."""

import errno
import hashlib
import os
import socket

import pytest

from pixi_mirror.disk.files import (
    append_line,
    explain_errors,
    hash_file,
    identity_of,
    is_same,
    open_own,
    open_regular,
    read_bytes,
    write_synced,
)
from pixi_mirror.errors import DiskFullError, MachineError


def regular(path, data=b"bytes"):
    path.write_bytes(data)
    return path


def irregular(directory):
    """A link, a FIFO, a folder and a socket."""
    (directory / "link").symlink_to(regular(directory / "target"))
    os.mkfifo(directory / "fifo")
    (directory / "folder").mkdir()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(directory / "socket"))
    listener.close()
    return [directory / name for name in ("link", "fifo", "folder", "socket")]


def test_an_identity_is_the_same_while_the_file_is(tmp_path):
    path = regular(tmp_path / "file")
    recorded = identity_of(path.stat())
    assert is_same(recorded, path.stat())
    path.write_bytes(b"other")
    os.utime(path, ns=(0, recorded.mtime_ns))  # its size and date are as before
    assert not is_same(recorded, path.stat())


def test_a_new_link_changes_no_identity(tmp_path):
    path = regular(tmp_path / "file")
    recorded = identity_of(path.stat())
    os.link(path, tmp_path / "other name")
    assert is_same(recorded, path.stat())
    assert identity_of(path.stat()).ctime_ns is None


def test_a_copy_has_another_identity(tmp_path):
    path, copy = regular(tmp_path / "file"), regular(tmp_path / "copy")
    os.utime(copy, ns=(0, path.stat().st_mtime_ns))
    assert not is_same(identity_of(path.stat()), copy.stat())


def test_what_is_no_regular_file_is_not_read(tmp_path):
    for path in irregular(tmp_path):
        for read in (open_regular, hash_file, read_bytes):
            with pytest.raises(OSError, match=r"Too many levels|Not a regular file|No such device"):
                read(path)


def test_a_link_is_followed_where_that_is_asked_for(tmp_path):
    (tmp_path / "link").symlink_to(regular(tmp_path / "file"))
    os.close(open_regular(tmp_path / "link", follow_links=True))
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(OSError, match="Not a regular file"):
        open_regular(tmp_path / "fifo", follow_links=True)


def test_a_hash_comes_with_the_status_of_the_same_file(tmp_path):
    path = regular(tmp_path / "file", b"x" * 3_000_000)
    sha256, status = hash_file(path)
    assert sha256 == hashlib.sha256(b"x" * 3_000_000).hexdigest()
    assert is_same(identity_of(status), path.stat())


def test_a_file_beyond_the_limit_is_not_read(tmp_path):
    path = regular(tmp_path / "file", b"12345")
    assert read_bytes(path, limit=5) == b"12345"
    with pytest.raises(ValueError, match="5 bytes long"):
        read_bytes(path, limit=4)


def test_a_file_is_written_whole_with_its_mode(tmp_path):
    target, temporary = tmp_path / "file", tmp_path / "temporary"
    write_synced(target, b"first", temporary=temporary, mode=0o600)
    status = write_synced(target, b"second", temporary=temporary, mode=0o600)
    assert target.read_bytes() == b"second"
    assert (status.st_mode & 0o777, status.st_size) == (0o600, 6)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path):
    target = tmp_path / "folder"
    target.mkdir()
    with pytest.raises(IsADirectoryError):
        write_synced(target, b"bytes", temporary=tmp_path / "temporary")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_a_temporary_file_that_exists_is_not_written_over(tmp_path):
    planted = regular(tmp_path / "temporary")
    with pytest.raises(FileExistsError):
        write_synced(tmp_path / "file", b"bytes", temporary=planted)
    assert not (tmp_path / "file").exists()


def test_a_file_with_a_second_name_is_not_written_in_place(tmp_path):
    theirs = regular(tmp_path / "theirs")
    os.link(theirs, tmp_path / "ours")
    with pytest.raises(OSError, match="one name"):
        append_line(tmp_path / "ours", "line")
    with pytest.raises(OSError, match="one name"):
        open_own(tmp_path / "ours", os.O_WRONLY)
    assert theirs.read_bytes() == b"bytes"


def test_lines_are_added(tmp_path):
    append_line(tmp_path / "log", "one")
    append_line(tmp_path / "log", "two")
    assert (tmp_path / "log").read_text() == "one\ntwo\n"
    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("number", "kind", "advice"),
    [
        (errno.ENOSPC, DiskFullError, "Free some space"),
        (errno.EDQUOT, DiskFullError, "Free some space"),
        (errno.EACCES, MachineError, "permissions"),
        (errno.EMFILE, MachineError, "--jobs"),
        (errno.EIO, MachineError, "cannot write there"),
    ],
)
def test_an_error_says_what_to_do(number, kind, advice):
    with pytest.raises(kind, match=advice), explain_errors("write", "there"):
        raise OSError(number, os.strerror(number))
