"""By which names a server may be addressed: a page of the web must not read a mirror that is for this machine alone."""

import pytest
from harness.serving import served
from serving import Client, written

from pixi_mirror.serve.transport import Server


def status(url, host, target="/-/health", version="1.1"):
    with Client(url) as client:
        field = "" if host is None else f"Host: {host}\r\n"
        client.send(f"GET {target} HTTP/{version}\r\n{field}\r\n".encode())
        return client.reply().status


@pytest.fixture
def mirror(world):
    return written(world.mirror, {"c/noarch/x-1-0.conda": b"x"}, {})


LOCAL = ["localhost", "LOCALHOST:8765", "127.0.0.1", "127.0.0.1:80", "192.0.2.7", "[::1]", "[::1]:8765", "0.0.0.0"]
FOREIGN = ["mirror.lan", "evil.example:8765", "localhost.evil.example", "127.0.0.1.evil.example", "", "[evil]", "a@b"]


def test_on_loopback_without_users_only_this_machine_is_a_name(world, mirror):
    with served(mirror, "--allow-host", "Mirror.Lan", "--allow-host", "b.lan", env=world.environment) as url:
        assert {host: status(url, host) for host in LOCAL} == dict.fromkeys(LOCAL, 200)
        assert [status(url, host) for host in ("mirror.lan", "MIRROR.lan:8765", "b.lan")] == [200] * 3
        assert status(url, "c.lan") == 421


@pytest.mark.parametrize("target", ["/-/health", "/c/noarch/x-1-0.conda", "/", "/nothing"])
def test_another_name_gets_421_whatever_it_wants(world, mirror, target):
    with served(mirror, env=world.environment) as url:
        foreign = [host for host in FOREIGN if host]
        assert {host: status(url, host, target) for host in foreign} == dict.fromkeys(foreign, 421)
        assert status(url, "localhost", f"http://evil.example{target}") == 421, "the absolute form takes precedence"
        assert status(url, "evil.example", f"http://localhost{target}") != 421
        assert status(url, None, target, version="1.0") != 421


def test_where_users_sign_in_or_everybody_may_come_any_name_will_do(world, mirror):
    users = world.directory / "users"
    assert world.run("users", "add", "ci", "--token", "--file", users).status == 0
    with served(mirror, "--users", users, env=world.environment) as url:
        assert status(url, "mirror.lan") == 200
    with served(mirror, "--host", "0.0.0.0", env=world.environment) as url:
        assert status(url, "mirror.lan") == 200
    with served(mirror, "--host", "0.0.0.0", "--allow-host", "mirror.lan", env=world.environment) as url:
        assert [status(url, host) for host in ("mirror.lan", "other.lan")] == [200, 421]


def test_the_url_of_the_server_itself_is_allowed(mirror):
    with Server(mirror, host="127.0.0.1", port=0, allowed_hosts=frozenset()) as server:
        assert status(server.url, server.url.partition("//")[2]) == 200
