"""Going on with a part: only of the same bytes, and never twice in vain."""

import pytest
from fetching import BODY, Fetching, Held
from harness.upstream import (
    chunked,
    etag_change_midway,
    if_range_ignored,
    no_length,
    ok,
    range_ignored,
    range_not_satisfiable,
    range_wrong,
    reset,
    status,
    truncate,
)

from pixi_mirror.errors import WrongBytesError

CUT = len(BODY) * 6 // 10


def etag(upstream, path):
    return upstream.content(path).etag


def test_a_break_is_resumed_where_it_was(upstream, fetching):
    upstream.put("/a", BODY)
    url = upstream.script("/a", truncate(CUT), reset(100), ok())
    sink = Held()
    assert fetching.get(url, sink=sink) == BODY
    assert [request.range for request in upstream.requests] == [None, f"bytes={CUT}-", f"bytes={CUT + 100}-"]
    assert [request.if_range for request in upstream.requests[1:]] == [etag(upstream, "/a")] * 2
    assert sink.received == len(BODY)


def test_a_part_from_an_earlier_run_is_gone_on_with(upstream, fetching):
    upstream.put("/a", BODY)
    sink = Held(BODY[:CUT], etag(upstream, "/a"))
    assert fetching.get(upstream.url + "/a", sink=sink) == BODY
    assert [request.range for request in upstream.requests] == [f"bytes={CUT}-"]
    assert sink.received == len(BODY) - CUT
    assert sink.log == [CUT]


def test_a_part_without_validator_is_dropped(upstream, fetching):
    upstream.put("/a", BODY)
    sink = Held(BODY[:CUT])
    assert fetching.get(upstream.url + "/a", sink=sink) == BODY
    assert [request.range for request in upstream.requests] == [None]
    assert sink.log == [0]


@pytest.mark.parametrize("bad", ["W/" + '"weak"', "x\r\nX-Evil: 1", "", '"a"b"', "é" * 20])
def test_a_validator_that_is_none_is_never_sent(upstream, fetching, bad):
    upstream.put("/a", BODY)
    assert fetching.get(upstream.url + "/a", sink=Held(BODY[:CUT], bad)) == BODY
    assert [request.if_range for request in upstream.requests] == [None]


def test_a_weak_etag_gives_way_to_the_date(upstream, fetching):
    upstream.put("/a", BODY, etag='W/"weak"')
    assert fetching.get(upstream.script("/a", truncate(CUT), ok())) == BODY
    assert upstream.requests[1].if_range == upstream.content("/a").last_modified
    assert upstream.requests[1].range == f"bytes={CUT}-"


def test_a_weak_etag_alone_means_from_zero(upstream, fetching):
    upstream.put("/a", BODY, etag='W/"weak"', last_modified=None)
    assert fetching.get(upstream.script("/a", truncate(CUT), ok())) == BODY
    assert [request.range for request in upstream.requests] == [None, None]


def test_another_file_under_the_same_name_is_fetched_from_zero(upstream, fetching):
    upstream.put("/a", BODY)
    other = b"x" * len(BODY)
    sink = Held()
    assert fetching.get(upstream.script("/a", etag_change_midway(CUT, replacement=other), ok()), sink=sink) == other
    assert sink.log == [0, 0]
    assert len(upstream.requests) == 2


def test_a_server_that_ignores_ranges_starts_from_zero(upstream, fetching):
    upstream.put("/a", BODY)
    sink = Held(BODY[:CUT], etag(upstream, "/a"))
    assert fetching.get(upstream.script("/a", range_ignored()), sink=sink) == BODY
    assert sink.log == [0]


def start_off_and_no_length(reply):
    if reply.request.range is None:
        reply.behave()
        return
    reply.head(206, {"Content-Range": f"bytes {CUT - 1}-{len(BODY) - 1}/{len(BODY)}", "Connection": "close"})
    reply.send(BODY[CUT - 1 :])
    reply.cut()


WRONG = {
    "another start, no length": start_off_and_no_length,
    "another start": range_wrong(shift=1),
    "another total": range_wrong(shift=0, total=len(BODY) + 5),
    "not satisfiable": range_not_satisfiable(),
}


