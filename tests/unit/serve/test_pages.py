"""In which form an index page is sent (PEP 691)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from serving import PAGE_HTML, PAGE_JSON

from pixi_mirror.serve.negotiation import forms

V1_JSON = "application/vnd.pypi.simple.v1+json"
V1_HTML = "application/vnd.pypi.simple.v1+html"
HTML = "text/html; charset=utf-8"
PIP = f"{V1_JSON}, {V1_HTML}; q=0.1, text/html; q=0.01"
UV = f"{V1_JSON}, {V1_HTML};q=0.2, text/html;q=0.01"
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        (None, HTML),
        ("*/*", HTML),
        ("text/*", HTML),
        (BROWSER, HTML),
        (PIP, V1_JSON),
        (UV, V1_JSON),
        (f"{V1_HTML}, text/html;q=0.5", V1_HTML),
        (f"text/html, {V1_JSON};q=0.9", HTML),
        (f"{V1_JSON};q=0, */*", HTML),
        (f"{V1_JSON};q=0.2, {V1_HTML};q=0.3", V1_HTML),
        (f"{V1_JSON}; charset=utf-8; q=1.0", V1_JSON),
        ("application/*", V1_HTML),
        ("APPLICATION/VND.PYPI.SIMPLE.V1+JSON", V1_JSON),
        ("application/vnd.pypi.simple.latest+json", V1_JSON),
        ("application/vnd.pypi.simple.v2+json", HTML),
        ("image/png", HTML),
        (f"{V1_JSON};q=much, text/html", HTML),
        (",;,/;q==;", HTML),
    ],
)
def test_a_page_comes_in_the_form_that_is_asked_for_and_in_html_if_it_has_none(client, accept, media):
    reply = client.ask("/simple/x/", **({} if accept is None else {"accept": accept}))
    assert (reply.status, reply.fields["content-type"]) == (200, media)
    assert reply.body == (PAGE_JSON if media == V1_JSON else PAGE_HTML)
    assert reply.fields["vary"] == "Accept"


def test_the_query_goes_before_the_field(client):
    query = V1_JSON.replace("+", "%2B")
    assert client.ask(f"/simple/x/?format={query}", accept="text/html").body == PAGE_JSON
    assert client.ask("/simple/x/?other=1", accept=PIP).body == PAGE_JSON


def test_a_page_that_is_there_in_one_form_comes_in_that(client):
    reply = client.ask("/simple/only-html/", accept=V1_JSON)
    assert (reply.status, reply.fields["content-type"], reply.body) == (200, HTML, PAGE_HTML)


def test_each_form_has_its_own_tag_and_a_304_says_that_there_are_several(client):
    html, json = client.ask("/simple/x/"), client.ask("/simple/x/", accept=PIP)
    assert html.etag != json.etag
    reply = client.ask("/simple/x/", accept=PIP, if_none_match=json.etag)
    assert (reply.status, reply.fields["vary"], reply.etag) == (304, "Accept", json.etag)
    assert client.ask("/simple/x/", accept=PIP, if_none_match=html.etag).status == 200


@given(st.text(max_size=60), st.text(max_size=30))
def test_whatever_a_client_accepts_each_form_stands_once_in_the_list(accept, query):
    assert sorted(forms(accept, query)) == sorted(forms(None, ""))
