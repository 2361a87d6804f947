"""Several writers, readers, interruptions, hostile neighbours and small disks: no harm, and a right exit status."""

import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from harness import oracle, program, scenario
from harness.damage import writable
from harness.examples import first
from harness.looking import served_files, sha256
from harness.upstream import ok, stall
from harness.world import small_packages

pytestmark = pytest.mark.skipif(os.name == "nt", reason="POSIX signals, locks and limits")
BIG = "/conda-forge/linux-64/tool-1.0-h12_1.conda"


def begun(world, *args):
    """A pixi-mirror that is under way."""
    return program.start([*args], env=world.environment, cwd=world.directory)


def stalled(world, *args):
    """An update that waits for the rest of a file of which it has the first bytes."""
    lock = world.workspace()
    world.upstream.script(BIG, stall(5000), ok())
    child = begun(world, "--lock", lock, "-e", "prod", *args)
    partial = world.home / "cache/partial" / small_packages()["tool-linux"].record["sha256"]
    while not partial.exists() or partial.stat().st_size < 5000:
        assert child.poll() is None
        time.sleep(0.01)
    return lock, child


def fetched(world):
    return sorted(request.bare for request in world.requests)


def test_eight_writers_that_wait_all_succeed_and_fetch_each_file_once(world):
    lock = world.workspace()
    children = [begun(world, "--lock", lock, "-e", "prod", "--lock-timeout", "60") for _ in range(8)]
    assert [(child.communicate()[1], child.returncode)[1] for child in children] == [0] * 8
    assert len(fetched(world)) == len(set(fetched(world))) == 3


def test_two_mirrors_that_share_a_cache_at_the_same_time_fetch_each_file_once(world):
    lock = world.workspace()
    children = [begun(world, "--lock", lock, "-e", "prod", "-o", f"mirror-{number}") for number in range(4)]
    assert [(child.communicate()[1], child.returncode)[1] for child in children] == [0] * 4
    assert len(fetched(world)) == len(set(fetched(world))) == 3


def test_a_second_writer_is_told_who_writes_and_a_killed_one_leaves_the_lock(world):
    lock, child = stalled(world)
    done = world.run("--lock", lock, "-e", "prod")
    assert done.status == 75
    assert f"process {child.pid}" in done.stderr
    child.kill()
    child.communicate()
    assert world.run("--lock", lock, "-e", "prod").status == 0


def test_a_lock_that_was_removed_stops_the_record(tmp_path):
    from pixi_mirror.errors import BusyError
    from pixi_mirror.mirror.tree import Tree

    tree = Tree(tmp_path / "mirror")
    with tree.writing(timeout_s=0):
        (tmp_path / "mirror/.pixi-mirror/lock").unlink()
        with pytest.raises(BusyError, match="removed or replaced"):
            tree.record(tree.inventory, locks={}, unlisted={})
    assert not (tmp_path / "mirror/pixi-mirror.json").exists()


@pytest.mark.parametrize(("name", "status"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_an_interrupted_download_goes_on_where_it_was(world, name, status):
    lock, child = stalled(world)
    child.send_signal(getattr(signal, name))
    stderr = child.communicate(timeout=60)[1]
    assert child.returncode == status
    assert "goes on from here" in stderr
    assert "Traceback" not in stderr
    world.upstream.forget_requests()
    assert world.run("--lock", lock, "-e", "prod").status == 0
    assert [request.range for request in world.requests if request.bare == BIG] == ["bytes=5000-"]


def test_a_reader_sees_only_whole_indexes_and_true_files_through_updates(world):
    updating = scenario.update(world)
    place = updating.seed
    seen, stop = [], threading.Event()

    def read():
        while not stop.is_set():
            found = oracle.listing(place.mirror)
            seen.extend(found.unreadable.items())
            seen.extend(
                path for path, listed in found.files.items() if sha256(place.mirror / path) != listed.digest
            )  # fmt: skip

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for _ in range(3):
            assert updating.run(place).status == 0
            (place.mirror / "pixi-mirror.json").touch()
    finally:
        stop.set()
        reader.join()
    assert seen == []


def test_a_limit_of_file_size_is_status_8_and_the_next_run_ends_well(world):
    lock = world.workspace()

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))

    # Without bytecode, which the limit would cut.
    command = [sys.executable, "-B", "-m", "pixi_mirror", "--lock", lock, "-e", "prod"]
    done = subprocess.run(
        command, env=world.environment, cwd=world.directory, capture_output=True, text=True, check=False,
        preexec_fn=limit,
    )  # fmt: skip
    assert (done.returncode, "Traceback" in done.stderr) == (8, False), done.stderr
    assert world.run("--lock", lock, "-e", "prod").status == 0


