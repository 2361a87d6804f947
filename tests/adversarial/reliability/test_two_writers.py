"""Several writers and one mirror or cache: one at a time, each file fetched once, and no reader sees an error."""

import os
import signal
from collections import Counter

from harness.writers import ended, stalled, started

BUSY = 75


def asked(world):
    """How often each path was asked for."""
    return Counter(request.bare for request in world.requests)


def test_four_writers_take_turns_and_fetch_each_file_once(world):
    world.workspace()
    ends = [ended(process) for process in [started(world, "--lock-timeout", "60") for _ in range(4)]]
    assert [status for status, _ in ends] == [0] * 4, ends
    assert set(asked(world).values()) == {1}
    assert len(asked(world)) == 5


def test_two_mirrors_of_one_cache_fetch_each_file_once(world):
    world.workspace()
    ends = [ended(process) for process in [started(world, "-o", name) for name in ("one", "two")]]
    assert [status for status, _ in ends] == [0, 0], ends
    assert set(asked(world).values()) == {1}


def test_a_second_writer_is_told_who_holds_the_lock_and_the_next_of_a_killed_one_gets_it(world):
    holder, _ = stalled(world)
    try:
        status, stderr = ended(started(world))
        assert status == BUSY, stderr
        assert str(holder.pid) in stderr
    finally:
        os.kill(holder.pid, signal.SIGKILL)
        ended(holder)
    assert ended(started(world))[0] == 0
