"""Every environment of real locks is solved again, from a mirror of their records, to exactly what was locked."""

import os

import pytest
from harness.corpus import CORPUS, LOCKS
from harness.world import small_packages

from pixi_mirror.conda.solve import SolveRequest, solve_environments
from pixi_mirror.errors import WorkspaceError
from pixi_mirror.lockfile.source import LockSource
from pixi_mirror.mirror.indexes import INDEXES
from pixi_mirror.mirror.merge import merge
from pixi_mirror.model.indexes import Contents
from pixi_mirror.model.request import Request

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


def test_a_package_that_the_lock_names_by_its_url_or_path_is_given_to_the_solver(world):
    """Also where the channel has another package of its name, which pixi does not look at."""
    from dataclasses import replace

    from pixi_mirror.demo.packages import build_package

    newer = world.publish(build_package(name="tool", version="9.0", subdir="linux-64"))
    base = world.publish(small_packages()["base"])
    tool = build_package(name="tool", version="2.0", subdir="linux-64", depends=["base >=2024"])
    release = world.root / "releases/download/v2"
    release.mkdir(parents=True)
    (release / tool.file_name).write_bytes(tool.data)
    by_url = replace(base, url=f"{world.upstream.url}/releases/download/v2/{tool.file_name}", record=tool.record)
    (world.directory / "byhand/x").mkdir(parents=True)
    (world.directory / "byhand/x" / tool.file_name).write_bytes(tool.data)
    by_path = replace(by_url, url=f"./x/{tool.file_name}")
    cells = {"url": [by_url, base], "path": [by_path, base], "channel": [newer, base]}
    channels = [newer.url.rsplit("/", 2)[0] + "/"]
    environments = {name: {"linux-64": cell} for name, cell in cells.items()}
    lock = world.lock("byhand", environments=environments, version=7, channels=channels)
    world.run_json("update", "--lock", lock, "--all-environments")
    found = world.run_json("verify", "--solve")["solved"]
    assert {each["environment"]: (each["problem"], each["otherwise"]) for each in found} == {
        "url": (None, []),
        "path": (None, []),
        "channel": (None, []),
    }


def test_strict_priority_is_reported_apart_from_what_names_alone_would_take(world):
    """The first channel has an old `base` that only the other environment wants: strict priority then takes that."""
    from pixi_mirror.demo.packages import build_package

    old = world.publish(build_package(name="base", version="1.0"), channel="first")
    new = world.publish(build_package(name="base", version="2.0"), channel="second")
    channels = [entry.url.rsplit("/", 2)[0] + "/" for entry in (old, new)]
    environments = {"old": {"linux-64": [old]}, "new": {"linux-64": [new]}}
    world.run_json(
        "update", "--lock", world.lock("two", environments=environments, channels=channels), "--all-environments"
    )
    rows = {each["environment"]: each for each in world.run_json("verify", "--solve")["solved"]}
    assert [(row["problem"], row["otherwise"], row["strict"]) for row in (rows["new"], rows["old"])] == [
        (None, [], ["base 1.0 0 instead of 2.0 0"]),
        (None, ["base 2.0 0 instead of 1.0 0"], []),
    ]
    told = world.run("verify", "--solve").stdout
    assert "under strict channel priority" in told


def test_the_microarchitecture_that_a_lock_names_is_one_for_the_solver(world):
    """A lock has the version 0 there, and packages ask for 1."""
    from pixi_mirror.demo.packages import build_package
    from pixi_mirror.lockfile.writer import LockPlatform

    needy = world.publish(build_package(name="fast", subdir="linux-64", depends=["__archspec 1.* x86_64_v3"]))
    plain = world.publish(build_package(name="plain", subdir="linux-64", depends=["__archspec 1 x86_64"]))
    modern = LockPlatform(name="modern", subdir="linux-64", virtual_packages=("__unix=0=0", "__archspec=0=x86_64_v3"))
    lock = world.lock("fast", environments={"default": {"modern": [needy]}}, version=7, platforms=[modern])
    old = world.lock("plain", environments={"default": {"linux-64": [plain]}})
    world.run_json("update", "--lock", lock, "--lock", old)
    assert [each["problem"] for each in world.run_json("verify", "--solve", "--strict")["solved"]] == [None, None]


CASE = CORPUS / "cases" / "solve-direct-url"


@pytest.mark.skipif(not CASE.is_dir(), reason="needs the shared cases")
def test_the_case_of_a_package_by_direct_url_verifies(world):
    import re

    (lock,) = [world.directory / "case" / "pixi.lock"]
    lock.parent.mkdir()
    lock.write_bytes((CASE / "pixi.lock").read_bytes())
    place = "o/r/releases/download/v2.0/tool-2.0-0.conda"
    (world.root / place).parent.mkdir(parents=True)
    (world.root / place).write_bytes((CASE / "files" / place).read_bytes())
    config = world.directory / "config.toml"
    config.write_text(re.sub(r"http://127\.0\.0\.1:\d+", world.upstream.url, (CASE / "config.toml").read_text()))
    world.run_json("update", "--lock", lock, "--config-file", config)
    assert world.run("verify").status == 0
    assert world.run("verify", "--solve").status == 0


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
    assert "pip install py-rattler" in done.stderr


@pytest.mark.parametrize("spec", ["", " "])
def test_an_empty_dependency_is_a_problem_of_its_environment_and_no_crash(world, spec):
    entry = world.publish(small_packages()["base"]).hotfixed(depends=["replaced"])
    lock = world.lock("odd", environments={"default": {"linux-64": [entry]}}, version=7)
    lock.write_text(lock.read_text().replace("- replaced\n", f"- '{spec}'\n"))
    world.run_json("update", "--lock", lock)
    done = world.run("verify", "--solve", "--json")
    assert [each["environment"] for each in done.json["solved"]] == ["default"]
    assert "Traceback" not in done.stderr
