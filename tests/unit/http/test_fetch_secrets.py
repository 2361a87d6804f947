"""Credentials: sent to whom they belong, and shown to nobody."""

import base64
import traceback

import pytest
from fetching import BODY, Fetching
from harness.upstream import (
    Upstream,
    close_before_headers,
    demand_basic,
    demand_bearer,
    demand_token,
    gzip_encoded,
    redirect,
    status,
    truncate,
)

from pixi_mirror.model.network import Basic, Bearer, CondaToken, Proxies

CANARY = "cAnArY"
ENCODED = base64.b64encode(f"user-{CANARY}:pass-{CANARY}".encode()).decode()
KINDS = {
    "basic": (Basic(f"user-{CANARY}", f"pass-{CANARY}"), demand_basic(f"user-{CANARY}", f"pass-{CANARY}")),
    "bearer": (Bearer(f"bearer-{CANARY}"), demand_bearer(f"bearer-{CANARY}")),
    "conda token": (CondaToken(f"tk-{CANARY}"), demand_token(f"tk-{CANARY}")),
}


@pytest.mark.parametrize(("credential", "demand"), KINDS.values(), ids=KINDS.keys())
def test_each_kind_of_credential_opens_its_door(upstream, fetching, credential, demand):
    upstream.put("/a", BODY)
    url = upstream.script("/a", demand)
    assert "no credentials were sent" in str(fetching.failure(url))
    with Fetching(credential=lambda _: credential) as known:
        assert known.get(url) == BODY


def test_the_user_within_a_url_is_sent_decoded(upstream, fetching):
    upstream.put("/a", BODY)
    upstream.script("/a", demand_basic("us@er", "p:ss/word"))
    assert fetching.get(f"http://us%40er:p%3Ass%2Fword@{upstream.authority}/a") == BODY


def test_a_stored_credential_goes_before_the_user_within_the_url(upstream):
    upstream.put("/a", BODY)
    upstream.script("/a", demand_bearer("stored"))
    with Fetching(credential=lambda _: Bearer("stored")) as fetching:
        assert fetching.get(f"http://user:password@{upstream.authority}/a") == BODY


@pytest.mark.parametrize("user", ["****", "name:****", "****:****", "%2A%2A%2A%2A", "********"])
def test_what_pixi_writes_in_place_of_a_user_is_no_credential(upstream, fetching, user):
    """pixi#6425: the lock's user is redacted."""
    upstream.put("/a", BODY)
    assert fetching.get(f"http://{user}@{upstream.authority}/a") == BODY
    assert upstream.requests[0].authorization is None
    upstream.script("/b", status(401))
    error = str(fetching.failure(f"http://{user}@{upstream.authority}/b"))
    assert "the lock has **** in place of the user" in error
    with Fetching(credential=lambda _: Bearer("stored")) as stored:
        assert stored.get(f"http://{user}@{upstream.authority}/a") == BODY
    assert upstream.requests[-1].authorization == "Bearer stored"


def test_what_pixi_writes_in_place_of_a_token_is_no_token(upstream, fetching):
    upstream.put("/a", BODY)
    assert fetching.get(f"{upstream.url}/t/********/a") == BODY
    upstream.script("/a", demand_token("stored"))
    with Fetching(credential=lambda _: CondaToken("stored")) as stored:
        assert stored.get(f"{upstream.url}/t/********/a") == BODY


def test_a_token_within_the_url_is_not_doubled(upstream):
    upstream.put("/a", BODY)
    upstream.script("/a", demand_token("own"))
    with Fetching(credential=lambda _: CondaToken("stored")) as fetching:
        assert fetching.get(f"{upstream.url}/t/own/a") == BODY


def test_the_store_is_asked_for_the_url_that_is_really_requested(upstream):
    upstream.put("/c/a", BODY)
    seen = []
    mirrors = {"https://conda.anaconda.org/": (upstream.url + "/c/",)}
    with Fetching(credential=lambda url: seen.append(url.raw), mirrors=mirrors) as fetching:
        assert fetching.get("https://conda.anaconda.org/a") == BODY
    assert seen == [upstream.url + "/c/a"]


@pytest.mark.parametrize("credential", [kind[0] for kind in KINDS.values()], ids=KINDS.keys())
def test_no_credential_follows_a_redirect_to_another_host_or_port(upstream, elsewhere, credential):
    with Upstream() as neighbour:
        for target in (elsewhere, neighbour):
            target.put("/b", BODY)
            url = upstream.script("/a", redirect(target.url + "/b", headers={"Set-Cookie": f"c={CANARY}"}))
            with Fetching(credential=lambda _: credential) as fetching:
                assert fetching.get(url) == BODY
                assert fetching.get(f"http://user:{CANARY}@{upstream.authority}/a") == BODY
            assert {request.cookie for request in target.requests} == {None}
            assert {request.authorization for request in target.requests} == {None}
            assert {request.path for request in target.requests} == {"/b"}


def test_no_credential_comes_back_after_a_detour(upstream, elsewhere):
    upstream.script("/a", redirect(elsewhere.url + "/b"))
    elsewhere.script("/b", redirect(upstream.url + "/c"))
    upstream.put("/c", BODY)
    with Fetching(credential=lambda _: Bearer(CANARY)) as fetching:
        assert fetching.get(upstream.url + "/a") == BODY
    assert upstream.requests_to("/c")[0].authorization is None


def test_a_redirect_within_the_origin_keeps_the_credential(upstream):
    upstream.put("/b", BODY)
    upstream.script("/b", demand_bearer("mine"))
    url = upstream.script("/a", redirect("/b"))
    with Fetching(credential=lambda _: Bearer("mine")) as fetching:
        assert fetching.get(url) == BODY