@pytest.mark.parametrize("step", WRONG.values(), ids=WRONG.keys())
def test_a_wrong_answer_to_a_range_leads_to_exactly_one_start_from_zero(upstream, fetching, step):
    upstream.put("/a", BODY)
    sink = Held(BODY[:CUT], etag(upstream, "/a"))
    assert fetching.get(upstream.script("/a", step), sink=sink) == BODY
    assert [request.range for request in upstream.requests] == [f"bytes={CUT}-", None]
    assert sink.log == [0]


@pytest.mark.parametrize("held", ["etag", "date"])
def test_a_rest_of_another_file_is_not_put_behind_the_part(upstream, fetching, held):
    upstream.put("/a", BODY)
    validator = '"another"' if held == "etag" else "Tue, 01 Jan 2019 00:00:00 GMT"
    sink = Held(b"x" * CUT, validator)
    assert fetching.get(upstream.script("/a", if_range_ignored()), sink=sink) == BODY
    assert [request.range for request in upstream.requests] == [f"bytes={CUT}-", None]


def test_a_total_that_changes_between_attempts_starts_from_zero(upstream, fetching):
    upstream.put("/a", BODY)
    shorter = range_wrong(shift=0, total=CUT + 10)
    assert fetching.get(upstream.script("/a", truncate(CUT), shorter, ok())) == BODY
    assert [request.range for request in upstream.requests] == [None, f"bytes={CUT}-", None]


def test_a_part_that_is_the_whole_file_is_fetched_once_more(upstream, fetching):
    upstream.put("/a", BODY)
    assert fetching.get(upstream.url + "/a", sink=Held(BODY, etag(upstream, "/a"))) == BODY
    assert [request.range for request in upstream.requests] == [f"bytes={len(BODY)}-", None]


def test_a_part_above_the_limit_is_dropped(upstream, fetching):
    upstream.put("/a", BODY)
    sink = Held(BODY + b"more", etag(upstream, "/a"))
    assert fetching.get(upstream.url + "/a", sink=sink, limit=len(BODY)) == BODY
    assert [request.range for request in upstream.requests] == [None]


def test_the_rest_counts_with_the_part_against_the_limit(upstream, fetching):
    upstream.put("/a", BODY)
    sink = Held(BODY[:CUT], etag(upstream, "/a"))
    assert isinstance(fetching.failure(upstream.url + "/a", sink=sink, limit=CUT + 10), WrongBytesError)
    assert sink.data == BODY[:CUT]
    assert sink.log == []


def test_a_206_that_nobody_asked_for_is_refused(upstream, fetching):
    upstream.put("/a", BODY)
    sink = Held()
    error = fetching.failure(upstream.script("/a", status(206, {"Content-Range": "bytes 5-20/30"})), sink=sink)
    assert "206" in str(error)
    assert sink.data == b""


def test_a_server_whose_whole_is_not_satisfiable_is_an_error_after_two_requests(upstream, fetching):
    upstream.put("/a", BODY)
    sink = Held(BODY[:CUT], etag(upstream, "/a"))
    assert "416" in str(fetching.failure(upstream.script("/a", status(416)), sink=sink))
    assert len(upstream.requests) == 2


@pytest.mark.parametrize("step", [no_length(), chunked()], ids=["no length", "chunks"])
def test_a_whole_without_a_length_replaces_a_part(upstream, fetching, step):
    upstream.put("/a", BODY)
    assert fetching.get(upstream.script("/a", step), sink=Held(BODY[:CUT], etag(upstream, "/a"))) == BODY


def test_ranges_are_not_tried_again_once_they_were_answered_wrongly(upstream):
    upstream.put("/a", BODY)
    sink = Held(BODY[:CUT], etag(upstream, "/a"))
    url = upstream.script("/a", range_not_satisfiable(), truncate(10), ok())
    with Fetching(retries=1) as fetching:
        assert fetching.get(url, sink=sink) == BODY
    assert [request.range for request in upstream.requests] == [f"bytes={CUT}-", None, None]
