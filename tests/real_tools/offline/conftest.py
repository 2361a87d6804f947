"""What the sessions without a network have in common: packages that run here, and how a session is asked."""

import json
import os
import subprocess
import sys

import pytest
from harness.child import ROOT
from harness.no_network import namespace
from harness.python_index import PythonIndex
from harness.runnable import python_package

from pixi_mirror.demo.distributions import build_wheel
from pixi_mirror.demo.packages import build_package

_TESTS = ROOT / "tests/harness"


class Offline:
    """Packages of a Python that runs, with a module and a wheel for it, and sessions that use a mirror of them."""

    def __init__(self, world):
        self.world = world
        module = build_package(
            name="greeting",
            noarch="python",
            build="py_0",
            depends=["python"],
            files={"site-packages/greeting.py": b"def greet():\n    return 'hello from the mirror'\n"},
        )
        self.conda = [world.publish(python_package()), world.publish(module)]
        self.index = PythonIndex(world)
        self.wheel = self.index.publish(build_wheel(name="spoken", version="1.0"), name="spoken", version="1.0")

    def lock(self, *more):
        """Lock these packages and others."""
        cell = [*self.conda, *more, self.wheel]
        self.world.lock("workspace", environments={"default": {"linux-64": cell}}, indexes=[self.index.url], version=7)

    def require_installs(self, mirror):
        """Fail unless pixi's engine, pip and uv install what is locked from a served mirror, with no network."""
        world = self.world
        question = world.directory / "question.json"
        question.write_text(
            json.dumps({
                "mirror": str(mirror),
                "channels": [f"{world.upstream.url}/conda-forge"],
                "specs": ["greeting", "python"],
                "platform": "linux-64",
                "cache": str(world.directory / "rattler"),
                "prefix": str(world.directory / "prefix"),
                "code": "import greeting; print(greeting.greet())",
                "project": "spoken",
            }),
            encoding="utf-8",
        )  # fmt: skip
        path = f"{os.path.dirname(sys.executable)}{os.pathsep}{os.environ['PATH']}"
        ran = subprocess.run(
            [sys.executable, _TESTS / "no_network.py", sys.executable, _TESTS / "offline_session.py", question],
            env=world.environment | {"PATH": path}, cwd=world.directory, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert ran.returncode == 0, ran.stderr
        told = json.loads(ran.stdout)
        if namespace():
            assert told["route"] is False
        expected = sorted([entry.url, entry.record["sha256"]] for entry in self.conda)
        assert told["solved"] == dict.fromkeys(told["solved"], expected)
        assert len(told["solved"]) == 6
        assert told["python"] == "hello from the mirror"
        assert told["pip"] == told["uv"] == ["spoken-1.0.dist-info"]


@pytest.fixture
def offline(world):
    if not sys.platform.startswith("linux") or os.uname().machine != "x86_64":
        pytest.skip("the channel whose Python runs is made for linux-64 alone")
    return Offline(world)
