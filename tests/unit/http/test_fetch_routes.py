"""Which way a request takes: mirrors, redirects, proxies, plain http."""

import socket

import pytest
from fetching import BODY, Fetching
from harness.upstream import close_before_headers, redirect, status
from hypothesis import given
from hypothesis import strategies as st

from pixi_mirror.http.mirrors import MirrorTable
from pixi_mirror.http.origins import Origin, is_loopback, origin_of, proxy_for
from pixi_mirror.model.network import Proxies
from pixi_mirror.model.values import Url

CHANNEL = "https://conda.anaconda.org/conda-forge/"


def asked(table, url):
    return MirrorTable(table).choose(Url(url)).url.raw


def test_a_prefix_is_replaced_and_the_rest_appended():
    table = {CHANNEL: ("http://mirror.lan/cf/",)}
    assert asked(table, CHANNEL + "noarch/a%2Bb.conda") == "http://mirror.lan/cf/noarch/a%2Bb.conda"
    assert asked(table, "https://conda.anaconda.org/conda-forge") == "https://conda.anaconda.org/conda-forge"
    assert asked(table, "https://conda.anaconda.org/conda-forge2/a") == "https://conda.anaconda.org/conda-forge2/a"


def test_keys_and_targets_without_a_slash_get_one():
    assert asked({CHANNEL.rstrip("/"): ("http://m/x",)}, CHANNEL + "a") == "http://m/x/a"


def test_the_longest_prefix_wins_and_one_that_points_at_itself_exempts():
    label = CHANNEL + "label/x/"
    table = {"https://conda.anaconda.org/": ("http://m/",), CHANNEL: ("http://n/",), label: (label,)}
    assert asked(table, CHANNEL + "a") == "http://n/a"
    assert asked(table, "https://conda.anaconda.org/bioconda/a") == "http://m/bioconda/a"
    assert asked(table, label + "a") == label + "a"


SAME = "https://h.example/ch/"


@pytest.mark.parametrize(
    "url",
    [
        "https://u:p@h.example/ch/a",
        "https://u@h.example/ch/a",
        "https://H.Example:443/ch/a",
        "HTTPS://u:p@h.example/ch/a",
    ],
)
def test_a_key_matches_with_and_without_user_and_the_target_does_not_get_the_user(url):
    assert asked({SAME: ("http://m/x/",)}, url) == "http://m/x/a"
    assert asked({"https://h.example:444/ch/": ("http://m/x/",)}, url) == url
    assert asked({SAME: (SAME,)}, url) == url, "a key that leads to itself changes nothing"


def test_a_key_without_targets_shuts_what_begins_with_it(upstream):
    upstream.put("/b/a", BODY)
    with Fetching(mirrors={upstream.url + "/": (), upstream.url + "/b/": (upstream.url + "/b/",)}) as fetching:
        error = fetching.failure(upstream.url + "/a")
        assert fetching.get(upstream.url + "/b/a") == BODY
    assert "[mirrors]" in str(error)
    assert error.lasting
    assert [request.path for request in upstream.requests] == ["/b/a"]


def test_the_target_with_the_fewest_failures_is_asked_and_the_first_of_equals():
    mirrors = MirrorTable({CHANNEL: ("http://m/", "http://n/")})
    seen = []
    for blamed in (True, False, True, False):
        chosen = mirrors.choose(Url(CHANNEL + "a"))
        seen.append(chosen.target)
        if blamed:
            mirrors.count_failure(chosen.target)
    assert seen == ["http://m/", "http://n/", "http://n/", "http://m/"]


@given(st.text(max_size=30))
def test_without_a_matching_key_nothing_is_rewritten(rest):
    assert asked({CHANNEL: ("http://m/",)}, "https://other.example/" + rest) == "https://other.example/" + rest


@pytest.mark.parametrize("fault", [status(500), close_before_headers()], ids=["500", "transport"])
def test_a_failing_target_gives_way_to_the_next(upstream, elsewhere, fault):
    upstream.script("/c/a", fault)
    elsewhere.put("/c/a", BODY)
    elsewhere.put("/c/b", BODY)
    with Fetching(mirrors={CHANNEL: (upstream.url + "/c/", elsewhere.url + "/c/")}) as fetching:
        assert fetching.get(CHANNEL + "a") == BODY
        assert fetching.get(CHANNEL + "b") == BODY
    assert len(upstream.requests) == 1


