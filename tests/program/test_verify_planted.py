"""Whatever is wrong with a mirror, `verify` ends with 1, or with 8 where it cannot tell, and never with 0.

Each fault is planted in a mirror that was whole, as the control says, and found by its own path.
"""

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from harness import oracle
from harness.damage import writable
from harness.directly import Directly
from harness.looking import contents
from harness.python_index import PythonIndex
from harness.several import run_several
from harness.upstream import Upstream
from harness.world import World, small_packages

from pixi_mirror.demo.distributions import build_wheel
from pixi_mirror.errors import MachineError

TOOL = "conda-forge/linux-64/tool-1.0-h12_1.conda"
BASE = "conda-forge/noarch/base-2024.1-0.conda"
INDEX = "conda-forge/linux-64/repodata.json"
NOARCH = "conda-forge/noarch/repodata.json"
LOCK = "workspace/pixi.lock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A whole mirror of conda packages and a wheel."""

    direct: Directly

    @property
    def root(self) -> Path:
        """Where the paths of the upstream begin."""
        return self.direct.mirror / self.direct.world.authority_path

    @property
    def files(self) -> dict[str, bytes]:
        """All that the inventory knows."""
        found = contents(self.direct.mirror)
        return {
            path: data for path, data in found.items() if not path.startswith((".pixi-mirror/", "pixi-mirror.json"))
        }

    def path(self, name: str) -> Path:
        """A file by its path at the upstream; `METADATA`, `WHEEL` and pages by what they are."""
        patterns = {"METADATA": "**/*.metadata", "WHEEL": "**/*.whl", "PAGE": "simple/thing/index.html"}
        if name.startswith("PAGE JSON"):
            return self.root / "simple/thing/index.v1_json"
        return next(self.root.glob(patterns[name])) if name in patterns else self.root / name


@pytest.fixture
def standing(world: World) -> Standing:
    return made(world)


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standing]:
    """One that every test leaves as it found it."""
    directory = tmp_path_factory.mktemp("lasting")
    root = directory / "upstream"
    root.mkdir()
    with Upstream(root=root) as upstream:
        standing = made(World(directory=directory, root=root, upstream=upstream))
        yield standing
        assert oracle.problems(standing.direct.mirror) == []


def made(world: World) -> Standing:
    entry = {name: world.publish(small_packages()[name]) for name in ("base", "pure", "tool-linux")}
    index = PythonIndex(world=world)
    wheel = index.publish(build_wheel(name="thing", version="1.0"), name="thing", version="1.0")
    world.lock("workspace", environments={"default": {"linux-64": [*entry.values(), wheel]}}, indexes=[index.url])
    direct = Directly(world=world)
    direct.update(LOCK)
    return Standing(direct=direct)


def flipped(path: Path) -> None:
    """Other bytes; the same size and time, in the same file."""
    status = path.stat()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    writable(path).write_bytes(bytes(data))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def longer(path: Path) -> None:
    writable(path).write_bytes(path.read_bytes() + b"\0")


