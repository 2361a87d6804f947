"""Uploads over a connection: who may, where to, what is answered, and that nothing is left of what was refused."""

import hashlib
import socket
import threading
from urllib.parse import urlsplit

import pytest
from harness.hosting import Host
from harness.uploading import form, legacy_parts, upload_server

from pixi_mirror.demo.distributions import build_sdist, build_wheel
from pixi_mirror.demo.packages import build_package
from pixi_mirror.serve.connection import TimeLimits
from pixi_mirror.serve.request_body import BodyLimits

WHEEL = build_wheel(name="acme-core", version="1.0")
OTHER = build_wheel(name="acme-core", version="1.0", payload_size=10)
PACKAGE = build_package(name="tool")
FORM = "multipart/form-data; boundary=XX"


@pytest.fixture
def server(world):
    with upload_server(world) as server:
        yield server
        assert server.litter == []
        assert server.warnings == []


def named(built):
    return built.file_name, built.data


@pytest.mark.parametrize("path", ["/team/legacy", "/team/legacy/"])
def test_a_wheel_is_stored_and_listed_before_the_answer(server, path):
    answer = server.upload(*named(WHEEL), path=path)
    assert (answer.status, answer.body.split()[0]) == (200, b"stored:")
    page = server.ask("GET", "/team/simple/acme-core/", accept="application/vnd.pypi.simple.v1+json")
    assert WHEEL.sha256.encode() in page.body
    assert server.ask("GET", f"/team/files/{WHEEL.file_name}").body == WHEEL.data


def test_the_same_bytes_are_200_again_and_others_409(server):
    assert server.upload(*named(WHEEL)).status == 200
    assert server.upload(*named(WHEEL)).status == 200
    answer = server.upload(*named(OTHER))
    assert answer.status == answer.problem["status"] == 409
    assert answer.reason == answer.problem["title"]
    assert "bytes" in answer.reason


@pytest.mark.parametrize(
    "path",
    [
        "/api/channels/team/upload/{file}?force=false&sha256={sha256}",
        "/team/api/channels/team/upload/{file}?force=false&sha256={sha256}",
    ],
)
def test_the_way_of_quetz(server, path):
    sha256 = hashlib.sha256(PACKAGE.data).hexdigest()
    path = path.format(file=PACKAGE.file_name, sha256=sha256)
    answer = server.ask("POST", path, PACKAGE.data, user=None, x_api_key=server.tokens["up"])
    assert answer.status == 200
    assert server.ask("GET", f"/team/noarch/{PACKAGE.file_name}").body == PACKAGE.data
    assert PACKAGE.file_name.encode() in server.ask("GET", "/team/noarch/repodata.json").body
    assert server.ask("POST", path.replace(sha256, "0" * 64), PACKAGE.data).status == 400


@pytest.mark.parametrize("path", ["/api/v1/upload/team", "/team/api/v1/upload/team?force=true"])
def test_the_way_of_prefix(server, path):
    assert server.post([("file", PACKAGE.file_name, PACKAGE.data)], path).status == 200
    assert server.ask("GET", f"/team/noarch/{PACKAGE.file_name}").body == PACKAGE.data


def test_a_put_with_and_without_chunks_and_checksums(server):
    path = f"/team/noarch/{PACKAGE.file_name}"
    assert server.ask("PUT", path, PACKAGE.data, x_checksum_sha256="0" * 64).status == 400
    assert server.ask("PUT", path, PACKAGE.data, x_checksum_md5=hashlib.md5(PACKAGE.data).hexdigest()).status == 200
    assert server.ask("PUT", path, iter([PACKAGE.data[:100], PACKAGE.data[100:]])).status == 200


def test_a_package_that_was_sent_to_another_subdir_is_400(server):
    assert server.ask("PUT", f"/team/linux-64/{PACKAGE.file_name}", PACKAGE.data).status == 400


WHEEL_FORM = form(legacy_parts(*named(WHEEL)))


@pytest.mark.parametrize(
    ("user", "path", "status"),
    [
        (None, "/team/legacy/", 401),
        (None, "/nothing/legacy/", 401),
        ("reader", "/team/legacy/", 403),
        ("reader", "/other/legacy/", 404),
        ("stranger", "/team/legacy/", 404),
        ("stranger", "/nothing/legacy/", 404),
        ("up", "/nothing/legacy/", 404),
        ("up", "/other/legacy/", 404),
        ("up", "/conda-forge/legacy/x", 405),
        ("packer", "/team/legacy/", 403),
    ],
)
def test_who_may_not_is_told_no_more_than_he_knows(server, user, path, status):
    answer = server.ask("POST", path, WHEEL_FORM, user=user, content_type=FORM)
    assert answer.status == status
    assert "private" in answer.fields["cache-control"]
    if status == 401:
        assert answer.fields["www-authenticate"].startswith("Basic")


def test_a_name_that_is_hosted_and_not_served_is_404(server):
    assert server.ask("PUT", f"/other/noarch/{PACKAGE.file_name}", PACKAGE.data).status == 404


