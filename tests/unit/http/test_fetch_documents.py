"""Small documents: what is asked for, how they may be encoded and how long they may be, and hosts out of reach."""

import contextlib
import gzip
import shutil
import socket
import subprocess
import sys
import threading
import time
import traceback
import tracemalloc
import zlib

import pytest
from fetching import BODY, Fetching
from harness.upstream import (
    Upstream,
    answer,
    chunked,
    demand_basic,
    endless,
    gzip_encoded,
    html200,
    no_length,
    ok,
    redirect,
    reset,
    stall,
    stall_before_headers,
    status,
    truncate,
    wrong_length,
)

from pixi_mirror.errors import FetchError, MachineError, PixiMirrorError, WrongBytesError
from pixi_mirror.http.sinks import FetchedDocument
from pixi_mirror.model.network import Basic, Bearer, CondaToken, Proxies
from pixi_mirror.model.values import Url

ACCEPT = "application/vnd.pypi.simple.v1+json, text/html;q=0.1"
INDEX = "https://pypi.example/simple/"
CANARY = "cAnArY"
GZIP = {"Content-Encoding": "gzip"}


def read(fetching, url, *, limit=1 << 20):
    return fetching.fetcher.read(Url(url), accept=ACCEPT, limit=limit)


def failure(fetching, url, *, limit=1 << 20):
    try:
        read(fetching, url, limit=limit)
    except PixiMirrorError as error:
        return error
    raise AssertionError("it was read")


@contextlib.contextmanager
def closing_at_once():
    """A host that takes every connection and closes it before TLS has begun: the port, and how many there were."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = []

        def close_all():
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    taken.append(1)
                    connection.close()

        thread = threading.Thread(target=close_all)
        thread.start()
        try:
            yield server.getsockname()[1], taken
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


@pytest.fixture
def nobody():
    """The URL of a port where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    return f"http://127.0.0.1:{port}"


def test_a_document_says_what_it_is_and_where_it_came_from(upstream, fetching):
    url = upstream.put("/simple/a/", BODY, headers={"Content-Type": "application/json; charset=utf-8"})
    document = read(fetching, url)
    assert document == FetchedDocument(data=BODY, url=Url(url), content_type="application/json; charset=utf-8")


def test_the_wanted_types_and_gzip_are_asked_for_and_never_a_part(upstream, fetching):
    upstream.put("/a", BODY)
    assert read(fetching, upstream.script("/a", truncate(1000), ok())).data == BODY
    seen = {(request.headers["accept"], request.headers["accept-encoding"]) for request in upstream.requests}
    assert seen == {(ACCEPT, "gzip")}
    assert [request.range for request in upstream.requests] == [None, None]


def test_a_download_beside_documents_asks_for_stored_bytes_and_any_type(upstream, fetching):
    url = upstream.put("/a", BODY)
    read(fetching, url)
    assert fetching.get(url) == BODY
    assert upstream.requests[1].headers["accept-encoding"] == "identity"
    assert upstream.requests[1].headers["accept"] == "*/*"


def test_without_a_content_type_there_is_none(upstream, fetching):
    assert read(fetching, upstream.put("/a", BODY)).content_type is None


def test_another_type_than_the_wanted_is_the_callers_to_judge(upstream, fetching):
    assert read(fetching, upstream.script("/a", html200())).content_type == "text/html"


def test_after_a_relative_redirect_the_final_url_counts(upstream, fetching):
    upstream.put("/simple/a-b/", BODY)
    url = upstream.script("/simple/A_b", redirect("a-b/"))
    assert read(fetching, url).url == Url(upstream.url + "/simple/a-b/")


def test_a_redirect_to_another_host_takes_the_types_along_and_no_credentials(upstream, elsewhere):
    elsewhere.put("/b", BODY)
    url = upstream.script("/a", redirect(elsewhere.url + "/b"))
    with Fetching(credential=lambda _: Bearer(CANARY)) as fetching:
        assert read(fetching, url).url == Url(elsewhere.url + "/b")
    assert upstream.requests[0].authorization == f"Bearer {CANARY}"
    assert elsewhere.requests[0].authorization is None
    assert elsewhere.requests[0].headers["accept"] == ACCEPT


