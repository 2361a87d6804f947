"""The package cache: a good entry stays, a bad one is replaced whole, and whatever happens no litter stays."""

import fcntl
import hashlib
import io
import multiprocessing
import os
import shutil
import struct
import sys
import tarfile

import pytest

from pixi_mirror.demo.packages import build_package, zstd_frame
from pixi_mirror.environments.package_cache import PackageCache, Waiting, entry_name
from pixi_mirror.environments.platform import subdir_of
from pixi_mirror.errors import BusyError, MachineError, WrongBytesError
from pixi_mirror.model.packages import Package
from pixi_mirror.model.values import Url, admit_path, admit_sha256

if sys.platform == "win32":
    pytest.skip("the locks of the test are those of POSIX", allow_module_level=True)

NAME = "thing-1.0-0"


@pytest.fixture
def cache(tmp_path):
    return PackageCache(tmp_path / "cache" / "pkgs")


def waiting(tmp_path, data=None, *, name="thing", extension="conda", sha256=None, **package):
    """A package of the mirror, which is `data` or as built."""
    built = build_package(name=name, extension=extension, **{"files": {"share/a.txt": b"a\n"}, **package})
    data = built.data if data is None else data
    archive = tmp_path / built.file_name
    archive.write_bytes(data)
    return Waiting(
        mirror=tmp_path,
        name=f"{name}-1.0-0",
        path=admit_path(f"channel/noarch/{built.file_name}"),
        archive=archive,
        sha256=admit_sha256(sha256 or hashlib.sha256(data).hexdigest()),
        size=len(data),
    )


def filled(cache, *each, **options):
    return list(cache.fill(each, **{"jobs": 2, "timeout_s": 0, **options}))


def names(cache):
    return {each.name for each in cache.root.iterdir()} - {".cache.lock"}


def metadata(sha256, revision=1):
    return struct.pack(">Q", revision) + bytes.fromhex(sha256)


@pytest.mark.parametrize("extension", ["conda", "tar.bz2"])
def test_an_entry_is_the_extracted_package_with_its_hash(cache, tmp_path, extension):
    one = waiting(tmp_path, extension=extension, files={"bin/run": b"#!/bin/sh\n", "share/a.txt": b"a\n"})
    assert not cache.has(NAME, one.sha256)
    assert filled(cache, one) == [one]
    assert cache.has(NAME, one.sha256)
    assert names(cache) == {NAME, f"{NAME}.lock"}
    assert (cache.root / f"{NAME}.lock").read_bytes() == metadata(one.sha256)
    assert (cache.root / NAME / "share/a.txt").read_bytes() == b"a\n"
    assert os.stat(cache.root / NAME / "bin/run").st_mode & 0o777 == 0o755
    assert os.stat(cache.root / NAME).st_mode & 0o777 != 0o700


def damage_index(folder):
    (folder / "info/index.json").write_bytes(b"{")


def damage_paths(folder):
    (folder / "info/paths.json").unlink()


def damage_lock(folder):
    folder.with_name(f"{folder.name}.lock").write_bytes(metadata("0" * 64, revision=7))


def damage_unrecorded(folder):
    folder.with_name(f"{folder.name}.lock").unlink()


def damage_all(folder):
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    folder.rmdir()
    folder.symlink_to("/nowhere")


@pytest.mark.parametrize("damage", [damage_index, damage_paths, damage_lock, damage_unrecorded, damage_all])
def test_a_bad_entry_is_replaced_and_its_revision_counted_up(cache, tmp_path, damage):
    one = waiting(tmp_path)
    filled(cache, one)
    damage(cache.root / NAME)
    assert not cache.has(NAME, one.sha256)
    assert filled(cache, one) == [one]
    assert cache.has(NAME, one.sha256)
    # Whoever waits for the entry knows by the revision that it is another.
    revision = {damage_lock: 8, damage_unrecorded: 1}.get(damage, 2)
    assert (cache.root / f"{NAME}.lock").read_bytes() == metadata(one.sha256, revision)
    assert names(cache) == {NAME, f"{NAME}.lock"}


def test_an_entry_that_came_meanwhile_is_left_as_it_is(cache, tmp_path):
    one = waiting(tmp_path)
    filled(cache, one)
    (cache.root / NAME / "kept").touch()
    assert filled(cache, one) == [one]
    assert (cache.root / NAME / "kept").exists()
    assert names(cache) == {NAME, f"{NAME}.lock"}


def test_a_package_of_long_ago_has_no_paths_json(cache, tmp_path):
    one = waiting(tmp_path, files={"info/files": b"share/a.txt\n"})
    filled(cache, one)
    (cache.root / NAME / "info/paths.json").unlink()
    assert cache.has(NAME, one.sha256)


def test_wrong_bytes_leave_nothing_of_theirs_and_an_old_entry_as_it_was(cache, tmp_path):
    old, other = waiting(tmp_path), waiting(tmp_path, name="other")
    filled(cache, old)
    new = waiting(tmp_path, sha256="1" * 64)
    error, made = filled(cache, new, other)
    assert isinstance(error, WrongBytesError)
    assert "1" * 64 in str(error)
    assert old.sha256 in str(error)
    assert made == other
    assert cache.has(NAME, old.sha256)
    assert names(cache) == {NAME, f"{NAME}.lock", "other-1.0-0", "other-1.0-0.lock"}


def test_a_package_without_its_documents_becomes_no_entry(cache, tmp_path):
    empty = io.BytesIO()
    tarfile.open(fileobj=empty, mode="w:bz2").close()
    one = waiting(tmp_path, empty.getvalue(), extension="tar.bz2")
    (error,) = filled(cache, one)
    assert "info/index.json" in str(error)
    assert names(cache) == set()


