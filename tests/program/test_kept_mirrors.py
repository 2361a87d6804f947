"""A mirror that an older build made is read, refreshed, verified and pruned by this one.

They stand in `tests/data/mirrors/VERSION`, whose README says how each was made and what is in it.
"""

import json
import shutil
import tarfile
import urllib.request
from pathlib import Path

import pytest
from harness.child import ROOT
from harness.looking import archives, contents, identities, repodata
from harness.serving import served

KEPT = ROOT / "tests" / "data" / "mirrors"
FIRST = ("--lock", "first/pixi.lock", "--name", "first", "-e", "prod")
CHANGED = ("--lock", "first-changed/pixi.lock", "--name", "first", "-e", "prod")
SECOND = ("--lock", "second/pixi.lock", "--name", "second", "-e", "dev")
DOCS = "conda-forge/noarch/kept-docs-1.0-0.conda"
LATE = "files.pypi.example/packages/22/kept_late-3.0-py3-none-any.whl"
SOURCE = "files.pypi.example/packages/39/kept_src-2.0.tar.gz"
APP = "conda.example/team/noarch/kept-app-1.0-0.conda"
NEW_APP = "conda.example/team/noarch/kept-app-1.1-0.conda"
UNWANTED = "conda.example/team/linux-64/kept-tool-0.9-0.tar.bz2"
UNLISTED = "conda.example/team/linux-64/kept-tool-0.8-0.tar.bz2"
AGES = ("--grace", "100000")
SIDECARS = ("repodata.json.zst", "repodata_shards.msgpack.zst")


@pytest.fixture(params=sorted(path.name for path in KEPT.iterdir() if path.is_dir()))
def kept(request, world):
    """A world with a copy of a kept mirror, the workspaces that it follows, and what its upstreams have to send."""
    source = KEPT / request.param
    for name in ("first", "first-changed", "second", "mirror"):
        shutil.copytree(source / name, world.directory / name, copy_function=shutil.copyfile)
    shutil.copytree(source / "upstream", world.root, dirs_exist_ok=True)
    config = (source / "config.toml").read_text(encoding="utf-8")
    (world.directory / "config.toml").write_text(config.replace("http://upstream.example", world.upstream.url))
    private = world.mirror / ".pixi-mirror"
    (private / "tmp").mkdir()  # what git does not keep: an empty folder, modes, and 320 KiB of zeros
    (private / "reserve").write_bytes(bytes(320 << 10))
    for path in private.iterdir():
        path.chmod(0o700 if path.is_dir() else 0o600)
    private.chmod(0o700)
    return world


def surroundings(world):
    return {"PIXI_MIRROR_CONFIG_FILE": str(world.directory / "config.toml")}


def run(world, *words, status=0):
    return world.run_json(*words, status=status, env=surroundings(world))


def lasting(mirror):
    """What is served, path -> bytes, without sidecars: those are of the program that made them, and may go."""
    found = contents(mirror).items()
    return {path: data for path, data in found if "/" in path and not path.startswith(".pixi-mirror/") and is_own(path)}


def is_own(path):
    """Whether it is no sidecar, nor a part of one."""
    return "/shards/" not in path and not path.endswith(SIDECARS)


def asked(world):
    """The names of the files that the upstream was asked for."""
    return sorted(Path(request.bare).name for request in world.requests)


def test_status_reads_it(kept):
    before = identities(kept.mirror)
    found = run(kept, "status")
    first, second = found["subscriptions"]
    assert (first["workspace"], second["workspace"]) == ("first", "second")
    assert (first["environments"], first["platforms"]) == (["prod"], ["machine", "osx-arm64"])
    assert (second["environments"], second["platforms"]) == (["default", "dev"], ["linux-64"])
    assert [each["path"] for each in found["channels"]] == ["conda-forge", "conda.example/team"]
    assert [each["files"] for each in found["channels"]] == [4, 3]
    assert [(each["url"], each["files"]) for each in found["indexes"]] == [("https://pypi.example/simple", 2)]
    assert found["sdists"] == [{"path": SOURCE, "build_requires": ["setuptools"]}]
    assert found["missing"] == found["changed"] == []
    assert found["deferred"] == [DOCS, LATE]
    assert sorted(found["surplus"]) == [UNLISTED, UNWANTED]
    assert (found["files"], found["bytes"]) == (10, 59_632)
    assert identities(kept.mirror) == before


def test_nothing_of_it_is_stale_and_its_files_are_hashed_once(kept):
    """Git gives its files new inodes and dates, as any copy has."""
    assert run(kept, "status")["stale_indexes"] == []
    assert run(kept, "status", "--check", status=1)["stale_indexes"] == []  # its locks are not here
    recorded = json.loads((kept.mirror / ".pixi-mirror/state.json").read_bytes())["identities"]
    assert {path: (row[0], row[2]) for path, row in recorded.items()} == {
        path: ((kept.mirror / path).stat().st_size, (kept.mirror / path).stat().st_ino) for path in recorded
    }