def test_credentials_open_the_door_and_stand_in_no_final_url_that_is_shown(upstream):
    upstream.put("/a", BODY)
    upstream.script("/a", demand_basic("user", CANARY))
    with Fetching(credential=lambda _: Basic("user", CANARY)) as fetching:
        assert read(fetching, upstream.url + "/a").data == BODY
    with Fetching() as fetching:
        assert CANARY not in read(fetching, f"http://user:{CANARY}@{upstream.authority}/a").url.raw
    with Fetching(credential=lambda _: CondaToken(CANARY)) as fetching:
        document = read(fetching, upstream.put("/b", BODY))
    assert document.url.raw == f"{upstream.url}/t/{CANARY}/b"
    assert CANARY not in repr(document)


def test_mirrors_are_asked_in_place_of_the_index(upstream):
    upstream.put("/team/pypi/a/", BODY)
    with Fetching(mirrors={INDEX: (upstream.url + "/team/pypi/",)}) as fetching:
        assert read(fetching, INDEX + "a/").url == Url(INDEX + "a/")
        missing = failure(fetching, INDEX + "b/")
    assert INDEX + "b/" in str(missing)
    assert upstream.url + "/team/pypi/b/" in str(missing)


@pytest.mark.parametrize("secret", ["", f"user:{CANARY}@"])
def test_below_a_target_of_mirrors_the_url_is_upstreams_own_after_a_redirect_too(upstream, elsewhere, secret):
    target = f"http://{secret}{upstream.authority}/team/"
    upstream.put("/team/a-b/", BODY)
    upstream.script("/team/A_b", redirect("a-b/"))
    upstream.script("/team/c/", redirect(elsewhere.url + "/c/"))
    elsewhere.put("/c/", BODY)
    with Fetching(mirrors={INDEX: (target,)}) as fetching:
        assert read(fetching, INDEX + "A_b").url == Url(INDEX + "a-b/")
        assert read(fetching, INDEX + "c/").url == Url(elsewhere.url + "/c/")
    with Fetching(mirrors={INDEX: (target,)}, credential=lambda _: CondaToken(CANARY)) as fetching:
        upstream.put("/team/d/", BODY)
        assert read(fetching, INDEX + "d/").url == Url(INDEX + "d/")


def test_a_mirror_out_of_reach_gives_way_to_the_next(upstream, nobody):
    upstream.put("/a/", BODY)
    with Fetching(mirrors={INDEX: (nobody + "/", upstream.url + "/")}) as fetching:
        assert read(fetching, INDEX + "a/").data == BODY
        assert read(fetching, INDEX + "a/").data == BODY


def test_a_document_comes_through_the_proxy(upstream):
    upstream.put("/a", BODY)
    with Fetching(http_hosts=frozenset({"index.example"}), proxies=Proxies(http=upstream.url)) as fetching:
        assert read(fetching, "http://index.example/a").url == Url("http://index.example/a")
    assert upstream.requests[0].proxied


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "GZip"])
@pytest.mark.parametrize("body", [BODY, b"", bytes(1 << 20)], ids=["some", "none", "much"])
def test_a_compressed_document_arrives_decoded(upstream, fetching, encoding, body):
    step = answer(gzip.compress(body), headers={"Content-Encoding": encoding})
    assert read(fetching, upstream.script("/a", step)).data == body


@pytest.mark.parametrize("framed", [no_length(), chunked()], ids=["no length", "chunks"])
def test_a_compressed_document_arrives_however_it_is_framed(upstream, fetching, framed):
    upstream.put("/a", gzip.compress(BODY), headers=GZIP)
    url = upstream.script("/a", framed)
    assert [read(fetching, url).data for _ in range(2)] == [BODY] * 2


def test_several_members_are_one_document(upstream, fetching):
    members = b"".join(gzip.compress(BODY[start : start + 100]) for start in range(0, len(BODY), 100))
    assert read(fetching, upstream.script("/a", answer(members, headers=GZIP))).data == BODY


def test_no_bytes_at_all_are_an_empty_document(upstream, fetching):
    assert read(fetching, upstream.script("/a", answer(b"", headers=GZIP))).data == b""


DAMAGED = {
    "cut": gzip.compress(BODY)[:-1],
    "cut before its second member": gzip.compress(BODY) + gzip.compress(BODY)[:5],
    "no gzip": BODY,
    "a wrong checksum": gzip.compress(BODY)[:-8] + bytes(8),
    "something after it": gzip.compress(BODY) + b"<html>",
}


