"""The same locks give the same bytes, whatever the clock's zone, the hash seed, the jobs and the order of the locks."""

from harness.looking import served_files
from harness.world import small_packages


def test_records_and_indexes_are_the_same_bytes_on_every_machine(world):
    world.workspace("one")
    entry = world.publish(small_packages()["base"])
    world.lock("two", environments={"default": {"linux-64": [entry]}})
    found = []
    for number, (zone, jobs, order) in enumerate([("UTC", "1", ("one", "two")), ("Asia/Tokyo", "7", ("two", "one"))]):
        locks = [part for name in order for part in ("--lock", f"{name}/pixi.lock")]
        output = f"mirror{number}"
        env = {"TZ": zone, "PYTHONHASHSEED": str(number + 1), "PIXI_MIRROR_CACHE_DIR": f"{world.home}/cache{number}"}
        done = world.run(*locks, "--jobs", jobs, "-o", output, env=env)
        assert done.status == 0, done.stderr
        found.append(served_files(world.directory / output))
    assert found[0] == found[1]
