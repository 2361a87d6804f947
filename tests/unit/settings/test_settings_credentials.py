"""Every credential store, their order, and that no secret shows."""

import json
import sys
import threading
import traceback

import pytest

from pixi_mirror.errors import MachineError
from pixi_mirror.model.network import Basic, Bearer, CondaToken, S3Keys
from pixi_mirror.model.values import Url

LOCAL = "ws/.pixi/config.toml"
FALLBACK = "home/.rattler/credentials.json"
CANARY = "c4nary"


def bearer(token: str, host: str = "h.example") -> str:
    return json.dumps({host: {"BearerToken": token}})


def whom(user, url: str = "https://h.example/x", **options: object):
    return user.settings(**options).network.credential(Url(url))


@pytest.fixture
def keyring(user, tmp_path, monkeypatch):
    """A keyring package that answers from files and counts the questions."""
    monkeypatch.delitem(sys.modules, "keyring")
    package = user.write(
        "site/keyring.py",
        "from pathlib import Path\n"
        "asked = []\n"
        "def get_password(service, account):\n"
        "    asked.append((service, account))\n"
        "    path = Path(__file__).parent / account\n"
        "    if (path.parent / 'locked').exists():\n"
        "        raise RuntimeError('locked')\n"
        "    return path.read_text() if path.exists() else None\n",
    )
    monkeypatch.syspath_prepend(package.parent)
    yield package.parent
    sys.modules.pop("keyring", None)


def test_the_stores_are_asked_in_the_order_of_pixi(user, keyring):
    user.environ["RATTLER_AUTH_FILE"] = str(user.write("1.json", bearer("1 variable")))
    option = user.write("2.json", bearer("2 option"))
    configured = user.write("3.json", bearer("3 configured"))
    user.write(LOCAL, f"authentication-override-file = '{configured}'")
    kept = user.write("site/h.example", '{"BearerToken": "4 keyring"}')
    fallback = user.write(FALLBACK, bearer("5 fallback"))
    user.write("home/.netrc", "machine h.example login 6 password netrc\n")
    user.write("home/_netrc", "machine h.example login 7 password netrc\n")

    assert whom(user, auth_file=option) == Bearer("1 variable")
    del user.environ["RATTLER_AUTH_FILE"]
    assert whom(user, auth_file=option) == Bearer("2 option")
    assert whom(user) == Bearer("3 configured")
    user.write(LOCAL, "")
    assert whom(user) == Bearer("4 keyring")
    kept.unlink()
    assert whom(user) == Bearer("5 fallback")
    fallback.unlink()
    assert whom(user) == Basic("6", "netrc")
    (user.home / ".netrc").unlink()
    assert whom(user) == Basic("7", "netrc")
    user.environ["NETRC"] = str(user.write("netrc", "machine h.example login 8 password netrc\n"))
    assert whom(user) == Basic("8", "netrc")
    user.write("home/.netrc", "machine h.example login 9 password netrc\n")
    user.environ["NETRC"] = str(user.root / "gone")
    assert whom(user) is None


def test_the_option_replaces_the_configured_file(user):
    configured = user.write("configured.json", bearer("configured"))
    user.write(LOCAL, f"authentication-override-file = '{configured}'")
    assert whom(user, auth_file=user.write("option.json", "{}")) is None


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"BearerToken": "t"}, Bearer("t")),
        ({"BasicHTTP": {"username": "u", "password": "p"}}, Basic("u", "p")),
        ({"CondaToken": "t"}, CondaToken("t")),
        ({"OAuth": {"access_token": "t", "refresh_token": None, "client_id": "c"}}, Bearer("t")),
        ({"S3Credentials": {"access_key_id": "a", "secret_access_key": "b", "session_token": None}}, None),
        ({"Passkey": {"of": "a later pixi"}}, None),
    ],
)
def test_each_shape_of_an_entry(user, entry, expected):
    user.write(FALLBACK, json.dumps({"h.example": entry}))
    assert whom(user) == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://a.b.example/x", "exact"),
        ("https://A.B.Example:8443/x", "exact"),
        ("https://user@a.b.example/x", "exact"),
        ("https://c.b.example/x", "*.b"),
        ("https://b.example/x", "*.b"),
        ("https://d.c.b.example/x", "*.b"),
        ("https://z.example/x", "*.example"),
        ("https://xb.example/x", "*.example"),
        ("https://nowhere.test/x", None),
        ("https://127.0.0.1:80/x", None),
        ("s3://a.b.example/x", None),
        ("file:///a.b.example/x", None),
    ],
)
def test_the_exact_host_then_its_domains_upwards(user, url, expected):
    accounts = {
        "a.b.example": "exact",
        "*.b.example": "*.b",
        "*.example": "*.example",
        "*.0.0.1": "address",
        "*.1": "1",
    }
    user.write(FALLBACK, json.dumps({host: {"BearerToken": token} for host, token in accounts.items()}))
    assert whom(user, url) == (None if expected is None else Bearer(expected))


