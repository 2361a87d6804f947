"""With the network shut: pixi's engine, pip and uv use a served mirror, and an unchanged lock comes out as it was.

In a network namespace that has nothing but loopback; the conda packages are made of what this machine has installed, so
that the Python that is installed runs.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from harness.child import ROOT
from harness.python_index import PythonIndex
from harness.runnable import python_package

from pixi_mirror.demo.distributions import build_wheel
from pixi_mirror.demo.packages import build_package

pytestmark = pytest.mark.rattler

_ALONE = ["unshare", "-n", "sh", "-c", 'ip link set lo up && exec "$0" "$@"']


@pytest.fixture(scope="module")
def alone():
    """The words that run a program without a network."""
    if (
        shutil.which("unshare") is None
        or subprocess.run([*_ALONE, "true"], capture_output=True, check=False).returncode
    ):
        pytest.skip("this user cannot make a network namespace")
    return _ALONE


def locked(world):
    """A lock of a Python that runs, a module for it and a wheel; its specs, records and project."""
    module = build_package(
        name="greeting",
        noarch="python",
        build="py_0",
        depends=["python"],
        files={"site-packages/greeting.py": b"def greet():\n    return 'hello from the mirror'\n"},
    )
    conda = [world.publish(python_package()), world.publish(module)]
    index = PythonIndex(world)
    wheel = index.publish(build_wheel(name="spoken", version="1.0"), name="spoken", version="1.0")
    world.lock("workspace", environments={"default": {"linux-64": [*conda, wheel]}}, indexes=[index.url], version=7)
    return conda


@pytest.mark.timeout(300)
def test_with_the_network_shut_the_engine_solves_and_installs_what_is_locked(world, alone):
    if not sys.platform.startswith("linux") or os.uname().machine != "x86_64":
        pytest.skip("the channel whose Python runs is made for linux-64 alone")
    conda = locked(world)
    done = world.run("--lock", "workspace/pixi.lock", "--index", "rattler", "--shards", "always")
    assert done.status == 0, done.stderr
    channel = f"{world.upstream.url}/conda-forge"
    question = world.directory / "question.json"
    question.write_text(
        json.dumps({
            "mirror": str(world.mirror),
            "channels": [channel],
            "specs": ["greeting", "python"],
            "platform": "linux-64",
            "cache": str(world.directory / "rattler"),
            "prefix": str(world.directory / "prefix"),
            "code": "import greeting; print(greeting.greet())",
            "project": "spoken",
        }),
        encoding="utf-8",
    )  # fmt: skip
    environment = world.environment | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    ran = subprocess.run(
        [*alone, sys.executable, str(ROOT / "tests/harness/offline_session.py"), str(question)],
        env=environment, cwd=world.directory, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout)
    assert told["route"] is False
    expected = sorted([entry.url, entry.record["sha256"]] for entry in conda)
    assert told["solved"] == dict.fromkeys(told["solved"], expected)
    assert len(told["solved"]) == 6
    assert told["python"] == "hello from the mirror"
    assert told["pip"] == told["uv"] == ["spoken-1.0.dist-info"]