def test_all_serves_all_names_and_later_ones(world):
    with upload_server(world, hosted=["all"]) as server:
        assert server.upload(*named(WHEEL)).status == 200
        path = f"/later/noarch/{PACKAGE.file_name}"
        assert server.ask("PUT", path, PACKAGE.data, user="later").status == 404
        Host(world, "later").add()
        assert server.ask("PUT", path, PACKAGE.data, user="later").status == 200


@pytest.mark.parametrize(
    ("user", "built", "status"),
    [
        ("acme", WHEEL, 200),
        ("acme", build_sdist(name="acme-core", version="1.0"), 200),
        ("acme", build_wheel(name="other", version="1.0"), 403),
        ("acme", build_sdist(name="other", version="1.0"), 403),
        ("acme", PACKAGE, 403),
        ("packer", PACKAGE, 200),
    ],
)
def test_a_right_to_a_part_is_a_right_to_no_more(server, user, built, status):
    if built is PACKAGE:
        answer = server.ask("PUT", f"/team/noarch/{built.file_name}", built.data, user=user)
    else:
        answer = server.upload(*named(built), user=user)
    assert answer.status == status


def test_a_conda_package_does_not_come_in_by_a_right_to_an_index(server):
    for file_name in ("acme-core-1.0.tar.bz2", "acme-core-1.0-0.tar.bz2", PACKAGE.file_name):
        assert server.upload(file_name, PACKAGE.data, user="acme").status in (400, 403)
    assert server.ask("PUT", f"/team/noarch/{WHEEL.file_name}", WHEEL.data).status == 400
    assert server.post([("file", WHEEL.file_name, WHEEL.data)], "/api/v1/upload/team").status == 400


@pytest.mark.parametrize("field", ["Origin", "Sec-Fetch-Site"])
def test_no_page_of_the_web_uploads_with_the_password_that_a_browser_knows(server, field):
    assert server.upload(*named(WHEEL), **{field: "https://evil.example"}).status == 403


@pytest.mark.parametrize(
    "file_name",
    [
        "../acme_core-1.0-py3-none-any.whl",
        "/etc/acme_core-1.0-py3-none-any.whl",
        "acme_core-1.0-py3-none-any.whl/",
        "acme_core-1.0-py3-none-any.whl\x00",
        f"{'a' * 300}-1.0.tar.gz",
        "a\\b.whl",
        "x.txt",
        "..",
        "",
    ],
)
def test_a_bad_file_name_is_400(server, file_name):
    answer = server.upload(file_name, WHEEL.data)
    assert answer.status == 400
    assert len(answer.reason) < 100
    assert not (server.host.mirror / "team/files").exists()


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ([(":action", None, b"submit"), ("content", WHEEL.file_name, WHEEL.data)], "file_upload"),
        ([(":action", None, b"file_upload")], "no file"),
        ([("content", WHEEL.file_name, WHEEL.data)] * 2, "two files"),
        ([("content", WHEEL.file_name, WHEEL.data), ("sha256_digest", None, b"0" * 64)], "sha256"),
        ([("content", WHEEL.file_name, WHEEL.data), ("md5_digest", None, b"0" * 32)], "md5"),
        ([("content", WHEEL.file_name, WHEEL.data), ("blake2_256_digest", None, b"0" * 64)], "blake2"),
        ([("content", WHEEL.file_name, WHEEL.data), ("md5_digest", None, b"zz")], "malformed"),
        ([("content", WHEEL.file_name, WHEEL.data), ("attestations", None, b"{}")], "attestations"),
        ([("content", WHEEL.file_name, WHEEL.data), ("attestations", None, b"[" * 100_000)], "attestations"),
        ([("content", WHEEL.file_name, WHEEL.data[:-10])], "wheel"),
        ([("content", WHEEL.file_name, b"")], "wheel"),
    ],
)
def test_a_form_that_is_not_right_is_400_and_says_why(server, parts, reason):
    answer = server.post(parts)
    assert answer.status == 400
    assert reason in answer.reason
    assert answer.problem["detail"]


def test_empty_digests_and_unknown_fields_are_passed_over(server):
    more = [("md5_digest", None, b""), ("attestations", None, b""), ("classifiers", None, b"x")]
    assert server.post([("content", WHEEL.file_name, WHEEL.data), *more]).status == 200


@pytest.mark.parametrize(
    "content_type", ["application/json", "multipart/form-data", "multipart/form-data; boundary=YY"]
)
def test_another_body_than_a_form_is_refused(server, content_type):
    assert server.ask("POST", "/team/legacy/", WHEEL_FORM, content_type=content_type).status in (400, 415)


def test_a_file_that_is_too_large_is_413_before_and_while_it_comes(world):
    with upload_server(world, largest=1000) as server:
        assert server.upload(*named(WHEEL)).status == 413
        chunks = iter([form(legacy_parts(*named(WHEEL)))])
        answer = server.ask("POST", "/team/legacy/", chunks, content_type=FORM)
        assert answer.status == 413
        assert "1000 bytes" in answer.reason
        assert server.litter == []


