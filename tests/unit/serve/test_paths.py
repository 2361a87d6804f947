"""What can be reached by a path, and what by none."""

import os
from urllib.parse import quote

import pytest
from harness.examples import examples
from harness.urls import SEGMENTS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from people import PASSWORD, basic, user, users
from serving import Client, descriptors, written

from pixi_mirror.model.segments import is_portable, request_path
from pixi_mirror.serve.access.control import AccessControl
from pixi_mirror.serve.app import App
from pixi_mirror.serve.files import MirrorFiles
from pixi_mirror.serve.request import HttpRequest, masked, parse_target
from pixi_mirror.serve.transport import Server

INDEX = "/conda-forge/linux-64/repodata.json"
SECRET = "nobody may read this"


@pytest.mark.parametrize(
    "target",
    [
        "/conda-forge/linux-64/tool-1!2.0+cuda12-h12_1.conda",
        "/conda-forge/linux-64/tool-1!2.0%2Bcuda12-h12_1.conda",
        "/conda-forge/linux-64/tool-1%212.0%2bcuda12-h12_1%2Econda",
        "/%63onda-forge/linux-64/tool-1!2.0+cuda12-h12_1.conda?x=y",
        "/t/to-ken/conda-forge/linux-64/tool-1!2.0+cuda12-h12_1.conda",
        "http://elsewhere.example/conda-forge/linux-64/tool-1!2.0+cuda12-h12_1.conda",
    ],
)
def test_all_spellings_of_a_path_find_the_same_file(client, stored, target):
    reply = client.ask(target)
    assert (reply.status, reply.body) == (200, stored["conda-forge/linux-64/tool-1!2.0+cuda12-h12_1.conda"])


@pytest.mark.parametrize(("spelled", "name"), SEGMENTS.items(), ids=ascii)
def test_a_request_is_mapped_by_the_rule_that_makes_paths_of_urls(tmp_path, spelled, name):
    """A client asks for upstream's path behind the mirror's URL; pages of ours spell it in another way."""
    path = f"h.example/{name}/x-1.0.tar.gz"
    mirror = written(tmp_path / "mirror", {path: b"the file"}, {f"h.example/{name}/page/index.html": b"<html>"})
    app = App(files=MirrorFiles(mirror))
    sent = quote(spelled, safe="%/~@$&'()*+,;=!:", encoding="utf-8")
    spellings = (f"h.example/{sent}/x-1.0.tar.gz", request_path(path), quote(path))  # the last one is that of `simple/`
    for target in [f"/{each}" for each in spellings] + [f"/t/tk/{each}" for each in spellings]:
        response = app.respond(HttpRequest(method="GET", target=target, fields={}, keeps_alive=False))
        assert response.status == 200, target
        assert os.pread(response.file.descriptor, 20, 0) == b"the file"
        response.close()
    redirect = app.respond(HttpRequest(method="GET", target=f"/h.example/{sent}/page", fields={}, keeps_alive=False))
    assert (redirect.status, redirect.fields["Location"]) == (301, "page/")


def test_what_the_rule_names_comes_before_what_is_spelled_so(tmp_path):
    files = {"h.example/=3D41/x-1-0.conda": b"of =41", "h.example/=41/x-1-0.conda": b"of nothing that a mirror names"}
    app = App(files=MirrorFiles(written(tmp_path / "mirror", files, {})))
    response = app.respond(HttpRequest(method="GET", target="/h.example/=41/x-1-0.conda", fields={}, keeps_alive=False))
    assert os.pread(response.file.descriptor, 20, 0) == b"of =41"
    response.close()


RULE, SPELLED = "h.example/a=3D3Ab/x-1-0.conda", "h.example/a=3Ab/x-1-0.conda"


@pytest.mark.parametrize(
    ("rights", "files", "found"),
    [
        (["h.example"], (SPELLED,), SPELLED),
        (["h.example"], (RULE, SPELLED), RULE),
        (["h.example/a=3Ab"], (RULE, SPELLED), SPELLED),
        (["h.example/a=3D3Ab"], (RULE, SPELLED), RULE),
        (["h.example/a=3D3Ab"], (SPELLED,), None),
        (["h.example/a=3Ab"], (RULE,), None),
        (["other"], (RULE, SPELLED), None),
    ],
)
def test_of_two_paths_that_one_request_may_mean_only_one_that_the_user_may_read_is_shown(
    tmp_path, rights, files, found
):
    mirror = written(tmp_path / "mirror", {path: path.encode() for path in files}, {})
    known = users(user("ada", read=rights))
    app = App(files=MirrorFiles(mirror), access=AccessControl(lambda: known))
    fields = {"authorization": basic("ada", PASSWORD)}
    response = app.respond(
        HttpRequest(method="GET", target="/h.example/a=3Ab/x-1-0.conda", fields=fields, keeps_alive=False)
    )
    assert response.status == (404 if found is None else 200)
    if found is not None:
        assert os.pread(response.file.descriptor, 50, 0) == found.encode()
    response.close()


