"""Bad bodies, stalls and refusals: what is survived, what is tried again and what never is."""

import socket
import subprocess
import sys
import threading
import time
import types

import pytest
from fetching import BODY, Fetching, Held
from harness.upstream import (
    answer,
    chunked,
    close_before_headers,
    drip,
    drip_headers,
    endless,
    garbage,
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

from pixi_mirror.errors import FetchError, MachineError, WrongBytesError
from pixi_mirror.http import body


def cut_within_a_chunk(reply):
    reply.head(200, {"Transfer-Encoding": "chunked"})
    reply.send(b"c800\r\n" + reply.data[:100])
    reply.cut()


def stall_without_a_length(reply):
    reply.head(200, {"Connection": "close"})
    reply.send(reply.data[:1000])
    reply.pause(None)
    reply.cut()


BEFORE_HEADERS = stall_before_headers()
PASSING = {
    "cut within a chunk": cut_within_a_chunk,
    "truncated": truncate(1000),
    "truncated at once": truncate(0),
    "closed before headers": close_before_headers(),
    "reset": reset(1000),
    "garbage": garbage(),
    "garbage after a status": garbage(b"HTTP/1.1 200 OK\r\nContent-Length: 51200\r\n\r\nabc"),
    "chunked and cut": chunked(cut_after=3),
    "408": status(408),
    "429": status(429),
    "500": status(500),
    "502": status(502),
    "503": status(503),
    "504": status(504),
}


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING.keys())
def test_a_fault_that_passes_is_survived(upstream, fetching, fault):
    upstream.put("/a", BODY)
    url = upstream.script("/a", fault, ok())
    assert fetching.get(url) == BODY
    assert len(upstream.requests) == 2
    assert len(fetching.heard.notes) == 1


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING.keys())
def test_a_fault_that_stays_is_an_error_after_the_retries(upstream, fault):
    # Without a validator no attempt makes use of what the one before has brought.
    upstream.put("/a", BODY, etag=None, last_modified=None)
    url = upstream.script("/a", fault)
    with Fetching(retries=1) as fetching:
        error = fetching.failure(url)
    assert isinstance(error, FetchError)
    assert url in str(error)
    assert "2 attempts" in str(error)
    assert len(upstream.requests) == 2


STALLS = {
    "in the body": stall(1000),
    "before headers": stall_before_headers(),
    "dripping": drip(pieces_per_second=50),
    "dripping headers": drip_headers(pieces_per_second=50),
}


@pytest.mark.parametrize("fault", STALLS.values(), ids=STALLS.keys())
def test_a_stall_is_ended_and_survived(upstream, fault):
    upstream.put("/a", BODY)
    url = upstream.script("/a", fault, ok())
    with Fetching(idle_timeout_s=0.2, retries=20) as fetching:
        assert fetching.get(url) == BODY
    assert len(upstream.requests) >= 2


@pytest.mark.parametrize("fault", STALLS.values(), ids=STALLS.keys())
def test_a_stall_that_stays_is_an_error(upstream, fault):
    upstream.put("/a", BODY)
    with Fetching(idle_timeout_s=0.2, retries=0) as fetching:
        assert isinstance(fetching.failure(upstream.script("/a", fault)), FetchError)
    assert len(upstream.requests) == 1


@pytest.mark.parametrize("code", [400, 401, 403, 404, 405, 410, 451, 204, 304])
def test_a_lasting_refusal_is_asked_for_exactly_once(upstream, fetching, code):
    url = upstream.script("/a", status(code))
    error = fetching.failure(url)
    assert isinstance(error, FetchError)
    assert str(code) in str(error)
    assert len(upstream.requests) == 1


def test_two_server_errors_and_then_the_file(upstream, fetching):
    upstream.put("/a", BODY)
    assert fetching.get(upstream.script("/a", status(503), status(500), ok())) == BODY
    assert len(upstream.requests) == 3


def test_no_retries_means_one_request(upstream):
    with Fetching(retries=0) as fetching:
        fetching.failure(upstream.script("/a", status(503)))
    assert len(upstream.requests) == 1


@pytest.mark.parametrize("step", [ok(), no_length(), chunked()], ids=["length", "no length", "chunks"])
@pytest.mark.parametrize("body", [BODY, b""], ids=["some", "none"])
def test_a_body_arrives_whole_however_it_is_framed(upstream, fetching, step, body):
    upstream.put("/a", body)
    url = upstream.script("/a", step)
    assert [fetching.get(url) for _ in range(3)] == [body] * 3


def test_a_length_too_short_ends_the_body_there_and_spoils_no_later_answer(upstream, fetching):
    upstream.put("/a", BODY)
    upstream.put("/b", b"b" * 999)
    assert fetching.get(upstream.script("/a", wrong_length(-10))) == BODY[:-10]
    assert fetching.get(upstream.url + "/b") == b"b" * 999