def test_a_disk_without_room_is_413(world, monkeypatch):
    with upload_server(world) as server:
        monkeypatch.setattr("pixi_mirror.serve.uploads.endpoint._SPARE", 1 << 62)
        answer = server.upload(*named(WHEEL))
        assert (answer.status, "no room" in answer.reason) == (413, True)


def talk(server, *pieces, wait=True):
    """Send pieces over a bare connection; what comes back until it is closed."""
    parts = urlsplit(server.url)
    with socket.create_connection((parts.hostname, parts.port), timeout=60) as connection:
        for piece in pieces:
            connection.sendall(piece)
        found = b""
        while wait and (piece := connection.recv(1 << 16)):
            found += piece
        return found


def head(server, path, length, *, user="up", more=""):
    token = server.tokens[user]
    return (
        f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Type: {FORM}\r\n"
        f"Content-Length: {length}\r\n{more}\r\n"
    ).encode()


def test_who_asks_first_is_refused_before_the_body(server):
    found = talk(server, head(server, "/team/legacy/", 10**9, user="reader", more="Expect: 100-continue\r\n"))
    assert found.startswith(b"HTTP/1.1 403 ")
    assert b"100 Continue" not in found


def test_who_asks_first_and_may_is_told_to_go_on(server):
    more = "Expect: 100-continue\r\nConnection: close\r\n"
    found = talk(server, head(server, "/team/legacy/", len(WHEEL_FORM), more=more), WHEEL_FORM)
    assert found.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 ")


def test_a_client_that_sends_everything_first_still_reads_why_it_was_refused(server):
    size = 64 << 20
    found = talk(server, head(server, "/team/legacy/", size, user="reader"), *[bytes(1 << 20)] * 64)
    assert found.startswith(b"HTTP/1.1 403 no right to upload\r\n")


def test_two_uploads_and_a_read_on_one_connection(server):
    one = head(server, "/team/legacy/", len(WHEEL_FORM)) + WHEEL_FORM
    read = f"GET /team/simple/acme-core/ HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {server.tokens['up']}\r\n"
    found = talk(server, one + one + f"{read}Connection: close\r\n\r\n".encode())
    assert found.count(b"HTTP/1.1 200 ") == 3


def test_a_client_that_leaves_leaves_nothing(server):
    talk(server, head(server, "/team/legacy/", len(WHEEL_FORM)), WHEEL_FORM[:-100], wait=False)
    assert server.upload(*named(WHEEL)).status == 200


@pytest.mark.parametrize("sent", [b"", WHEEL_FORM[:300]])
def test_a_body_that_stops_is_408(world, sent):
    limits = TimeLimits(body=BodyLimits(stall_s=0.2, drain_s=0.1))
    with upload_server(world, limits=limits) as server:
        found = talk(server, head(server, "/team/legacy/", len(WHEEL_FORM)), sent)
        assert found.startswith(b"HTTP/1.1 408 ")
        assert server.litter == []


def test_eight_uploads_at_once_all_succeed(server):
    wheels = [build_wheel(name=f"acme-{number}", version="1.0") for number in range(8)]
    found = []
    threads = [threading.Thread(target=lambda each=each: found.append(server.upload(*named(each)))) for each in wheels]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [answer.status for answer in found] == [200] * 8
    listed = server.ask("GET", "/team/simple/", accept="application/vnd.pypi.simple.v1+json").body
    assert all(f'"acme-{number}"'.encode() in listed for number in range(8))


def test_of_two_uploads_of_one_name_at_once_one_wins(server):
    found = []
    threads = [
        threading.Thread(target=lambda each=each: found.append((server.upload(*named(each)).status, each)))
        for each in (WHEEL, OTHER, WHEEL)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stored = server.ask("GET", f"/team/files/{WHEEL.file_name}").body
    for status, built in found:
        assert status == (200 if built.data == stored else 409)


def test_a_proxy_on_this_machine_says_from_where_it_comes(server):
    assert server.upload(*named(WHEEL), x_forwarded_for="192.0.2.7").status == 200


def test_the_audience_of_trusted_publishing_is_401_or_404(server):
    assert server.ask("GET", "/_/oidc/audience", user=None).status == 401
    assert server.ask("GET", "/_/oidc/audience").status == 404


def test_a_reader_of_one_name_learns_nothing_of_the_other(server):
    server.host.send(WHEEL)
    for path in (
        "/team/simple/acme-core/",
        f"/team/files/{WHEEL.file_name}",
        "/simple/acme-core/",
        "/pixi-mirror.json",
    ):
        assert server.ask("GET", path, user="stranger").status == 404
        assert server.ask("GET", path, user=None).status == 401
    page = server.ask("GET", "/", user="stranger")
    assert (page.status, b"acme-core" in page.body, b"team" in page.body) == (200, False, False)


@pytest.mark.parametrize(("user", "shown"), [("everybody", True), ("reader of all", False)])
def test_the_page_shows_to_those_who_may_upload_how(server, user, shown):
    page = server.ask("GET", "/", user=user)
    assert page.status == 200
    for text in (b"/team/legacy/", b"PREFIX_CHANNEL=team", b"publish-url"):
        assert (text in page.body) == shown
    assert b"/other/legacy/" not in page.body
