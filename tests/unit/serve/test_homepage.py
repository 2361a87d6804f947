"""The root of a served mirror is the page for people, as new as the inventory, under the name that it was asked at."""

import os
import re

import pytest
from serving import Client, written

from pixi_mirror.serve.access.control import AccessControl, Verdict
from pixi_mirror.serve.page.style import POLICY
from pixi_mirror.serve.transport import Server


def raw(client, *fields, version="1.1"):
    """Ask for the root with exactly these fields."""
    client.send("\r\n".join([f"GET / HTTP/{version}", *fields, "", ""]).encode("latin-1"))
    return client.reply()


def test_the_root_is_a_page_that_only_its_own_style_and_script_can_touch(client):
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


class Deciding(AccessControl):
    """Lets everybody, or nobody, in."""

    def __init__(self, verdict):
        self.verdict = verdict

    def check(self, authorization, token, path):
        assert path == ""
        return self.verdict


@pytest.mark.parametrize(
    ("verdict", "status"), [(Verdict.MAY_READ, 200), (Verdict.NOT_ENTITLED, 404), (Verdict.UNKNOWN, 401)]
)
def test_only_who_may_read_all_sees_the_page(mirror, verdict, status):
    with Server(mirror, host="127.0.0.1", port=0, access=Deciding(verdict)) as server, Client(server.url) as client:
        reply = client.ask("/t/SECRET/")
        assert reply.status == status
        assert (b"A mirror of packages" in reply.body) == (status == 200)
        assert b"SECRET" not in reply.body
        if status == 200:
            assert reply.fields["cache-control"] == "private, no-cache"