TRAVERSALS = [
    "/../secret", "/..", "/.", "/./conda-forge/noarch/repodata.json",
    "/conda-forge/../conda-forge/noarch/repodata.json", "/%2e%2e/secret", "/%2e%2e%2fsecret", "/..%2fsecret",
    "/..%5csecret", "/..\\secret", "\\..\\secret", "/%252e%252e/secret", "/%252e%252e%252fsecret",
    "/.%2e/secret", "/%c0%ae%c0%ae/secret", "/%c0%ae%c0%ae%c0%afsecret", "/%e0%80%ae%e0%80%ae/secret",
    "/conda-forge/%2e%2e/%2e%2e/secret", "//secret", "///etc/passwd", "//etc/passwd", "/etc/passwd",
    "/C:/secret", "/C:%5csecret", "/c|/secret", "/secret%00", "/%00",
    "/conda-forge/noarch/repodata.json%00.html", "/conda-forge%2fnoarch%2frepodata.json",
    "/conda-forge//noarch/repodata.json", "/conda-forge/noarch/repodata.json/",
    "/conda-forge/noarch/repodata.json/..", "file:///etc/passwd", "http://x/../secret",
    "http://x/%2e%2e/secret", "/t/token/../secret", "/t/%2e%2e/secret",
    "/t/../conda-forge/noarch/repodata.json/x", "/%u002e%u002e/secret", "/%", "/%2", "/%zz", "/~root",
    "/conda-forge/noarch/repodata.json::$DATA", "/conda-forge/noarch/REPODATA.JSON", "/con", "/nul.conda",
    "/\x7f", "/ä", "/../" * 40 + "etc/passwd", "/" + "a" * 5000, "/a" * 2000, "/.pixi-mirror/state.json",
    "/.pixi-mirror", "/.pixi-mirror/", "/.pixi-mirror/lock", "/%2epixi-mirror/state.json",
    "/t/x/.pixi-mirror/state.json", "/.hidden", "/conda-forge/.hidden", "/conda-forge/noarch/.hidden.conda",
    "/unknown.txt", "/conda-forge/noarch/unknown-1-0.conda", "/conda-forge/noarch/index.html", "/link.json",
    "/inside.json", "/folder/repodata.json", "/conda-forge", "/conda-forge/", "//", "/simple", "/simple/",
    "/simple/nothing/", "/t", "/t/", "/t/x", "/t/x//", "/-/", "/-/health/", "/-", "*", "secret", "?", "",
]  # fmt: skip


@pytest.fixture(scope="module")
def besieged(tmp_path_factory):
    """A server whose mirror has much in and around it that is none of its own."""
    above = tmp_path_factory.mktemp("besieged")
    (above / "secret").write_text(SECRET)
    mirror = written(
        above / "mirror",
        {"link.json": b"one", "folder/repodata.json": b"two", "pipe-1-0.conda": b"three"},
        {"conda-forge/noarch/repodata.json": b"{}"},
    )
    for name in ("unknown.txt", ".hidden", "conda-forge/.hidden", "conda-forge/noarch/.hidden.conda"):
        (mirror / name).write_text(SECRET)
    for name in ("conda-forge/noarch/unknown-1-0.conda", "conda-forge/noarch/index.html"):
        (mirror / name).write_text(SECRET)
    # What was recorded and has become a link is shown no more, wherever it leads.
    (mirror / "link.json").unlink()
    (mirror / "link.json").symlink_to(above / "secret")
    (mirror / "inside.json").symlink_to(mirror / "conda-forge/noarch/repodata.json")
    (above / "other").mkdir()
    (above / "other" / "repodata.json").write_text(SECRET)
    (mirror / "folder" / "repodata.json").unlink()
    (mirror / "folder").rmdir()
    (mirror / "folder").symlink_to(above / "other")
    (mirror / "pipe-1-0.conda").unlink()
    os.mkfifo(mirror / "pipe-1-0.conda")
    with Server(mirror, host="127.0.0.1", port=0) as server:
        yield server


@pytest.mark.parametrize("target", [*TRAVERSALS, "/pipe-1-0.conda"])
def test_nothing_but_the_mirrors_own_files_can_be_reached(besieged, target):
    with Client(besieged.url) as client:
        client.send(b"GET " + target.encode() + b" HTTP/1.1\r\nHost: x\r\n\r\n")
        reply = client.reply()
    assert reply.status in (400, 404)
    assert SECRET.encode() not in reply.body
    assert b"state" not in reply.body