@pytest.mark.parametrize("body", DAMAGED.values(), ids=DAMAGED.keys())
def test_a_damaged_compressed_body_is_asked_for_again(upstream, fetching, body):
    upstream.put("/a", BODY)
    url = upstream.script("/a", answer(body, headers=GZIP), gzip_encoded())
    assert read(fetching, url).data == BODY
    assert "compressed body" in fetching.heard.notes[0]


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip", "zstd"])
def test_any_other_encoding_is_refused(upstream, fetching, encoding):
    error = failure(fetching, upstream.script("/a", answer(BODY, headers={"Content-Encoding": encoding})))
    assert isinstance(error, FetchError)
    assert repr(encoding) in str(error)
    assert error.lasting
    assert len(upstream.requests) == 1


def test_a_bomb_is_cut_at_the_limit_in_little_memory(upstream, fetching):
    packing = zlib.compressobj(9, wbits=31)
    bomb = b"".join(packing.compress(bytes(1 << 20)) for _ in range(64)) + packing.flush()
    assert len(bomb) < 70_000
    url = upstream.script("/a", answer(bomb, headers=GZIP))
    fetching.get(upstream.put("/b", BODY))
    tracemalloc.start()
    try:
        error = failure(fetching, url, limit=100_000)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert isinstance(error, WrongBytesError)
    assert "100000 bytes" in str(error)
    # The client makes room for 512 KiB before a read; the server is in this process, too.
    assert most < 4 << 20
    assert len(upstream.requests_to("/a")) == 1


def test_endless_empty_members_end_at_the_limit(upstream, fetching):
    members = gzip.compress(b"") * 6000
    error = failure(fetching, upstream.script("/a", answer(members, headers=GZIP)), limit=100_000)
    assert isinstance(error, WrongBytesError)


@pytest.mark.parametrize("step", [ok(), no_length(), chunked(), endless(), gzip_encoded()])
def test_a_document_above_the_limit_is_wrong_and_the_limit_is_said(upstream, fetching, step):
    upstream.put("/a", BODY)
    error = failure(fetching, upstream.script("/a", step), limit=len(BODY) - 1)
    assert isinstance(error, WrongBytesError)
    assert f"{len(BODY) - 1} bytes" in str(error)
    assert len(upstream.requests) == 1


@pytest.mark.parametrize("step", [ok(), no_length(), chunked(), gzip_encoded()])
def test_a_document_of_just_the_limit_is_taken(upstream, fetching, step):
    upstream.put("/a", BODY)
    assert read(fetching, upstream.script("/a", step), limit=len(BODY)).data == BODY


@pytest.mark.parametrize("fault", [wrong_length(+10), truncate(100), reset(100), status(500), status(429)])
def test_a_fault_that_passes_is_survived_from_the_start(upstream, fetching, fault):
    upstream.put("/a", BODY)
    assert read(fetching, upstream.script("/a", fault, ok())).data == BODY
    assert len(upstream.requests) == 2


def test_a_length_too_short_cuts_a_compressed_document_and_it_is_noticed(upstream):
    upstream.put("/a", gzip.compress(BODY), headers=GZIP)
    with Fetching(retries=0) as fetching:
        error = failure(fetching, upstream.script("/a", wrong_length(-10)))
    assert "ended too early" in str(error)
    assert not error.lasting


@pytest.mark.parametrize("code", [400, 401, 403, 404, 405, 410, 451])
def test_what_the_server_refuses_or_lacks_is_lasting_and_asked_for_once(upstream, fetching, code):
    error = failure(fetching, upstream.script("/a", status(code)))
    assert isinstance(error, FetchError)
    assert error.lasting
    assert str(code) in str(error)
    assert len(upstream.requests) == 1


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/a", "nonsense", "http:///a", "file://server/share/a"])
def test_what_nobody_can_be_asked_for_is_lasting(fetching, url):
    assert failure(fetching, url).lasting


NOT_LASTING = {
    "500": status(500),
    "503": status(503),
    "408": status(408),
    "429": status(429),
    "a wait too long": status(429, {"Retry-After": "99999"}),
    "truncated": truncate(10),
    "no answer": stall_before_headers(),
}


@pytest.mark.parametrize("fault", NOT_LASTING.values(), ids=NOT_LASTING.keys())
def test_what_may_pass_is_not_lasting(upstream, fault):
    upstream.put("/a", BODY)
    url = upstream.script("/a", fault)
    with Fetching(retries=0, idle_timeout_s=0.2) as fetching:
        assert failure(fetching, url).lasting is False
        with pytest.raises(FetchError) as caught:
            fetching.get(url)
    assert caught.value.lasting is False


