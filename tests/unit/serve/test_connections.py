"""How the server treats connections: many, slow, broken, hostile, and those that are open when it stops."""

import concurrent.futures
import http.client
import os
import socket
import ssl
import subprocess
import threading
from urllib.parse import urlsplit

import pytest
from serving import Client, written

from pixi_mirror.errors import MachineError
from pixi_mirror.serve.connection import TimeLimits
from pixi_mirror.serve.transport import Server, Tls

INDEX = "/conda-forge/linux-64/repodata.json"
CONDA = "/conda-forge/linux-64/tool-1!2.0+cuda12-h12_1.conda"
LARGE = "c/noarch/large-1-0.conda"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "CONNECT", "PATCH", "PROPFIND", "get"])
def test_a_mirror_can_only_be_read(client, method):
    reply = client.ask(INDEX, method)
    assert (reply.status, reply.fields["allow"], reply.fields["connection"]) == (405, "GET, HEAD", "close")
    assert client.is_ended


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET /-/health HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", 413),
        (b"GET /-/health HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400),
        (b"GET /-/health HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Length: 5\r\n\r\nhello", 400),
        (b"GET /-/health HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\nhello", 405),
        (b"GET /-/health HTTP/1.1\r\n\r\n", 400),
        (b"GET /-/health HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400),
        (b"GET /-/health HTTP/1.1\r\nHost : x\r\n\r\n", 400),
        (b"GET /-/health HTTP/1.1\r\nHost: x\r\n folded: y\r\n\r\n", 400),
        (b"GET /-/health HTTP/1.1\r\nHost: x\r\nX: a\0b\r\n\r\n", 400),
        (b"GET /-/health HTTP/1.1\r\nHost: x\r\nX: a\rb\r\n\r\n", 400),
        (b"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET  / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET /\r\n\r\n", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 200 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"b" * 40_000 + b"\r\n\r\n", 431),
        (b"GET /" + b"a" * 40_000, 414),
    ],
)
def test_what_no_client_of_a_mirror_sends_is_refused_and_ends_the_connection(client, sent, status):
    client.send(sent)
    reply = client.reply()
    assert (reply.status, reply.fields["connection"]) == (status, "close")
    assert client.is_ended


def test_a_refusal_reaches_a_client_that_is_still_sending(client):
    size = 32 << 20  # more than the buffers of both sides hold
    client.send(f"PUT /x HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n".encode() + b"x" * size)
    assert client.reply().status == 405


def test_requests_sent_at_once_are_answered_in_their_order(client, derived):
    one = f"GET {INDEX} HTTP/1.1\r\nHost: x\r\n\r\n"
    client.send(
        (
            one + f"HEAD {INDEX} HTTP/1.1\r\nHost: x\r\n\r\n\r\n" + "GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n" + one
        ).encode()
    )
    replies = [client.reply(to) for to in ("GET", "HEAD", "GET", "GET")]
    assert [reply.status for reply in replies] == [200, 200, 404, 200]
    assert replies[3].body == derived[INDEX[1:]]


def test_a_request_may_come_in_pieces(client):
    for letter in f"GET {INDEX} HTTP/1.1\nHost: x\n\n":
        client.send(letter.encode())
    assert client.reply().status == 200


@pytest.mark.parametrize("head", ["GET {} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "GET {} HTTP/1.0\r\n\r\n"])
def test_a_client_that_wants_one_answer_gets_one(client, head):
    client.send(head.format(INDEX).encode())
    assert client.reply().fields["connection"] == "close"
    assert client.is_ended


def test_who_begins_nothing_or_finishes_nothing_is_not_waited_for(mirror):
    limits = TimeLimits(idle_s=0.05, head_s=0.2, stall_s=0.2)
    with Server(mirror, host="127.0.0.1", port=0, limits=limits) as server:
        with Client(server.url) as client:
            assert client.is_ended
        with Client(server.url) as client:
            client.send(b"GET / HTTP/1.1\r\nHo")
            assert client.reply().status == 408
            assert client.is_ended


def test_two_hundred_clients_at_once_are_all_served(server, stored, derived):
    targets = [(f"/{path}", data) for path, data in {**stored, **derived}.items()]
    barrier = threading.Barrier(200)

    def run(number):
        with Client(server.url) as client:
            barrier.wait()
            for turn in range(3):
                target, data = targets[(number + turn) % len(targets)]
                reply = client.ask(target)
                assert (reply.status, reply.body) == (200, data)

    with concurrent.futures.ThreadPoolExecutor(200) as pool:
        list(pool.map(run, range(200)))


def test_where_no_connection_is_left_those_that_rest_make_room(mirror):
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # The server takes half of what the limit leaves it, and no less than eight.
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 80 + 64), hard))
    try:
        server = Server(mirror, host="127.0.0.1", port=0)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    with server:
        clients = []
        for _ in range(120):
            clients.append(Client(server.url))
            assert clients[-1].ask("/-/health").status == 200
        assert clients[0].is_ended
        for client in clients:
            client.__exit__()