@pytest.mark.parametrize("data", [b"", b"PK\5\6", zstd_frame(b"x")])
@pytest.mark.parametrize("extension", ["conda", "tar.bz2"])
def test_what_is_no_archive_is_wrong_bytes(cache, tmp_path, data, extension):
    (error,) = filled(cache, waiting(tmp_path, data, extension=extension))
    assert isinstance(error, WrongBytesError)
    assert names(cache) == set()


def test_an_archive_that_is_gone_is_named(cache, tmp_path):
    one = waiting(tmp_path)
    one.archive.unlink()
    (error,) = filled(cache, one)
    assert isinstance(error, MachineError)
    assert "channel/noarch/thing-1.0-0.conda is missing in the mirror" in str(error)


@pytest.mark.parametrize("lock", [".cache.lock", f"{NAME}.lock"])
def test_a_lock_of_another_program_is_honoured_and_its_file_kept(cache, tmp_path, lock):
    cache.root.mkdir(parents=True)
    with (cache.root / lock).open("wb") as held:
        held.write(b"theirs")
        held.flush()
        fcntl.flock(held, fcntl.LOCK_SH)
        with pytest.raises(BusyError, match=lock.replace(".", r"\.")):
            filled(cache, waiting(tmp_path))
        assert (cache.root / lock).read_bytes() == b"theirs"
    assert names(cache) <= {lock}


def test_a_pixi_that_comes_while_we_are_at_work_is_waited_for(cache, tmp_path):
    making = cache.fill([waiting(tmp_path), waiting(tmp_path, name="other")], jobs=1, timeout_s=0)
    next(making)
    with (cache.root / ".cache.lock").open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(BusyError):
            next(making)
    assert names(cache) == {NAME, f"{NAME}.lock"}


def test_a_run_that_is_given_up_leaves_whole_entries_and_no_litter(cache, tmp_path):
    each = [waiting(tmp_path, name=f"p{number}", payload_size=50_000) for number in range(20)]
    making = cache.fill(each, jobs=2, timeout_s=0)
    next(making)
    making.close()
    assert names(cache) == {"p0-1.0-0", "p0-1.0-0.lock"}
    assert len(filled(cache, *each)) == 20


def fill_and_die(root, tmp_path, each):
    making = PackageCache(root).fill(each, jobs=2, timeout_s=0)
    next(making)
    os._exit(9)


def fill(root, tmp_path, each):
    os._exit(0 if filled(PackageCache(root), *each, timeout_s=60) == each else 1)


def started(cache, tmp_path, each, what):
    child = multiprocessing.get_context("fork").Process(target=what, args=(cache.root, tmp_path, each))
    child.start()
    return child


def test_a_run_that_was_killed_is_completed_and_cleared_by_the_next(cache, tmp_path):
    each = [waiting(tmp_path, name=f"p{number}") for number in range(5)]
    child = started(cache, tmp_path, each, fill_and_die)
    child.join(60)
    assert child.exitcode == 9
    assert cache.has_litter
    assert cache.has(each[0].name, each[0].sha256)
    filled(cache, *each[1:])
    assert all(cache.has(one.name, one.sha256) for one in each)
    assert names(cache) == {name for one in each for name in (one.name, f"{one.name}.lock")}


def test_two_runs_at_once_make_each_entry_once(cache, tmp_path):
    each = [waiting(tmp_path, name=f"p{number}", payload_size=20_000) for number in range(30)]
    children = [started(cache, tmp_path, each, fill) for _ in range(2)]
    for child in children:
        child.join(60)
    assert [child.exitcode for child in children] == [0, 0]
    for one in each:
        assert (cache.root / f"{one.name}.lock").read_bytes() == metadata(one.sha256, revision=1)
    assert names(cache) == {name for one in each for name in (one.name, f"{one.name}.lock")}


def test_the_workshop_of_a_run_at_work_is_not_cleared(cache, tmp_path):
    cache.root.mkdir(parents=True)
    (cache.root / ".pixi-mirror-work").mkdir()
    (cache.root / ".pixi-mirror-dead").mkdir()
    with (cache.root / ".pixi-mirror-work" / "lock").open("wb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        filled(cache)
    assert names(cache) == {".pixi-mirror-work"}
    shutil.rmtree(cache.root / ".pixi-mirror-work")


def package(name, version="1.0", build="0"):
    return Package(
        path=admit_path("c/noarch/x-1-0.conda"), url=Url("https://c.example/x-1-0.conda"), sha256=None, md5=None,
        size=None, kind="conda", name=name, version=version, build=build, subdir="noarch", record={},
    )  # fmt: skip


def test_an_entry_is_called_as_rattler_calls_it():
    assert entry_name(package("Thing", "1!2.0", "py_0")) == "thing-1!2.0-py_0"


@pytest.mark.parametrize("name", ["../thing", ".thing", "a/b", "a\\b", "a\0b"])
def test_a_name_that_leads_elsewhere_is_refused(name):
    with pytest.raises(WrongBytesError):
        entry_name(package(name))


@pytest.mark.parametrize(
    ("system", "machine", "subdir"),
    [
        ("linux", "x86_64", "linux-64"),
        ("linux", "aarch64", "linux-aarch64"),
        ("linux", "ppc64le", "linux-ppc64le"),
        ("darwin", "arm64", "osx-arm64"),
        ("darwin", "x86_64", "osx-64"),
        ("win32", "AMD64", "win-64"),
        ("win32", "ARM64", "win-arm64"),
        ("win32", "x86", "win-32"),
    ],
)
def test_a_machine_has_the_subdir_of_its_packages(system, machine, subdir):
    assert subdir_of(system=system, machine=machine) == subdir