def s3_entry(name: str, **more: object) -> dict:
    return {"S3Credentials": {"access_key_id": name, "secret_access_key": "secret", **more}}


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("s3://deep/a/b/noarch/x-1-0.conda", "deep/a/b"),
        ("s3://deep/a/noarch/x-1-0.conda", "deep/a"),
        ("s3://deep/A/noarch/x-1-0.conda", "deep"),
        ("s3://deep/ab/x-1-0.conda", "deep"),
        ("s3://deep", "deep"),
        ("s3://named/x", "by name"),
        ("s3://other/x", None),
        ("s3://user@deep/x", None),
        ("https://deep/x", None),
    ],
)
def test_a_bucket_is_found_by_its_name_its_url_and_the_parents_of_that(user, url, expected):
    accounts = {
        "s3://deep": "deep",
        "s3://deep/a/": "deep/a",
        "s3://deep/a/b": "deep/a/b",
        "named": "by name",
        "s3://named": "by url",
    }
    user.write(FALLBACK, json.dumps({account: s3_entry(name) for account, name in accounts.items()}))
    found = user.settings().network.s3_keys(Url(url))
    assert found == (None if expected is None else S3Keys(expected, "secret"))


def test_keys_of_s3_open_no_door_of_http_and_the_other_way_round(user):
    user.environ["RATTLER_AUTH_FILE"] = str(user.write("1.json", json.dumps({"b": s3_entry("a", session_token="t")})))
    user.write(FALLBACK, bearer("t", "b"))
    assert whom(user, "https://b/x") == Bearer("t")
    assert user.settings().network.s3_keys(Url("s3://b/x")) == S3Keys("a", "secret", "t")


@pytest.mark.parametrize("entry", [{"S3Credentials": {"access_key_id": CANARY}}, s3_entry(CANARY, session_token=[1])])
def test_keys_in_another_shape_are_an_error_that_shows_nothing_of_them(user, entry):
    user.write(FALLBACK, json.dumps({"s3://b": entry}))
    with pytest.raises(MachineError) as caught:
        user.settings().network.s3_keys(Url("s3://b/x"))
    assert "number 1" in str(caught.value)
    assert CANARY not in str(caught.value)


def test_keys_show_nothing_of_themselves():
    assert CANARY not in repr(S3Keys(CANARY, CANARY, CANARY))


@pytest.mark.parametrize(
    "url",
    [
        "https://h.example\\@evil.example/x",
        "https://evil.example\\@h.example/x",
        "https://h.example evil.example/x",
        "https://evil.example#@h.example/x",
        "https://evil.example?@h.example/x",
        "https://evil.example/@h.example/x",
        "https://h.example:x@evil.example/",
        "https:h.example/x",
    ],
)
def test_a_url_whose_host_is_in_doubt_gets_no_credential(user, url):
    user.write(FALLBACK, bearer("t"))
    assert whom(user, url) is None


def test_an_exact_host_in_a_late_store_comes_before_a_domain_in_an_early_one(user):
    user.environ["RATTLER_AUTH_FILE"] = str(user.write("1.json", bearer("domain", "*.example")))
    user.write("home/.netrc", "machine h.example login u password p\n")
    assert whom(user) == Basic("u", "p")


def test_the_default_of_netrc_is_for_nobody(user):
    user.write("home/.netrc", "default login u password p\n")
    assert whom(user) is None
    assert whom(user, "https://default/x") is None


def test_the_keyring_is_asked_for_pixis_service_and_each_account_once(user, keyring):
    network = user.settings().network
    assert "keyring" not in sys.modules
    for _ in range(3):
        assert network.credential(Url("https://h.example/x")) is None
    assert sys.modules["keyring"].asked == [("rattler", name) for name in ("h.example", "*.h.example", "*.example")]


