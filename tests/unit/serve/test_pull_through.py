"""`serve --upstream` fetches what is deferred when it is first asked for, once, and nothing else ever."""

import hashlib
import json
import socket
import threading
import time
from contextlib import contextmanager
from dataclasses import replace

import pytest
from harness import upstream as steps
from harness.directly import Directly
from harness.python_index import PythonIndex
from harness.serving import running, served
from harness.world import small_packages
from serving import Client

from pixi_mirror.demo.distributions import build_wheel
from pixi_mirror.demo.packages import build_package
from pixi_mirror.mirror.tree import Tree
from pixi_mirror.serve.files import FileUnavailable
from pixi_mirror.serve.pull_through.pull import PullThrough

BASE = "noarch/base-2024.1-0.conda"
TOOL = "linux-64/tool-1.0-h12_1.conda"


@pytest.fixture
def deferred(world):
    """A world whose mirror defers everything."""
    world.workspace()
    done = world.run("--lock", "workspace/pixi.lock", "--defer")
    assert done.status == 0, done.stderr
    return world


def place(world, package):
    return f"{world.authority_path}/conda-forge/{package}"


def upstream_path(package):
    return f"/conda-forge/{package}"


def asked(world, package):
    return len(world.upstream.requests_to(upstream_path(package)))


def serving(world, *words, **variables):
    return served(world.mirror, "--upstream", *words, env={**world.environment, **variables})


def inventory(world):
    return json.loads((world.mirror / "pixi-mirror.json").read_bytes())


def test_the_first_who_asks_gets_it_and_it_stays(deferred):
    with serving(deferred) as url, Client(url) as client:
        reply = client.ask(f"/{place(deferred, TOOL)}")
        assert reply.status == 200
        data = small_packages()["tool-linux"].data
        assert reply.body == data
        assert (deferred.mirror / place(deferred, TOOL)).read_bytes() == data
        assert place(deferred, TOOL) in inventory(deferred)["tree"]
        assert place(deferred, TOOL) not in inventory(deferred)["deferred"]
        again = client.ask(f"/{place(deferred, TOOL)}")
        assert (again.body, again.etag) == (data, reply.etag)
    assert asked(deferred, TOOL) == 1
    assert len(deferred.requests) == 1