def test_a_404_of_the_first_target_is_final_and_names_both_urls(upstream, elsewhere):
    elsewhere.put("/c/a", BODY)
    with Fetching(mirrors={CHANNEL: (upstream.url + "/c/", elsewhere.url + "/c/")}) as fetching:
        error = fetching.failure(CHANNEL + "a")
    assert CHANNEL + "a" in str(error)
    assert upstream.url + "/c/a" in str(error)
    assert elsewhere.requests == []


def test_a_redirect_target_is_not_rewritten_again(upstream, elsewhere):
    upstream.script("/a", redirect(elsewhere.url + "/a"))
    elsewhere.put("/a", BODY)
    mirrors = {elsewhere.url + "/": ("http://127.0.0.1:1/",)}
    with Fetching(mirrors=mirrors) as fetching:
        assert fetching.get(upstream.url + "/a") == BODY


def test_a_mirror_that_is_no_http_server_is_refused(tmp_path):
    with Fetching(mirrors={CHANNEL: (tmp_path.as_uri() + "/",)}) as fetching:
        assert "'file' is not a scheme" in str(fetching.failure(CHANNEL + "a"))


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_redirects_are_followed(upstream, fetching, code):
    upstream.put("/end", BODY)
    assert fetching.get(upstream.script("/a", redirect("end", code=code))) == BODY


def test_a_range_goes_along_with_a_redirect(upstream, fetching):
    from fetching import Held

    upstream.put("/end", BODY)
    sink = Held(BODY[:100], upstream.content("/end").etag)
    assert fetching.get(upstream.script("/a", redirect("/end")), sink=sink) == BODY
    assert [request.range for request in upstream.requests] == ["bytes=100-"] * 2


def test_five_redirects_are_followed_and_six_are_not(upstream, fetching):
    for hop in range(6):
        upstream.script(f"/{hop}", redirect(f"/{hop + 1}"))
    upstream.put("/6", BODY)
    assert fetching.get(upstream.url + "/1") == BODY
    upstream.forget_requests()
    assert "more than 5 times" in str(fetching.failure(upstream.url + "/0"))
    assert upstream.requests_to("/6") == []


def test_a_circle_is_noticed(upstream, fetching):
    upstream.script("/a", redirect("/b"))
    upstream.script("/b", redirect("/a"))
    assert "circle" in str(fetching.failure(upstream.url + "/a"))
    assert len(upstream.requests) == 2


@pytest.mark.parametrize("to", ["file:///etc/passwd", "ftp://127.0.0.1/a", "javascript:x", "http://[", "//"])
def test_a_redirect_to_another_scheme_is_refused(upstream, fetching, to):
    error = fetching.failure(upstream.script("/a", redirect(to)))
    assert "redirects" in str(error)
    assert len(upstream.requests) == 1


def test_a_redirect_to_nowhere_is_refused(upstream, fetching):
    assert "without saying where" in str(fetching.failure(upstream.script("/a", status(302))))


def test_a_redirect_to_plain_http_elsewhere_is_refused(upstream, fetching):
    error = fetching.failure(upstream.script("/a", redirect("http://other.example/a")))
    assert "other.example would be asked over plain http" in str(error)


def test_plain_http_is_refused_where_nothing_says_so(fetching):
    error = fetching.failure("http://mirror.example/a")
    assert "plain http" in str(error)
    assert fetching.heard.warnings == []


def test_plain_http_that_was_asked_for_is_warned_about_once(upstream):
    # The proxy stands in for the network: no name has to be resolved.
    upstream.put("/a", BODY)
    hosts = frozenset({"mirror.example", "other.example:8080"})
    with Fetching(http_hosts=hosts, proxies=Proxies(http=upstream.url)) as fetching:
        for url in ("http://mirror.example/a", "http://MIRROR.example/a", "http://other.example:8080/a"):
            assert fetching.get(url) == BODY
        assert "plain http" in str(fetching.failure("http://other.example:8081/a"))
    assert [warning.split()[0] for warning in fetching.heard.warnings] == ["mirror.example", "other.example:8080"]


