"""An unpacking that is killed or fails at any call leaves the old environment or the new one, with its script."""

import shutil

import pytest
from harness import program
from harness.child import user_environment
from harness.conda_packages import PLACEHOLDER, Link, conda_package
from harness.examples import first
from harness.kill import KILLED
from harness.packs import pack_files, write_folder
from harness.unpacking import tree

from pixi_mirror.demo.distributions import build_wheel
from pixi_mirror.environments.platform import own_subdir
from pixi_mirror.environments.processes import CAN_FORK

pytestmark = pytest.mark.timeout(900)

HERE = own_subdir()
ERRORS = ("ENOSPC", "EIO", "EACCES", "EMFILE", "EROFS")


def packages(version):
    """An environment of everything that is written in a way of its own."""
    python = {"bin/python3.12": b"#!/bin/sh\n", "bin/python": Link(target="python3.12")}
    files = {"share/tool": f"{PLACEHOLDER}/{version}".encode(), f"share/only-{version}": b"", "l": Link(target="share")}
    files["etc/conda/env_vars.d/tool.json"] = f'{{"TOOL": "{version}"}}'.encode()
    conda = [
        conda_package("python", python, version="3.12.1", subdir=HERE, extension="tar.bz2"),
        conda_package("tool", files, version=version, subdir=HERE, extension="tar.bz2"),
        conda_package("pure", {"site-packages/pure.py": b""}, commands=["pure = pure:main"], extension="tar.bz2"),
    ]
    return pack_files(conda, [build_wheel(name="w", version=version)], platform=HERE)


class Place:
    """Where one run after another is killed, each beginning with the same."""

    def __init__(self, folder, *, is_new):
        self.folder, self.out, self.seed = folder, folder / "out", folder / "seed"
        self.env = user_environment(folder / "home")
        write_folder(packages("1.0"), folder / "first")
        write_folder(packages("2.0"), folder / "second")
        self.seed.mkdir()
        self.is_new = is_new
        if not is_new:
            self.begin()
            assert self.killed(None, "first").status == 0
            (self.out / "env/mine").mkdir()
            (self.out / "env/mine/notes").write_text("mine")
            shutil.rmtree(self.seed)
            shutil.copytree(self.out, self.seed, symlinks=True)
        self.begin()
        self.old = tree(self.out)
        assert self.killed(None).status == 0
        self.new = tree(self.out)
        assert is_new or "env/mine/notes" in self.new

    def begin(self):
        shutil.rmtree(self.out, ignore_errors=True)
        shutil.copytree(self.seed, self.out, symlinks=True)

    def words(self, pack="second"):
        return ["unpack", str(self.folder / pack), "-q", "--jobs", "1", "--platform", HERE, "-o", str(self.out)]

    def killed(self, point, pack="second", error=None):
        """How a run ends that is killed, or fails, at a call; None: at none."""
        return program.run(self.words(pack), env=self.env, cwd=self.folder, below=self.out, point=point, error=error)

    def points(self):
        self.begin()
        return program.mutating_calls(self.words(), env=self.env, cwd=self.folder, below=self.out)

    def standing(self):
        """What stands there, without what is cleared by the next run."""
        found = tree(self.out)
        return {path: told for path, told in found.items() if not path.startswith(".env.")}

    def judge(self):
        """Old or new, the script never missing, and the next run ends in new, with no litter."""
        found = self.standing()
        env = {path: told for path, told in found.items() if path.split("/")[0] == "env"}
        kinds = {
            "old": {path: told for path, told in self.old.items() if path.split("/")[0] == "env"},
            "new": {path: told for path, told in self.new.items() if path.split("/")[0] == "env"},
        }
        kind = next((name for name, each in kinds.items() if each == env), None)
        assert kind is not None, "half an environment"
        assert not env or found["activate.sh"] in (self.old.get("activate.sh"), self.new["activate.sh"])
        assert set(found) <= {*self.old, *self.new}
        return kind


@pytest.fixture(params=["new", "existing"])
def place(request, tmp_path):
    return Place(tmp_path, is_new=request.param == "new")


def sample(points, number):
    return [points[round(each * (len(points) - 1) / (number - 1))] for each in range(number)]


def survive_kills(place, points, said):
    kinds = []
    for point in points:
        place.begin()
        assert place.killed(point).status == KILLED
        kinds.append(place.judge())
        assert place.killed(None).status == 0
        assert tree(place.out) == place.new, point
    said(f"unpack killed, {len(kinds)} points: old {kinds.count('old')}, new {kinds.count('new')}")


def survive_failures(place, points):
    for number, point in enumerate(points):
        place.begin()
        error = ERRORS[number % len(ERRORS)]
        done = place.killed(point, error=error)
        if done.status == 0:  # it can do without, such as removing what the next run clears
            assert place.judge() == "new"
        else:
            assert done.status in (2, 8), (point, error, done.stderr)
            assert place.judge() == "old", (point, error)
        assert place.killed(None).status == 0
        assert tree(place.out) == place.new, (point, error)


@pytest.mark.parametrize("number", first(1, [5, 15]))
def test_killed_at_some_calls(place, said, number):
    survive_kills(place, sample(place.points(), number), said)


@pytest.mark.parametrize("number", first(1, [5, 15]))
def test_failed_at_some_calls(place, number):
    survive_failures(place, sample(place.points(), number))


@pytest.mark.skipif(not CAN_FORK, reason="only Linux forks here")
def test_killed_while_several_processes_write_it_ends_as_in_one(tmp_path):
    """So many files that each core gets a process; the run is killed when one of the others has begun to write."""
    many = [
        conda_package(f"many{number}", {f"share/{number}/{each}": b"x" for each in range(700)}, extension="tar.bz2")
        for number in range(3)
    ]
    write_folder(pack_files(many, [], platform=HERE), tmp_path / "pack")
    env, seen = user_environment(tmp_path / "home"), {}
    for jobs in ("1", "3"):
        words = ["unpack", "pack", "-q", "--jobs", jobs, "--platform", HERE, "-o", jobs]
        if jobs == "3":
            with program.start(words, env=env, cwd=tmp_path) as process:
                while not [*tmp_path.glob("3/.env.*/new/share/[012]/*")] and process.poll() is None:
                    pass
                process.kill()
        done = program.run(words, env=env, cwd=tmp_path)
        assert done.status == 0, done.stderr
        seen[jobs] = tree(tmp_path / jobs / "env")
    assert len(seen["1"]) > 2_100
    assert seen["3"] == seen["1"]
    assert [path.name for path in (tmp_path / "3").iterdir() if path.name not in ("env", "activate.sh")] == []


@pytest.mark.full
def test_killed_at_every_call(place, said):
    survive_kills(place, place.points(), said)


@pytest.mark.full
def test_failed_at_every_call(place):
    survive_failures(place, place.points())
