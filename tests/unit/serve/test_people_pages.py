"""The pages of a served mirror are as new as its inventory, under the name that was asked, for whom may read them."""

import os
import re
from dataclasses import replace
from html import unescape
from urllib.parse import urljoin

import pytest
from serving import Client, written
from synthetic import conda, inventory, wheel

from pixi_mirror.mirror.tree import Tree
from pixi_mirror.mirror.tree_view import TreeView
from pixi_mirror.model.values import admit_path
from pixi_mirror.serve.access.control import SignInRefused, Verdict
from pixi_mirror.serve.access.rights import Shown, covers
from pixi_mirror.serve.access.users import User
from pixi_mirror.serve.page.style import POLICY
from pixi_mirror.serve.transport import Server


def raw(client, *fields, version="1.1"):
    """Ask for the root with exactly these fields."""
    client.send("\r\n".join([f"GET / HTTP/{version}", *fields, "", ""]).encode("latin-1"))
    return client.reply()


def test_the_root_is_a_page_that_only_its_own_style_can_touch(client):
    reply = client.ask("/")
    assert reply.status == 200
    assert reply.body.startswith(b"<!DOCTYPE html>")
    assert reply.fields["content-type"] == "text/html; charset=utf-8"
    assert reply.fields["content-security-policy"] == POLICY
    assert reply.fields["x-content-type-options"] == "nosniff"
    assert reply.fields["cache-control"] == "no-cache"
    assert reply.fields["referrer-policy"] == "no-referrer"


@pytest.mark.broken_mirror("its files are no true indexes")
def test_it_is_sent_again_only_when_it_has_changed(tmp_path, stored, derived):
    root = written(tmp_path / "mirror", stored, derived)
    with Server(root, host="127.0.0.1", port=0) as server, Client(server.url) as client:
        first = client.ask("/")
        again = client.ask("/", if_none_match=first.etag)
        assert (again.status, again.body, again.fields["etag"]) == (304, b"", first.etag)
        inventory = root / "pixi-mirror.json"
        inventory.write_bytes(inventory.read_bytes().replace(b'"subscriptions":[', b'"subscriptions":[ '))
        # One more byte and a later date: the page tells when the mirror was updated.
        os.utime(inventory, (1_000_000_000, 1_000_000_000))
        new = client.ask("/", if_none_match=first.etag)
        assert new.status == 200
        assert b"2001-09-09" in new.body


@pytest.mark.broken_mirror("its inventory is damaged")
def test_the_last_page_stays_while_the_inventory_does_not_parse(tmp_path, stored, derived):
    root = written(tmp_path / "mirror", stored, derived)
    with Server(root, host="127.0.0.1", port=0) as server, Client(server.url) as client:
        first = client.ask("/")
        (root / "pixi-mirror.json").write_bytes(b"{")
        assert client.ask("/").body == first.body


def test_head_has_the_fields_and_no_body(client):
    whole, head = client.ask("/"), client.ask("/", "HEAD")
    assert head.status == 200
    assert head.body == b""
    assert head.fields["content-length"] == str(len(whole.body))


def urls_shown(reply):
    return set(re.findall(r"https?://[^/\s&]+", reply.body.decode())) - {"https://conda.anaconda.org"}


@pytest.mark.parametrize("host", ["mirror.lan", "10.0.0.7:8765", "[::1]:8765", "a-b.c_d.example:1"])
def test_the_configurations_name_the_host_that_was_asked(client, host):
    reply = raw(client, f"Host: {host}", "X-Forwarded-Host: evil.example", "X-Forwarded-Proto: https")
    assert reply.status == 200
    assert f"http://{host}" in urls_shown(reply)
    assert b"evil.example" not in reply.body


def test_who_names_no_host_is_told_the_servers_own(server, client):
    assert server.url in urls_shown(raw(client, version="1.0"))


@pytest.mark.parametrize(
    "host",
    ['"><script>', "a b", "user@host", "host/path", "host:99999", "host:0", "host:", "[::1", "-x", "a" * 300, "%41",
     "$(id)", "a'b", "host?x", "é"],
)  # fmt: skip
def test_a_host_that_is_none_is_refused_and_not_shown(client, host):
    reply = raw(client, f"Host: {host}")
    assert reply.status == 400
    assert host.encode("latin-1") not in reply.body


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    """The root of a mirror with two channels and an index, in one environment; without the bytes."""
    closed = replace(conda("zlib", number=2, depends=["numpy"]), path=admit_path("closed/linux-64/zlib-1.0-0.conda"))
    of = inventory(*sorted([conda("numpy", number=1), closed, wheel("ruff", number=3)], key=lambda each: each.path))
    root = tmp_path_factory.mktemp("people") / "mirror"
    tree = Tree(root)
    with tree.writing(timeout_s=0):
        tree.record(of, locks={}, unlisted={})
    return root


