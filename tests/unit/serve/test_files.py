"""What a client is told of a file, and when it gets it."""

import email.utils
import hashlib
import json
import os
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from serving import Client, written

from pixi_mirror.serve.ranges import spans
from pixi_mirror.serve.transport import Server

CONDA = "/conda-forge/linux-64/tool-1!2.0+cuda12-h12_1.conda"
INDEX = "/conda-forge/linux-64/repodata.json"
SHARD = hashlib.sha256(b"shard").hexdigest()
FILES = "/files.pypi.example/packages/26/9f/x-1.0"


@pytest.fixture
def data(stored):
    return stored[CONDA[1:]]


def test_every_file_of_the_inventory_is_shown_as_it_is(client, stored, derived):
    for path, data in {**stored, **derived}.items():
        reply = client.ask(f"/{path}")
        assert (reply.status, reply.body) == (200, data)
        assert reply.etag == f'"sha256-{hashlib.sha256(data).hexdigest()}"'
        assert "content-encoding" not in reply.fields
        assert reply.fields["accept-ranges"] == "bytes"


@pytest.mark.parametrize(
    ("target", "media"),
    [
        (CONDA, "application/octet-stream"),
        (INDEX, "application/json"),
        (f"{INDEX}.zst", "application/zstd"),
        ("/conda-forge/linux-64/repodata_shards.msgpack.zst", "application/zstd"),
        ("/conda-forge/linux-64/old-1.0-0.tar.bz2", "application/x-bzip2"),
        (f"{FILES}+local-py3-none-any.whl", "application/octet-stream"),
        (f"{FILES}+local-py3-none-any.whl.metadata", "text/plain; charset=utf-8"),
        (f"{FILES}.tar.gz", "application/gzip"),
        ("/simple/x/index.html", "text/html; charset=utf-8"),
        ("/simple/x/index.v1_json", "application/vnd.pypi.simple.v1+json"),
        (f"/conda-mapping.prefix.dev/hash-v0/{SHARD}", "application/json"),
        ("/pixi-mirror.json", "application/json"),
    ],
)
def test_a_file_is_called_what_it_is(client, target, media):
    assert client.ask(target).fields["content-type"] == media


@pytest.mark.parametrize("target", [CONDA, f"/conda-forge/linux-64/shards/{SHARD}.msgpack.zst", f"{FILES}.tar.gz"])
def test_what_never_changes_may_be_kept_for_ever(client, target):
    assert client.ask(target).fields["cache-control"] == "public, max-age=31536000, immutable"


@pytest.mark.parametrize(
    "target", [INDEX, f"{INDEX}.zst", "/simple/x/", "/pixi-mirror.json", f"{FILES}+local-py3-none-any.whl.metadata"]
)
def test_an_index_is_asked_for_again_and_libmamba_is_told_so_in_seconds(client, target):
    assert client.ask(target).fields["cache-control"] == "no-cache, max-age=0"


@pytest.mark.parametrize("target", [CONDA, INDEX, "/nothing", "/simple/x", "/simple/x/", "/-/health"])
def test_head_says_what_get_says_and_sends_nothing(client, target):
    head, get = client.ask(target, "HEAD"), client.ask(target)
    assert head.status == get.status
    assert {**head.fields, "date": None} == {**get.fields, "date": None}
    assert json.loads(client.ask("/-/health").body)["status"] == "ok"  # nothing was left in between


def test_a_304_has_its_validators(client):
    full = client.ask(INDEX)
    for condition in (
        {"if_none_match": full.etag},
        {"if_none_match": f'"other", W/{full.etag}'},
        {"if_none_match": "*"},
        {"if_modified_since": full.fields["last-modified"]},
        {"if_modified_since": email.utils.formatdate(time.time() + 10, usegmt=True)},
    ):
        reply = client.ask(INDEX, **condition)
        assert reply.status == 304
        assert "content-length" not in reply.fields
        for name in ("etag", "last-modified", "cache-control"):
            assert reply.fields[name] == full.fields[name]


@pytest.mark.parametrize(
    "condition",
    [
        {"if_none_match": '"other"'},
        {"if_none_match": '"other"', "if_modified_since": "Fri, 31 Dec 2100 23:59:59 GMT"},
        {"if_modified_since": "Mon, 01 Jan 2001 00:00:00 GMT"},
        {"if_modified_since": "yesterday"},
        {"if_modified_since": "Mon, 99 Foo 99999 99:99:99 GMT"},
        {"if_none_match": ""},
        {"if_match": "*"},
        {"if_unmodified_since": "Fri, 31 Dec 2100 23:59:59 GMT"},
        {"if_unmodified_since": "gibberish"},
    ],
)
def test_a_condition_that_does_not_hold_or_is_none_gives_the_file(client, condition, derived):
    reply = client.ask(INDEX, **condition)
    assert (reply.status, reply.body) == (200, derived[INDEX[1:]])


def test_what_is_asked_for_on_condition_that_it_is_still_the_same_is_412_otherwise(client):
    etag = client.ask(CONDA).etag
    assert client.ask(CONDA, if_match=etag).status == 200
    assert client.ask(CONDA, if_match=f'"a", {etag}').status == 200
    assert client.ask(CONDA, if_match=f"W/{etag}").status == 412
    assert client.ask(CONDA, if_match='"other"').status == 412
    assert client.ask(CONDA, if_unmodified_since="Mon, 01 Jan 2001 00:00:00 GMT").status == 412


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=100-199", 100, 200),
        ("BYTES=299990-", 299_990, 300_000),
        ("bytes=-5", 299_995, 300_000),
        ("bytes=-999999999", 0, 300_000),
        ("bytes=299999-999999999", 299_999, 300_000),
        ("bytes= 5-9 , 900000-", 5, 10),
    ],
)
def test_a_range(client, data, asked, start, stop):
    reply = client.ask(CONDA, range=asked)
    assert (reply.status, reply.body) == (206, data[start:stop])
    assert reply.fields["content-range"] == f"bytes {start}-{stop - 1}/300000"
    assert reply.fields["content-type"] == "application/octet-stream"


