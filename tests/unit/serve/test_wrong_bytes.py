"""A stored file whose bytes are not those of the inventory is never served."""

import hashlib
import json
import os
import shutil

import pytest
from harness.damage import writable
from harness.serving import running
from serving import Client, written

from pixi_mirror.mirror.tree import Tree
from pixi_mirror.model.values import admit_path
from pixi_mirror.serve.transport import Server

PACKAGE = "c/noarch/x-1-0.conda"
SHARD = hashlib.sha256(b"shard").hexdigest()


@pytest.fixture
def root(tmp_path):
    stored = {PACKAGE: b"right bytes", "files.pypi.example/x-1-py3-none-any.whl": b"a wheel"}
    return written(tmp_path / "mirror", stored, {f"c/noarch/shards/{SHARD}.msgpack.zst": b"shard"})


@pytest.mark.broken_mirror("a file is changed on purpose")
@pytest.mark.parametrize("data", [b"wrong bytes", b"longer than it was", b""])
@pytest.mark.parametrize("path", [PACKAGE, "files.pypi.example/x-1-py3-none-any.whl"])
def test_a_file_that_was_changed_in_place_is_404_and_a_line_in_the_log(root, path, data):
    reports = []
    with Server(root, host="127.0.0.1", port=0, report=reports.append) as server, Client(server.url) as client:
        right = client.ask(f"/{path}")
        assert (right.status, "immutable" in right.fields["cache-control"]) == (200, True)
        before = (root / path).read_bytes()
        (root / path).write_bytes(data)
        for method in ("GET", "GET", "HEAD"):
            reply = client.ask(f"/{path}", method, if_none_match="*", range="bytes=0-1")
            assert (reply.status, reply.fields["cache-control"]) == (404, "no-cache")
        found = [json.loads(each.line) for each in reports]
        assert [(each["wrong_bytes"], each["found_sha256"]) for each in found] == [
            (path, hashlib.sha256(data).hexdigest())
        ], "each version of the file is in the log once"
        (root / path).write_bytes(before)
        assert client.ask(f"/{path}").body == before


@pytest.mark.broken_mirror("a file is changed on purpose")
def test_a_shard_is_what_its_name_says(root):
    target = f"/c/noarch/shards/{SHARD}.msgpack.zst"
    with Server(root, host="127.0.0.1", port=0) as server, Client(server.url) as client:
        assert client.ask(target).status == 200
        (root / target[1:]).write_bytes(b"other")
        assert client.ask(target).status == 404


@pytest.mark.broken_mirror("a file is changed on purpose")
def test_a_copied_mirror_is_hashed_and_what_is_wrong_in_it_is_not_served(root, tmp_path):
    copied = tmp_path / "copied"
    shutil.copytree(root, copied)
    (copied / PACKAGE).write_bytes(b"wrong bytes")
    with Server(copied, host="127.0.0.1", port=0) as server, Client(server.url) as client:
        assert client.ask(f"/{PACKAGE}").status == 404
        assert client.ask("/files.pypi.example/x-1-py3-none-any.whl").body == b"a wheel"


@pytest.mark.broken_mirror("a file is changed on purpose")
def test_the_line_stands_in_the_log_of_the_program_whatever_the_access_log_is(world):
    written(world.mirror, {PACKAGE: b"right bytes"}, {})
    writable(world.mirror / PACKAGE).write_bytes(b"wrong bytes")
    with running("mirror", "--port", "0", "--access-log", "none", env=world.environment, cwd=world.directory) as server:
        with Client(server.url) as client:
            assert client.ask(f"/{PACKAGE}").status == 404
        server.process.terminate()
        server.end()
    line = json.loads(server.stderr.splitlines()[0])
    assert (line["wrong_bytes"], line["expected_sha256"]) == (PACKAGE, hashlib.sha256(b"right bytes").hexdigest())


def test_what_an_update_is_about_to_record_is_served_and_no_cache_keeps_it(root, tmp_path):
    """Other bytes at a recorded path: announced, placed, and not yet in the inventory."""
    tree = Tree(root)
    new = tmp_path / "new"
    new.write_bytes(b"newer bytes")
    with tree.writing(timeout_s=0), Server(root, host="127.0.0.1", port=0) as server, Client(server.url) as client:
        tree.announce([admit_path(PACKAGE)])
        tree.place(admit_path(PACKAGE), new, sha256=hashlib.sha256(b"newer bytes").hexdigest())
        reply = client.ask(f"/{PACKAGE}")
        assert (reply.status, reply.body) == (200, b"newer bytes")
        assert reply.etag == f'"sha256-{hashlib.sha256(b"newer bytes").hexdigest()}"'
        assert "immutable" not in reply.fields["cache-control"]
        old = tmp_path / "old"
        old.write_bytes(b"right bytes")
        tree.place(admit_path(PACKAGE), old, sha256=hashlib.sha256(b"right bytes").hexdigest())
        os.utime(root / PACKAGE)


@pytest.mark.broken_mirror("a file is changed on purpose")
def test_a_finished_update_announces_nothing_any_more(world):
    lock = world.workspace()
    assert world.run("--lock", lock).status == 0
    package = next(world.mirror.rglob("tool-*.conda"))
    package.chmod(0o644)
    package.write_bytes(b"wrong bytes")
    with Server(world.mirror, host="127.0.0.1", port=0) as server, Client(server.url) as client:
        assert client.ask(f"/{package.relative_to(world.mirror).as_posix()}").status == 404