@pytest.mark.parametrize(
    ("target", "title"),
    [
        ("/-/search", "Packages"),
        ("/-/search?q=num", "Packages"),
        ("/-/packages/conda/numpy", "numpy"),
        ("/-/packages/pypi/ruff", "ruff"),
        ("/-/packages/conda/numpy/", "numpy"),
        ("/-/environments/demo/default/linux-64", "default on linux-64"),
        ("/t/TOKEN/-/packages/conda/numpy", "numpy"),
    ],
)
@pytest.mark.broken_mirror("it has no bytes")
def test_every_page_is_answered_as_the_first_one_is(packages, target, title):
    with Server(packages, host="127.0.0.1", port=0) as server, Client(server.url) as client:
        reply = client.ask(target)
        assert reply.status == 200
        assert f"<h1>{title}</h1>" in reply.body.decode()
        assert reply.fields["content-security-policy"] == POLICY
        assert reply.fields["cache-control"] == "no-cache"
        assert client.ask(target, if_none_match=reply.etag).status == 304
        assert client.ask(target, "HEAD").body == b""


@pytest.mark.parametrize(
    "target",
    ["/-/", "/-", "/-/packages", "/-/packages/conda/", "/-/packages/conda/no-such", "/-/packages/pypi/numpy",
     "/-/environments/demo/default/win-64", "/-/environments/demo/default", "/-/search/x", "/-/packages/conda/..%2fx"],
)  # fmt: skip
@pytest.mark.broken_mirror("it has no bytes")
def test_what_is_no_page_is_not_found(packages, target):
    with Server(packages, host="127.0.0.1", port=0) as server, Client(server.url) as client:
        assert client.ask(target).status == 404


@pytest.mark.broken_mirror("it has no bytes")
def test_every_link_of_a_page_leads_to_a_page_or_to_a_file_of_the_mirror(packages):
    with Server(packages, host="127.0.0.1", port=0) as server, Client(server.url) as client:
        waiting, seen = ["/"], set()
        while waiting:
            at = waiting.pop()
            reply = client.ask(at)
            assert reply.status == 200, at
            for href in re.findall(r'href="([^"#]+)', unescape(reply.body.decode())):
                target = urljoin(at, href)
                is_file = target.endswith((".conda", ".whl", ".json")) or target.startswith("/simple")
                if not is_file and target not in seen:
                    seen.add(target)
                    waiting.append(target)
        assert len(seen) >= 6


class People:
    """Users with rights, each known by the token that is their name."""

    def __init__(self, rights):
        self.rights = rights

    def sign_in(self, authorization, token, *, address):
        if token not in self.rights:
            raise SignInRefused(Verdict.BUSY if token == "busy" else Verdict.UNKNOWN)
        return User(token, None, None, self.rights[token])

    def may_read(self, user, path):
        return covers(("/",) if user.read is None else user.read, path, lambda _: Shown())


def answers(root, user, *targets):
    """What a user is answered, each a status and the text."""
    access = People({"all": None, "some": ("conda-forge",), "none": ("elsewhere",)})
    with Server(root, host="127.0.0.1", port=0, access=access) as server, Client(server.url) as client:
        replies = [client.ask(f"/t/{user}{target}") for target in targets]
        assert all(user.encode() not in reply.body for reply in replies if user in ("busy", "nobody"))
        return [(reply.status, reply.body.decode()) for reply in replies]


TARGETS = (
    "/", "/-/search", "/-/packages/conda/numpy", "/-/packages/conda/zlib", "/-/environments/demo/default/linux-64",
)  # fmt: skip


@pytest.mark.broken_mirror("it has no bytes")
def test_who_may_read_all_sees_all(packages):
    assert [status for status, _ in answers(packages, "all", *TARGETS)] == [200] * 5


@pytest.mark.broken_mirror("it has no bytes")
def test_who_may_read_a_part_sees_that_part_and_learns_of_nothing_else(packages):
    replies = answers(packages, "some", *TARGETS)
    assert [status for status, _ in replies] == [404, 200, 200, 404, 404]
    for _, text in replies:
        for secret in ("zlib", "ruff", "closed", "demo", "2 packages"):
            assert secret not in text
    assert "numpy" in replies[1][1]
    assert "1 package" in replies[1][1]


@pytest.mark.broken_mirror("it has no bytes")
def test_who_may_read_nothing_here_finds_nothing(packages):
    replies = answers(packages, "none", *TARGETS)
    assert [status for status, _ in replies] == [404, 200, 404, 404, 404]
    assert "0 packages" in replies[1][1]


@pytest.mark.broken_mirror("it has no bytes")
@pytest.mark.parametrize(("user", "status"), [("nobody", 401), ("busy", 503)])
def test_who_is_not_signed_in_gets_no_page(packages, user, status):
    for found, text in answers(packages, user, *TARGETS):
        assert found == status
        assert "numpy" not in text


@pytest.mark.broken_mirror("it has no bytes")
def test_the_inventory_is_read_once_for_many_requests(packages, monkeypatch):
    read = []

    class Counting(TreeView):
        def __init__(self, root):
            read.append(root)
            super().__init__(root)

    monkeypatch.setattr("pixi_mirror.serve.current_catalog.TreeView", Counting)
    with Server(packages, host="127.0.0.1", port=0) as server, Client(server.url) as client:
        for target in TARGETS[:4] * 3:
            client.ask(target)
        assert len(read) == 1
        file = packages / "pixi-mirror.json"
        os.utime(file, (1_000_000_000, 1_000_000_000))
        assert b"2001-09-09" in client.ask("/-/search").body
        assert len(read) == 2
