"""Directories: made with those above them, refused where others could plant files, listed, removed."""

import os
import stat
from types import SimpleNamespace

import pytest

from pixi_mirror.disk import directories
from pixi_mirror.disk.directories import (
    RESERVE,
    free_bytes,
    is_true_directory,
    keep_reserve,
    make_directory,
    refuse_foreign,
    relative_files,
    release_reserve,
    remove_leftover,
    sync_directories,
    temporary_directory,
)
from pixi_mirror.errors import MachineError


def test_it_is_made_with_those_above_it_and_says_what_to_sync(tmp_path):
    made = make_directory(tmp_path / "a/b/c")
    assert made == {tmp_path, tmp_path / "a", tmp_path / "a/b"}
    sync_directories(made)
    assert make_directory(tmp_path / "a/b/c") == set()


def test_a_link_below_the_root_is_not_followed(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "root").mkdir()
    (tmp_path / "root/link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="link or a file"):
        make_directory(tmp_path / "root/link/folder", below=tmp_path / "root")
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_link_to_the_root_itself_is_fine(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "root").symlink_to(tmp_path / "real")
    make_directory(tmp_path / "root/a", below=tmp_path / "root")
    assert (tmp_path / "real/a").is_dir()


def test_a_file_is_no_directory(tmp_path):
    (tmp_path / "file").touch()
    assert is_true_directory(tmp_path)
    assert not is_true_directory(tmp_path / "absent")
    with pytest.raises(OSError, match="link or a file"):
        is_true_directory(tmp_path / "file")


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o770, 0o702])
def test_a_directory_that_others_may_write_is_refused(tmp_path, mode):
    folder = tmp_path / "folder"
    folder.mkdir()
    refuse_foreign(folder)
    folder.chmod(mode)
    with pytest.raises(MachineError, match="plant"):
        refuse_foreign(folder)


def test_a_link_to_a_directory_is_refused(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(MachineError, match="is not a directory"):
        refuse_foreign(tmp_path / "link")


@pytest.mark.parametrize(("number", "name"), [(0, "the user root"), (4_000_000_000, "the user 4000000000")])
def test_a_directory_of_another_user_is_refused_with_the_name_of_its_owner(tmp_path, monkeypatch, number, name):
    if not hasattr(os, "getuid"):
        pytest.skip("users have no numbers here")
    status = SimpleNamespace(st_mode=stat.S_IFDIR | 0o700, st_uid=number)
    monkeypatch.setattr(directories.os, "lstat", lambda _path: status)
    monkeypatch.setattr(directories.os, "getuid", lambda: 12345)
    with pytest.raises(MachineError, match=f"belongs to {name}, .* others could plant files. Run this as {name}, or"):
        refuse_foreign(tmp_path)


def test_every_file_and_link_is_listed_without_one_folder(tmp_path):
    for name in ("a/b/file", "a/private/file", "private/secret"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "a/link").symlink_to(tmp_path / "private")
    (tmp_path / "dangling").symlink_to("nowhere")
    found = relative_files(tmp_path, without="private")
    assert found == {"a/b/file", "a/private/file", "a/link", "dangling"}


def test_a_temporary_directory_is_private_and_gone_afterwards(tmp_path):
    with temporary_directory(tmp_path / "work") as work:
        assert work.stat().st_mode & 0o777 == 0o700
        (work / "folder").mkdir()
        (work / "folder/file").touch()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ZeroDivisionError), temporary_directory(tmp_path / "work"):
        _ = 1 / 0
    assert list(tmp_path.iterdir()) == []


def test_a_leftover_link_is_removed_and_not_what_it_leads_to(tmp_path):
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept/file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "kept")
    remove_leftover(tmp_path / "link")
    assert (tmp_path / "kept/file").exists()
    remove_leftover(tmp_path / "kept")
    assert list(tmp_path.iterdir()) == []


def test_a_reserve_grows_in_steps_and_is_kept_while_there_is_space(tmp_path):
    reserve = tmp_path / RESERVE
    keep_reserve(reserve, size=1)
    first = reserve.stat()
    assert first.st_size >= 256 << 10
    keep_reserve(reserve, size=2)
    assert reserve.stat().st_ino == first.st_ino
    keep_reserve(reserve, size=1 << 20)
    assert reserve.stat().st_size > first.st_size
    assert free_bytes(tmp_path) > reserve.stat().st_size
    release_reserve(reserve)
    assert reserve.exists()


def test_a_link_is_no_reserve(tmp_path):
    (tmp_path / "theirs").write_bytes(b"bytes")
    os.symlink(tmp_path / "theirs", tmp_path / RESERVE)
    keep_reserve(tmp_path / RESERVE, size=1)
    assert not (tmp_path / RESERVE).is_symlink()
    assert (tmp_path / "theirs").read_bytes() == b"bytes"