def linked(path: Path) -> None:
    """To a file with the right bytes: what others may change is no file of ours."""
    shutil.move(path, path.parent / "elsewhere")
    path.symlink_to("elsewhere")


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def edited(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8", newline="")


def with_record_changed(path: Path) -> None:
    edited(path, "base >=2024", "base >=2023")


def without_record(path: Path) -> None:
    document = json.loads(path.read_bytes())
    document["packages.conda"].popitem()
    path.write_text(json.dumps(document))


def with_stranger(path: Path) -> None:
    document = json.loads(path.read_bytes())
    document["packages.conda"]["stranger-1.0-0.conda"] = next(iter(document["packages.conda"].values()))
    path.write_text(json.dumps(document))


FAULTS = {
    **{
        f"{what.__name__} {name}": (name, what)
        for name in (TOOL, "WHEEL", "METADATA", INDEX, "PAGE", "PAGE JSON")
        for what in (flipped, longer, os.unlink, folder)
    },
    "truncated package": (TOOL, lambda path: os.truncate(writable(path), 100)),
    "empty package": (TOOL, lambda path: os.truncate(writable(path), 0)),
    "linked package": (TOOL, linked),
    "package that is a FIFO": (TOOL, fifo),
    "package swapped with another": (
        TOOL,
        lambda path: shutil.copy(path.parents[1] / "noarch" / Path(BASE).name, writable(path)),
    ),
    "index with another record": (INDEX, with_record_changed),
    "index without a record": (NOARCH, without_record),
    "index with a stranger": (NOARCH, with_stranger),
    "index that is empty": (INDEX, lambda path: os.truncate(writable(path), 0)),
    "page without its link": ("PAGE", lambda path: edited(path, "<a ", "<b ")),
    "page with another hash": ("PAGE", lambda path: edited(path, "#sha256=", "#sha256=0")),
}


def test_the_control_a_whole_mirror_has_no_finding(standing):
    found = standing.direct.verify()
    assert (found.left, found.unknown, found.unmet_dependencies) == ((), (), ())
    assert found.files == len(standing.files) > 0
    assert found.size == sum(map(len, standing.files.values()))


@pytest.mark.parametrize("fault", FAULTS)
def test_each_planted_fault_is_found_at_its_path_and_mended(lasting, fault):
    if fault == "package that is a FIFO" and not hasattr(os, "mkfifo"):
        pytest.skip("no FIFOs")
    name, plant = FAULTS[fault]
    path, good = lasting.path(name), lasting.files
    plant(path)
    assert lasting.direct.verify().left == (path.relative_to(lasting.direct.mirror).as_posix(),)
    if path.is_dir():  # what somebody has made there is theirs to remove
        path.rmdir()
    assert lasting.direct.verify(repair=True).left == ()
    for stray in lasting.files.keys() - good.keys():
        (lasting.direct.mirror / stray).unlink()
    assert lasting.files == good
    assert lasting.direct.verify().left == ()


@pytest.mark.broken_mirror("everything is removed, or nothing ever came")
def test_to_have_looked_at_nothing_is_never_a_success(world, standing):
    """0 files: all are gone, or the inventory is, or the first update has never ended."""
    inventory = standing.direct.mirror / "pixi-mirror.json"
    good = inventory.read_bytes()
    for name in standing.files:
        (standing.direct.mirror / name).unlink()
    found = standing.direct.verify()
    assert (found.files, found.indexes_read) == (0, 0)
    assert len(found.left) == len(json.loads(good)["tree"])
    inventory.unlink()
    (world.directory / "begun/.pixi-mirror").mkdir(parents=True)
    lines = [[*words, *more] for words in (["verify"], ["verify", "begun"]) for more in ([], ["--quick"], ["--repair"])]
    for ran in run_several(lines, env=world.environment, cwd=world.directory):
        assert (ran.status, ran.stdout) == (8, ""), ran
        assert "holds nothing that could be verified" in ran.stderr


@pytest.mark.broken_mirror("its records do not parse")
@pytest.mark.parametrize("record", ["pixi-mirror.json", ".pixi-mirror/state.json"])
def test_a_record_that_does_not_parse_is_an_error_and_no_success(standing, record):
    data = (standing.direct.mirror / record).read_bytes()
    (standing.direct.mirror / record).write_bytes(data[:-2])
    with pytest.raises(MachineError, match="does not parse"):
        standing.direct.verify()


@pytest.mark.broken_mirror("damaged, for a repair that must not do more than it should")
def test_a_repair_asks_for_what_is_bad_and_for_nothing_else(standing):
    """From upstream what the cache does not have, from the cache without asking what it has; the rest stays."""
    direct, world = standing.direct, standing.direct.world
    flipped(standing.path(TOOL))  # the cache shares the file
    shutil.copy(standing.path(BASE), standing.path(BASE).parent / "copy")
    standing.path(BASE).unlink()
    before = {path: path.stat().st_ino for path in standing.root.rglob("*") if path.is_file()}
    world.upstream.forget_requests()
    repaired = direct.verify(repair=True)
    assert [request.bare for request in world.requests] == [f"/{TOOL}"]
    assert {*repaired.repaired} == {f"{world.authority_path}/{name}" for name in (TOOL, BASE)}
    same = {path for path, inode in before.items() if path.exists() and path.stat().st_ino == inode}
    assert before.keys() - same == {standing.path(TOOL)}


def test_quick_believes_what_looks_the_same_and_hashes_what_does_not(standing):
    """Same size, time and inode: believed, which is what quick means. Anything else: hashed."""
    direct, tool = standing.direct, standing.path(TOOL)
    status, good = tool.stat(), tool.read_bytes()
    found = direct.verify(quick=True)
    assert (found.left, found.files) == ((), len(standing.files))
    assert found.size == sum(map(len, standing.files.values()))
    writable(tool).write_bytes(bytes(len(good)))
    os.utime(tool, ns=(status.st_atime_ns, status.st_mtime_ns))
    believed = tool.stat().st_nlink > 1  # then ctime says nothing, for others may have made a link
    wrong = tool.relative_to(direct.mirror).as_posix()
    assert direct.verify(quick=True).left == (() if believed else (wrong,))
    assert direct.verify().left == (wrong,)
    os.utime(tool)
    assert [each.path for each in direct.verify(quick=True).changed] == [wrong]
    tool.write_bytes(good)
    assert direct.verify(quick=True).left == ()


@pytest.mark.skipif(os.name == "nt", reason="no ctime")
def test_zeros_of_the_same_size_and_time_are_seen_by_an_update_too_where_no_link_excuses_the_ctime(standing):
    direct, tool = standing.direct, standing.path(TOOL)
    shutil.rmtree(direct.cache)
    good = tool.read_bytes()
    tool.unlink()
    tool.write_bytes(good)
    direct.update()  # finds another file with the right bytes, and knows it from now on
    status = tool.stat()
    assert status.st_nlink == 1
    writable(tool).write_bytes(bytes(len(good)))
    os.utime(tool, ns=(status.st_atime_ns, status.st_mtime_ns))
    wrong = (tool.relative_to(direct.mirror).as_posix(),)
    assert direct.verify(quick=True).left == direct.verify().left == wrong
    direct.world.upstream.forget_requests()
    assert direct.update().fetched == wrong
    assert [request.bare for request in direct.world.requests] == [f"/{TOOL}"]
    assert tool.read_bytes() == good


@pytest.mark.parametrize("fault", ["os.unlink", "index with another record", "page without its link", "linked package"])
def test_quick_reads_every_index_and_misses_no_file_that_is_gone(lasting, fault):
    name, plant = {**FAULTS, "os.unlink": (TOOL, os.unlink)}[fault]
    path = lasting.path(name)
    plant(path)
    assert lasting.direct.verify(quick=True).left == (path.relative_to(lasting.direct.mirror).as_posix(),)
    assert lasting.direct.verify(quick=True, repair=True).left == ()
    path.with_name("elsewhere").unlink(missing_ok=True)
