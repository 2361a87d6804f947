"""Every environment of real locks is solved again, from a mirror of their records, to exactly what was locked."""

import os

import pytest
from harness.corpus import LOCKS
from harness.world import small_packages

from pixi_mirror.conda.solve import SolveRequest, solve_environments
from pixi_mirror.errors import WorkspaceError
from pixi_mirror.lockfile.source import LockSource
from pixi_mirror.mirror.indexes import INDEXES
from pixi_mirror.mirror.merge import merge
from pixi_mirror.model.indexes import Contents
from pixi_mirror.model.packages import Request

pytestmark = pytest.mark.rattler

ALL = Request(
    environments=None, platforms=(), skip_unmirrorable=True, allow_md5=True, allow_unhashed=True, build_packages=True
)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("lock", sorted(LOCKS.glob("*/pixi.lock")), ids=lambda lock: lock.parent.name)
def test_a_real_lock_is_solved_again_to_itself(lock, tmp_path):
    try:
        answer = LockSource(lock).select((ALL,), subscription="lock", workspace="corpus", layout="channels")
    except WorkspaceError:
        pytest.skip("damaged on purpose")
    packages = merge([answer.snapshot], layout="channels", names={}).packages
    cells = answer.snapshot.cells
    channels = [(channel, cell.subdir) for cell in cells for channel in cell.channels]
    contents = Contents(
        packages=packages.values(), channels=channels, listings={}, standing=(), where=lambda path: tmp_path / path
    )
    for path, made in INDEXES[0].files(contents).items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(made.content())
    found = solve_environments(tmp_path, [SolveRequest(workspace="corpus", cell=cell) for cell in cells], packages)
    problems = {(each.environment, each.platform): each.problem for each in found if each.problem}
    assert problems == {}
    assert len(found) == len(cells)


def test_verify_solves_a_mirror_and_says_so(world):
    world.run_json("update", "--lock", world.workspace(), "--all-environments")
    found = world.run_json("verify", "--solve")
    assert [(each["problem"], each["otherwise"]) for each in found["solved"]] == [(None, [])] * 3
    assert "3 of 3 environments solved as locked" in world.run("verify", "--solve").stdout


def test_an_environment_that_its_channel_cannot_give_is_a_finding(world):
    entry = {name: world.publish(package) for name, package in small_packages().items()}
    lock = world.lock("torn", environments={"default": {"linux-64": [entry["tool-linux"], entry["base"]]}})
    world.run_json("update", "--lock", lock)
    (row,) = world.run_json("verify", "--solve", status=1)["solved"]
    assert "pure" in row["problem"]


def test_a_hotfixed_record_solves_where_the_archive_would_not(world):
    """The lock's record asks for less than the archive: a plain index of the archives could not be solved."""
    from dataclasses import replace

    entry = {name: world.publish(package) for name, package in small_packages().items()}
    strict = entry["tool-linux"]
    fixed = replace(strict, record={**strict.record, "depends": ["base >=2000"]})
    lock = world.lock("fixed", environments={"default": {"linux-64": [fixed, entry["base"]]}})
    world.run_json("update", "--lock", lock)
    assert world.run("verify", "--solve").status == 0


def test_what_names_alone_would_take_is_told_and_is_no_finding(world):
    from pixi_mirror.demo.packages import build_package

    old, new = (world.publish(build_package(name="base", version=version)) for version in ("1.0", "2.0"))
    lock = world.lock("two", environments={"old": {"linux-64": [old]}, "new": {"linux-64": [new]}})
    world.run_json("update", "--lock", lock, "--all-environments")
    rows = {each["environment"]: each["otherwise"] for each in world.run_json("verify", "--solve")["solved"]}
    assert rows["new"] == []
    (line,) = rows["old"]
    assert line.startswith("base 2.0")
    assert "instead of 1.0" in line


DATED = """
import asyncio, datetime, os, sys, rattler
async def main():
    records = await rattler.solve(
        sources=[rattler.Channel(sys.argv[1])], specs=["base"], gateway=rattler.Gateway(), platforms=["noarch"],
        exclude_newer=datetime.datetime(2025, 1, 1, tzinfo=datetime.timezone.utc),
    )
    print(*(record.version for record in records))
asyncio.run(main())
sys.stdout.flush()
os._exit(0)
"""


@pytest.mark.parametrize("made", ["json", "rattler"])
def test_a_solve_that_excludes_what_is_newer_finds_what_was_there_then(world, made):
    """Timestamps come through, and no indexer has stamped the day of the mirror on the records."""
    from harness.child import run_python

    from pixi_mirror.demo.packages import build_package

    days = {"1.0": 1_704_067_200_000, "2.0": 1_767_225_600_000}
    old, new = (
        world.publish(build_package(name="base", version=version, timestamp=at)) for version, at in days.items()
    )
    lock = world.lock("dated", environments={"old": {"linux-64": [old]}, "new": {"linux-64": [new]}})
    world.run_json("update", "--index", made, "--lock", lock, "--all-environments")
    channel = next(world.mirror.rglob("noarch")).parent.as_uri()
    done = run_python("-c", DATED, channel, env=world.environment, cwd=world.directory)
    assert done.stdout.split() == ["1.0"], done.stderr
    assert world.run("verify", "--solve").status == 0


def test_without_py_rattler_solving_is_refused_with_what_to_do(world, tmp_path):
    """A package of that name that is not there cannot be had by hiding it, so an isolated Python has none."""
    world.run_json("update", "--lock", world.workspace())
    blind = tmp_path / "sitecustomize.py"
    blind.write_text(
        "import importlib.util as u, sys\nfind = u.find_spec\n"
        "u.find_spec = lambda name, package=None: None if name == 'rattler' else find(name, package)\n"
    )
    env = {"PYTHONPATH": f"{tmp_path}{os.pathsep}{world.environment['PYTHONPATH']}"}
    done = world.run("verify", "--solve", env=env)
    assert done.status == 7
    assert "pixi-mirror[rattler]" in done.stderr
