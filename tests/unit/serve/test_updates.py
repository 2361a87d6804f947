"""Readers of a mirror that is being updated: whatever an index lists can be had, and is what the index says."""

import hashlib
import json
import subprocess
import sys
import threading
from urllib.parse import urljoin, urlsplit

import pytest
from harness import scenario
from harness.world import small_packages
from serving import Client, written

from pixi_mirror.demo.packages import build_package
from pixi_mirror.serve.transport import Server

TURNS = 50

_UPDATES = """
import sys
from pixi_mirror.commands.program import run

for number in range(int(sys.argv[1])):
    status = run(["--lock", f"turn{number}/pixi.lock", "--name", "one", "-q"])
    assert status == 0, status
"""


@pytest.mark.slow
def test_fifty_updates_and_no_reader_sees_an_error(world):
    """Each update brings a package that the one before had not, and every other one a package of another subdir."""
    entries = {"linux-64": [], "noarch": []}
    for number in range(TURNS):
        subdir = ("linux-64", "noarch")[number % 2]
        built = build_package(name=f"p{number}", subdir=subdir, build="0", noarch="generic" if number % 2 else None)
        entries[subdir].append(world.publish(built))
        newest = [*entries["linux-64"], *entries["noarch"]]
        world.lock(f"turn{number}", environments={"default": {"linux-64": newest}})
    assert world.run("--lock", "turn0/pixi.lock", "--name", "one").status == 0
    done = threading.Event()
    seen = set()
    wrong = []
    with Server(world.mirror, host="127.0.0.1", port=0) as server:
        readers = [threading.Thread(target=_read, args=(server.url, world, done, seen, wrong)) for _ in range(2)]
        for reader in readers:
            reader.start()
        updates = [sys.executable, "-c", _UPDATES, str(TURNS)]
        ended = subprocess.run(updates, cwd=world.directory, env=world.environment, capture_output=True, check=False)
        done.set()
        for reader in readers:
            reader.join()
        assert ended.returncode == 0, ended.stderr
        _read_once(server.url, world, seen, wrong)
    assert not wrong, wrong[:3]
    assert len(seen) == TURNS


def _read(url, world, done, seen, wrong):
    while not done.is_set() and not wrong:
        _read_once(url, world, seen, wrong)


def _read_once(url, world, seen, wrong):
    with Client(url) as client:
        for subdir in ("linux-64", "noarch"):
            folder = f"/{world.authority_path}/conda-forge/{subdir}"
            index = client.ask(f"{folder}/repodata.json")
            if index.status != 200:
                wrong.append((subdir, index.status))
                return
            # The newest first: these are in no inventory yet.
            for name, record in reversed(json.loads(index.body)["packages.conda"].items()):
                reply = client.ask(f"{folder}/{name}")
                found = hashlib.sha256(reply.body).hexdigest()
                if (reply.status, found) != (200, record["sha256"]) or reply.etag != f'"sha256-{found}"':
                    wrong.append((name, reply.status, reply.fields, record["sha256"]))
                seen.add(name)


def test_what_a_killed_update_has_listed_and_not_recorded_is_shown(world):
    """Stopped when only the inventory is missing: any update is in that state for a moment."""
    killed = scenario.python(world)
    last = next(point for point in reversed(killed.points(full=True)) if point.path.endswith("/pixi-mirror.json"))
    place, _ = killed.stopped(last)
    assert b"thing-2.0" not in (place.mirror / "pixi-mirror.json").read_bytes()
    foreign = place.mirror / world.authority_path / "conda-forge/noarch/foreign-1-0.conda"
    foreign.write_bytes(b"x")
    files = set()
    with Server(place.mirror, host="127.0.0.1", port=0) as server, Client(server.url) as client:
        for page in sorted(place.mirror.rglob("simple/*/index.v1_json")):
            target = f"/{page.relative_to(place.mirror).parent.as_posix()}/"
            reply = client.ask(target, accept="application/vnd.pypi.simple.v1+json")
            assert reply.status == 200, target
            for row in json.loads(reply.body)["files"]:
                wheel = urlsplit(urljoin(server.url + target, row["url"])).path
                wheel = wheel if wheel.startswith(f"/{world.authority_path}") else f"/{world.authority_path}{wheel}"
                _require(client, wheel, row["hashes"]["sha256"])
                _require(client, f"{wheel}.metadata", row["core-metadata"]["sha256"])
                files.add(row["filename"])
        for index in sorted(place.mirror.rglob("repodata.json")):
            folder = f"/{index.relative_to(place.mirror).parent.as_posix()}"
            for name, record in json.loads(client.ask(f"{folder}/repodata.json").body)["packages.conda"].items():
                _require(client, f"{folder}/{name}", record["sha256"])
        assert client.ask(f"/{foreign.relative_to(place.mirror).as_posix()}").status == 404
    foreign.unlink()
    assert {name.split("-py3")[0] for name in files} == {"thing-1.0", "thing-2.0", "other-1.0"}


def _require(client, target, sha256):
    reply = client.ask(target)
    assert (reply.status, hashlib.sha256(reply.body).hexdigest()) == (200, sha256), target


@pytest.mark.broken_mirror("its records are damaged on purpose")
def test_records_that_are_damaged_while_it_serves_leave_it_with_what_it_knew(tmp_path):
    mirror = written(tmp_path / "mirror", {"c/noarch/x-1-0.conda": b"one"}, {})
    with Server(mirror, host="127.0.0.1", port=0) as server, Client(server.url) as client:
        (mirror / "pixi-mirror.json").write_text("{")
        assert client.ask("/c/noarch/x-1-0.conda").body == b"one"


def test_a_package_that_was_removed_is_missing_from_then_on(world):
    lock = world.workspace()
    assert world.run("--lock", lock, "-e", "default").status == 0
    old = next(world.mirror.rglob("old-thing*.tar.bz2"))
    with Server(world.mirror, host="127.0.0.1", port=0) as server, Client(server.url) as client:
        target = f"/{old.relative_to(world.mirror).as_posix()}"
        assert client.ask(target).status == 200
        text = lock.read_text(encoding="utf-8")
        assert "old-thing" in text
        world.lock("workspace", environments={"default": {"linux-64": [world.publish(small_packages()["base"])]}})
        assert world.run("--lock", lock).status == 0
        assert client.ask(target).status == 200, "an update removes nothing"
        assert world.run("prune", "mirror", "--apply", "--grace", "0", "--force").status == 0
        assert client.ask(target).status == 404