@pytest.mark.parametrize("answer", ["{", "[]", '{"BearerToken": 3}', '"text"'])
def test_a_keyring_that_answers_nonsense_is_passed_over(user, keyring, answer):
    user.write("site/h.example", answer)
    user.write(FALLBACK, bearer("fallback"))
    assert whom(user) == Bearer("fallback")


def test_a_locked_keyring_is_passed_over(user, keyring):
    user.write("site/locked", "")
    user.write(FALLBACK, bearer("fallback"))
    assert whom(user) == Bearer("fallback")


def test_a_keyring_that_cannot_be_imported_is_passed_over(user, keyring):
    user.write("site/keyring.py", "1 / 0")
    user.write(FALLBACK, bearer("fallback"))
    assert whom(user) == Bearer("fallback")


def test_nothing_is_read_before_the_first_question_and_once_after_it(user):
    network = user.settings().network
    user.write(FALLBACK, bearer("late"))
    assert network.credential(Url("https://h.example/x")) == Bearer("late")
    user.write(FALLBACK, bearer("later", "other.example"))
    assert network.credential(Url("https://h.example/x")) == Bearer("late")
    assert network.credential(Url("https://other.example/x")) is None


def test_many_threads_ask_each_account_of_the_keyring_once(user, keyring):
    user.write("site/h.example", '{"BearerToken": "t"}')
    network = user.settings().network
    start, found = threading.Barrier(8), []

    def ask() -> None:
        start.wait()
        found.append(network.credential(Url("https://h.example/x")))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [Bearer("t")] * 8
    assert sys.modules["keyring"].asked == [("rattler", "h.example")]


def test_a_credential_in_a_mirrors_url_is_for_that_prefix_only(user):
    user.write(
        LOCAL,
        "[mirrors]\n'https://a.example' = ['https://us%40er:p%2Fw@lan/a/', 'https://lan/b/t/plain']\n"
        "'https://b.example' = ['https://lan/t/t%2Bok/c']\n'https://c.example' = ['https://lan/a/deep']\n",
    )
    network = user.settings().network
    assert network.mirrors == {
        "https://a.example/": ("https://lan/a/", "https://lan/b/t/plain/"),
        "https://b.example/": ("https://lan/c/",),
        "https://c.example/": ("https://lan/a/deep/",),
    }
    assert network.credential(Url("https://lan/a/x")) == Basic("us@er", "p/w")
    assert network.credential(Url("https://lan/c/x")) == CondaToken("t+ok")
    assert network.credential(Url("https://lan/ab/x")) is None
    assert network.credential(Url("https://lan/cc")) is None


def test_of_nested_mirrors_the_longest_prefix_says_whom_to_be(user):
    user.write(LOCAL, "[mirrors]\n'https://a' = ['https://u:outer@lan/a']\n'https://b' = ['https://u:inner@lan/a/b']\n")
    network = user.settings().network
    assert network.credential(Url("https://lan/a/b/x")) == Basic("u", "inner")
    assert network.credential(Url("https://lan/a/x")) == Basic("u", "outer")


def test_a_store_that_could_not_be_read_is_not_read_again(user):
    path = user.write(FALLBACK, "{")
    network = user.settings().network
    for _ in range(2):
        with pytest.raises(MachineError, match="not valid JSON"):
            network.credential(Url("https://h.example/x"))
        path.unlink(missing_ok=True)


def test_a_missing_auth_file_is_an_error_only_where_the_command_line_names_it(user):
    gone = user.root / "gone.json"
    user.environ["RATTLER_AUTH_FILE"] = str(gone)
    user.write(LOCAL, f"authentication-override-file = '{gone}'")
    assert whom(user) is None
    with pytest.raises(MachineError, match=r"gone\.json does not exist"):
        whom(user, auth_file=gone)


BROKEN = [
    f'{{"h.example": {{"BearerToken": "{CANARY}"}}',
    f'["{CANARY}"]',
    f'{{"h.example": "{CANARY}"}}',
    f'{{"h.example": {{"BearerToken": ["{CANARY}"]}}}}',
    f'{{"h.example": {{"BasicHTTP": {{"username": "{CANARY}"}}}}}}',
    f'{{"{CANARY}": {"9" * 5000}}}',
    f'"{CANARY}\udcff"',
    f'{{"{CANARY}": {"[" * 100_000}',
]