def test_a_length_too_long_is_not_believed(upstream, fetching):
    upstream.put("/a", BODY)
    assert fetching.get(upstream.script("/a", wrong_length(+10), ok())) == BODY
    # There is no rest to go on with: 416, then from zero.
    assert [request.range for request in upstream.requests] == [None, f"bytes={len(BODY)}-", None]


def test_a_length_that_is_always_too_long_is_an_error(upstream, fetching):
    upstream.put("/a", BODY)
    assert isinstance(fetching.failure(upstream.script("/a", wrong_length(+10))), FetchError)
    assert len(upstream.requests) == 3


def test_a_page_in_place_of_a_file_is_handed_on_for_the_hash_to_refuse(upstream, fetching):
    assert fetching.get(upstream.script("/a", html200())).startswith(b"<!doctype html>")


def test_stored_bytes_are_asked_for_and_an_encoded_body_is_refused(upstream, fetching):
    upstream.put("/a", BODY)
    sink = Held()
    error = fetching.failure(upstream.script("/a", gzip_encoded()), sink=sink)
    assert "gzip" in str(error)
    assert sink.data == b""
    assert [request.headers["accept-encoding"] for request in upstream.requests] == ["identity"]


def test_bytes_that_are_stored_compressed_stay_so(upstream, fetching):
    compressed = b"\x1f\x8b\x08\x00" + bytes(100)
    upstream.put("/a.tar.gz", compressed, headers={"Content-Type": "application/gzip"})
    assert fetching.get(upstream.url + "/a.tar.gz") == compressed


def test_an_endless_body_is_cut_at_the_limit(upstream, fetching):
    sink = Held()
    error = fetching.failure(upstream.script("/a", endless()), sink=sink, limit=100_000)
    assert isinstance(error, WrongBytesError)
    assert sink.received <= 100_000
    assert len(upstream.requests) == 1


def test_a_body_that_says_it_is_too_long_is_not_begun(upstream, fetching):
    upstream.put("/a", BODY)
    sink = Held()
    assert isinstance(fetching.failure(upstream.url + "/a", sink=sink, limit=len(BODY) - 1), WrongBytesError)
    assert sink.log == []


def test_a_body_of_just_the_limit_is_taken(upstream, fetching):
    upstream.put("/a", BODY)
    assert fetching.get(upstream.url + "/a", limit=len(BODY)) == BODY
    assert fetching.get(upstream.script("/a", no_length()), limit=len(BODY)) == BODY


def test_what_was_too_slow_is_said(upstream):
    upstream.put("/a", BODY)
    with Fetching(idle_timeout_s=0.3, retries=0) as fetching:
        assert "bytes arrived in" in str(fetching.failure(upstream.script("/a", drip(pieces_per_second=50))))
        headers = fetching.failure(upstream.script("/a", drip_headers(pieces_per_second=50)))
        assert "no complete answer within" in str(headers)


@pytest.fixture
def clock(monkeypatch):
    """The clock by which the speed of a body is measured: it stands still until a test moves it."""
    clock = types.SimpleNamespace(now_s=0.0)
    monkeypatch.setattr(body, "time", types.SimpleNamespace(monotonic=lambda: clock.now_s))
    return clock


def a_second_a_piece(clock, sink):
    """A step that sends pieces of 100 bytes, each a second after the one before has been taken."""

    def step(reply):
        reply.head(200, {**reply.describing, "Content-Length": str(len(reply.data))})
        for begin in range(0, len(reply.data), 100):
            while sink.received < begin and reply.pause(0.001):
                pass
            clock.now_s += 1
            reply.send(reply.data[begin : begin + 100])

    return step


@pytest.mark.parametrize(("least_speed", "arrives"), [(50, True), (200, False)])
def test_a_slow_body_arrives_if_it_has_the_least_speed(upstream, clock, least_speed, arrives):
    upstream.put("/a", BODY[:2000])
    sink = Held()
    url = upstream.script("/a", a_second_a_piece(clock, sink))
    with Fetching(retries=0, idle_timeout_s=10, least_speed=least_speed) as fetching:
        if arrives:
            assert fetching.get(url, sink=sink) == BODY[:2000]
        else:
            assert "bytes arrived in" in str(fetching.failure(url, sink=sink))


def test_a_slow_sink_is_not_taken_for_a_slow_server(upstream, clock):
    class Slow(Held):
        def write(self, chunk):
            clock.now_s += 100
            super().write(chunk)

    upstream.put("/a", bytes(1 << 20))
    with Fetching(retries=0, least_speed=1 << 24) as fetching:
        assert len(fetching.get(upstream.url + "/a", sink=Slow())) == 1 << 20


def test_nobody_listening_is_said_in_plain_words():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with Fetching(retries=0) as fetching:
        assert "refused" in str(fetching.failure(f"http://127.0.0.1:{port}/a")).lower()