def test_the_user_within_a_location_is_not_sent(upstream, elsewhere):
    elsewhere.put("/b", BODY)
    url = upstream.script("/a", redirect(f"http://evil:{CANARY}@{elsewhere.authority}/b"))
    with Fetching() as fetching:
        assert fetching.get(url) == BODY
    assert elsewhere.requests[0].authorization is None


def test_no_cookie_is_ever_kept(upstream, fetching):
    upstream.put("/a", BODY, headers={"Set-Cookie": "session=1; Path=/"})
    for _ in range(2):
        fetching.get(upstream.url + "/a")
    assert [request.cookie for request in upstream.requests] == [None, None]


def everything_said(error, fetching):
    """The exception, all that hangs on it, its traceback, and the report."""
    texts, waiting = [], [error]
    while waiting:
        link = waiting.pop()
        texts += [str(link), repr(link), repr(link.args), *getattr(link, "items", ())]
        waiting += [inner for inner in (link.__cause__, link.__context__) if inner is not None]
    texts += traceback.format_exception(error)
    return "\n".join(texts + fetching.heard.notes + fetching.heard.warnings)


FAULTS = {
    "401": status(401),
    "403": status(403),
    "404": status(404),
    "500": status(500),
    "closed": close_before_headers(),
    "truncated": truncate(10),
    "encoded": gzip_encoded(),
    "circle": redirect(f"/t/tk-{CANARY}/a?sig={CANARY}"),
    "elsewhere": redirect(f"http://u:{CANARY}@other.example/t/{CANARY}/b?sig={CANARY}"),
    "another scheme": redirect(f"ftp://u:{CANARY}@other.example/b"),
    "no url": redirect(f"http://u:{CANARY}@[/b"),
    "a long wait": status(429, {"Retry-After": "99999"}),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
@pytest.mark.parametrize("credential", [kind[0] for kind in KINDS.values()], ids=KINDS.keys())
def test_no_secret_is_in_what_is_said_of_a_failure(upstream, fault, credential):
    upstream.put("/a", BODY, etag=None, last_modified=None)
    upstream.script("/a", fault)
    url = f"http://user-{CANARY}:pass-{CANARY}@{upstream.authority}/t/tk-{CANARY}/a?sig={CANARY}#{CANARY}"
    with Fetching(credential=lambda _: credential, retries=1) as fetching:
        error = fetching.failure(url)
        said = everything_said(error, fetching)
    assert CANARY in "".join(request.path for request in upstream.requests), "the secret was not sent: no test"
    assert CANARY not in said
    assert ENCODED not in said
    assert error.__context__ is None


UNREACHABLE = {
    "nobody listens": "http://user:{c}@127.0.0.1:1/t/{c}/a?x={c}",
    "no such host": "https://user:{c}@nowhere.invalid/t/{c}/a?x={c}",
    "no port": "http://user:{c}@127.0.0.1:{c}/a",
    "plain http": "http://user:{c}@mirror.example/t/{c}/a?x={c}",
    "no scheme": "ftp://user:{c}@mirror.example/t/{c}/a?x={c}",
    "no host": "https://user:{c}@/t/{c}/a",
    "a bad label": "https://user:{c}@" + "x" * 70 + ".example/t/{c}/a?x={c}",
}


@pytest.mark.parametrize("url", UNREACHABLE.values(), ids=UNREACHABLE.keys())
def test_no_secret_is_in_what_is_said_of_a_host_that_cannot_be_asked(url):
    url = url.replace("{c}", CANARY) if "127.0.0.1:{c}" not in url else url.replace(":{c}@", f":{CANARY}@", 1)
    with Fetching(retries=1) as fetching:
        assert CANARY not in everything_said(fetching.failure(url), fetching)


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("kind", ["refuses", "is not there", "is of an unknown kind", "is no url"])
def test_no_secret_of_a_proxy_is_said(upstream, scheme, kind):
    upstream.script("*", status(407))
    place = {
        "refuses": f"http://user:{CANARY}@{upstream.authority}",
        "is not there": f"http://user:{CANARY}@127.0.0.1:1",
        "is of an unknown kind": f"socks5://user:{CANARY}@127.0.0.1:1",
        "is no url": f"http://user:{CANARY}@[",
    }[kind]
    proxies = Proxies(http=place, https=place)
    with Fetching(proxies=proxies, http_hosts=frozenset({"mirror.example"}), retries=0) as fetching:
        error = fetching.failure(f"{scheme}://mirror.example/a")
        assert CANARY not in everything_said(error, fetching)


def test_no_secret_reaches_a_log(upstream, caplog):
    def odd_headers(reply):
        reply.send_raw(b"HTTP/1.1 200 OK\r\nno colon here\r\n\r\n")
        reply.cut()

    url = f"http://user:{CANARY}@{upstream.authority}/t/{CANARY}/a?sig={CANARY}"
    upstream.script("/a", status(503), odd_headers)
    with caplog.at_level("DEBUG"), Fetching() as fetching:
        fetching.get(url)
    assert CANARY not in caplog.text


def test_a_credential_that_no_header_can_hold_is_not_shown(upstream):
    with Fetching(credential=lambda _: Bearer(f"{CANARY}\r\nX-Evil: 1")) as fetching:
        assert CANARY not in everything_said(fetching.failure(upstream.url + "/a"), fetching)
    assert upstream.requests == []


def test_a_refusal_says_which_credentials_were_sent_and_how_to_give_others(upstream):
    url = upstream.script("/a", status(403))
    with Fetching(credential=lambda _: Bearer(CANARY)) as fetching:
        message = str(fetching.failure(url))
    assert "a bearer token from the credential store was sent" in message
    assert "pixi auth login 127.0.0.1" in message
