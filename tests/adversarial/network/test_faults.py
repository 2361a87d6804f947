"""Every scripted fault of an upstream, through the whole program: survived, or said by name while the old mirror stays.

`tests/fetch` holds the same faults against the fetcher alone, with short times; what takes a true minute is marked
`full` here.
"""

import gzip
import json
import subprocess
import sys

import pytest
from harness import oracle
from harness.looking import contents, sha256
from harness.several import run_several
from harness.upstream import (
    answer,
    chunked,
    close_before_headers,
    drip,
    drip_headers,
    endless,
    etag_change_midway,
    garbage,
    gzip_encoded,
    html200,
    if_range_ignored,
    no_length,
    ok,
    range_ignored,
    range_not_satisfiable,
    range_wrong,
    redirect,
    reset,
    stall,
    stall_before_headers,
    status,
    truncate,
    wrong_length,
)

from pixi_mirror.commands.text import plain
from pixi_mirror.demo.packages import build_package

NETWORK, WRONG = 5, 6
BYTES = 200_000_000


def changed(change):
    """A step that answers with other bytes than stand at the path, of a length that it tells truly."""
    return lambda reply: reply.answer(200, change(reply.data), reply.describing)


def endless_chunks(reply):
    reply.head(200, {"Transfer-Encoding": "chunked"})
    while reply.pause(0):
        reply.send(b"40000\r\n" + bytes(1 << 18) + b"\r\n")
    reply.cut()


def flipped(data):
    return data[:500] + bytes([data[500] ^ 1]) + data[501:]


PASSING = {
    "truncated": truncate(1000),
    "truncated at once": truncate(0),
    "closed before headers": close_before_headers(),
    "reset": reset(1000),
    "garbage": garbage(),
    "half a status line": garbage(b"HTTP/1.1 2"),
    "chunked and cut": chunked(cut_after=3),
    "too long a length": wrong_length(+10),
    **{str(code): status(code) for code in (408, 429, 500, 502, 503, 504)},
    "429 with a second": status(429, {"Retry-After": "0"}),
    "503 with a date of long ago": status(503, {"Retry-After": "Thu, 01 Jan 1970 00:00:00 GMT"}),
    "503 with a date that is none": status(503, {"Retry-After": "soon\u00ff"}),
}
"""What may pass: tried again within the run."""

REFUSING = {
    **{str(code): status(code) for code in (400, 401, 403, 404, 410, 451)},
    "a circle of redirects": lambda reply: reply.answer(302, b"", {"Location": reply.request.path}),
    "a redirect to a file": redirect("file:///etc/passwd"),
    "a redirect to another scheme": redirect("gopher://127.0.0.1/x"),
    "a redirect to nowhere": status(302),
    "an encoded body": gzip_encoded(),
}
"""What is no use asking for again."""

LYING = {
    "a bit flipped": changed(flipped),
    "the last byte lost": changed(lambda data: data[:-1]),
    "a byte more": changed(lambda data: data + b"x"),
    "nothing": changed(lambda data: b""),
    "compressed": changed(lambda data: gzip.compress(data, mtime=0)),
    "another package": answer(build_package(name="another").data),
    "a login page": html200(),
    "too short a length": wrong_length(-10),
    "much too long": changed(lambda data: data + bytes(2 << 20)),
    "endless": endless(),
    "endless in chunks": endless_chunks,
}
"""Other bytes than the lock promised: never kept, never asked for again in the same run."""

HARMLESS = {"no length": no_length(), "chunked": chunked(), "ranges ignored": range_ignored()}


class Upstreams:
    """A mirror of one package, and a lock that wants one more for each fault."""

    def __init__(self, world, faults):
        self.world = world
        old = world.publish(build_package(name="old-one"))
        self.lock = world.lock("workspace", environments={"default": {"linux-64": [old]}})
        assert world.run("--lock", self.lock).status == 0
        self.before = self.served
        built = {name: build_package(name=f"p{number}", payload_size=5000) for number, name in enumerate(faults)}
        entries = [old, *(world.publish(each) for each in built.values())]
        world.lock("workspace", environments={"default": {"linux-64": entries}})
        self.path = {name: f"/conda-forge/noarch/{each.file_name}" for name, each in built.items()}
        self.digest = {name: each.record["sha256"] for name, each in built.items()}
        world.upstream.forget_requests()

    @property
    def served(self):
        found = contents(self.world.mirror)
        return {path: data for path, data in found.items() if not path.startswith(".pixi-mirror/")}

    def script(self, faults, *then):
        for name, fault in faults.items():
            self.world.upstream.script(self.path[name], fault, *then)

    def run(self, *words, status):
        line = ["--lock", self.lock, "--json", "--jobs", "16", *words]
        (done,) = run_several([line], env=self.world.environment, cwd=self.world.directory)
        assert done.status == status, (done.status, done.stdout[-3000:], done.stderr[-3000:])
        assert "Traceback" not in done.stderr
        assert done.peak < BYTES, done.peak
        return done, json.loads(done.stdout)

    def asked(self, name):
        """How often the file behind a fault was asked for."""
        return len(self.world.upstream.requests_to(self.path[name]))

    def failures(self, told):
        """Fault -> the status of its row."""
        names = {path: name for name, path in self.path.items()}
        for row in told["failed"]:
            assert row["url"] in row["message"], row
        return {names[row["url"].removeprefix(self.world.upstream.url)]: row["status"] for row in told["failed"]}

    def require_all(self):
        """Fail unless every file is served with its bytes."""
        place = self.world.mirror / self.world.authority_path / "conda-forge/noarch"
        assert {n: sha256(place / path.rsplit("/")[-1]) for n, path in self.path.items()} == self.digest


