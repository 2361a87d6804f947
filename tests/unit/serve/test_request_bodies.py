"""A body is read by length or in chunks, exactly to its end; what is malformed, cut off or too slow is refused."""

import socket
import threading

import pytest

from pixi_mirror.serve.request import BodyFraming, RequestRefused, parse_request
from pixi_mirror.serve.request_body import BodyLimits, SocketBody

QUICK = BodyLimits(stall_s=0.2, grace_s=5.0, least_rate=1.0, drain_s=5.0)


@pytest.fixture
def pair():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def body_of(ours, length, *, buffer=b"", waits=False, limits=QUICK, **more):
    return SocketBody(ours, bytearray(buffer), BodyFraming(length, waits), limits=limits, **more)


def whole(body):
    return b"".join(iter(body.read, b""))


def head(*lines, method="POST"):
    return "\r\n".join([f"{method} /team/legacy/ HTTP/1.1", "Host: x", *lines, "", ""]).encode()


def test_by_length_what_is_behind_it_stays(pair):
    ours, theirs = pair
    theirs.sendall(b"defghGET /")
    body = body_of(ours, 8, buffer=b"abc")
    assert whole(body) == b"abcdefgh"
    assert body.is_done
    assert bytes(body._buffer) == b"GET /"


@pytest.mark.parametrize("at_once", [1, 3, 1000])
def test_chunks_in_any_pieces(pair, at_once):
    ours, theirs = pair
    sent = b"4;name=value\r\nWiki\r\n5 \r\npedia\r\nA\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\nGET /"

    def send():
        for at in range(0, len(sent), at_once):
            theirs.sendall(sent[at : at + at_once])

    sender = threading.Thread(target=send)
    sender.start()
    body = body_of(ours, None)
    assert whole(body) == b"Wikipedia0123456789"
    sender.join()
    assert body.is_done
    left = bytes(body._buffer)
    while left != b"GET /":
        left += ours.recv(10)


@pytest.mark.parametrize(
    "sent",
    [
        b"xyz\r\n",
        b"-4\r\nWiki\r\n",
        b"0x4\r\nWiki\r\n",
        b"4\nWiki\n",
        b"4\r\nWikipedia\r\n",
        b"\r\n",
        b"1" * 16 + b"\r\n",
        b"4;" + b"x" * 5000 + b"\r\n",
        b"0\r\n" + b"Trailer: x\r\n" * 2000 + b"\r\n",
    ],
)
def test_malformed_chunks_are_refused(pair, sent):
    ours, theirs = pair
    theirs.sendall(sent)
    with pytest.raises(RequestRefused) as refused:
        whole(body_of(ours, None))
    assert refused.value.status in (400, 408)


def test_who_waits_for_100_is_told_to_go_on_at_the_first_read_alone(pair):
    ours, theirs = pair
    body = body_of(ours, 2, waits=True)
    assert body.is_awaited
    body.drain()  # it was refused: nobody asks for what the client keeps back
    assert not body.is_done
    theirs.sendall(b"ok")
    assert whole(body) == b"ok"
    assert theirs.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"


def test_a_body_that_stops_is_refused(pair):
    ours, theirs = pair
    theirs.sendall(b"abc")
    with pytest.raises(RequestRefused) as refused:
        whole(body_of(ours, 10))
    assert refused.value.status == 408


def test_a_body_that_drips_is_refused_when_its_grace_has_passed(pair):
    ours, theirs = pair
    now = [0.0]

    def clock():
        now[0] += 1.0
        theirs.sendall(b"x")
        return now[0]

    limits = BodyLimits(stall_s=5.0, grace_s=20.0, least_rate=1000.0, drain_s=1.0)
    with pytest.raises(RequestRefused) as refused:
        whole(body_of(ours, 10**9, limits=limits, now_s=clock))
    assert refused.value.status == 408
    assert 20 < now[0] < 60


def test_a_client_that_leaves_is_an_error_of_the_connection(pair):
    ours, theirs = pair
    theirs.sendall(b"abc")
    theirs.close()
    with pytest.raises(ConnectionError):
        whole(body_of(ours, 10))


def test_the_framing_of_a_body():
    def framing(*lines):
        return parse_request(head(*lines), takes_uploads=True).framing

    assert framing("Content-Length: 12") == BodyFraming(12, waits=False)
    assert framing("Content-Length: 12", "Expect: 100-continue") == BodyFraming(12, waits=True)
    assert framing("Transfer-Encoding: chunked") == BodyFraming(None, waits=False)


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ((), 411),
        (("Content-Length: -1",), 400),
        (("Content-Length: 1", "Content-Length: 1"), 400),
        (("Content-Length: 1, 1",), 400),
        (("Content-Length: " + "9" * 30,), 413),
        (("Content-Length: 1", "Transfer-Encoding: chunked"), 400),
        (("Transfer-Encoding: gzip, chunked",), 400),
        (("Transfer-Encoding: identity",), 400),
        (("Content-Length: 1", "Expect: 200-ok"), 417),
    ],
)
def test_a_body_that_two_programs_could_understand_in_two_ways_is_refused(lines, status):
    with pytest.raises(RequestRefused) as refused:
        parse_request(head(*lines), takes_uploads=True)
    assert refused.value.status == status


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_without_uploads_nothing_but_reading_is_known(method):
    with pytest.raises(RequestRefused) as refused:
        parse_request(head("Content-Length: 1", method=method))
    assert refused.value.status == 405


@pytest.mark.parametrize("method", ["DELETE", "PATCH", "OPTIONS", "CONNECT"])
def test_with_uploads_other_methods_are_refused(method):
    with pytest.raises(RequestRefused) as refused:
        parse_request(head("Content-Length: 1", method=method), takes_uploads=True)
    assert refused.value.status == 405


@pytest.mark.parametrize(
    ("peer", "field", "client"),
    [
        ("127.0.0.1", "192.0.2.7", "192.0.2.7"),
        ("127.0.0.1", "10.0.0.1, 192.0.2.7", "192.0.2.7"),
        ("::1", "2001:db8::1", "2001:db8::1"),
        ("198.51.100.1", "192.0.2.7", "198.51.100.1"),
        ("127.0.0.1", "unknown", "127.0.0.1"),
        ("127.0.0.1", "192.0.2.7\t<script>", "127.0.0.1"),
    ],
)
def test_the_client_is_whom_a_proxy_on_this_machine_says(peer, field, client):
    raw = head(f"X-Forwarded-For: {field}", method="GET")
    assert parse_request(raw, client=peer).client == client
