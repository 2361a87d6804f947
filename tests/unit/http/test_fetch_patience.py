"""Politeness: what hosts ask for is kept by all threads, up to a bound."""

import email.utils
import queue
import threading
import time

import pytest
from fetching import BODY, Fetching
from harness.upstream import ok, status
from hypothesis import given
from hypothesis import strategies as st

from pixi_mirror.http.retry import HostPauses, back_off_s, retry_after_s


def test_no_thread_asks_a_host_that_has_asked_for_a_pause(upstream, monkeypatch):
    """Nine threads are told to wait before they may ask, and none does until all are stopped."""
    remaining_s, told = HostPauses.remaining_s, queue.SimpleQueue()

    def heard(self, host):
        if (seconds := remaining_s(self, host)) > 0:
            told.put(threading.get_ident())
        return seconds

    monkeypatch.setattr(HostPauses, "remaining_s", heard)
    url, failures, waiting = upstream.script("/first", status(429, {"Retry-After": "100"})), [], set()
    with Fetching() as fetching:
        threads = [
            threading.Thread(target=lambda url=url: failures.append(str(fetching.failure(url))))
            for url in (url, *(f"{upstream.url}/{number}" for number in range(8)))
        ]
        threads[0].start()
        waiting.add(told.get())
        for thread in threads[1:]:
            thread.start()
        while len(waiting) < len(threads):
            waiting.add(told.get())
        fetching.fetcher.close()
        for thread in threads:
            thread.join()
    assert len(upstream.requests) == 1
    assert ["stopped" in failure for failure in failures] == [True] * 9


def test_after_the_pause_all_threads_go_on(upstream):
    for name in ("first", *range(8)):
        upstream.put(f"/{name}", BODY)
    got = []
    upstream.script("/first", status(429, {"Retry-After": "1"}), ok())
    with Fetching() as fetching:
        urls = [f"{upstream.url}/{name}" for name in ("first", *range(8))]
        threads = [threading.Thread(target=lambda url=url: got.append(fetching.get(url))) for url in urls]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert got == [BODY] * 9


def test_another_host_is_not_made_to_wait(upstream, elsewhere):
    upstream.script("/a", status(503, {"Retry-After": "3600"}))
    elsewhere.put("/b", BODY)
    with Fetching(retries=1) as fetching:
        fetching.failure(upstream.url + "/a")
        assert fetching.get(elsewhere.url + "/b") == BODY


def test_a_wait_that_is_too_long_ends_the_attempt_and_spares_the_host(upstream, fetching):
    upstream.put("/b", BODY)
    error = fetching.failure(upstream.script("/a", status(429, {"Retry-After": "86400"})))
    assert "left alone" in str(error)
    assert "86400 s" in str(error)
    assert fetching.heard.notes == []
    assert "left alone" in str(fetching.failure(upstream.url + "/b"))
    assert len(upstream.requests) == 1


@pytest.mark.parametrize("value", ["Thu, 01 Jan 1970 00:00:00 GMT", "soon", "-5", "", "1e9", "²", "0"])
def test_a_retry_after_in_the_past_or_of_garbage_is_tolerated(upstream, fetching, value):
    upstream.put("/a", BODY)
    assert fetching.get(upstream.script("/a", status(503, {"Retry-After": value}), ok())) == BODY


def test_a_date_is_compared_with_the_servers_own_clock():
    date = email.utils.formatdate(1_000_000_000, usegmt=True)
    until = email.utils.formatdate(1_000_000_007, usegmt=True)
    assert retry_after_s(until, date) == 7.0
    assert retry_after_s(date, until) == 0.0


def test_a_date_without_a_servers_clock_is_compared_with_ours():
    assert 3000 < retry_after_s(email.utils.formatdate(time.time() + 3600, usegmt=True), None) <= 3600


@given(st.text(max_size=40), st.none() | st.text(max_size=40))
def test_no_retry_after_is_an_exception(value, date):
    wait_s = retry_after_s(value, date)
    assert wait_s is None or wait_s >= 0


@given(st.integers(min_value=1, max_value=10_000))
def test_the_back_off_is_bounded_and_the_first_attempt_does_not_wait(attempt):
    assert 0 <= back_off_s(attempt, first_s=0.5) <= 30
    assert back_off_s(1, first_s=0.5) == 0


def test_a_longer_wait_is_not_shortened_by_a_later_answer():
    patience = HostPauses()
    patience.pause("a", 1000)
    patience.pause("a", 1)
    assert patience.remaining_s("a") > 900
    assert patience.remaining_s("b") == 0


def test_closing_ends_a_wait(upstream):
    failures = []
    url = upstream.script("/a", status(429, {"Retry-After": "100"}))
    with Fetching() as fetching:
        thread = threading.Thread(target=lambda: failures.append(fetching.failure(url)))
        thread.start()
        while not fetching.heard.notes:
            time.sleep(0.005)
        fetching.fetcher.close()
        thread.join()
    assert "stopped" in str(failures[0])
    assert len(upstream.requests) == 1
