"""The demo's upstream answers on loopback and counts what it is asked."""

import socket
import urllib.error
import urllib.request

import pytest

from pixi_mirror.demo.upstream import Upstream


def answer(upstream, request):
    """Status and body of a request, read to the end of the connection."""
    with socket.create_connection(("127.0.0.1", int(upstream.url.rpartition(":")[2]))) as connection:
        connection.sendall(f"{request} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        with connection.makefile("rb") as stream:
            head, _, body = stream.read().partition(b"\r\n\r\n")
    return int(head.split()[1]), int(head.partition(b"Content-Length: ")[2].split()[0]), body


def test_it_serves_what_it_holds_and_counts_what_is_asked():
    with Upstream({"c/noarch/x-1+2-0.conda": b"bytes"}) as upstream:
        assert answer(upstream, "HEAD /c/noarch/x-1+2-0.conda") == (200, 5, b"")
        assert answer(upstream, "GET /c/noarch/x-1%2B2-0.conda") == (200, 5, b"bytes")
        assert answer(upstream, "GET /c/noarch/y.conda") == (404, 0, b"")
    assert upstream.requests == ("c/noarch/x-1+2-0.conda", "c/noarch/x-1+2-0.conda", "c/noarch/y.conda")


def test_it_is_silent_and_gone_afterwards(capfd):
    with Upstream({"x": b""}) as upstream:
        with urllib.request.urlopen(f"{upstream.url}/x") as response:
            assert response.read() == b""
        url = upstream.url
    assert capfd.readouterr() == ("", "")
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(f"{url}/x")
