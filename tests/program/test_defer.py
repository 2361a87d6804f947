"""`update --defer` pins and lists what the locks want, and brings nothing of it."""

import json
from dataclasses import replace

import pytest
from harness import scenario
from harness.looking import archives, identities, repodata, served_files
from harness.python_index import PythonIndex
from harness.world import small_packages

from pixi_mirror.demo.distributions import build_sdist, build_wheel

BASE = "noarch/base-2024.1-0.conda"
PURE = "noarch/pure-1.0-pyhd8ed1ab_0.conda"
TOOL = "linux-64/tool-1.0-h12_1.conda"
LOCK = ("--lock", "workspace/pixi.lock")


@pytest.fixture
def deferred(world):
    """A world whose mirror defers the five packages of the workspace."""
    world.workspace()
    update(world, "--defer")
    return world


def update(world, *words, status=0):
    done = world.run(*LOCK, *words)
    assert done.status == status, done.stderr
    return done


def channel(world):
    return world.mirror / world.authority_path / "conda-forge"


def inventory(world):
    return json.loads((world.mirror / "pixi-mirror.json").read_bytes())


def place(world, package):
    return f"{world.authority_path}/conda-forge/{package}"


def test_everything_is_listed_with_hash_and_size_and_nothing_is_asked_for(world):
    world.workspace()
    done = update(world, "--defer")
    assert "of which 5 files" in done.stdout
    assert "deferred" in done.stdout
    assert world.requests == []
    assert archives(world.mirror) == set()
    listed = repodata(channel(world) / "linux-64")["tool-1.0-h12_1.conda"]
    assert listed["sha256"] == small_packages()["tool-linux"].record["sha256"]
    assert listed["size"] == len(small_packages()["tool-linux"].data)
    assert len(inventory(world)["deferred"]) == 5


def test_deferred_files_are_neither_missing_nor_a_hole_nor_a_reason_to_update(deferred):
    found = deferred.run_json("status", "--check")
    assert len(found["deferred"]) == 5
    assert found["missing"] == found["changed"] == found["stale_indexes"] == []
    assert "5 files" in deferred.run("status").stdout
    verified = deferred.run_json("verify")
    assert verified["missing"] == verified["closure"] == []
    assert deferred.run("prune").status == 0
    assert deferred.requests == []


def test_the_same_run_again_changes_nothing(deferred):
    before = identities(deferred.mirror)
    done = update(deferred, "--defer")
    assert done.stdout.startswith("nothing to do")
    assert "deferred" in done.stdout
    assert identities(deferred.mirror) == before


def test_a_later_update_brings_them_all_and_the_mirror_is_as_if_it_had_never_deferred(deferred):
    done = update(deferred)
    assert "brought 5 files" in done.stdout
    assert "deferred" not in inventory(deferred)
    once = served_files(deferred.mirror)
    assert deferred.run(*LOCK, "-o", "other").status == 0
    assert once == served_files(deferred.directory / "other")


def test_deferring_in_a_mirror_that_has_files_drops_none_of_them(world):
    world.workspace()
    update(world, "-e", "prod")
    before = archives(world.mirror)
    done = world.run_json(*LOCK, "--all-environments", "--defer")
    assert archives(world.mirror) == before
    assert len(done["deferred"]) == 2
    assert done["fetched"] == done["missing"] == []
    assert len(inventory(world)["tree"]) > len(before)


def test_what_was_there_and_is_gone_is_deferred(world):
    world.workspace()
    update(world)
    (world.mirror / place(world, BASE)).unlink()
    world.upstream.forget_requests()
    update(world, "--defer")
    assert inventory(world)["deferred"] == [place(world, BASE)]
    assert world.requests == []
    assert world.run("verify").status == 0


def test_a_dry_run_says_what_would_be_deferred(world):
    world.workspace()
    done = world.run_json(*LOCK, "--defer", "--dry-run")
    assert len(done["deferred"]) == 5
    assert done["bytes"] == 0
    assert not world.mirror.exists()


def test_an_environment_that_is_forgotten_takes_what_it_deferred_along(deferred):
    update(deferred, "--all-environments", "--defer")
    assert deferred.run("forget", *LOCK, "-e", "default").status == 0
    assert inventory(deferred)["deferred"] == sorted(place(deferred, each) for each in (BASE, PURE, TOOL))
    assert "old-thing-1!0.5-0.tar.bz2" not in repodata(channel(deferred) / "linux-64")
    assert deferred.run("prune", "--apply").status == 0
    assert len(inventory(deferred)["deferred"]) == 3


def _without_sha256(world):
    lock = world.directory / "workspace" / "pixi.lock"
    lines = [line for line in lock.read_text().splitlines() if not line.strip().startswith("sha256:")]
    lock.write_text("\n".join(lines) + "\n")