@pytest.mark.parametrize("asked", ["bytes=300000-", "bytes=-0", "bytes=400000-500000,600000-"])
def test_a_range_that_is_not_there(client, asked):
    reply = client.ask(CONDA, range=asked)
    assert reply.status == 416
    assert reply.fields["content-range"] == "bytes */300000"


@pytest.mark.parametrize(
    "asked",
    [
        "bytes=5-4", "bytes=a-b", "lines=1-2", "bytes", "bytes=", "bytes=1-2-3", "bytes=0-9,5-14", "bytes=--1",
        "bytes=" + ",".join(f"{number * 10}-{number * 10}" for number in range(40)), "bytes=0x1-2", "bytes=-",
        "bytes=\xb2-\xb3",
    ],
)  # fmt: skip
def test_a_range_that_makes_no_sense_is_not_heeded(client, data, asked):
    reply = client.ask(CONDA, range=asked)
    assert (reply.status, reply.body) == (200, data)


def test_several_ranges(client, data):
    reply = client.ask(CONDA, range="bytes=0-3,100000-299999,50-50")
    assert reply.status == 206
    media, _, boundary = reply.fields["content-type"].partition("; boundary=")
    assert media == "multipart/byteranges"
    assert boundary.encode() not in data
    parts = reply.body.split(f"\r\n--{boundary}".encode())
    assert (parts[0], parts[-1]) == (b"", b"--\r\n")
    for part, start, stop in zip(parts[1:-1], (0, 100_000, 50), (4, 300_000, 51), strict=True):
        head, _, body = part.partition(b"\r\n\r\n")
        assert head.decode() == (
            f"\r\nContent-Type: application/octet-stream\r\nContent-Range: bytes {start}-{stop - 1}/300000"
        )
        assert body == data[start:stop]


def test_a_range_of_what_has_changed_is_the_whole(client, data):
    full = client.ask(CONDA, "HEAD")
    for condition, status in (
        (full.etag, 206),
        (full.fields["last-modified"], 206),
        ('"other"', 200),
        (f"W/{full.etag}", 200),
        ("Mon, 01 Jan 2001 00:00:00 GMT", 200),
        ("Fri, 31 Dec 2100 23:59:59 GMT", 200),
        ("gibberish", 200),
    ):
        reply = client.ask(CONDA, range="bytes=1-2", if_range=condition)
        assert (reply.status, len(reply.body)) == (status, 2 if status == 206 else 300_000), condition
    assert client.ask(CONDA, "HEAD", range="bytes=1-2").status == 200
    assert client.ask(CONDA, range="bytes=1-2", if_none_match=full.etag).status == 304


@given(
    size=st.integers(0, 60),
    asked=st.lists(st.tuples(st.integers(0, 80), st.integers(0, 80) | st.none()) | st.integers(0, 80), max_size=4),
)
def test_ranges_are_what_they_would_be_counted_by_hand(size, asked):
    words = [
        f"-{each}" if isinstance(each, int) else f"{each[0]}-{'' if each[1] is None else each[1]}" for each in asked
    ]
    found = spans(f"bytes={','.join(words)}", size)
    by_hand = []
    for each in asked:
        if isinstance(each, int):
            by_hand.append([number for number in range(size) if number >= size - each])
        elif each[1] is not None and each[1] < each[0]:
            assert found is None
            return
        else:
            by_hand.append(
                [number for number in range(size) if each[0] <= number <= (size if each[1] is None else each[1])]
            )
    wanted = [numbers for numbers in by_hand if numbers]
    all_numbers = [number for numbers in wanted for number in numbers]
    if not asked or len(all_numbers) != len(set(all_numbers)):
        assert found is None
    else:
        assert [list(range(span.start, span.stop)) for span in found] == wanted


@pytest.mark.broken_mirror("its index is no true one")
def test_an_index_that_was_rolled_back_is_news_for_whoever_has_the_newer(tmp_path):
    mirror = written(tmp_path / "mirror", {}, {"c/noarch/repodata.json": b"{}"})
    file = mirror / "c/noarch/repodata.json"
    with Server(mirror, host="127.0.0.1", port=0) as server, Client(server.url) as client:
        newer = client.ask("/c/noarch/repodata.json")
        older = tmp_path / "older"
        older.write_bytes(b'{"older":1}')
        os.utime(older, (1_000_000_000, 1_000_000_000))
        older.replace(file)
        for condition in ({"if_modified_since": newer.fields["last-modified"]}, {"if_none_match": newer.etag}):
            assert client.ask("/c/noarch/repodata.json", **condition).body == b'{"older":1}'


def test_an_absent_file_can_be_fetched_by_the_caller(mirror, tmp_path):
    fetched = tmp_path / "fetched"
    fetched.write_bytes(b"from elsewhere")
    asked = []

    def fetch(path, _wait):
        asked.append(path)
        return fetched if path == "c/noarch/new-1-0.conda" else None

    with Server(mirror, host="127.0.0.1", port=0, fetch_absent=fetch) as server, Client(server.url) as client:
        assert client.ask("/c/noarch/new-1-0.conda").body == b"from elsewhere"
        assert client.ask("/c/noarch/other-1-0.conda").status == 404
        assert client.ask(INDEX).status == 200
    assert asked == ["c/noarch/new-1-0.conda", "c/noarch/other-1-0.conda"]