def test_a_host_out_of_reach_is_tried_once_for_many_pages(nobody):
    with Fetching(retries=2) as fetching:
        errors = [failure(fetching, f"{nobody}/simple/{number}/") for number in range(300)]
        # One page's attempts were tried again; of the others nothing was.
        assert len(fetching.heard.notes) == 2
    assert "3 attempts" in str(errors[0])
    assert "attempts" not in str(errors[-1])
    assert "/simple/299/" in str(errors[-1])
    assert all("refused" in str(error).lower() and not error.lasting for error in errors)


def test_the_same_of_a_host_is_told_three_times_and_then_that_there_is_more(upstream):
    for number in range(8):
        upstream.put(f"/{number}", BODY)
        upstream.script(f"/{number}", status(503), status(500), ok())
    with Fetching(retries=2) as fetching:
        for number in range(8):
            assert fetching.get(f"{upstream.url}/{number}") == BODY
    notes = fetching.heard.notes
    assert len(notes) == 8
    assert len([note for note in notes if note.endswith("it is tried again.")]) == 6
    host = upstream.authority
    assert notes.count(f"more requests of {host} fail so and are tried again; they are not named.") == 2


def test_many_threads_leave_a_host_out_of_reach_alone(nobody):
    with Fetching(retries=2) as fetching:
        failure(fetching, nobody + "/first")
        notes = len(fetching.heard.notes)
        threads = [threading.Thread(target=failure, args=(fetching, f"{nobody}/{number}")) for number in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(fetching.heard.notes) == notes


def test_a_host_that_breaks_off_before_tls_is_connected_to_once():
    with closing_at_once() as (port, taken), Fetching(retries=1) as fetching:
        for number in range(20):
            failure(fetching, f"https://127.0.0.1:{port}/{number}")
        assert len(taken) == 2


def test_a_name_that_does_not_exist_is_looked_up_for_one_page():
    with Fetching(retries=1) as fetching:
        errors = [failure(fetching, f"https://nowhere.invalid/{number}") for number in range(3)]
        assert len(fetching.heard.notes) == 1
    assert all("cannot be resolved" in str(error) for error in errors)


def test_a_proxy_that_refuses_a_host_is_asked_once_and_may_think_better_of_it_in_another_run(upstream):
    upstream.script("*", status(407))
    with Fetching(proxies=Proxies(https=upstream.url)) as fetching:
        errors = [failure(fetching, f"https://index.example/{number}") for number in range(3)]
    assert [error.lasting for error in errors] == [False] * 3
    assert all("407" in str(error) for error in errors)
    assert len(upstream.requests) == 1


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
def test_a_host_that_is_not_trusted_is_connected_to_once_and_has_refused_nothing(tmp_path):
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    new = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    run = [*new, "-subj", "/CN=127.0.0.1", "-keyout", key, "-out", certificate]
    subprocess.run(run, check=True, capture_output=True)
    with Upstream(tls=(certificate, key)) as secure, Fetching() as fetching:
        url = secure.put("/a", BODY)
        errors = [failure(fetching, url)]
        secure.close()
        # Nobody listens any more: whoever asks again finds another reason.
        errors.append(failure(fetching, url))
    assert all("not trusted" in str(error) for error in errors)
    assert [error.lasting for error in errors] == [False, False]


def test_two_mirrors_out_of_reach_are_each_tried_for_one_page(nobody):
    mirrors = {INDEX: (nobody + "/x/", nobody.replace("127.0.0.1", "127.0.0.2") + "/y/")}
    with Fetching(mirrors=mirrors, retries=3) as fetching:
        asked = [str(failure(fetching, f"{INDEX}{number}/")) for number in range(4)]
        assert len(fetching.heard.notes) == 3
    assert {"127.0.0.1" in message for message in asked[1:]} == {True, False}


def test_a_page_that_fails_says_nothing_about_its_neighbours(upstream):
    for path in ("/a", "/b"):
        upstream.put(path, BODY)
    for fault in (status(500), truncate(0), reset(0), stall_before_headers()):
        url = upstream.script("/a", fault)
        with Fetching(retries=0, idle_timeout_s=0.2) as fetching:
            failure(fetching, url)
            assert read(fetching, upstream.url + "/b").data == BODY


def test_only_the_host_out_of_reach_is_left_alone(upstream, nobody):
    upstream.put("/b", BODY)
    url = upstream.script("/a", redirect(nobody + "/a"))
    with Fetching(retries=0) as fetching:
        first, second = failure(fetching, url), failure(fetching, url)
        assert str(first) == str(second)
        assert read(fetching, upstream.url + "/b").data == BODY
    assert len(upstream.requests_to("/a")) == 2


def test_downloads_ask_a_host_again_that_documents_leave_alone(nobody):
    with Fetching(retries=1) as fetching:
        failure(fetching, nobody + "/a")
        assert "2 attempts" in str(fetching.failure(nobody + "/a"))


FAULTS = {
    "401": status(401),
    "404": status(404),
    "500": status(500),
    "too long": endless(),
    "damaged": answer(b"?", headers=GZIP),
    "another encoding": answer(b"?", headers={"Content-Encoding": "br"}),
    "elsewhere": redirect(f"http://u:{CANARY}@127.0.0.1:1/t/{CANARY}/b?sig={CANARY}"),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_no_secret_is_in_what_is_said_of_a_failure(upstream, fault):
    upstream.script("/a", fault)
    with Fetching(retries=1) as fetching:
        for _ in range(2):
            error = failure(fetching, f"http://u:{CANARY}@{upstream.authority}/t/{CANARY}/a?sig={CANARY}#{CANARY}")
            said = [*traceback.format_exception(error), *fetching.heard.notes, *fetching.heard.warnings]
            assert CANARY not in "\n".join(said)
    assert CANARY in upstream.requests[0].path
    assert error.__context__ is None


@pytest.mark.parametrize("fault", [stall(100), stall_before_headers(), status(503, {"Retry-After": "60"})])
def test_closing_ends_a_document_that_is_waited_for(upstream, fault):
    upstream.put("/a", BODY)
    url = upstream.script("/a", fault)
    failures = []
    with Fetching(idle_timeout_s=3600.0) as fetching:
        thread = threading.Thread(target=lambda: failures.append(failure(fetching, url)))
        thread.start()
        while not upstream.requests:
            time.sleep(0.01)
        fetching.fetcher.close()
        thread.join()
    assert "stopped" in str(failures[0])
    assert failures[0].lasting is False
    assert len(upstream.requests) == 1


def test_a_connection_is_used_again_after_documents(upstream, fetching):
    upstream.put("/a", BODY)
    upstream.script("/b", gzip_encoded())
    upstream.put("/b", BODY)
    for path in ("/a", "/b", "/b", "/a"):
        read(fetching, upstream.url + path)
    assert len({request.client for request in upstream.requests}) == 1


def test_a_local_document_is_read(tmp_path, fetching):
    page = tmp_path / "index.html"
    page.write_bytes(BODY)
    assert read(fetching, page.as_uri()) == FetchedDocument(data=BODY, url=Url(page.as_uri()), content_type=None)
    assert isinstance(failure(fetching, page.as_uri(), limit=10), WrongBytesError)
    assert isinstance(failure(fetching, page.as_uri() + "x"), MachineError)


def test_many_threads_read_at_once(fetching):
    with Upstream() as upstream:
        for number in range(40):
            upstream.put(f"/{number}", BODY[number:])
            upstream.script(f"/{number}", gzip_encoded())
        got = {}

        def take(numbers):
            for number in numbers:
                got[number] = read(fetching, f"{upstream.url}/{number}").data

        threads = [threading.Thread(target=take, args=(range(start, 40, 8),)) for start in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert got == {number: BODY[number:] for number in range(40)}


def test_a_local_document_needs_no_http_client(tmp_path):
    page = tmp_path / "index.html"
    page.write_bytes(BODY)
    code = (
        "import sys; from pixi_mirror.http.fetcher import Fetcher; from pixi_mirror.http.sinks import FetchedDocument;"
        "from pixi_mirror.model.network import Network; from pixi_mirror.model.values import Url;"
        "from pixi_mirror.progress import NoProgress;"
        "Fetcher(Network(), NoProgress(), connections=1).read(Url(sys.argv[1]), accept='*/*', limit=1 << 20);"
        "print(sorted({'requests', 'urllib3'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code, page.as_uri()], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