def test_every_fault_that_passes_is_survived_in_the_same_run(world):
    faults = PASSING | HARMLESS
    upstreams = Upstreams(world, faults)
    upstreams.script(faults, ok())
    upstreams.run(status=0)
    assert {name for name in faults if upstreams.asked(name) == 1} == set(HARMLESS)
    assert {name for name in faults if upstreams.asked(name) > 3} == set()
    upstreams.require_all()


def test_every_fault_that_stays_is_named_and_leaves_the_old_mirror_within_bounds(world):
    faults = PASSING | REFUSING | LYING
    upstreams = Upstreams(world, faults)
    upstreams.script(faults)
    _, told = upstreams.run("--retries", "1", status=WRONG)
    expected = {name: WRONG if name in LYING else NETWORK for name in faults}
    assert upstreams.failures(told) == expected
    assert {name: upstreams.asked(name) for name in REFUSING if not name.startswith("a circle")} == {
        name: 1 for name in REFUSING if not name.startswith("a circle")
    }
    assert upstreams.asked("a circle of redirects") <= 6
    assert {name: upstreams.asked(name) for name in ("a bit flipped", "a login page", "nothing", "endless")} == {
        "a bit flipped": 1, "a login page": 1, "nothing": 1, "endless": 1,
    }  # fmt: skip
    assert upstreams.served == upstreams.before
    assert oracle.problems(world.mirror) == []
    kept = {path.name for path in (world.home / "cache/sha256").rglob("*") if path.is_file()}
    assert not kept & set(upstreams.digest.values())
    partial = {path.name.removesuffix(".validator") for path in (world.home / "cache/partial").iterdir()}
    assert not partial & {upstreams.digest[name] for name in LYING}


def test_a_lie_is_believed_in_no_run_and_the_truth_in_the_next(world):
    upstreams = Upstreams(world, LYING)
    upstreams.script(LYING, ok())
    _, told = upstreams.run(status=WRONG)
    assert upstreams.failures(told) == dict.fromkeys(LYING, WRONG)
    assert {name: upstreams.asked(name) for name in LYING} == dict.fromkeys(LYING, 1)
    assert upstreams.served == upstreams.before
    upstreams.run(status=0)
    upstreams.require_all()


def test_a_file_that_is_replaced_while_it_comes_is_never_put_together_of_both(world):
    upstreams = Upstreams(world, {"one": None})
    upstreams.script({"one": etag_change_midway(1000, replacement=bytes(25_000))}, ok())
    _, told = upstreams.run(status=WRONG)
    assert "25000 bytes" in told["failed"][0]["message"]
    assert [request.range for request in world.upstream.requests_to(upstreams.path["one"])] == [None, "bytes=1000-"]
    assert upstreams.served == upstreams.before


RESUMING = {
    "well": ok(),
    "the whole": range_ignored(),
    "the whole without a length": no_length(),
    "a part that begins elsewhere": range_wrong(shift=1),
    "a part of another total": range_wrong(shift=0, total=7),
    "416": range_not_satisfiable(),
    "a part of another file": if_range_ignored(),
    "500 and then well": status(500),
}


def test_a_cut_download_goes_on_or_starts_again_whatever_the_server_makes_of_ranges(world):
    upstreams = Upstreams(world, RESUMING)
    upstreams.script(dict.fromkeys(RESUMING, truncate(2000)))
    upstreams.run("--retries", "0", status=NETWORK)
    upstreams.script(RESUMING, ok())
    world.upstream.forget_requests()
    upstreams.run(status=0)
    upstreams.require_all()
    first = {name: world.upstream.requests_to(path)[0].range for name, path in upstreams.path.items()}
    assert first == dict.fromkeys(RESUMING, "bytes=2000-")
    assert {name: upstreams.asked(name) for name in RESUMING if upstreams.asked(name) > 2} == {}


def test_a_part_that_was_spoilt_on_the_disk_costs_exactly_one_more_start(world):
    upstreams = Upstreams(world, {"one": None})
    upstreams.script({"one": truncate(2000)}, truncate(10), ok())
    upstreams.run("--retries", "0", status=NETWORK)
    partial = world.home / "cache/partial" / upstreams.digest["one"]
    partial.write_bytes(b"?" * 2000)
    world.upstream.script(upstreams.path["one"], ok())
    world.upstream.forget_requests()
    upstreams.run(status=0)
    assert [request.range for request in world.upstream.requests_to(upstreams.path["one"])] == ["bytes=2000-", None]
    upstreams.require_all()


