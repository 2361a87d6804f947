"""The one table of statuses decides what a fetch does with each of them."""

from dataclasses import fields

import pytest
from fetching import BODY, Fetching
from harness.upstream import ok, redirect, status

from pixi_mirror.http import retry
from pixi_mirror.http.retry import REDIRECTS, STATUSES, SUCCESS, StatusRule, rule_of

EVERY = sorted({*range(400, 432), 451, *range(500, 512), 599} - SUCCESS)


@pytest.mark.parametrize("code", EVERY)
def test_a_status_is_tried_again_exactly_where_the_table_says_so(upstream, code):
    upstream.script("/a", status(code), ok())
    upstream.put("/a", BODY)
    with Fetching(retries=1) as fetching:
        if rule_of(code).retry:
            assert fetching.get(upstream.url + "/a") == BODY
        else:
            error = fetching.failure(upstream.url + "/a")
            assert str(code) in str(error)
            assert error.lasting
    assert len(upstream.requests) == 1 + rule_of(code).retry


@pytest.mark.parametrize("code", EVERY)
def test_a_pause_is_kept_exactly_where_the_table_says_so(upstream, code):
    upstream.script("/a", status(code, {"Retry-After": "86400"}))
    with Fetching() as fetching:
        error = fetching.failure(upstream.url + "/a")
    assert ("left alone" in str(error)) is rule_of(code).honours_retry_after


@pytest.mark.parametrize("code", EVERY)
def test_the_next_mirror_is_asked_exactly_where_the_table_says_so(upstream, elsewhere, code):
    upstream.script("/c/a", status(code))
    elsewhere.put("/c/b", BODY)
    upstream.put("/c/b", BODY)
    mirrors = {"https://one.example/": (upstream.url + "/c/", elsewhere.url + "/c/")}
    with Fetching(retries=0, mirrors=mirrors) as fetching:
        fetching.failure("https://one.example/a")
        assert fetching.get("https://one.example/b") == BODY
    assert bool(elsewhere.requests) is rule_of(code).next_mirror


@pytest.mark.parametrize("code", [407, 408, 425, 429, 500, 501, 502, 503, 504])
def test_a_proxy_that_refuses_a_tunnel_is_tried_again_by_the_same_table(upstream, code):
    from pixi_mirror.model.network import Proxies

    upstream.script("*", status(code))
    with Fetching(retries=1, proxies=Proxies(https=upstream.url)) as fetching:
        fetching.failure("https://mirror.example/a")
    assert len(upstream.requests) == 1 + rule_of(code).retry


def test_a_line_in_the_table_is_all_that_another_status_needs(upstream, monkeypatch):
    too_early = StatusRule(sentence="{origin} answered with status {status}", retry=True)
    monkeypatch.setattr(retry, "STATUSES", {**STATUSES, 425: too_early})
    upstream.script("/a", status(425), ok())
    upstream.put("/a", BODY)
    with Fetching(retries=1) as fetching:
        assert fetching.get(upstream.url + "/a") == BODY


def test_success_and_redirects_are_in_no_other_row():
    assert not SUCCESS & REDIRECTS
    assert not (SUCCESS | REDIRECTS) & STATUSES.keys()
    assert {each.name for each in fields(StatusRule)} >= {"sentence", "retry", "honours_retry_after", "next_mirror"}


@pytest.mark.parametrize("code", sorted(REDIRECTS))
def test_a_redirect_is_followed(upstream, fetching, code):
    upstream.put("/end", BODY)
    assert fetching.get(upstream.script("/a", redirect("/end", code=code))) == BODY
