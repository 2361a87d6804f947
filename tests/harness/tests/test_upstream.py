"""The scripted upstream itself: what other tests take for granted."""

import http.client
import threading
import time

from harness.upstream import Upstream, ok, stall, status


def ask(upstream, path, *, method="GET", **headers):
    connection = http.client.HTTPConnection("127.0.0.1", upstream.port, timeout=30)
    try:
        connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


def test_a_tree_is_served_and_nothing_above_it(tmp_path):
    (tmp_path / "tree" / "noarch").mkdir(parents=True)
    (tmp_path / "tree" / "noarch" / "a b.conda").write_bytes(b"data")
    (tmp_path / "secret").write_bytes(b"secret")
    with Upstream(root=tmp_path / "tree") as upstream:
        assert ask(upstream, "/noarch/a%20b.conda")[2] == b"data"
        assert [ask(upstream, path)[0] for path in ("/noarch", "/missing", "/../secret", "/%2e%2e/secret")] == [404] * 4


def test_ranges_and_conditions_are_answered_as_they_should_be():
    with Upstream() as upstream:
        upstream.put("/a", b"0123456789")
        etag = ask(upstream, "/a")[1]["ETag"]
        assert ask(upstream, "/a", Range="bytes=4-")[::2] == (206, b"456789")
        assert ask(upstream, "/a", Range="bytes=4-5", If_Range=etag)[::2] == (206, b"45")
        assert ask(upstream, "/a", Range="bytes=4-", If_Range='"other"')[::2] == (200, b"0123456789")
        assert ask(upstream, "/a", Range="bytes=10-")[0] == 416
        assert ask(upstream, "/a", If_None_Match=etag)[0] == 304
        code, headers, body = ask(upstream, "/a", method="HEAD")
        assert (code, headers["Content-Length"], body) == (200, "10", b"")


def test_steps_are_consumed_one_a_request_and_the_last_repeats():
    with Upstream() as upstream:
        upstream.put("/a", b"data")
        upstream.script("/a", status(503), ok())
        upstream.script("*", status(418))
        assert [ask(upstream, path)[0] for path in ("/a", "/b", "/t/TOKEN/a?q=1", "/b", "/a")] == [
            503,
            418,
            200,
            418,
            200,
        ]
        assert [request.bare for request in upstream.requests] == ["/a", "/b", "/a", "/b", "/a"]
        assert upstream.requests[2].path == "/t/TOKEN/a?q=1"
        assert upstream.requests[2].token == "TOKEN"


def test_closing_ends_a_stalled_client():
    ended = []
    upstream = Upstream()
    upstream.put("/a", b"data")
    upstream.script("/a", stall(2))

    def wait_for_it():
        try:
            ask(upstream, "/a")
        except (http.client.HTTPException, OSError) as error:
            ended.append(error)

    thread = threading.Thread(target=wait_for_it)
    thread.start()
    while not upstream.requests:
        time.sleep(0.005)
    upstream.close()
    thread.join()
    assert len(ended) == 1
