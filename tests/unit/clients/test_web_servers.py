"""The configuration of a web server names directory, place and rules; what cannot stand in it is refused."""

import re

import pytest

from pixi_mirror.clients.marked_lines import remove_lines
from pixi_mirror.clients.offer import Offer
from pixi_mirror.clients.web_servers import _CHANGES, CaddyServer, NginxServer
from pixi_mirror.errors import MachineError, UsageError
from pixi_mirror.serve.negotiation import is_index


def offer(url="http://mirror.lan:8080", directory="/srv/the mirror"):
    return Offer(url=url, channels={}, indexes={}, origins={}, mapping={}, directory=directory)


@pytest.mark.parametrize("server", [NginxServer(), CaddyServer()])
def test_the_directory_is_quoted_and_the_private_part_is_hidden(server):
    text = server.configuration(offer())
    assert '"/srv/the mirror"' in text
    assert "/.pixi-mirror" in text


def test_the_url_decides_port_name_and_certificates():
    text = NginxServer().configuration(offer())
    assert "listen 8080;" in text
    assert "server_name mirror.lan;" in text
    assert "ssl" not in text
    text = NginxServer().configuration(offer("https://mirror.lan"))
    assert "listen 443 ssl;" in text
    assert "ssl_certificate " in text
    assert CaddyServer().configuration(offer("https://mirror.lan")).splitlines()[1] == "https://mirror.lan {"


@pytest.mark.parametrize("directory", ['/srv/a"b', "/srv/a\\b", "/srv/a$b", "/srv/a\nb", "/srv/{host}"])
@pytest.mark.parametrize("server", [NginxServer(), CaddyServer()])
def test_a_directory_that_would_be_read_as_something_else_is_refused(server, directory):
    with pytest.raises(MachineError, match="cannot stand in the configuration"):
        server.configuration(offer(directory=directory))


@pytest.mark.parametrize("server", [NginxServer(), CaddyServer()])
def test_a_url_with_a_path_is_refused(server):
    with pytest.raises(UsageError, match="with a path"):
        server.configuration(offer("http://mirror.lan/mirror"))


@pytest.mark.parametrize(
    "path",
    [
        "conda-forge/noarch/repodata.json",
        "conda-forge/noarch/repodata.json.zst",
        "conda-forge/noarch/repodata_shards.msgpack.zst",
        f"conda-forge/noarch/shards/{'0' * 64}.msgpack.zst",
        "conda-forge/noarch/a-1.0-0.conda",
        "conda-forge/noarch/a-1.0-0.conda.sigs",
        f"conda-forge/noarch/a-1.0-0.conda.sigs.{'0' * 64}",
        "simple/a/index.html",
        "simple/a/index.v1_json",
        "pages.example/links.htm",
        "files.pypi.example/a-1.0-py3-none-any.whl",
        "files.pypi.example/a-1.0-py3-none-any.whl.metadata",
        "conda-mapping.prefix.dev/hash-v0/0",
        "pixi-mirror.json",
        "git.example/a.git/info/refs",
        "git.example/a.git/objects/info/packs",
        "git.example/a.git/HEAD",
        "git.example/a.git/objects/pack/pack-0.pack",
    ],
)
def test_the_rule_of_what_may_change_is_that_of_our_own_server(path):
    assert bool(re.search(_CHANGES, f"/{path}")) == is_index(path)


@pytest.mark.parametrize("server", [NginxServer(), CaddyServer()])
@pytest.mark.parametrize("text", [None, "", "# mine\n", "server { }"])
def test_ours_is_added_at_the_end_of_a_file_and_removed_again(server, text):
    merged = server.merge(text, offer())
    assert merged.startswith(text or "")
    assert all(line in merged.splitlines() for line in server.configuration(offer()).splitlines())
    assert remove_lines(merged) == text