def plant(kind, path, victim):
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "symlink":
        path.symlink_to(victim)
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path.mkdir()
        (path / "in it").write_text("kept")


@pytest.mark.timeout(30)
@pytest.mark.broken_mirror("a directory may stand where a file or a record is to be")
@pytest.mark.parametrize("kind", ["symlink", "fifo", "directory"])
@pytest.mark.parametrize("where", first(2, ["file", "lock", "index", "inventory", "partial", "tmp"]))
def test_what_others_planted_is_replaced_or_refused_and_never_followed(world, kind, where):
    lock = world.workspace()
    victim = world.directory / "victim"
    victim.mkdir() if where == "tmp" else victim.write_text("kept")
    if where == "tmp":
        (victim / "in it").write_text("kept")
    os.makedirs(world.mirror / ".pixi-mirror", mode=0o700)
    channel = world.mirror / world.authority_path / "conda-forge/linux-64"
    package = sha256(world.root / BIG.lstrip("/"))
    path = {
        "file": channel / Path(BIG).name,
        "index": channel / "repodata.json",
        "inventory": world.mirror / "pixi-mirror.json",
        "partial": world.home / "cache/partial" / package,
        "lock": world.mirror / ".pixi-mirror/lock",
        "tmp": world.mirror / ".pixi-mirror/tmp",
    }[where]
    (world.home / "cache/partial").mkdir(mode=0o700, parents=True)
    plant(kind, path, victim)
    done = world.run("--lock", lock, "-e", "prod")
    assert done.status in (0, 8), done.stderr
    assert "Traceback" not in done.stderr
    assert (victim / "in it" if where == "tmp" else victim).read_text() == "kept"
    if where in ("file", "index") and kind != "directory":
        assert done.status == 0
        assert path.is_file()
        assert not path.is_symlink()
    if where == "lock":
        assert done.status == 8


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o770])
def test_a_private_part_that_others_can_write_is_refused_before_the_first_request(world, mode):
    lock = world.workspace()
    private = world.mirror / ".pixi-mirror"
    private.mkdir(parents=True)
    private.chmod(mode)
    done = world.run("--lock", lock, "-e", "prod")
    assert done.status == 8
    assert "can be written by other users" in done.stderr
    assert world.requests == []


def test_runs_with_other_surroundings_make_the_same_bytes(world):
    lock = world.workspace()
    variants = [
        ({"TZ": "Asia/Tokyo", "PYTHONHASHSEED": "1"}, ["--jobs", "1"], world.directory, 0o022),
        ({"TZ": "America/New_York", "PYTHONHASHSEED": "2"}, ["--jobs", "8"], world.home, 0o027),
    ]
    made = []
    second = world.lock("second", environments={"default": {"linux-64": []}}, channels=[f"{world.upstream.url}/x/"])
    for number, (env, jobs, cwd, umask) in enumerate(variants):
        mirror = world.directory / f"mirror-{number}"
        locks = [lock, second] if number else [second, lock]
        named = [word for each in locks for word in ("--lock", each)]
        before = os.umask(umask)
        try:
            done = world.run(*named, "-o", mirror, *jobs, env=env, cwd=cwd)
        finally:
            os.umask(before)
        assert done.status == 0, done.stderr
        made.append(served_files(mirror))
    assert made[0] == made[1]


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="no second filesystem")
def test_a_corrupt_file_of_a_cache_on_another_disk_is_found_while_copying_and_fetched_anew(world, tmp_path):
    shared = Path(f"/dev/shm/pixi-mirror-{os.getpid()}")
    if tmp_path.stat().st_dev == Path("/dev/shm").stat().st_dev:
        pytest.skip("the same filesystem")
    lock = world.workspace()
    args = ["--lock", lock, "-e", "prod", "--cache-dir", shared]
    try:
        assert world.run(*args, "-o", "first").status == 0
        blob = next(shared.glob(f"sha256/*/{sha256(world.root / BIG.lstrip('/'))}"))
        status, data = blob.stat(), blob.read_bytes()
        writable(blob).write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        os.utime(blob, ns=(status.st_atime_ns, status.st_mtime_ns))
        done = world.run(*args, "-o", "second")
        assert (done.status, "expected sha256" in done.stderr) == (6, True), done.stderr
        assert world.run(*args, "-o", "second").status == 0
    finally:
        shutil.rmtree(shared, ignore_errors=True)
