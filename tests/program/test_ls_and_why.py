"""`ls` lists what a mirror holds, and `why` says who wants a package; both by the inventory alone."""

import os
import shutil
import subprocess
import sys

import pytest
from harness.child import ROOT
from harness.examples import first
from harness.python_index import PythonIndex
from harness.world import small_packages

from pixi_mirror.demo.distributions import build_wheel
from pixi_mirror.demo.packages import build_package

LOCK = "workspace/pixi.lock"


@pytest.fixture
def mirror(world):
    """The standard workspace, all of it."""
    world.workspace()
    assert world.run("--lock", LOCK, "--all-environments").status == 0
    return world.mirror


def names(world, *words):
    return {(each["name"], each["subdir"]) for each in world.run_json("ls", *words)["packages"]}


def test_every_package_is_listed_with_what_is_known_of_it(world, mirror):
    done = world.run("ls")
    assert (done.status, done.stderr) == (0, "")
    assert [line.split()[:4] for line in done.stdout.splitlines()] == [
        ["base", "2024.1", "0", "noarch"],
        ["old-thing", "1!0.5", "0", "linux-64"],
        ["pure", "1.0", "pyhd8ed1ab_0", "noarch"],
        ["tool", "1.0", "h12_1", "linux-64"],
        ["tool", "1.0", "h34_1", "osx-arm64"],
    ]
    found = world.run_json("ls", "--match", "old*")
    (row,) = found["packages"]
    data = small_packages()["old"].data
    assert (row["size"], row["state"], row["sha256"]) == (len(data), "here", small_packages()["old"].record["sha256"])
    assert row["origin"] == f"{world.upstream.url}/conda-forge"
    assert row["targets"] == [{"workspace": "workspace", "environment": "default", "platform": "linux-64"}]
    assert (found["files"], found["bytes"]) == (1, len(data))


@pytest.mark.parametrize(
    ("words", "expected"),
    first(3, [
        (("--match", "TOOL"), {("tool", "linux-64"), ("tool", "osx-arm64")}),
        (("--match", "to*", "--match", "base"), {("tool", "linux-64"), ("tool", "osx-arm64"), ("base", "noarch")}),
        (("-p", "osx-arm64"), {("tool", "osx-arm64"), ("base", "noarch")}),
        (("-e", "prod"), {("tool", "linux-64"), ("base", "noarch"), ("pure", "noarch")}),
        (("-e", "prod", "-e", "default", "--match", "p*"), {("pure", "noarch")}),
        (("--kind", "pypi"), set()),
        (("--match", "pur"), set()),
        (("--match", "*"), {*zip(("base", "pure", "old-thing"), ("noarch", "noarch", "linux-64"), strict=True),
                            ("tool", "linux-64"), ("tool", "osx-arm64")}),
    ]),
)  # fmt: skip
def test_each_option_narrows_the_list(world, mirror, words, expected):
    assert names(world, *words) == expected
    done = world.run("ls", *words)
    assert (done.status, "has no such package" in done.stderr) == (0, not expected)


def test_a_channel_is_named_by_url_by_name_or_by_its_directory(world, mirror):
    other = world.publish(build_package(name="other"), channel="other")
    world.lock("second", environments={"default": {"linux-64": [other]}})
    assert world.run("--lock", "second/pixi.lock").status == 0
    for name in ("other", f"{world.upstream.url}/other", f"{world.authority_path}/other/"):
        assert names(world, "--channel", name) == {("other", "noarch")}
    assert "no package of the mirror comes from a channel 'conda'" in world.run("ls", "--channel", "conda").stderr


def test_what_no_lock_wants_and_what_is_deferred_is_said(world, mirror):
    assert world.run("forget", "--lock", LOCK, "-e", "default").status == 0
    world.run("prune", "--dry-run")
    old = world.run_json("ls", "--match", "old-thing")["packages"]
    assert [(row["state"], row["targets"]) for row in old] == [("surplus", [])]
    assert names(world, "-p", "linux-64") == {("tool", "linux-64"), ("base", "noarch"), ("pure", "noarch")}
    assert "no lock wants it any more" in world.run("why", "old-thing").stdout
    assert world.run("--lock", LOCK, "-o", "later", "--defer").status == 0
    rows = world.run_json("ls", "later")
    assert {row["state"] for row in rows["packages"]} == {"deferred"}
    assert rows["bytes"] == 0


def test_python_names_are_those_of_any_spelling(world):
    index = PythonIndex(world)
    wheel = build_wheel(name="big_thing", version="1.0")
    entry = index.publish(wheel, name="big-thing", version="1.0")
    world.lock("workspace", environments={"default": {"linux-64": [entry]}}, indexes=[index.url], version=7)
    assert world.run("--lock", LOCK).status == 0
    (row,) = world.run_json("ls", "--match", "Big.Th*", "--kind", "pypi")["packages"]
    assert (row["name"], row["build"], row["subdir"], row["origin"]) == ("big-thing", None, None, index.url)
    assert "default on linux-64" in world.run("why", "Big__Thing").stdout


