"""Uploads that are made to hurt, at a server in a process of its own: 4xx in bounded memory, and nothing stays."""

import hashlib
import http.client
import io
import os
import signal
import socket
import sys
import zipfile
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest
from harness.hosting import Host
from harness.serving import running
from harness.uploading import form, legacy_parts

from pixi_mirror.demo.distributions import build_wheel

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

FORM = "multipart/form-data; boundary=XX"
WHEEL = build_wheel(name="demo", version="1.0")


@pytest.fixture
def mirror(world):
    Host(world).add()
    return world.mirror


@pytest.fixture
def token(world):
    return world.run("users", "add", "ci", "--token", "--upload", "team", "--file", "users").stdout.strip()


@contextmanager
def serving(world, *words):
    always = ("--port", "0", "--users", "users", "--hosted", "team", "--access-log", "none")
    with running(world.mirror, *always, *words, env=world.environment, cwd=world.directory) as server:
        yield server


def peak(server):
    """MiB that the server has had at most."""
    with open(f"/proc/{server.process.pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:")) / 1024


def post(server, token, body, *, path="/team/legacy/"):
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=60)
    headers = {"Content-Type": FORM, "Authorization": f"Bearer {token}"}
    connection.request("POST", path, body=body, headers=headers)
    response = connection.getresponse()
    found = response.status, response.read()
    connection.close()
    return found


def incoming(mirror):
    folder = mirror / ".pixi-mirror/incoming"
    return list(folder.iterdir()) if folder.exists() else []


def field(value=b"", name=b"x"):
    return b'--XX\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (name, value)


def endless(piece, *, size=128 << 20):
    """A body that goes on with a piece and never ends its form."""
    yield b'--XX\r\nContent-Disposition: form-data; name="x"\r\n\r\n'
    for _ in range(size // len(piece)):
        yield piece


def bomb():
    """A wheel of which one member is a gigabyte of zeros."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        with archive.open("demo/zeros", "w", force_zip64=True) as member:
            for _ in range(1 << 10):
                member.write(bytes(1 << 20))
        archive.writestr("demo-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n")
        archive.writestr("demo-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr("demo-1.0.dist-info/RECORD", "demo/zeros,sha256=AAAA,1073741824\n")
    return made.getvalue()


BODIES = {
    "a form without end": lambda: endless(bytes(1 << 20)),
    "a field without end": lambda: endless(b"\r\n--X" * (1 << 18)),
    "a hundred thousand fields": lambda: [field() * 1000] * 100 + [b"--XX--\r\n"],
    "a head without end": lambda: [b"--XX\r\n", *[b"X-Field: " + b"x" * 1000 + b"\r\n"] * 10_000],
    "no form": lambda: [bytes(1 << 20)] * 128,
    "a long digest": lambda: [field(b"0" * 100_000, b"md5_digest"), b"--XX--\r\n"],
    "attestations of 100 MB": lambda: [field(b"[" * (100 << 20), b"attestations"), b"--XX--\r\n"],
}


@pytest.mark.parametrize("name", BODIES)
def test_a_hostile_form_is_4xx_in_bounded_memory(world, mirror, token, name):
    with serving(world) as server:
        assert post(server, token, form(legacy_parts(WHEEL.file_name, WHEEL.data)))[0] == 200
        before = peak(server)
        status, _ = post(server, token, iter(BODIES[name]()))
        assert 400 <= status < 500
        assert peak(server) - before < 24
        assert incoming(mirror) == []
        assert post(server, token, form(legacy_parts(WHEEL.file_name, WHEEL.data)))[0] == 200


def test_a_large_file_takes_no_more_memory_than_a_small_one(world, mirror, token):
    with serving(world) as server:
        post(server, token, form(legacy_parts(WHEEL.file_name, WHEEL.data)))
        before = peak(server)
        data = os.urandom(1 << 20) * 200
        status, answer = post(server, token, form(legacy_parts("large-1.0-py3-none-any.whl", data)))
        assert status == 400, answer  # it is no wheel, which is found out when it is there
        assert peak(server) - before < 24
        assert incoming(mirror) == []


@pytest.mark.slow
def test_a_zip_bomb_is_400(world, mirror, token):
    with serving(world) as server:
        data = bomb()
        post(server, token, form(legacy_parts(WHEEL.file_name, WHEEL.data)))
        before = peak(server)
        status, answer = post(server, token, form(legacy_parts("demo-1.0-py3-none-any.whl", data)))
        assert status in (400, 409), answer
        assert peak(server) - before < 64
        assert incoming(mirror) == []


def test_a_file_above_the_limit_is_refused_while_it_comes(world, mirror, token):
    with serving(world, "--largest-upload", "1M") as server:
        status, answer = post(server, token, iter([field(b"x" * 10)[:-2], *[bytes(1 << 20)] * 3]))
        assert status == 400, answer  # what is no file is only as long as a form may be
        head = b'--XX\r\nContent-Disposition: form-data; name="content"; filename="a-1.whl"\r\n\r\n'
        assert post(server, token, iter([head, *[bytes(1 << 20)] * 64]))[0] == 413


def test_a_killed_server_leaves_nothing_that_the_next_upload_does_not_clear(world, mirror, token):
    body = form(legacy_parts(WHEEL.file_name, WHEEL.data))
    with serving(world) as server:
        parts = urlsplit(server.url)
        with socket.create_connection((parts.hostname, parts.port), timeout=60) as connection:
            head = (
                f"POST /team/legacy/ HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Type: {FORM}\r\n"
            )
            connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body[:-100])
            for _ in range(600):
                if any(path.stat().st_size for path in incoming(mirror)):
                    break
                signal.sigtimedwait([], 0.05)
            assert incoming(mirror)
            os.kill(server.process.pid, signal.SIGKILL)
            server.end()
    with serving(world) as server:
        assert post(server, token, body)[0] == 200
    assert incoming(mirror) == []
    stored = (mirror / "team/files" / WHEEL.file_name).read_bytes()
    assert hashlib.sha256(stored).hexdigest() == WHEEL.sha256
    assert world.run("verify", mirror).status == 0
