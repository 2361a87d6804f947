"""Changing an environment ends as a new one does, byte for byte, and what its owner added stays."""

import re
import shutil
import tempfile
from pathlib import Path

import pytest
from harness.conda_packages import PLACEHOLDER, Link, conda_package
from harness.packs import pack_files, write_folder
from harness.unpacking import tree
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from pixi_mirror.demo.distributions import build_wheel
from pixi_mirror.errors import MachineError
from pixi_mirror.pack.unpack import UnpackDestination, unpack
from pixi_mirror.progress import NoProgress


def python(series):
    site = {f"lib/python{series}/site-packages/README": b"r", f"bin/python{series}": b"#!/bin/sh\n"}
    return conda_package("python", {**site, "bin/python": Link(target=f"python{series}")}, version=f"{series}.1")


def tool(version):
    files = {"bin/tool": version.encode(), "share/tool/data": f"{PLACEHOLDER}/{version}".encode()}
    return conda_package("tool", files, version=version)


def pure(version, *more):
    files = {"site-packages/pure/__init__.py": version.encode(), **{f"site-packages/pure/{each}": b"" for each in more}}
    return conda_package("pure", files, version=version, commands=["pure = pure:main"], depends=["python"])


def wheel(name, version, *shared, **options):
    files = {f"{name}.py": version.encode(), **{path: f"{name} {version}".encode() for path in shared}}
    return build_wheel(name=name, version=version, files=files, **options)


CONDA = {
    "swap": [
        conda_package("swap", {"swap/x": b"1", "swap/deep/y": b"1"}, version="1"),
        conda_package("swap", {"swap": Link(target="elsewhere"), "elsewhere/x": b"2"}, version="2"),
        conda_package("swap", {"swap": b"3"}, version="3", extension="tar.bz2"),
    ],
    "tool": [tool("1.0"), tool("2.0")],
    "twin-a": [conda_package("twin-a", {"share/twin": b"a", "bin/tool2": b"a"})],
    "twin-b": [conda_package("twin-b", {"share/twin": b"b", "swap2": Link(target="share")})],
}
FOR_PYTHON = {"pure": [pure("1.0", "old.py"), pure("2.0", "new.py")]}
PYTHONS = [python("3.12"), python("3.13")]
OVER = {"over-1.data/data/bin/tool": b"of the wheel", "over-1.data/data/share/tool/data": b"of the wheel"}
WHEELS = {
    "aa": [wheel("aa", "1.0", "shared/__init__.py", entry_points={"console_scripts": {"aa": "aa:main"}})],
    "bb": [wheel("bb", "1.0", "shared/__init__.py", "pure/old.py"), wheel("bb", "2.0")],
    "over": [build_wheel(name="over", version="1", files=OVER)],
}

EVERYTHING = {"python": PYTHONS, **CONDA, **FOR_PYTHON, **WHEELS}
NOTHING = dict.fromkeys(EVERYTHING)
packs = st.fixed_dictionaries(
    {name: st.sampled_from([None, *range(len(several))]) for name, several in EVERYTHING.items()}
)
"""Of each package which of its versions, by number; None: it is not there."""
added = st.sampled_from(
    [
        "mine/x",
        "share/mine.txt",
        "swap/mine",
        "elsewhere/mine",
        "lib/python3.12/site-packages/mine.py",
        "conda-meta/state",
    ]
)


def files_of(chosen):
    """The files of a pack; without a Python it has nothing that needs one."""
    if chosen["python"] is None:
        chosen = {name: number for name, number in chosen.items() if name not in {**FOR_PYTHON, **WHEELS}}
    found = {name: EVERYTHING[name][number] for name, number in chosen.items() if number is not None}
    wheels = [found.pop(name) for name in WHEELS if name in found]
    return pack_files(found.values(), wheels)


def made(pack, out):
    return unpack(
        pack,
        UnpackDestination(directory=out, name="env", shell="bash", platform="linux-64"),
        jobs=2,
        progress=NoProgress(),
    )


class Changes(RuleBasedStateMachine):
    """An environment and its owner."""

    @initialize()
    def begin(self):
        self.folder = Path(tempfile.mkdtemp())
        self.out, self.env = self.folder / "out", self.folder / "out/env"
        self.added = {}
        self.unpacked = None
        self.change(NOTHING | {"tool": 0})

    def teardown(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    def fresh(self, pack):
        """What the pack makes in an empty place of the same name."""
        aside = self.folder / "aside"
        self.out.rename(aside)
        try:
            made(pack, self.out)
            return tree(self.out)
        finally:
            shutil.rmtree(self.out, ignore_errors=True)
            aside.rename(self.out)

    @rule(chosen=packs)
    def change(self, chosen):
        pack = self.folder / "pack"
        shutil.rmtree(pack, ignore_errors=True)
        write_folder(files_of(chosen), pack)
        before = tree(self.out) if self.out.exists() else {}
        if self.out.exists():
            fresh = self.fresh(pack)
        try:
            made(pack, self.out)
        except MachineError as error:
            assert "is yours" in str(error)  # noqa: PT017 - it may succeed
            assert tree(self.out) == before
            return
        is_same, self.unpacked = chosen == self.unpacked, chosen
        if not before:
            return
        now = tree(self.out)
        for path, content in self.added.items():
            assert now[f"env/{path}"][0] == "file"
            assert f"env/{path}" in fresh or now[f"env/{path}"][2] == content
        extra = now.keys() - fresh.keys() - {f"env/{path}" for path in self.added}
        folders = {f"env/{parent}" for path in self.added for parent in Path(path).parents}
        # Where nothing changes, what Python compiled stays.
        assert extra <= folders | (before.keys() if is_same else set())
        assert {path: fresh[path] for path in fresh if now.get(path) != fresh[path]} == {}
        made(pack, self.out)
        assert tree(self.out) == now, "a second time changes nothing"

    @rule(path=added)
    def add(self, path):
        target = self.env / path
        if target.exists() or any(each.is_symlink() or each.is_file() for each in (target, *target.parents)):
            return
        content = b'{"env_vars": {"MINE": "1"}}' if path == "conda-meta/state" else b"mine"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        if path != "conda-meta/state":  # it changes the script
            self.added[path] = content
        else:
            target.unlink()

    @rule(number=st.integers(0, 50))
    def lose(self, number):
        """Remove a file of a package: the next time it is there again."""
        found = sorted(path for path in self.env.rglob("*") if path.is_file() and not path.is_symlink())
        found = [path for path in found if path.relative_to(self.env).as_posix() not in self.added]
        # Without its list of files nobody knows what belongs to a package.
        found = [path for path in found if not re.search(r"/conda-meta/|\.dist-info/", path.as_posix())]
        if found:
            found[number % len(found)].unlink()

    @rule()
    def compile(self):
        """Have Python compile what is there."""
        for path in self.env.rglob("*.py"):
            if path.relative_to(self.env).as_posix() not in self.added:
                (path.parent / "__pycache__").mkdir(exist_ok=True)
                (path.parent / "__pycache__" / f"{path.stem}.cpython-312.pyc").write_bytes(b"compiled")


Changes.TestCase.settings = settings(
    max_examples=12, stateful_step_count=8, deadline=None, suppress_health_check=list(HealthCheck)
)
TestChanges = pytest.mark.timeout(600)(Changes.TestCase)