@pytest.mark.parametrize(
    ("words", "status", "answer"),
    first(
        2,
        [
            (("-e", "prd"), 3, "no lock that the mirror follows has the environment 'prd', perhaps 'prod' was meant"),
            (
                ("-p", "linux-46"),
                3,
                "no lock that the mirror follows has the platform 'linux-46', perhaps 'linux-64' was meant",
            ),
            (("--kind", "conad"), 2, "perhaps 'conda' was meant"),
            (("--name", "tool"), 2, "a name is given with --match"),
            (("tool*",), 8, "`ls --match tool*`"),
            (("nowhere/mirror",), 8, "there is no mirror at nowhere/mirror"),
        ],
    ),
)
def test_a_slip_is_answered(world, mirror, words, status, answer):
    done = world.run("ls", *words)
    assert (done.status, done.stdout) == (status, "")
    assert answer in done.stderr


@pytest.mark.skipif(os.name != "posix", reason="a terminal of POSIX")
def test_on_a_terminal_lines_are_cut_to_its_width_and_counted(world, mirror):
    import pty

    ours, theirs = pty.openpty()
    words = [sys.executable, "-m", "pixi_mirror", "ls", "--long"]
    environment = world.environment | {"COLUMNS": "40", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(words, env=environment, cwd=world.directory, stdout=theirs, timeout=60, check=False)
    os.close(theirs)
    lines = os.read(ours, 1 << 16).decode().splitlines()
    os.close(ours)
    assert (done.returncode, len(lines)) == (0, 6)
    assert [len(line) for line in lines[:5]] == [40] * 5
    assert all(line.endswith("…") for line in lines[:5])
    assert lines[5].startswith("5 packages, ")
    whole = world.run("ls", "--long").stdout.splitlines()
    assert all("conda-forge/" in line for line in whole[:5])


def test_why_names_locks_environments_platforms_and_dependants(world, mirror):
    done = world.run("why", "base")
    assert (done.status, done.stderr) == (0, "")
    path = f"{world.authority_path}/conda-forge/noarch/base-2024.1-0.conda"
    assert done.stdout.splitlines() == [
        "base 2024.1",
        f"  {path}",
        f"  wanted by workspace ({world.directory / LOCK})",
        "    default, prod on linux-64",
        "      tool 1.0 -> base 2024.1",
        "      needed by pure (base), tool (base >=2024)",
        "    default on osx-arm64",
        "      tool 1.0 -> base 2024.1",
        "      needed by tool (base >=2024)",
    ]
    found = world.run_json("why", "pure")
    assert [(row["environment"], row["platform"]) for row in found["wanted"]] == [
        ("default", "linux-64"), ("prod", "linux-64"),
    ]  # fmt: skip
    (dependant,) = found["wanted"][0]["dependants"]
    assert (dependant["name"], dependant["requirement"]) == ("tool", "pure")
    assert [each["name"] for each in found["wanted"][0]["chain"]] == ["tool", "pure"]
    assert "no other package needs it, so the workspace itself does" in world.run("why", "tool").stdout


def test_several_locks_are_each_named(world, mirror):
    shutil.copytree(world.directory / "workspace", world.directory / "second")
    assert world.run("--lock", "second/pixi.lock", "-e", "prod").status == 0
    lines = world.run("why", "pure").stdout.splitlines()
    assert {line.split()[2] for line in lines if "wanted by" in line} == {"workspace", "second"}


def test_wheels_need_each_other_by_their_metadata_and_conda_packages_by_their_purls(world):
    index = PythonIndex(world)
    wheels = [
        build_wheel(name="app", version="1.0", requires_dist=["lib[fast]>=1", "gone; sys_platform == 'win32'"]),
        build_wheel(name="lib", version="1.0", requires_dist=["speed; extra == 'fast'", "slow; extra == 'other'"]),
        *(build_wheel(name=name, version="1.0") for name in ("slow", "gone")),
    ]
    entries = [index.publish(each, name=each.file_name.split("-")[0], version="1.0") for each in wheels]
    speed = world.publish(build_package(name="py-speed")).hotfixed(purls=["pkg:pypi/speed"])
    world.lock("workspace", environments={"default": {"linux-64": [*entries, speed]}}, indexes=[index.url], version=7)
    assert world.run("--lock", LOCK).status == 0

    def needed_by(name):
        (want,) = world.run_json("why", name)["wanted"]
        return [each["name"] for each in want["dependants"]], [each["name"] for each in want["chain"]]

    assert needed_by("lib") == (["app"], ["app", "lib"])
    assert needed_by("py-speed") == (["lib"], ["app", "lib", "py-speed"])
    assert needed_by("slow") == ([], ["slow"])
    assert needed_by("gone") == ([], ["gone"])


def test_a_name_that_the_mirror_does_not_have_is_status_1_with_the_nearest_names(world, mirror):
    done = world.run("why", "tol")
    assert (done.status, done.stdout) == (1, "mirror has no package 'tol'; perhaps 'tool' was meant\n")
    assert world.run("why", "xyzzy").stdout == "mirror has no package 'xyzzy'\n"
    assert world.run_json("why", "tol", status=1)["similar"] == ["tool"]
    assert world.run("why", "base", "-o", "nowhere").status == 8
    assert "PACKAGE missing" in world.run("why").stderr


def test_many_dependants_are_counted_unless_all_are_wanted(world):
    many = [world.publish(build_package(name=f"user-{number:02}", depends=["common"])) for number in range(12)]
    common = world.publish(build_package(name="common"))
    world.lock("workspace", environments={"default": {"linux-64": [common, *many]}})
    assert world.run("--lock", LOCK).status == 0
    assert "user-07 (common) and 4 more packages; --all names them" in world.run("why", "common").stdout
    assert "user-11 (common)\n" in world.run("why", "common", "--all").stdout
    assert len(world.run_json("why", "common")["wanted"][0]["dependants"]) == 12
