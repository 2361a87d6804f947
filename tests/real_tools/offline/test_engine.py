"""With the network shut: pixi's engine, pip and uv use a served mirror, and an unchanged lock comes out as it was.

In a network namespace that has nothing but loopback, where this machine makes one; the conda packages are made of what
this machine has installed, so that the Python that is installed runs.
"""

import pytest
from harness import airgap_story
from harness.gap import LOCK, Gap

from pixi_mirror.demo.packages import build_package

pytestmark = pytest.mark.rattler

INDEXES = ("--index", "rattler", "--shards", "always")


@pytest.mark.timeout(300)
def test_with_the_network_shut_the_engine_solves_and_installs_what_is_locked(world, offline):
    offline.lock()
    done = world.run("--lock", LOCK, *INDEXES)
    assert done.status == 0, done.stderr
    offline.require_installs(world.mirror)


@pytest.mark.timeout(600)
def test_the_story_of_the_air_gap_ends_with_installs_from_the_far_side(world, offline):
    gap = Gap(world)
    names = {1: (), 2: ("two", "three"), 3: ("two", "three", "four")}

    def lock(revision):
        packages = (build_package(name=name, payload_size=300_000) for name in names[revision])
        offline.lock(*map(world.publish, packages))
        gap.run("--lock", LOCK)

    airgap_story.tell(gap, lock, volume_size="400k", offline=lambda: offline.require_installs(gap.far))