def test_what_has_no_hash_cannot_be_deferred(world):
    world.workspace()
    _without_sha256(world)
    done = update(world, "--defer", "--allow-md5", status=4)
    assert "cannot be deferred" in done.stderr
    assert "without --defer" in done.stderr
    assert not world.mirror.exists()
    update(world, "--allow-md5")


@pytest.fixture
def python(world):
    """A world with one wheel and one sdist, locked and published; the wheel's page tells more than its lock."""
    index = PythonIndex(world)
    wheel = build_wheel(name="thing", version="1.0", requires_python=">=3.8")
    entries = [
        index.publish(wheel, name="thing", version="1.0", **{"upload-time": "2024-01-01T00:00:00Z"}),
        index.publish(build_sdist(name="src", version="2.0"), name="src", version="2.0"),
    ]
    world.lock("workspace", environments={"default": {"linux-64": entries}}, indexes=[index.url], channels=[])
    return world


def page(world, project):
    return json.loads((world.mirror / "simple" / project / "index.v1_json").read_bytes())


def test_pages_list_deferred_python_files_with_what_upstreams_pages_say_and_no_metadata(python):
    update(python, "--defer")
    assert {request.path for request in python.requests} == {"/simple/thing/", "/simple/src/"}
    (wheel,) = page(python, "thing")["files"]
    assert wheel["upload-time"] == "2024-01-01T00:00:00Z"
    assert wheel["size"] > 0
    assert wheel["core-metadata"] is False
    assert not list(python.mirror.rglob("*.metadata"))
    assert not list(python.mirror.rglob("*.whl"))
    assert python.run("verify").status == 0
    python.upstream.forget_requests()
    update(python, "--defer")
    assert python.requests == [], "the pages were asked already"


def test_a_page_without_sizes_is_one_of_before_pep_700(python):
    index = PythonIndex(python)
    for project in ("thing", "src"):
        python.upstream.put(f"/simple/{project}/", b"gone", headers={"Content-Type": "text/plain"})
    assert index.url
    update(python, "--defer")
    found = page(python, "thing")
    assert found["meta"] == {"api-version": "1.0"}
    assert "size" not in found["files"][0]


def test_python_files_that_come_later_tell_the_rest_and_nobody_is_asked_again(python):
    update(python, "--defer")
    python.upstream.forget_requests()
    update(python)
    assert {request.path.split("/")[1] for request in python.requests} == {"files"}
    (wheel,) = page(python, "thing")["files"]
    assert wheel["core-metadata"]
    assert wheel["upload-time"] == "2024-01-01T00:00:00Z"
    assert python.run("-o", "other", *LOCK).status == 0
    other = (python.directory / "other" / "simple" / "thing" / "index.v1_json").read_bytes()
    assert (python.mirror / "simple" / "thing" / "index.v1_json").read_bytes() == other
    assert served_files(python.mirror) == served_files(python.directory / "other")


def test_sdists_whose_needs_are_asked_for_are_not_deferred(python):
    done = python.run_json(*LOCK, "--defer", "--with-build-requirements", "--dry-run")
    assert [path.rpartition("/")[2] for path in done["deferred"]] == ["thing-1.0-py3-none-any.whl"]
    assert [path.rpartition("/")[2] for path in done["missing"]] == ["src-2.0.tar.gz"]


@pytest.mark.slow
def test_a_deferring_update_killed_at_any_call_goes_on_in_the_next_run(world):
    plain = scenario.update(world)
    deferring = replace(plain, args=lambda mirror: [*plain.args(mirror), "--defer"])
    renames = [point for point in deferring.points(full=False) if point.kind in ("rename", "replace", "link")]
    assert renames
    scenario.require_survival(deferring, renames)


@pytest.mark.broken_mirror("files of it were removed by hand, and their metadata stand alone for a while")
def test_a_wheel_that_is_gone_is_deferred_without_its_metadata(python):
    update(python)
    (wheel,) = python.mirror.rglob("*.whl")
    wheel.unlink()
    update(python, "--defer")
    assert page(python, "thing")["files"][0]["core-metadata"] is False
    assert not list(python.mirror.rglob("*.metadata"))
    assert python.run("verify").status == 0


def test_what_the_mirror_alone_knows_the_hash_of_is_brought_again_and_not_deferred(world):
    world.workspace()
    _without_sha256(world)
    update(world, "--allow-md5")
    (world.mirror / place(world, BASE)).unlink()
    done = world.run_json(*LOCK, "--allow-md5", "--defer")
    assert (done["fetched"], done["deferred"]) == ([place(world, BASE)], [])