def shown(error: BaseException) -> str:
    """All that anybody could print of an error: its text, its attributes, its whole chain, its traceback."""
    texts, left = [], [error]
    while left:
        one = left.pop()
        texts += [str(one), repr(one), repr(one.args), repr(vars(one))]
        texts += [repr(getattr(one, name, "")) for name in ("doc", "object", "msg")]
        left += [link for link in (one.__cause__, one.__context__) if link is not None]
    return "\n".join([*texts, *traceback.format_exception(error)])


@pytest.mark.parametrize("text", BROKEN)
@pytest.mark.parametrize("store", ["variable", "option", "configured", "fallback"])
def test_a_broken_store_is_named_and_not_quoted(user, store, text):
    path = user.root / (FALLBACK if store == "fallback" else "store.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    options = {"auth_file": path} if store == "option" else {}
    if store == "variable":
        user.environ["RATTLER_AUTH_FILE"] = str(path)
    if store == "configured":
        user.write(LOCAL, f"authentication-override-file = '{path}'")
    network = user.settings(**options).network
    for _ in range(2):
        with pytest.raises(MachineError) as caught:
            network.credential(Url("https://h.example/x"))
        assert str(path) in str(caught.value)
        assert CANARY not in shown(caught.value)


def test_a_broken_netrc_is_named_and_not_quoted(user):
    path = user.write("home/.netrc", f"machine h.example {CANARY} x\n")
    network = user.settings().network
    for _ in range(2):
        with pytest.raises(MachineError) as caught:
            network.credential(Url("https://h.example/x"))
        assert str(path) in str(caught.value)
        assert "line 1" in str(caught.value)
        assert CANARY not in shown(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        f"[proxy-config]\nhttps = 'http://u:{CANARY}@p'\nhttps = 3",
        f"[proxy-config]\nhttps = ['http://u:{CANARY}@p']",
        f"[mirrors]\n'https://a' = 'https://u:{CANARY}@b'",
        f"[mirrors]\n'https://u:{CANARY}@a' = 'https://b'",
        f"[mirrors]\n'https://u:{CANARY}/w@a' = ['https://b']",
        f"[mirrors]\n'https://u:p@{CANARY}@a' = ['https://b?c']",
        f"[mirrors]\n'https://a' = ['https://u:{CANARY}/w@b']",
        f"[mirrors]\n'https://a' = ['https://b/?token={CANARY}']",
        f"[mirrors]\n'https://a' = ['https://u:p@b/t/{CANARY}/x']",
        f"'{CANARY}",
        f"{CANARY}",
    ],
)
def test_a_broken_configuration_is_not_quoted(user, text):
    user.write(LOCAL, text)
    with pytest.raises(MachineError) as caught:
        user.settings()
    assert CANARY not in shown(caught.value)


def test_no_repr_shows_a_secret(user, keyring):
    user.environ.update(
        RATTLER_AUTH_FILE=str(user.write("1.json", bearer(CANARY, "a.example"))),
        NETRC=str(user.write("netrc", f"machine b.example login u password {CANARY}\n")),
        https_proxy=f"http://u:{CANARY}@proxy",
    )
    user.write(FALLBACK, json.dumps({"c.example": {"CondaToken": CANARY}}))
    user.write("site/d.example", json.dumps({"BasicHTTP": {"username": "u", "password": CANARY}}))
    user.write(
        LOCAL,
        f"[mirrors]\n'https://a' = ['https://u:{CANARY}@lan/a', 'https://lan/t/{CANARY}/b']\n"
        f"'https://u:{CANARY}@key' = ['https://b']\n[proxy-config]\nhttp = 'http://u:{CANARY}@p'\n",
    )
    found = user.settings()
    urls = [*(f"https://{letter}.example/" for letter in "abcd"), "https://lan/a/", "https://lan/b/"]
    known = [found.network.credential(Url(url)) for url in urls]
    assert None not in known
    everything = [found, found.network, found.network.mirrors, found.network.credential, found.warnings, *known]
    assert CANARY not in "".join(f"{one!r}{one!s}" for one in everything)
