"""On disks that are small, full or read-only: a clear refusal or a clear failure, no harm, and reading goes on."""

import os
import re
import subprocess
import urllib.request
from pathlib import Path

import pytest
from harness import mounts, oracle
from harness.looking import contents, identities
from harness.world import small_packages

from pixi_mirror.demo.distributions import build_wheel
from pixi_mirror.demo.packages import build_package
from pixi_mirror.lockfile.writer import PypiLockEntry

needs_mounts = pytest.mark.skipif(not mounts.possible(), reason="this machine does not let us mount")
MARGIN = 16 << 20
"""What an update leaves free."""
MIB = 1 << 20


def filled(folder):
    """Write until there is no byte left; the file that takes the room."""
    path = folder / "filler"
    with path.open("wb", buffering=0) as file:
        for size in (MIB, 4096, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue
    return path


class Small:
    """A mirror and a cache on a filesystem of `size` bytes, for a user who runs us there."""

    def __init__(self, world, namespace, folder):
        self.world, self.namespace, self.folder = world, namespace, folder
        self.seen = namespace.seen(folder)
        self.mirror = self.seen / "mirror"

    def run(self, *args):
        env = self.world.environment | {"PIXI_MIRROR_CACHE_DIR": f"{self.folder}/cache"}
        return self.namespace.run(*args, env=env, cwd=self.world.directory)

    def update(self, lock):
        self.world.upstream.forget_requests()
        return self.run("--lock", lock, "-o", self.folder / "mirror")

    def problems(self):
        return oracle.problems(self.mirror)


@pytest.fixture
def disk(world, tmp_path):
    """Make a small disk of so many bytes."""
    from contextlib import ExitStack

    with ExitStack() as stack:

        def make(size):
            folder = tmp_path / "disk"
            namespace = stack.enter_context(mounts.mounted(mounts.tmpfs(folder, size=size)))
            return Small(world, namespace, folder)

        yield make


def needed(world):
    return sum(len(small_packages()[name].data) for name in ("tool-linux", "base", "pure"))


def locked(world):
    entries = [world.publish(small_packages()[name]) for name in ("base", "pure", "tool-linux")]
    return world.lock("workspace", environments={"default": {"linux-64": entries}})


@needs_mounts
def test_a_disk_that_is_a_little_too_small_is_refused_before_the_first_byte(world, disk):
    small = disk(MARGIN + needed(world))  # what the directories take is what is missing
    done = small.update(locked(world))
    assert done.status == 8
    assert re.search(r"has too little room: 16\.9 MB are needed and 16\.\d MB are free, so [\d.]+ kB are", done.stderr)
    assert str(small.folder) in done.stderr
    assert world.requests == []
    assert not (small.mirror / "pixi-mirror.json").exists()


@needs_mounts
@pytest.mark.slow
def test_a_disk_that_is_large_enough_is_enough(world, disk):
    small = disk(MARGIN + needed(world) + 400_000)
    done = small.update(locked(world))
    assert done.status == 0, done.stderr
    assert small.problems() == []


@needs_mounts
def test_a_disk_that_is_full_midway_ends_with_8_and_what_it_had_brought_is_not_fetched_again(world, disk):
    """The lock tells no size of PyPI files, so nobody can know before."""
    entries, wheel = [world.publish(small_packages()["base"])], build_wheel(
        name="large", version="1.0", files={"large/data.bin": os.urandom(MARGIN + 3 * MIB)}
    )  # fmt: skip
    (world.root / "files").mkdir()
    (world.root / "files" / wheel.file_name).write_bytes(wheel.data)
    url = f"{world.upstream.url}/files/{wheel.file_name}"
    entries.append(PypiLockEntry(url=url, name="large", version="1.0", sha256=wheel.sha256))
    lock = world.lock("workspace", environments={"default": {"linux-64": entries}})
    small = disk(MARGIN + 2 * MIB)
    done = small.update(lock)
    assert (done.status, "Traceback" in done.stderr) == (8, False), done.stderr
    assert "Free some space" in done.stderr
    assert oracle.listing(small.mirror).files == {}
    left = {path for path in contents(small.seen) if "/partial/" in path or "/tmp/" in path}
    assert left == set(), "what is of no use takes no room"
    small.namespace.call("mount", "-o", f"remount,size={64 * MIB}", small.folder, env=os.environ, cwd=Path("/"))
    done = small.update(lock)
    assert done.status == 0, done.stderr
    assert [request.bare for request in world.requests if "conda-forge" in request.bare] == []
    assert small.problems() == []


@needs_mounts
@pytest.mark.slow
def test_whoever_reads_works_on_a_full_disk(world, disk):
    small = disk(MARGIN + 2 * MIB)
    lock = locked(world)
    assert small.update(lock).status == 0
    filled(small.seen)
    before = identities(small.seen)
    for args in (["status"], ["verify"], ["prune"], ["config", "--for", "conda"]):
        done = small.run(*args, small.folder / "mirror")
        assert done.status == 0, (args, done.stderr)
    assert identities(small.seen) == before
    assert served(small, "pixi-mirror.json") == (small.mirror / "pixi-mirror.json").read_bytes()
    assert small.update(lock).status == 0, "nothing is to be done, so nothing is written"


def served(small, path):
    """What a server of the mirror answers, begun inside the namespace."""
    import sys

    command = [sys.executable, "-m", "pixi_mirror", "serve", f"{small.folder}/mirror", "--port", "0"]
    child = subprocess.Popen(
        [*small.namespace.enter(small.world.directory), *command],
        env=small.world.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        encoding="utf-8",
    )
    with child:
        url = child.stdout.readline().strip()
        try:
            with urllib.request.urlopen(f"{url}/{path}", timeout=20) as answer:
                return answer.read()
        finally:
            child.terminate()


@pytest.mark.slow
@needs_mounts
def test_on_a_full_disk_prune_frees_room_and_the_update_that_failed_succeeds(world, disk):
    large = world.publish(build_package(name="large", subdir="linux-64", payload_size=MARGIN + 2 * MIB))
    base, pure = (world.publish(small_packages()[name]) for name in ("base", "pure"))
    small = disk(2 * MARGIN + 4 * MIB)
    assert small.update(world.lock("workspace", environments={"default": {"linux-64": [base, large]}})).status == 0
    assert small.update(world.lock("workspace", environments={"default": {"linux-64": [base]}})).status == 0
    filled(small.seen)
    lock = world.lock("workspace", environments={"default": {"linux-64": [base, pure]}})
    done = small.update(lock)
    assert done.status == 8, done.stderr
    assert small.problems() == []
    done = small.run("cache", "prune", "--apply")  # what docs/running.md tries first; it finds nothing to remove
    assert done.status == 0, done.stderr
    done = small.run("prune", small.folder / "mirror", "--apply", "--grace", "0")
    assert done.status == 0, done.stderr
    assert small.problems() == []
    done = small.run("cache", "prune", "--apply", "--grace", "0")  # the other name of the same bytes
    assert done.status == 0, done.stderr
    done = small.update(lock)
    assert done.status == 0, done.stderr
    assert small.problems() == []


@needs_mounts
def test_a_read_only_mirror_is_read_and_neither_changed_nor_refused_with_a_traceback(world):
    lock = locked(world)
    assert world.run("--lock", lock, "-o", world.mirror).status == 0
    before = identities(world.mirror)
    with mounts.mounted(mounts.read_only(world.mirror)) as namespace:
        small = Small(world, namespace, world.mirror.parent)
        for args in (["status"], ["verify"], ["prune"], ["config", "--for", "pip"]):
            done = small.run(*args, world.mirror)
            assert done.status == 0, (args, done.stderr)
        cache = ["--pixi-cache-dir", world.directory / "pixi-cache"]
        done = small.run("prime", world.mirror, "-p", "linux-64", *cache)
        assert done.status == 0, done.stderr
        assert served(small, "pixi-mirror.json") == (world.mirror / "pixi-mirror.json").read_bytes()
        again = world.lock("second", environments={"default": {"linux-64": []}}, channels=[f"{world.upstream.url}/x/"])
        for args in (["--lock", again, "-o"], ["prune", "--apply"], ["verify", "--repair"]):
            done = small.run(*args, world.mirror)
            assert done.status == 8, (args, done.stderr)
            (line,) = [each for each in done.stderr.splitlines() if each.startswith("pixi-mirror: ")]
            assert "Read-only file system" in line, args
            assert str(world.mirror) in line
    assert identities(world.mirror) == before


@needs_mounts
def test_a_cache_that_is_read_only_is_named(world):
    cache = world.home / "cache"
    cache.mkdir(mode=0o700, parents=True)
    lock = locked(world)
    with mounts.mounted(mounts.read_only(cache)) as namespace:
        done = namespace.run("--lock", lock, "-o", world.mirror, env=world.environment, cwd=world.directory)
    assert (done.status, "Traceback" in done.stderr) == (8, False)
    assert str(cache) in done.stderr
    assert world.requests == []


@needs_mounts
@pytest.mark.parametrize("number", range(3))
def test_names_that_differ_in_case_alone_do_no_harm_where_the_disk_holds_them_to_be_one(world, number):
    folder = world.directory / "blind"
    command = mounts.blind_to_case(folder)[number]
    try:
        with mounts.mounted(command) as namespace:
            names_in_two_cases(Small(world, namespace, folder))
    except OSError as error:
        pytest.skip(f"{error}")


def test_names_that_differ_in_case_alone_are_refused_where_another_case_finds_our_private_folder(world):
    """What such a disk looks like from within, on any disk: the true ones are above, where the machine has them."""
    base = world.publish(small_packages()["base"])
    lock = world.lock("workspace", environments={"default": {"linux-64": [base]}})
    assert world.run("--lock", lock).status == 0
    (world.mirror / ".PIXI-MIRROR").mkdir()
    refuse_names_in_two_cases(world, lambda lock: world.run("--lock", lock))
    (world.mirror / ".PIXI-MIRROR").rmdir()
    assert world.run("--lock", lock).status == 0


def names_in_two_cases(small):
    world = small.world
    (small.seen / "Probe").touch()
    assert (small.seen / "probe").exists()
    refuse_names_in_two_cases(world, small.update)
    assert not (small.mirror / "pixi-mirror.json").exists()


def refuse_names_in_two_cases(world, update):
    entries = [world.publish(build_package(name=name), channel=channel) for name, channel in
               (("one", "channel"), ("two", "Channel"))]  # fmt: skip
    lock = world.lock("workspace", environments={"default": {"linux-64": entries}})
    world.upstream.forget_requests()
    done = update(lock)
    assert done.status == 4, done.stderr
    assert "/Channel and " in done.stderr
    assert "/channel are one name" in done.stderr
    assert world.requests == []
