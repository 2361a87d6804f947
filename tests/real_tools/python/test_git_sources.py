"""Sources pinned to a git commit, built by the real uv and pip from a served mirror once upstream is gone."""

import os
import shutil

import pytest
from harness.python_index import PythonIndex
from harness.python_tools import PythonTools, uv_program
from harness.repository import Repository
from harness.serving import served
from harness.world import small_packages

from pixi_mirror.demo import distributions
from pixi_mirror.demo.distributions import build_wheel
from pixi_mirror.lockfile.writer import PypiLockEntry

pytestmark = pytest.mark.python_tools

FILES = {
    "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n',
    "backend.py": distributions._BACKEND,
    "PKG-INFO": "Metadata-Version: 2.1\nName: thing\nVersion: 1.0\n",
    "thing.py": "from helper import *\n",
}


@pytest.mark.parametrize("layout", [(), ("--flat",)], ids=["as served", "flat"])
@pytest.mark.parametrize("client", ["uv", "pip"])
def test_a_commit_is_built_from_the_mirror_alone(world, tmp_path, client, layout):
    if shutil.which("git") is None or not uv_program().exists():
        pytest.skip("needs git, and uv beside this Python: the extra `python-tools`")
    repository = Repository(world.directory / "git" / "org" / "thing.git")
    repository.commit({"thing.py": "raise SystemExit\n"})
    commit = repository.commit(FILES)
    repository.commit({"thing.py": "raise SystemExit\n"})
    as_a_user = world.home / "gitconfig"
    as_a_user.parent.mkdir(exist_ok=True)
    as_a_user.write_text(f'[url "{(world.directory / "git").as_uri()}/"]\n\tinsteadOf = https://git.example/\n')
    index = PythonIndex(world)
    helper = index.publish(build_wheel(name="helper", version="1.0"), name="helper", version="1.0")
    address = "git+https://git.example/org/thing.git"
    entries = [world.publish(small_packages()["base"]), PypiLockEntry(url=f"{address}#{commit}", name="thing"), helper]
    world.lock("ws", environments={"default": {"linux-64": entries}}, indexes=[index.url])
    env = {"GIT_CONFIG_GLOBAL": str(as_a_user), "PATH": os.environ["PATH"]}
    assert world.run("--lock", "ws", *layout, env=env).status == 0
    world.upstream.close()
    shutil.rmtree(world.directory / "git")
    (tmp_path / "client").mkdir()
    tools = PythonTools(directory=tmp_path / "client")
    with served(world.mirror, env=world.environment) as url:
        led = tmp_path / "led"
        led.write_text(world.run("config", "--for", "git", "--url", url).stdout)
        pages = ("--index-url", f"{url}/simple/")
        words = ("install", "--target", tools.directory / "target", *pages, "helper", f"thing @ {address}@{commit}")
        env = {"GIT_CONFIG_GLOBAL": str(led), "PATH": os.environ["PATH"]}
        done = (tools.uv if client == "uv" else tools.pip)(*words, env=env)
    assert done.status == 0, done.stderr
    assert (tools.directory / "target" / "thing.py").read_text() == FILES["thing.py"]