def test_plain_http_to_loopback_is_no_matter(upstream, fetching):
    upstream.put("/a", BODY)
    assert fetching.get(upstream.url + "/a") == BODY
    assert fetching.heard.warnings == []


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost", "a.localhost"])
def test_loopback_is_known_without_a_name_server(host):
    assert is_loopback(host)
    assert proxy_for(Origin("http", host, 80), Proxies(http="http://p", exempt=())) is None


@pytest.mark.parametrize("host", ["127.example", "localhost.example", "10.0.0.1", "128.0.0.1", "notlocalhost"])
def test_what_merely_looks_like_loopback_is_not(host):
    assert not is_loopback(host)


EXEMPT = [
    ("mirror.lan", "http://mirror.lan/", True),
    ("mirror.lan", "http://a.mirror.lan/", True),
    ("mirror.lan", "http://amirror.lan/", False),
    (".lan", "http://mirror.lan/", True),
    ("*.lan", "http://mirror.lan/", True),
    (".LAN", "http://Mirror.Lan/", True),
    ("*", "http://anything.example/", True),
    ("10.0.0.0/8", "http://10.1.2.3/", True),
    ("10.0.0.0/8", "http://11.1.2.3/", False),
    ("10.0.0.0/8", "http://ten.example/", False),
    ("10.1.2.3", "http://10.1.2.3/", True),
    ("0.1.2.3", "http://10.1.2.3/", False),
    ("fd00::/8", "http://[fd00::1]/", True),
    ("[fd00::1]", "http://[fd00::1]/", True),
    ("fd00::1", "http://[fd00::1]:81/", True),
    ("mirror.lan:8080", "http://mirror.lan:8080/", True),
    ("mirror.lan:8080", "http://mirror.lan/", False),
    (".lan:8080", "http://mirror.lan:8080/", True),
    (".lan:8080", "http://mirror.lan:81/", False),
    ("", "http://mirror.lan/", False),
    (".", "http://mirror.lan/", False),
]


@pytest.mark.parametrize(("rule", "url", "direct"), EXEMPT)
def test_hosts_are_exempt_by_name_domain_block_and_port(rule, url, direct):
    proxies = Proxies(http="http://p:1", exempt=("unrelated.example", rule))
    assert (proxy_for(origin_of(Url(url)), proxies) is None) is direct


def test_http_and_https_have_their_own_proxy():
    proxies = Proxies(http="http://p", https="http://q")
    assert proxy_for(origin_of(Url("http://a.example/")), proxies) == "http://p"
    assert proxy_for(origin_of(Url("https://a.example/")), proxies) == "http://q"
    assert proxy_for(origin_of(Url("https://a.example/")), Proxies(http="http://p")) is None


def test_a_request_goes_through_the_proxy_with_its_credentials(upstream):
    upstream.put("/a", BODY)
    proxies = Proxies(http=f"http://user:pass%20word@{upstream.authority}")
    with Fetching(http_hosts=frozenset({"mirror.example"}), proxies=proxies) as fetching:
        assert fetching.get("http://mirror.example/a") == BODY
    (request,) = upstream.requests
    assert request.proxied
    assert request.host == "mirror.example"
    assert request.proxy_authorization == "Basic dXNlcjpwYXNzIHdvcmQ="
    assert request.authorization is None


def test_a_proxy_that_refuses_to_connect_is_asked_once(upstream):
    upstream.script("*", status(407))
    with Fetching(proxies=Proxies(https=upstream.url)) as fetching:
        error = fetching.failure("https://mirror.example/a")
    assert "407" in str(error)
    assert [request.method for request in upstream.requests] == ["CONNECT"]


def test_the_environment_has_no_say(upstream, monkeypatch, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        nobody = f"http://127.0.0.1:{server.getsockname()[1]}"
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login user password secret\n")
    netrc.chmod(0o600)
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, nobody)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HOME", str(tmp_path))
    upstream.put("/a", BODY)
    with Fetching() as fetching:
        assert fetching.get(upstream.url + "/a") == BODY
    assert upstream.requests[0].authorization is None
