"""`diff` compares two locks of any format; it needs no mirror for that."""

import json
import shlex
import shutil
import sys

import pytest
from harness.child import ROOT, run_program
from harness.python_index import PythonIndex
from harness.world import small_packages

from pixi_mirror.demo.distributions import build_wheel
from pixi_mirror.demo.packages import build_package


@pytest.fixture
def locks(world):
    """Two workspaces: in the second `tool` is newer, `pure` is gone and `more` has come."""
    world.workspace("old")
    newer = world.publish(build_package(name="tool", version="2.0", subdir="linux-64", payload_size=10))
    base, more = world.publish(small_packages()["base"]), world.publish(build_package(name="more"))
    world.lock("new", environments={"prod": {"linux-64": [newer, base, more]}})


def changes(found, environment="prod", platform="linux-64"):
    (row,) = [
        each for each in found["environments"] if (each["environment"], each["platform"]) == (environment, platform)
    ]
    return (
        [each["name"] for each in row["added"]],
        [each["name"] for each in row["removed"]],
        [(each["before"]["version"], each["after"]["version"]) for each in row["changed"]],
    )


def test_two_locks_are_compared_without_a_mirror(world, locks):
    found = world.run_json("diff", "old/pixi.lock", "new/pixi.lock")
    assert (found["before"], found["after"]) == ("old/pixi.lock", "new/pixi.lock")
    assert changes(found) == (["more"], ["pure"], [("1.0", "2.0")])
    assert changes(found, "default", "osx-arm64") == ([], ["base", "tool"], [])
    assert not world.mirror.exists()
    assert world.requests == []
    done = world.run("diff", "old", "new/pixi.lock")
    assert "  ~ tool 1.0 h12_1 -> 2.0 0" in done.stdout
    same = world.run("diff", "old/pixi.lock", "old/pixi.lock")
    assert (same.status, same.stdout) == (0, "old/pixi.lock and old/pixi.lock have the same packages\n")


def test_a_mirror_that_follows_one_of_them_does_not_narrow_the_comparison(world, locks):
    assert world.run("--lock", "old/pixi.lock", "-e", "prod").status == 0
    found = world.run_json("diff", "old/pixi.lock", "new/pixi.lock")
    assert changes(found, "default", "osx-arm64") == ([], ["base", "tool"], [])


@pytest.mark.skipif(shutil.which("bash") is None, reason="a shell that makes pipes of commands")
def test_a_side_may_be_a_pipe(world, locks):
    line = f"{shlex.quote(sys.executable)} -m pixi_mirror diff <(cat old/pixi.lock) new/pixi.lock --json"
    done = run_program("bash", "-c", line, env=world.environment | {"PYTHONPATH": str(ROOT)}, cwd=world.directory)
    assert (done.status, done.stderr) == (0, "")
    assert changes(json.loads(done.stdout)) == (["more"], ["pure"], [("1.0", "2.0")])


def test_locks_of_other_formats_are_compared_too(world):
    def conda_lock(version):
        url = f"https://h.example/c/linux-64/a-{version}-0.conda"
        row = {"name": "a", "manager": "conda", "platform": "linux-64", "category": "main", "version": version}
        row |= {"url": url, "hash": {"sha256": version[0] * 64}, "dependencies": {}}
        return json.dumps({"version": 1, "metadata": {}, "package": [row]})

    def explicit(version):
        return f"@EXPLICIT\nhttps://h.example/c/linux-64/a-{version}-0.conda#{version[0] * 64}\n"

    def uv(version):
        wheel = f'url = "https://h.example/a-{version}-py3-none-any.whl", hash = "sha256:{version[0] * 64}"'
        return (
            f'version = 1\n[[package]]\nname = "p"\nsource = {{ virtual = "." }}\ndependencies = [{{ name = "a" }}]\n'
            f'[[package]]\nname = "a"\nversion = "{version}"\nsource = {{ registry = "https://h.example/simple" }}\n'
            f"wheels = [{{ {wheel} }}]\n"
        )

    def pylock(version):
        wheel = f'url = "https://h.example/a-{version}-py3-none-any.whl", hashes = {{ sha256 = "{version[0] * 64}" }}'
        return (
            'lock-version = "1.0"\ncreated-by = "x"\n'
            f'[[packages]]\nname = "a"\nversion = "{version}"\nwheels = [{{ {wheel} }}]\n'
        )

    for number, text in enumerate((conda_lock, explicit, uv, pylock)):
        for version in ("1.0", "2.0"):
            (world.directory / f"{number}-{version}.txt").write_text(text(version), encoding="utf-8")
        found = world.run_json("diff", f"{number}-1.0.txt", f"{number}-2.0.txt")
        assert changes(found, "default") == ([], [], [("1.0", "2.0")])


def test_requirements_files_are_compared_with_what_their_index_has(world):
    index = PythonIndex(world)
    lines = [f"--index-url {index.url}"]
    for version in ("1.0", "2.0"):
        wheel = build_wheel(name="thing", version=version)
        index.publish(wheel, name="thing", version=version)
        text = "\n".join([*lines, f"thing=={version} --hash=sha256:{wheel.sha256}", ""])
        (world.directory / f"requirements-{version}.txt").write_text(text, encoding="utf-8")
    found = world.run_json("diff", "requirements-1.0.txt", "requirements-2.0.txt")
    assert changes(found, "default") == ([], [], [("1.0", "2.0")])
    assert not [request for request in world.requests if request.path.endswith(".whl")]
    world.upstream.close()
    done = world.run("diff", "requirements-1.0.txt", "requirements-2.0.txt", "--retries", "0")
    assert done.status == 5


def test_a_followed_lock_is_read_as_the_mirror_reads_it(world):
    index = PythonIndex(world)
    place = world.directory / "project" / "odd.txt"
    place.parent.mkdir()

    def write(version):
        wheel = build_wheel(name="thing", version=version)
        index.publish(wheel, name="thing", version=version)
        place.write_text(f"thing=={version} --hash=sha256:{wheel.sha256}\n", encoding="utf-8")

    write("1.0")
    done = world.run("--lock", place, "--index-url", index.url, "--lock-format", "requirements")
    assert done.status == 0, done.stderr
    old = place.with_name("old.txt")
    shutil.copy(place, old)
    write("2.0")
    assert changes(world.run_json("diff", "current", place), "default") == ([], [], [("1.0", "2.0")])
    assert world.run("diff", old, place).status == 3, "of the other file nobody says which index has its files"
    found = world.run_json("diff", old, place, "--index-url", index.url)
    assert changes(found, "default") == ([], [], [("1.0", "2.0")])


@pytest.mark.parametrize(
    ("words", "status", "answer"),
    [
        (("old/pixi.lock", "gone.lock"), 3, "there is no lock at gone.lock"),
        (("old/gone", "new"), 3, "there is no lock at old/gone"),
        (("old/pixi.lock", "current"), 8, "there is no mirror at mirror"),
        (("old/pixi.lock", "new/pixi.toml"), 3, "is a manifest, and --lock takes a lock"),
    ],
)
def test_slips_are_answered(world, locks, words, status, answer):
    done = world.run("diff", *words)
    assert (done.status, done.stdout) == (status, "")
    assert answer in done.stderr