def test_what_is_missing_is_404_and_never_a_page(client):
    for target in ("/conda-forge/win-64/repodata.json", "/simple/nothing/", "/conda-forge/linux-64/repodata.json.bz2"):
        reply = client.ask(target)
        assert reply.status == 404
        assert "html" not in reply.fields["content-type"]
        assert reply.fields["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    ("target", "location"),
    [
        ("/simple/x", "x/"),
        ("/simple/x?format=a%2Fb&c", "x/?format=a%2Fb&c"),
        ("/t/token/simple/%78", "x/"),
        ("http://elsewhere.example/simple/only-html", "only-html/"),
    ],
)
def test_a_folder_with_a_page_is_redirected_to_its_slash(client, target, location):
    reply = client.ask(target)
    assert (reply.status, reply.fields["location"]) == (301, location)


@pytest.mark.parametrize(
    "target", ["//evil.example/simple/x", "//simple/x", "/%2fevil.example/x", "//evil.example/", "/\\evil/x"]
)
def test_no_redirect_leads_elsewhere(client, target):
    reply = client.ask(target)
    assert reply.status in (400, 404)
    assert "location" not in reply.fields


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("/conda-forge/noarch/repodata.json", "/conda-forge/noarch/repodata.json"),
        ("/t/se-cret/conda-forge/x.conda", "/t/***/conda-forge/x.conda"),
        ("/%74/se-cret/conda-forge/x.conda", "/%74/***/conda-forge/x.conda"),
        ("/prefix.dev/t/se-cret/c/x.conda", "/prefix.dev/t/***/c/x.conda"),
        ("/t/se-cret", "/t/***"),
        ("/simple/t/index.html", "/simple/t/index.html"),
        ("/x?token=se-cret", "/x?***"),
        ("http://me:se-cret@host/x", "/x"),
    ],
)
def test_the_log_shows_no_secret(raw, shown):
    assert masked(raw) == shown


def test_the_log_tells_of_each_request(client, log):
    client.ask("/t/se-cret/conda-forge/linux-64/repodata.json?key=se-cret", user_agent='a "client"')
    client.ask("/-/health")  # the line was written before this was answered
    found = [entry for entry in log if entry.user_agent == 'a "client"']
    assert [(entry.method, entry.path, entry.status, entry.sent, entry.client) for entry in found] == [
        ("GET", "/t/***/conda-forge/linux-64/repodata.json?***", 200, 65, "127.0.0.1")
    ]
    assert "se-cret" not in found[0].line


@given(st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=40).map(lambda tail: f"/{tail}"))
def test_whatever_a_target_is_it_means_a_path_of_a_mirror_or_nothing(raw):
    target = parse_target(raw)
    for path in () if target is None else target.paths:
        assert all(map(is_portable, path.split("/")))
        assert not path.startswith(".")


_PIECES = st.sampled_from([
    b"GET", b"HEAD", b" ", b"/", b"..", b"%2e", b"%2f", b"\\", b"secret",
    b"conda-forge/noarch/repodata.json", b"HTTP/1.1",
    b"\r\n", b"\n", b"\r", b"\0", b"Host: x", b"Range: bytes=0-", b"Content-Length: ", b"99",
    b"Transfer-Encoding: chunked", b":", b"\xff", b"t/",
])  # fmt: skip


@settings(max_examples=examples(150), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(_PIECES | st.binary(max_size=8), max_size=20).map(b"".join))
def test_whatever_is_sent_the_server_lives_and_tells_nothing_foreign(besieged, data):
    with Client(besieged.url) as client:
        client.send(b"GET /" + data + b"\r\n\r\n")
        client.socket.shutdown(1)
        answers = b""
        while piece := _received(client.socket):
            answers += piece
    assert SECRET.encode() not in answers
    with Client(besieged.url) as client:
        assert client.ask("/-/health").status == 200


def _received(connection):
    try:
        return connection.recv(1 << 16)
    except ConnectionResetError:
        return b""


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="nothing tells what is open")
def test_no_descriptor_is_left_open(server):
    with Client(server.url) as client:
        client.ask(INDEX)
        before = descriptors()
        for target in (
            INDEX,
            "/nothing/here",
            "/simple/x",
            "/simple/x/",
            "/conda-forge/noarch",
            "/conda-forge/noarch/",
        ):
            for fields in (
                {},
                {"range": "bytes=0-1,5-6"},
                {"if_none_match": "*"},
                {"range": "bytes=999999-"},
                {"if_match": '"x"'},
            ):
                client.ask(target, **fields)
                client.ask(target, "HEAD", **fields)
        assert descriptors() <= before  # connections of other tests may end meanwhile