def test_fifty_who_ask_at_once_get_the_bytes_of_one_download(deferred):
    replies = []
    ready = threading.Barrier(50)
    deferred.upstream.script(upstream_path(TOOL), steps.drip(pieces_per_second=20, piece=8000))

    def ask(url):
        with Client(url) as client:
            ready.wait()
            replies.append(client.ask(f"/{place(deferred, TOOL)}"))

    with serving(deferred) as url:
        threads = [threading.Thread(target=ask, args=(url,)) for _ in range(50)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    digests = {(reply.status, hashlib.sha256(reply.body).hexdigest()) for reply in replies}
    assert digests == {(200, small_packages()["tool-linux"].record["sha256"])}
    assert len(replies) == 50
    assert asked(deferred, TOOL) == 1


def test_what_nobody_pins_is_not_there_and_upstream_is_never_asked(deferred):
    (deferred.root / "conda-forge" / "noarch" / "stranger-1.0-0.conda").write_bytes(b"there, and not pinned")
    with serving(deferred) as url, Client(url) as client:
        for target in (place(deferred, "noarch/stranger-1.0-0.conda"), place(deferred, f"{BASE}.metadata"), "x/y"):
            assert client.ask(f"/{target}").status == 404
    assert deferred.requests == []


def test_without_upstream_what_is_deferred_is_not_there(deferred):
    with served(deferred.mirror, env=deferred.environment) as url, Client(url) as client:
        assert client.ask(f"/{place(deferred, BASE)}").status == 404
    assert deferred.requests == []


def test_an_upstream_that_lies_is_a_bad_gateway_of_which_nothing_is_kept(deferred):
    deferred.upstream.script(upstream_path(BASE), steps.html200())
    with serving(deferred) as url, Client(url) as client:
        replies = [client.ask(f"/{place(deferred, BASE)}") for _ in range(3)]
        assert [reply.status for reply in replies] == [502] * 3
        assert b"conda" not in replies[0].body.lower()
        assert replies[0].fields["cache-control"] == "no-store"
    assert asked(deferred, BASE) == 1, "a failure is remembered for a while"
    assert not (deferred.mirror / place(deferred, BASE)).exists()
    assert place(deferred, BASE) in inventory(deferred)["deferred"]
    kept = [path for path in deferred.home.rglob("*") if path.is_file() and path.parent.name == "partial"]
    assert kept == []


@pytest.mark.parametrize(("step", "status"), [(steps.status(404), 502), (steps.status(403), 502), (None, 504)])
def test_an_upstream_that_has_it_not_or_is_down_is_told_apart_from_a_file_that_is_not_pinned(deferred, step, status):
    if step is None:
        deferred.upstream.close()
    else:
        deferred.upstream.script(upstream_path(BASE), step)
    with serving(deferred, "--retries", "0") as url, Client(url) as client:
        assert client.ask(f"/{place(deferred, BASE)}").status == status


def test_while_somebody_writes_the_mirror_a_file_comes_from_the_cache_and_is_kept_the_next_time(deferred):
    target = place(deferred, BASE)
    with serving(deferred) as url, Client(url) as client:
        with Tree(deferred.mirror).writing(timeout_s=0):
            replies = [client.ask(f"/{target}") for _ in range(2)]
            assert not (deferred.mirror / target).exists()
        replies.append(client.ask(f"/{target}"))
        assert (deferred.mirror / target).is_file()
    assert {(reply.status, reply.etag) for reply in replies} == {(200, replies[0].etag)}
    assert {reply.body for reply in replies} == {small_packages()["base"].data}
    assert asked(deferred, BASE) == 1


def test_an_update_beside_the_server_brings_the_rest_and_both_are_right(deferred):
    with serving(deferred) as url, Client(url) as client:
        assert client.ask(f"/{place(deferred, BASE)}").status == 200
        done = deferred.run("--lock", "workspace/pixi.lock")
        assert done.status == 0, done.stderr
        assert "brought 4 files" in done.stdout
        assert client.ask(f"/{place(deferred, TOOL)}").status == 200
    assert asked(deferred, TOOL) == asked(deferred, BASE) == 1
    assert "deferred" not in inventory(deferred)


def test_a_server_that_is_killed_in_a_download_leaves_nothing_and_the_next_one_goes_on(deferred):
    deferred.upstream.script(upstream_path(TOOL), steps.stall(5000), steps.ok())
    before = (deferred.mirror / "pixi-mirror.json").read_bytes()
    words = (deferred.mirror, "--port", "0", "--upstream")
    with running(*words, env=deferred.environment) as server, Client(server.url) as client:
        client.send(f"GET /{place(deferred, TOOL)} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        while not list(deferred.home.rglob("partial/*")) or not asked(deferred, TOOL):
            pass
        server.process.kill()
        server.end()
    assert (deferred.mirror / "pixi-mirror.json").read_bytes() == before
    assert not (deferred.mirror / place(deferred, TOOL)).exists()
    with serving(deferred) as url, Client(url) as client:
        assert client.ask(f"/{place(deferred, TOOL)}").body == small_packages()["tool-linux"].data


def test_who_goes_away_does_not_end_the_download_for_the_others(deferred):
    deferred.upstream.script(upstream_path(TOOL), steps.drip(pieces_per_second=20, piece=4000))
    with serving(deferred) as url, Client(url) as patient:
        request = f"GET /{place(deferred, TOOL)} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
        with Client(url) as hasty:
            hasty.send(request)
            while not asked(deferred, TOOL):
                pass
        patient.send(request)
        assert patient.reply().body == small_packages()["tool-linux"].data
    assert asked(deferred, TOOL) == 1


def test_every_fetch_is_a_line_of_the_log_without_secrets(deferred):
    deferred.upstream.script(upstream_path(TOOL), steps.html200())
    words = (deferred.mirror, "--port", "0", "--upstream", "--access-log", "none")
    with running(*words, env=deferred.environment) as server, Client(server.url) as client:
        client.ask(f"/{place(deferred, BASE)}")
        client.ask(f"/{place(deferred, TOOL)}")
    good, bad = (json.loads(line) for line in server.stderr.splitlines() if line.startswith("{"))
    assert (good["path"], good["status"], good["error"]) == (place(deferred, BASE), 200, None)
    assert good["fetch"] == deferred.upstream.url + upstream_path(BASE)
    assert good["bytes"] == len(small_packages()["base"].data)
    assert (bad["path"], bad["status"], bad["bytes"]) == (place(deferred, TOOL), 502, 0)
    assert "expected sha256" in bad["error"]


def test_a_wheel_that_came_has_its_metadata_beside_it_and_no_page_is_asked_for(world):
    index = PythonIndex(world)
    wheel = build_wheel(name="thing", version="1.0", requires_python=">=3.8")
    entry = index.publish(wheel, name="thing", version="1.0")
    world.lock("workspace", environments={"default": {"linux-64": [entry]}}, indexes=[index.url], channels=[])
    assert world.run("--lock", "workspace/pixi.lock", "--defer").status == 0
    world.upstream.forget_requests()
    target = f"/{world.authority_path}/{entry.url.split('/', 3)[3]}"
    with serving(world) as url, Client(url) as client:
        assert client.ask(f"{target}.metadata").status == 404
        assert client.ask(target).body == wheel.data
        assert b"Name: thing" in client.ask(f"{target}.metadata").body
        page = json.loads(client.ask("/simple/thing/", Accept="application/vnd.pypi.simple.v1+json").body)
    assert page["files"][0]["core-metadata"]
    assert len(world.requests) == 1


def test_many_files_at_once_are_all_kept(world):
    packages = [build_package(name=f"p{number}") for number in range(30)]
    entries = [world.publish(package) for package in packages]
    world.lock("workspace", environments={"default": {"linux-64": entries}})
    assert world.run("--lock", "workspace/pixi.lock", "--defer").status == 0
    replies = {}

    def ask(url, package):
        with Client(url) as client:
            replies[package.file_name] = client.ask(f"/{place(world, f'noarch/{package.file_name}')}").body

    with serving(world) as url:
        threads = [threading.Thread(target=ask, args=(url, package)) for package in packages]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert replies == {package.file_name: package.data for package in packages}
    assert "deferred" not in inventory(world)
    assert len(world.requests) == 30
    assert world.run("verify").status == 0


def test_a_part_of_a_file_and_its_head_are_told_of_the_whole(deferred):
    with serving(deferred) as url, Client(url) as client:
        head = client.ask(f"/{place(deferred, BASE)}", "HEAD")
        part = client.ask(f"/{place(deferred, TOOL)}", Range="bytes=-10")
    assert int(head.fields["content-length"]) == len(small_packages()["base"].data)
    assert (part.status, part.body) == (206, small_packages()["tool-linux"].data[-10:])


@pytest.mark.broken_mirror("a file of it was removed by hand")
def test_a_pinned_file_that_somebody_removed_comes_again(world):
    world.workspace()
    assert world.run("--lock", "workspace/pixi.lock").status == 0
    (world.mirror / place(world, BASE)).unlink()
    with serving(world) as url, Client(url) as client:
        assert client.ask(f"/{place(world, BASE)}").status == 200
    assert (world.mirror / place(world, BASE)).is_file()


def test_a_user_whose_mirrors_lead_to_this_very_server_is_served_from_upstream(deferred):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    channel = f"{deferred.upstream.url}/conda-forge"
    own = f"http://127.0.0.1:{port}/{deferred.authority_path}/conda-forge"
    config = deferred.directory / "config.toml"
    config.write_text(f'[mirrors]\n"{channel}" = ["{own}"]\n')
    with serving(deferred, "--port", port, "--config-file", config) as url, Client(url) as client:
        assert client.ask(f"/{place(deferred, BASE)}").body == small_packages()["base"].data
    assert asked(deferred, BASE) == 1


@contextmanager
def waiting_ten_seconds():
    end = time.monotonic() + 10
    yield lambda: time.monotonic() > end


def test_a_download_that_fails_by_a_bug_is_shown_and_does_not_hold_up_the_next_ones(deferred, monkeypatch):
    shown = []
    monkeypatch.setattr(threading, "excepthook", shown.append)
    context = Directly(world=deferred).context
    one_at_a_time = replace(context, settings=lambda workspace: replace(context.settings(workspace), jobs=1))
    lines = []

    def log(fetch):
        lines.append(fetch)
        if len(lines) == 1:
            raise LookupError("the bug")

    fetch = PullThrough(deferred.mirror, one_at_a_time, log=log)
    with pytest.raises(FileUnavailable) as failed:
        fetch(place(deferred, BASE), waiting_ten_seconds)
    assert failed.value.status == 500
    where = fetch(place(deferred, TOOL), waiting_ten_seconds)
    assert where.read_bytes() == small_packages()["tool-linux"].data
    (hidden,) = shown
    assert (hidden.exc_type, str(hidden.exc_value)) == (LookupError, "the bug")
    assert hidden.exc_traceback is not None
    assert hidden.thread is not threading.main_thread()
