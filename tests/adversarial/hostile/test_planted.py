"""What somebody planted at a name that we write: replaced or refused, never followed, never waited for."""

import os

import pytest
from harness import oracle
from harness.examples import first
from harness.several import run_several

from pixi_mirror.demo.packages import build_package
from pixi_mirror.errors import MachineError
from pixi_mirror.mirror.tree import Tree
from pixi_mirror.model.values import admit_path

pytestmark = [
    pytest.mark.skipif(os.name == "nt", reason="links and FIFOs of POSIX"),
    pytest.mark.broken_mirror("a directory may stand where a file is to be; what ended with 0 is judged here"),
]

PRIVATE = ("lock", "tmp", "state.json", "unchanged.json", "addresses")
CACHE = ("partial", "sha256", "identities", "lock", "CACHEDIR.TAG")
FOLDERS = ("tmp", "partial", "sha256", ".pixi-mirror", "linux-64")
KINDS = ("symlink", "dangling", "hard link", "fifo", "directory")


class Trap:
    """A mirror and a cache of their own, with one thing planted in them, and what it could harm."""

    def __init__(self, world, number, name, kind):
        self.label = f"{kind} at {name}"
        self.mirror = world.directory / f"m{number}"
        self.cache = world.directory / f"c{number}"
        self.victim = world.directory / f"v{number}"
        path = world.directory / name.replace("MIRROR", self.mirror.name).replace("CACHE", self.cache.name)
        is_folder = path.name in FOLDERS or path.parent.name == "sha256"
        for folder in (self.mirror / ".pixi-mirror", self.cache):
            folder.mkdir(parents=True, mode=0o700)
        if path == self.mirror / ".pixi-mirror":
            path.rmdir()
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        for folder in (self.cache / "partial", self.cache / "sha256"):
            if folder != path:
                folder.mkdir(exist_ok=True, mode=0o700)
        self.victim.mkdir()
        kept = self.victim / "kept"
        kept.write_bytes(b"kept")
        kept.chmod(0o640)
        if kind == "symlink":
            path.symlink_to(self.victim if is_folder else kept)
        elif kind == "dangling":
            path.symlink_to(self.victim / "made")
        elif kind == "hard link":
            os.link(kept, path)
        elif kind == "fifo":
            os.mkfifo(path)
        else:
            path.mkdir(exist_ok=True)
            (path / "in it").write_bytes(b"in it")

    def harm(self):
        """What became of the victim; empty is good."""
        found = {path.name: path.read_bytes() for path in self.victim.iterdir()}
        mode = (self.victim / "kept").stat().st_mode & 0o7777 if "kept" in found else None
        return None if (found, mode) == ({"kept": b"kept"}, 0o640) else (self.label, found, mode)


@pytest.fixture
def built():
    return build_package(name="one", subdir="linux-64", payload_size=1000)


def names(world, built):
    """Every name that an update of one package writes, with its folders."""
    channel = f"MIRROR/{world.authority_path}/conda-forge/linux-64"
    sha256 = built.record["sha256"]
    return [
        channel, f"{channel}/{built.file_name}", f"{channel}/repodata.json", "MIRROR/pixi-mirror.json",
        "MIRROR/.pixi-mirror", *(f"MIRROR/.pixi-mirror/{name}" for name in PRIVATE),
        *(f"CACHE/{name}" for name in CACHE),
        f"CACHE/partial/{sha256}", f"CACHE/partial/{sha256}.validator",
        f"CACHE/sha256/{sha256[:2]}", f"CACHE/sha256/{sha256[:2]}/{sha256}",
    ]  # fmt: skip


@pytest.mark.parametrize("kind", first(1, KINDS))
def test_what_others_planted_is_neither_followed_nor_waited_for(world, built, kind):
    lock = world.lock("workspace", environments={"default": {"linux-64": [world.publish(built)]}})
    traps = [Trap(world, number, name, kind) for number, name in enumerate(names(world, built))]
    runs = run_several(
        [["--lock", lock, "-o", trap.mirror, "--cache-dir", trap.cache] for trap in traps],
        env=world.environment, cwd=world.directory,
    )  # fmt: skip
    for trap, done in zip(traps, runs, strict=True):
        assert done.status in (0, 8), (trap.label, done.status, done.stderr)
        assert "Traceback" not in done.stderr, (trap.label, done.stderr)
        assert done.status == 0 or str(world.directory) in done.stderr, (trap.label, done.stderr)
        if done.status == 0:
            assert oracle.problems(trap.mirror) == [], trap.label
    assert [trap.harm() for trap in traps if trap.harm()] == []


def test_nothing_is_removed_through_a_folder_that_became_a_link(world, built):
    path = world.publish(built)
    lock = world.lock("workspace", environments={"default": {"linux-64": [path]}})
    world.run_json("--lock", lock)
    folder = world.mirror / world.authority_path / "conda-forge/linux-64"
    elsewhere = world.directory / "elsewhere"
    folder.rename(elsewhere)
    folder.symlink_to(elsewhere)
    kept = {each.name: each.read_bytes() for each in elsewhere.iterdir()}
    world.lock("workspace", environments={"default": {"linux-64": []}})
    runs = run_several(
        [["--lock", lock], ["prune", "--apply", "--grace", "0", "--force"]], env=world.environment, cwd=world.directory
    )
    assert [(done.status, "is a link" in done.stderr) for done in runs] == [(0, False), (8, True)], runs
    assert {each.name: each.read_bytes() for each in elsewhere.iterdir()} == kept


def test_a_file_behind_a_planted_link_is_not_removed(tmp_path):
    tree = Tree(tmp_path / "mirror")
    (tmp_path / "elsewhere").mkdir()
    kept = tmp_path / "elsewhere/a-1-0.conda"
    kept.write_bytes(b"kept")
    with tree.writing(timeout_s=0):
        (tmp_path / "mirror/c").mkdir()
        (tmp_path / "mirror/c/noarch").symlink_to(tmp_path / "elsewhere")
        with pytest.raises(MachineError, match="is a link"):
            tree.remove(admit_path("c/noarch/a-1-0.conda"))
    assert kept.read_bytes() == b"kept"