@pytest.fixture
def large(tmp_path):
    """A mirror with a file that no socket's buffer holds."""
    data = os.urandom(1 << 20) * 48
    written(tmp_path / "mirror", {LARGE: data}, {})
    return tmp_path / "mirror", data


def test_who_stops_reading_is_not_waited_for(large):
    mirror, data = large
    with (
        Server(mirror, host="127.0.0.1", port=0, limits=TimeLimits(stall_s=0.1)) as server,
        Client(server.url) as client,
    ):
        client.send(f"GET /{LARGE} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        with Client(server.url) as other:  # the first takes nothing until the server has given it up
            assert other.ask("/-/health").status == 200
        server.__exit__(None, None, None)  # which returns at once if nobody is served any more
        assert len(client.stream.read()) < len(data)


def test_a_stop_finishes_the_download_and_ends_those_who_rest(large):
    mirror, data = large
    server = Server(mirror, host="127.0.0.1", port=0, limits=TimeLimits(idle_s=300))
    with Client(server.url) as resting, Client(server.url) as loading, server:
        assert resting.ask("/-/health").status == 200
        loading.send(f"GET /{LARGE} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert loading.stream.readline() == b"HTTP/1.1 200 OK\r\n"
        stopping = threading.Thread(target=server.__exit__, args=(None, None, None))
        stopping.start()
        assert resting.is_ended
        with pytest.raises(ConnectionRefusedError):
            Client(server.url)
        assert stopping.is_alive()
        assert loading.stream.read().endswith(data)
        stopping.join()


def test_a_download_that_takes_too_long_does_not_keep_a_server_from_stopping(large):
    mirror, data = large
    with Server(mirror, host="127.0.0.1", port=0, finish_s=0.1) as server:
        client = Client(server.url)
        client.send(f"GET /{LARGE} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        client.stream.readline()
    with client:
        assert len(client.stream.read()) < len(data)


@pytest.mark.broken_mirror("a file is made shorter while it is sent")
def test_a_file_that_gets_shorter_ends_the_connection_instead_of_being_padded(large):
    mirror, data = large
    limits = TimeLimits(idle_s=300)
    with Server(mirror, host="127.0.0.1", port=0, limits=limits) as server, Client(server.url) as client:
        client.send(f"GET /{LARGE} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        client.stream.readline()
        os.truncate(mirror / LARGE, 1000)
        assert len(client.stream.read()) < len(data)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate of 127.0.0.1, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    words = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
    ]
    words += ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"]
    try:
        subprocess.run([*words, "-keyout", "key.pem", "-out", "cert.pem"], cwd=folder, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("there is no openssl here")
    return Tls(folder / "cert.pem", folder / "key.pem")


def test_with_a_certificate_it_is_https(large, certificate):
    mirror, data = large
    with Server(mirror, host="127.0.0.1", port=0, tls=certificate) as server:
        assert server.url.startswith("https://127.0.0.1:")
        context = ssl.create_default_context(cafile=str(certificate.certificate))
        asked = http.client.HTTPSConnection(urlsplit(server.url).netloc, context=context)
        for fields, wanted in (({}, data), ({"Range": "bytes=5-999999"}, data[5:1_000_000])):
            asked.request("GET", f"/{LARGE}", headers=fields)
            assert asked.getresponse().read() == wanted
        asked.close()
        with Client(server.url) as plain:  # and who does not speak it holds up nobody
            plain.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert plain.is_ended
        silent = Client(server.url)
        asked.request("HEAD", "/-/health")
        assert asked.getresponse().status == 200
        asked.close()
        silent.__exit__()


def test_what_cannot_be_had_is_told(mirror, tmp_path, certificate):
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(MachineError, match="is in use"):
        Server(mirror, host="127.0.0.1", port=taken.getsockname()[1])
    with pytest.raises(MachineError, match="no address of this machine"):
        Server(mirror, host="192.0.2.1", port=0)
    with pytest.raises(MachineError, match="no address or name"):
        Server(mirror, host="no such host", port=0)
    with pytest.raises(MachineError, match="there is no file"):
        Server(mirror, host="127.0.0.1", port=0, tls=Tls(tmp_path / "none.pem", None))
    with pytest.raises(MachineError, match="cannot be used"):
        Server(mirror, host="127.0.0.1", port=0, tls=Tls(certificate.certificate, certificate.certificate))


def test_the_url_is_one_that_can_be_asked_from_here(mirror):
    for host, shown in (("0.0.0.0", "127.0.0.1"), ("::1", "[::1]"), ("::", "[::1]"), ("localhost", "localhost")):
        try:
            server = Server(mirror, host=host, port=0)
        except MachineError:
            assert ":" in host, "this machine has no IPv6"
            continue
        with server:
            assert server.url.rpartition(":")[0] == f"http://{shown}"
            with Client(server.url) as client:
                assert client.ask("/-/health").status == 200