def test_verify_finds_all_as_recorded_and_writes_nothing(kept):
    before = identities(kept.mirror)
    found = run(kept, "verify")
    assert found["missing"] == found["changed"] == found["indexes"] == found["closure"] == found["unknown"] == []
    assert found["warnings"] == []
    assert found["checked"]["files"] == len(json.loads((kept.mirror / "pixi-mirror.json").read_bytes())["tree"])
    assert identities(kept.mirror) == before
    assert kept.requests == []


@pytest.mark.broken_mirror("one byte of it is another, and nothing mends it")
def test_verify_finds_a_byte_that_is_not_as_recorded(kept):
    (kept.mirror / APP).write_bytes((kept.mirror / APP).read_bytes()[:-1] + b"?")
    (changed,) = run(kept, "verify", status=1)["changed"]
    assert changed["path"] == APP


def test_its_metadata_are_as_locked_and_not_as_in_the_archives(kept):
    name = "kept-lib-2.3-0.tar.bz2"
    folder = kept.mirror / "conda-forge" / "osx-arm64"
    with tarfile.open(folder / name) as archive:
        said = json.load(archive.extractfile("info/index.json"))
    assert said["depends"] == ["kept-data >=2024"]
    assert repodata(folder)[name]["depends"] == ["kept-data >=2024,<2025"]


def test_locks_that_have_not_changed_bring_nothing_and_give_the_same_indexes(kept):
    before = lasting(kept.mirror)
    for words in (FIRST, SECOND):
        found = run(kept, *words, "--defer")
        assert found["fetched"] == found["missing"] == found["changed"] == []
        assert found["deferred"] == [DOCS, LATE]
        assert lasting(kept.mirror) == before
        assert found["indexes"] == []
        assert kept.run(*words, "--defer", env=surroundings(kept)).stdout.startswith("nothing to do")
    assert kept.requests == []
    found = run(kept, "status")
    assert [each["state"] for each in found["subscriptions"]] == ["current", "current"]
    assert found["stale_indexes"] == []


def test_without_the_locks_it_stays_as_it_was(kept):
    """Their paths are those of the machine where it was made."""
    before = lasting(kept.mirror)
    assert [each["state"] for each in run(kept, "status")["subscriptions"]] == ["missing", "missing"]
    found = run(kept, "update", "--defer", status=3)
    assert found["fetched"] == found["missing"] == []
    assert lasting(kept.mirror) == before
    assert kept.requests == []


def test_what_was_deferred_comes_with_an_update_that_does_not_defer(kept):
    before = lasting(kept.mirror)
    found = run(kept, *SECOND)
    assert found["fetched"] == [DOCS, LATE]
    assert asked(kept) == [Path(DOCS).name, Path(LATE).name]
    # Only the pages of the wheel tell more of it now.
    after = lasting(kept.mirror)
    assert {path for path in before if after[path] != before[path]} == {
        f"{folder}/kept-late/{name}"
        for folder in ("simple", "pypi.example/simple")
        for name in ("index.html", "index.v1_json")
    }
    assert set(after) - set(before) == {DOCS, LATE, f"{LATE}.metadata"}
    assert run(kept, "status")["deferred"] == []
    run(kept, "verify")


def test_what_was_deferred_comes_when_somebody_asks_a_server_for_it(kept):
    env = kept.environment | surroundings(kept)
    opened = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with served(kept.mirror, "--upstream", env=env) as url, opened.open(f"{url}/{DOCS}", timeout=30) as answer:
        body = answer.read()
    assert body == (kept.root / DOCS).read_bytes() == (kept.mirror / DOCS).read_bytes()
    assert asked(kept) == [Path(DOCS).name]
    assert run(kept, "status")["deferred"] == [LATE]
    run(kept, "verify")


def test_a_lock_that_has_changed_brings_what_is_new_and_nothing_else(kept):
    run(kept, *SECOND)
    before = archives(kept.mirror)
    kept.upstream.forget_requests()
    found = run(kept, *CHANGED)
    assert found["fetched"] == [NEW_APP]
    assert asked(kept) == [Path(NEW_APP).name]
    assert archives(kept.mirror) == before | {NEW_APP}
    assert set(repodata((kept.mirror / APP).parent)) == {Path(APP).name, Path(NEW_APP).name}
    run(kept, "verify")
    assert sorted(run(kept, "status")["surplus"]) == [UNLISTED, UNWANTED, APP]


def test_prune_knows_what_is_unwanted_and_what_was_unlisted(kept):
    before = identities(kept.mirror)
    plan = run(kept, "prune", *AGES, status=1)
    assert (plan["unlisted"], plan["waiting"], plan["removed"]) == ([UNWANTED], [UNLISTED], [])
    assert identities(kept.mirror) == before
    run(kept, "prune", *AGES, "--apply")
    assert set(repodata((kept.mirror / UNWANTED).parent)) == {"kept-tool-1.0-0.tar.bz2"}
    assert {UNWANTED, UNLISTED} < archives(kept.mirror)
    run(kept, "verify")


def test_it_has_sidecars(kept):
    """Else `verify` would have none to read."""
    for folder in ("conda-forge/linux-64", "conda-forge/noarch", "conda.example/team/noarch"):
        assert {path.name for path in (kept.mirror / folder).glob("repodata*")} == {"repodata.json", *SIDECARS}
