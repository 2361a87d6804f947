"""Clients that wait for a slow upstream hold up nobody: neither those who want what is there, nor those who leave."""

import select
import threading

import pytest
from harness import upstream as steps
from harness.serving import served
from harness.world import small_packages
from serving import Client

from pixi_mirror.demo.packages import build_package
from pixi_mirror.serve.files import FileUnavailable
from pixi_mirror.serve.open_connections import OpenConnections

LEAVING = 1000
MOST_WAITING = 256


@pytest.fixture
def slow(world):
    """A mirror with one file that is there and one deferred file, of which upstream sends only the beginning."""
    base = world.publish(small_packages()["base"])
    world.lock("workspace", environments={"default": {"linux-64": [base]}})
    assert world.run("--lock", "workspace/pixi.lock").status == 0
    tool = world.publish(small_packages()["tool-linux"])
    world.lock("workspace", environments={"default": {"linux-64": [base, tool]}})
    done = world.run("--lock", "workspace/pixi.lock", "--defer")
    assert done.status == 0, done.stderr
    world.upstream.script("/conda-forge/linux-64/tool-1.0-h12_1.conda", steps.stall(100))
    return world


def target(world, name):
    return f"/{world.authority_path}/conda-forge/{name}"


def request(world):
    return f"GET {target(world, 'linux-64/tool-1.0-h12_1.conda')} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


def require_answers(world, url):
    with Client(url) as client:
        assert client.ask("/-/health").status == 200
        reply = client.ask(target(world, "noarch/base-2024.1-0.conda"))
        assert (reply.status, reply.body) == (200, small_packages()["base"].data)


def test_a_thousand_clients_that_leave_free_their_places(slow):
    with served(slow.mirror, "--upstream", "--access-log", "none", env=slow.environment) as url:
        for _ in range(LEAVING):
            with Client(url) as client:
                client.send(request(slow))
        require_answers(slow, url)
        with Client(url) as client:  # it waits, since the others do not any more
            client.send(request(slow))
            require_answers(slow, url)
            assert not select.select([client.socket], [], [], 0.3)[0]


def test_those_who_wait_take_half_of_the_connections_and_the_others_come_again(slow):
    with served(slow.mirror, "--upstream", "--access-log", "none", env=slow.environment) as url:
        clients = [Client(url) for _ in range(MOST_WAITING + 40)]
        for client in clients:
            client.send(request(slow))
        refused = set()
        while len(refused) < 40:
            ready, _, _ = select.select([each.socket for each in clients if each not in refused], [], [], 30)
            assert ready, "nobody is refused"
            for client in [each for each in clients if each.socket in ready]:
                reply = client.reply()
                assert (reply.status, int(reply.fields["retry-after"]) > 0) == (503, True)
                assert reply.fields["cache-control"] == "no-store"
                refused.add(client)
        require_answers(slow, url)
        for client in clients:
            client.__exit__()


def test_a_slow_host_holds_up_nobody_elses_files(world):
    stalled = [build_package(name=f"stalled{number}") for number in range(12)]
    entries = [world.publish(package) for package in stalled]
    other = build_package(name="other")
    elsewhere = world.upstream.url.replace("127.0.0.1", "localhost")
    entries.append(world.publish(other, channel="elsewhere", base=elsewhere))
    for package in stalled:
        world.upstream.script(f"/conda-forge/noarch/{package.file_name}", steps.stall_before_headers())
    world.lock("workspace", environments={"default": {"linux-64": entries}})
    done = world.run("--lock", "workspace/pixi.lock", "--defer")
    assert done.status == 0, done.stderr
    words = ("--upstream", "--access-log", "none", "--jobs", "2")
    with served(world.mirror, *words, env=world.environment) as url:
        clients = [Client(url) for _ in stalled]
        for client, package in zip(clients, stalled, strict=True):
            path = target(world, f"noarch/{package.file_name}")
            client.send(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        while len(world.requests) < 2:
            pass
        with Client(url) as client:
            place = world.authority_path.replace("127.0.0.1", "localhost")
            reply = client.ask(f"/{place}/elsewhere/noarch/{other.file_name}")
            assert (reply.status, reply.body) == (200, other.data)
        begun = {each.path for each in world.requests}
        assert len([path for path in begun if "stalled" in path]) == 2, "each host has its own places, and no more"
        for client in clients:
            client.__exit__()


def test_a_download_that_nobody_waits_for_any_more_is_not_begun(world):
    packages = [build_package(name=f"p{number}") for number in range(3)]
    world.lock("workspace", environments={"default": {"linux-64": [world.publish(each) for each in packages]}})
    assert world.run("--lock", "workspace/pixi.lock", "--defer").status == 0
    first, second, third = (f"/conda-forge/noarch/{each.file_name}" for each in packages)
    go_on = threading.Event()

    def held(reply):
        go_on.wait(60)
        reply.behave()

    world.upstream.script(first, held, steps.ok())
    log = world.directory / "log"
    words = ("--upstream", "--access-log", log, "--jobs", "1")
    with served(world.mirror, *words, env=world.environment) as url, Client(url) as waiting:
        waiting.send(f"GET /{world.authority_path}{first} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        while not world.requests:
            pass
        with Client(url) as leaving:
            leaving.send(f"GET /{world.authority_path}{second} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        while '"status": 499' not in log.read_text(encoding="utf-8"):
            pass
        go_on.set()
        assert waiting.reply().status == 200
        with Client(url) as client:
            assert client.ask(f"/{world.authority_path}{third}").status == 200
    assert second not in [each.path for each in world.requests]


def test_a_place_is_counted_and_given_back(mirror):
    import socket

    connections = OpenConnections(4)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        with connections.waiting_for_upstream(ours) as has_left, connections.waiting_for_upstream(ours):
            assert not has_left()
            with pytest.raises(FileUnavailable) as error, connections.waiting_for_upstream(ours):
                pass
            assert (error.value.status, error.value.retry_after_s) == (503, 5)
            theirs.sendall(b"GET / HTTP/1.1\r\n")  # what was sent before does not hide that the client has left
            theirs.close()
            assert has_left()
            with connections.waiting_for_upstream(ours):
                pass  # those who have left take no place, even before they are counted out
        with connections.waiting_for_upstream(ours):
            pass
