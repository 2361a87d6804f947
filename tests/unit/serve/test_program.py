"""`pixi-mirror serve` as it is run."""

import json
import os
import signal
import socket
import subprocess
import sys

import pytest
from harness.serving import running
from serving import Client, written


def serving(world, *words, **variables):
    return running(*words, env={**world.environment, **variables}, cwd=world.directory)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_the_first_line_is_the_url_and_a_signal_ends_it_after_the_download(world, mirror_of_large, number, status):
    with serving(world, "mirror", "--port", "0") as server:
        assert server.url.startswith("http://127.0.0.1:")
        with Client(server.url) as client:
            client.send(b"GET /c/noarch/large-1-0.conda HTTP/1.1\r\nHost: localhost\r\nUser-Agent: me\r\n\r\n")
            client.stream.readline()
            server.process.send_signal(number)
            assert client.stream.read().endswith(mirror_of_large)
        assert server.end() == status
    assert server.stdout == ""
    line = json.loads(server.stderr.splitlines()[0])
    assert line["path"] == "/c/noarch/large-1-0.conda"
    assert (line["method"], line["status"], line["bytes"], line["user_agent"]) == (
        "GET",
        200,
        len(mirror_of_large),
        "me",
    )
    assert line["client"] == "127.0.0.1"
    assert line["seconds"] > 0
    assert line["time"].endswith("Z")


def test_a_second_signal_ends_it_at_once(world, mirror_of_large):
    with serving(world, "mirror", "--port", "0") as server, Client(server.url) as client:
        client.send(b"GET /c/noarch/large-1-0.conda HTTP/1.1\r\nHost: localhost\r\n\r\n")
        client.stream.readline()
        server.process.send_signal(signal.SIGTERM)
        try:
            while True:  # until the first is heeded
                Client(server.url).__exit__()
        except ConnectionError:
            pass
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(timeout=30) == -signal.SIGTERM


@pytest.fixture
def mirror_of_large(world):
    """The bytes of a file that no socket's buffer holds, in the world's mirror."""
    data = os.urandom(1 << 20) * 32
    written(world.mirror, {"c/noarch/large-1-0.conda": data}, {})
    return data


def test_a_log_that_nobody_reads_holds_up_no_client(world):
    written(world.mirror, {}, {})
    with serving(world, "mirror", "--port", "0") as server, Client(server.url) as client:
        for _ in range(300):  # more than a pipe holds
            assert client.ask("/-/health", user_agent="x" * 1000).status == 200


def test_options_are_variables_too_and_the_log_goes_where_it_is_told(world):
    written(world.mirror, {}, {})
    variables = {"PIXI_MIRROR_PORT": "0", "PIXI_MIRROR_HOST": "127.0.0.1", "PIXI_MIRROR_ACCESS_LOG": "access.log"}
    for turn in (1, 2):
        with serving(world, **variables) as server, Client(server.url) as client:
            assert client.ask("/t/se-cret/x?y").status == 404
        assert "health" not in server.stderr
        lines = (world.directory / "access.log").read_text(encoding="utf-8").splitlines()
        assert [json.loads(line)["path"] for line in lines] == ["/t/***/x?***"] * turn


def test_what_cannot_be_served_is_told_with_its_status(world):
    written(world.mirror, {}, {})
    (world.directory / "other").mkdir()
    (world.directory / "other" / "file").touch()
    (world.directory / "bad.pem").write_text("no certificate")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for words, status, told in (
            (("mirror", "--port", port), 8, "in use"),
            (("mirror", "--port", "0", "--host", "192.0.2.1"), 8, "no address of this machine"),
            (("other", "--port", "0"), 8, "not a mirror"),
            (("nowhere", "--port", "0"), 8, "no mirror"),
            (("mirror", "--port", "0", "--tls-cert", "none.pem"), 8, "none.pem"),
            (("mirror", "--port", "0", "--tls-cert", "bad.pem"), 8, "bad.pem"),
            (("mirror", "--port", "0", "--access-log", "no/where"), 8, "access log"),
            (("mirror", "--port", "70000"), 2, "--port"),
            (("mirror", "--port", "http"), 2, "--port"),
            (("mirror", "--tls-key", "bad.pem"), 2, "--tls-cert"),
        ):
            done = world.run("serve", *words)
            assert (done.status, done.stdout) == (status, ""), (words, done)
            assert told in done.stderr
            assert "Traceback" not in done.stderr


def test_no_other_verb_pays_for_the_server(world):
    script = "import sys; from pixi_mirror.commands.program import run; run(['serve', '--help']); print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], env=world.environment, capture_output=True, text=True, check=True
    )  # fmt: skip
    assert not {"http", "socketserver", "ssl", "pixi_mirror.serve", "pixi_mirror.serve.run"} & {*done.stdout.split()}
