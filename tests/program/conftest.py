"""What several tests of the program begin with."""

import pytest
from harness.python_index import PythonIndex
from harness.world import small_packages

from pixi_mirror.demo.distributions import build_wheel


@pytest.fixture
def mirror(world):
    """A mirror of a conda package and of a wheel."""
    index = PythonIndex(world)
    wheel = index.publish(build_wheel(name="thing", version="1.0"), name="thing", version="1.0")
    conda = world.publish(small_packages()["base"])
    world.lock("workspace", environments={"default": {"linux-64": [conda, wheel]}}, indexes=[index.url], version=7)
    assert world.run("--lock", "workspace/pixi.lock").status == 0
    return world.mirror
