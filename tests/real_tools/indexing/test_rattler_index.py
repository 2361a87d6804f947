"""The real rattler-index, of every version that this machine has, and py-rattler's, on the records of real locks.

Programs are looked for in `$PIXI_MIRROR_RATTLER_INDEX` (paths, separated as on PATH), else on PATH and where CI builds
them: `cargo install rattler_index --root ~/.cache/pixi-mirror-ci/cargo`.
"""

import os
import shutil
import sys
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import pytest
from harness import oracle
from harness.corpus import LOCKS, needs_corpus

from pixi_mirror.conda.repodata import read_repodata
from pixi_mirror.conda.sidecars import shards_problem, zst_problem
from pixi_mirror.errors import WorkspaceError
from pixi_mirror.lockfile.source import LockSource
from pixi_mirror.mirror.index_programs import ProgramEnvironment
from pixi_mirror.mirror.indexes import INDEXES
from pixi_mirror.mirror.merge import merge
from pixi_mirror.mirror.sidecars import ChannelSidecars
from pixi_mirror.model.indexes import Contents, StandingFiles
from pixi_mirror.model.request import Request

ALL = Request(
    environments=None, platforms=(), skip_unmirrorable=True, allow_md5=True, allow_unhashed=True, build_packages=True
)
NOTHING = StandingFiles(is_whole=lambda _: False, read=lambda _: None)


def programs() -> list[Path]:
    told = os.environ.get("PIXI_MIRROR_RATTLER_INDEX")
    if told is not None:
        return [Path(each) for each in told.split(os.pathsep) if each]
    on_path = shutil.which("rattler-index")
    built = Path.home().glob(".cache/pixi-mirror-ci/cargo*/bin/rattler-index")
    return [*([Path(on_path)] if on_path else []), *sorted(built)]


PROGRAMS = [
    *(pytest.param(each, marks=pytest.mark.rattler_index, id=f"program-{i}") for i, each in enumerate(programs())),
    pytest.param(None, marks=pytest.mark.rattler, id="py-rattler"),
]


class Told:
    """A report that remembers."""

    def __init__(self):
        self.said = []

    def note(self, message):
        self.said.append(message)

    warn = note

    def begin(self, task, *, files, size):
        pass

    def advance(self, *, files=0, size=0):
        pass


def sidecars(program, report, prefix):
    environ = {**os.environ, "PATH": str(program.parent) if program else os.defpath}
    surroundings = ProgramEnvironment(environ=environ, python=Path(sys.executable), prefix=prefix)
    choice = "rattler-index" if program else "rattler"
    return ChannelSidecars(surroundings, report, choice=choice, shards="always")


def made_of(lock):
    answer = LockSource(lock).select((ALL,), subscription="lock", workspace="corpus", layout="channels")
    packages = merge([answer.snapshot], layout="channels", names={}).packages
    return INDEXES[0].files(Contents(packages=packages.values(), channels=(), listings={}, standing=(), where=Path))


@needs_corpus
@pytest.mark.timeout(600)
@pytest.mark.parametrize("program", PROGRAMS)
def test_every_index_of_the_corpus_gets_sidecars_that_say_the_same(program, tmp_path):
    indexes = 0
    for number, lock in enumerate(sorted(LOCKS.glob("*/pixi.lock"))):
        try:
            made = made_of(lock)
        except WorkspaceError:
            continue  # damaged on purpose
        report = Told()
        sidecar_maker = sidecars(program, report, tmp_path)
        recipes = sidecar_maker.recipes(made, ())
        workshop = tmp_path / str(number)
        workshop.mkdir()
        makings = sidecar_maker.make(made, recipes, standing=NOTHING, directory=partial(nullcontext, workshop))
        assert (report.said, makings.error) == ([], None), lock
        assert makings.files.keys() == recipes.keys()
        for main, beside in makings.files.items():
            subdir, records = read_repodata(made[main].content())
            shards, zst = beside.heads.values()
            assert zst_problem(zst, subdir, records) is None
            parts = {path.rpartition("/")[2][:64]: data for path, data in beside.parts.items()}
            assert shards_problem(shards, subdir, records, parts.get) is None
            indexes += 1
        shutil.rmtree(workshop)
    assert indexes > 100


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_whole_mirror_is_true_before_and_after_a_change(program, world):
    choice = "rattler-index" if program else "rattler"
    env = {"PATH": f"{program.parent}{os.pathsep}{os.defpath}"} if program else {}
    lock = world.workspace()
    common = ("update", "--index", choice, "--shards", "always")
    world.run_json(*common, "--lock", lock, "-e", "prod", env=env)
    assert oracle.problems(world.mirror) == []
    before = {path: path.stat().st_mtime_ns for path in world.mirror.rglob("*.zst")}
    world.run_json(*common, env=env)
    assert {path: path.stat().st_mtime_ns for path in world.mirror.rglob("*.zst")} == before
    world.run_json(*common, "--lock", lock, "--all-environments", env=env)
    assert oracle.problems(world.mirror) == []
    assert len([*world.mirror.rglob("repodata_shards.msgpack.zst")]) == 3
    assert world.run("verify").status == 0


@pytest.mark.rattler_index
@pytest.mark.parametrize("program", programs(), ids=lambda program: program.parent.parent.name)
def test_with_its_seed_lost_the_indexer_fails_on_the_stand_ins(program, tmp_path):
    """So the loss of our records cannot pass for an index."""
    import subprocess

    (tmp_path / "noarch").mkdir()
    (tmp_path / "noarch/base-1-0.conda").touch()
    done = subprocess.run([program, "fs", tmp_path], capture_output=True, check=False)
    assert done.returncode != 0