def test_a_name_that_does_not_exist_is_said_in_plain_words():
    with Fetching(retries=0, http_hosts=frozenset({"nowhere.invalid"})) as fetching:
        assert "cannot be resolved" in str(fetching.failure("http://nowhere.invalid/a"))


@pytest.mark.parametrize("url", ["gcs://bucket/a", "ftp://127.0.0.1/a", "nonsense"])
def test_another_scheme_is_refused(fetching, url):
    assert "scheme" in str(fetching.failure(url))


@pytest.mark.parametrize("url", ["http://127.0.0.1:99999/a", "http:///a", "https://[::1/a", "http://a\x00b/"])
def test_a_broken_url_is_an_error_of_ours(fetching, url):
    assert isinstance(fetching.failure(url), FetchError)


def test_what_the_sink_raises_arrives_unchanged_and_is_not_tried_again(upstream, fetching):
    class Full(Held):
        def write(self, chunk):
            raise error

    error = OSError(28, "No space left on device")
    upstream.put("/a", BODY)
    with pytest.raises(OSError, match="No space") as caught:
        fetching.get(upstream.url + "/a", sink=Full())
    assert caught.value is error
    assert len(upstream.requests) == 1


def test_a_connection_is_used_again_after_a_body_and_after_a_refusal(upstream, fetching):
    upstream.put("/a", BODY)
    upstream.put("/none", b"")
    upstream.script("/moved", redirect("/a"))
    for path in ("/a", "/missing", "/none", "/moved", "/a"):
        (fetching.failure if path == "/missing" else fetching.get)(upstream.url + path)
    assert len({request.client for request in upstream.requests}) == 1


def test_many_threads_fetch_at_once(upstream, fetching):
    for number in range(40):
        upstream.put(f"/{number}", BODY[number:])
    got = {}

    def fetch(numbers):
        for number in numbers:
            got[number] = fetching.get(f"{upstream.url}/{number}")

    threads = [threading.Thread(target=fetch, args=(range(start, 40, 8),)) for start in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == {number: BODY[number:] for number in range(40)}


@pytest.mark.parametrize(
    "fault",
    [stall(1000), stall_without_a_length, BEFORE_HEADERS],
    ids=["in the body", "in a body without a length", "before headers"],
)
def test_closing_ends_a_stalled_download(upstream, fault):
    upstream.put("/a", BODY)
    url = upstream.script("/a", fault)
    failures, sink = [], Held()
    with Fetching(idle_timeout_s=3600.0) as fetching:
        thread = threading.Thread(target=lambda: failures.append(fetching.failure(url, sink=sink)))
        thread.start()
        while not (upstream.requests and (sink.data or fault is BEFORE_HEADERS)):
            time.sleep(0.01)
        fetching.fetcher.close()
        thread.join()
    assert "stopped" in str(failures[0])
    assert len(upstream.requests) == 1


def test_after_closing_nothing_is_asked(upstream, fetching):
    fetching.fetcher.close()
    assert "stopped" in str(fetching.failure(upstream.url + "/a"))
    assert upstream.requests == []


def test_a_local_file_is_read(tmp_path, fetching):
    file = tmp_path / "a file.conda"
    file.write_bytes(BODY)
    sink = Held(b"left over", '"old"')
    assert fetching.get(file.as_uri() + "#sha256=00", sink=sink) == BODY
    assert sink.log == [0]


def test_a_local_file_above_the_limit_is_cut(tmp_path, fetching):
    file = tmp_path / "a"
    file.write_bytes(BODY)
    sink = Held()
    assert isinstance(fetching.failure(file.as_uri(), sink=sink, limit=99), WrongBytesError)
    assert sink.data == b""


def test_what_is_no_local_regular_file_is_named(tmp_path, fetching):
    import os

    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "directory").mkdir()
    for name in ("fifo", "directory", "missing"):
        error = fetching.failure((tmp_path / name).as_uri())
        assert isinstance(error, MachineError)
        assert str(tmp_path / name) in str(error)


def test_a_file_of_another_machine_is_refused(fetching):
    assert "another machine" in str(fetching.failure("file://server/share/a"))


def test_the_http_client_is_not_imported_before_it_is_needed():
    code = (
        "import sys; from pixi_mirror.http.fetcher import Fetcher; from pixi_mirror.model.network import Network;"
        "from pixi_mirror.progress import NoProgress; Fetcher(Network(), NoProgress(), connections=1).close();"
        "print(sorted({'requests', 'urllib3', 'ssl', 'http.client'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_the_answer_of_one_path_is_not_another_ones(upstream, fetching):
    upstream.script("/a", answer(b"one"))
    upstream.script("/b", answer(b"two"))
    assert [fetching.get(upstream.url + path) for path in ("/a", "/b", "/a")] == [b"one", b"two", b"one"]