def raw(head, body=b"x"):
    """A step that sends this head as it is."""

    def step(reply):
        reply.send_raw(head + b"\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        reply.cut()

    return step


ESCAPES = b"\x1b]0;title\x07\x1b[2J\x9b2J\xe2\x80\xae"
RUDE = {
    "escapes in the reason": raw(b"HTTP/1.1 404 " + ESCAPES),
    "escapes in a redirect": raw(b"HTTP/1.1 302 Found\r\nLocation: http://" + ESCAPES + b"/x"),
    "escapes in a type": raw(b"HTTP/1.1 200 OK\r\nContent-Type: " + ESCAPES),
    "escapes in an encoding": raw(b"HTTP/1.1 200 OK\r\nContent-Encoding: " + ESCAPES),
    "escapes in a part": raw(b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes " + ESCAPES),
    "escapes in a tag": raw(b'HTTP/1.1 200 OK\r\nETag: "' + ESCAPES + b'"'),
    "a long header": raw(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000),
    "many headers": raw(b"HTTP/1.1 200 OK" + b"".join(b"\r\nX-%d: x" % n for n in range(5000))),
    "a long tag": raw(b'HTTP/1.1 200 OK\r\nETag: "' + b"x" * 60_000 + b'"'),
    "a length below nothing": raw(b"HTTP/1.1 200 OK\r\nContent-Length: -1"),
    "a length without end": raw(b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000),
    "two lengths": raw(b"HTTP/1.1 200 OK\r\nContent-Length: 5"),
    "a status of nothing": raw(b"HTTP/1.1 000 X"),
    "a status of a thousand": raw(b"HTTP/1.1 1000 X"),
    "a chunk without end": garbage(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"f" * 70_000),
    "a hundred continues": garbage(b"HTTP/1.1 100 Continue\r\n\r\n" * 100 + b"HTTP/1.1 200 OK"),
    "a redirect to a long address": redirect("/" + "x" * 60_000),
}


def test_a_rude_server_gets_no_say_over_the_terminal_and_crashes_nothing(world):
    upstreams = Upstreams(world, RUDE)
    upstreams.script(RUDE)
    done, told = upstreams.run("--retries", "0", status=WRONG)
    assert set(upstreams.failures(told)) == set(RUDE)
    assert set(upstreams.failures(told).values()) == {NETWORK, WRONG}
    for text in (done.stdout, done.stderr):
        assert plain(text) == text
    assert max(len(row["message"]) for row in told["failed"]) < 3000
    assert upstreams.served == upstreams.before


def test_a_host_that_asks_for_a_day_is_left_alone_at_once_and_every_file_of_it_is_named(world):
    upstreams = Upstreams(world, {"a day": None, **{str(number): None for number in range(5)}})
    upstreams.script({"a day": status(429, {"Retry-After": "86400"})})
    _, told = upstreams.run("--jobs", "1", status=NETWORK)
    assert upstreams.asked("a day") == 1
    assert upstreams.failures(told)["a day"] == NETWORK
    assert all("86400 s" in row["message"] for row in told["failed"])
    assert upstreams.served == upstreams.before


def test_what_needs_no_network_works_without_one(world):
    """Every proxy leads to a port at which nobody listens; `update` alone would have to ask."""
    upstreams = Upstreams(world, {})
    dead = {f"{scheme}_proxy": "http://127.0.0.1:1" for scheme in ("http", "https", "all")}
    lines = [
        ["--lock", upstreams.lock], ["--lock", upstreams.lock, "--dry-run"], ["status"], ["verify"], ["prune"],
        ["config"], ["cache", "status"], ["--version"],
    ]  # fmt: skip
    runs = run_several(lines, env={**world.environment, **dead}, cwd=world.directory)
    assert [(done.status, done.stderr.count("Traceback")) for done in runs] == [(0, 0)] * len(lines), runs
    assert world.requests == []


@pytest.mark.full
@pytest.mark.timeout(400)
def test_a_server_that_stalls_for_ever_ends_a_run_within_minutes(world):
    """The true times: a minute of silence or of less than a kilobyte a second, two for an answer that never begins."""
    faults = {
        "in the body": stall(1000),
        "before headers": stall_before_headers(),
        "dripping": drip(pieces_per_second=20),
        "dripping headers": drip_headers(pieces_per_second=20),
    }
    upstreams = Upstreams(world, faults)
    upstreams.script(faults)
    done = subprocess.run(
        [sys.executable, "-m", "pixi_mirror", "--lock", upstreams.lock, "--json", "--retries", "0", "--jobs", "8"],
        env=world.environment, cwd=world.directory, capture_output=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == NETWORK, done.stderr
    assert upstreams.failures(json.loads(done.stdout)) == dict.fromkeys(faults, NETWORK)
    assert upstreams.served == upstreams.before
    # Nobody who reads a log is left to wonder for longer than half a minute.
    assert done.stderr.count(b" of 4 files, ") >= 3
