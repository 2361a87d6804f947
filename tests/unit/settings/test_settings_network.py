"""Proxies, certificates, mirrors and numbers, from options, environment and files."""

from types import MappingProxyType

import pytest

from pixi_mirror.errors import MachineError
from pixi_mirror.model.network import Network, Proxies

LOCAL = "ws/.pixi/config.toml"
PROXY_CONFIG = '[proxy-config]\nhttp = "http://c1"\nhttps = "http://c2"\nnon-proxy-hosts = ["lan", "*.corp"]\n'


def test_with_nothing_said_the_defaults_hold(user):
    found = user.settings()
    assert found.jobs == 8
    assert (found.sources, found.warnings) == ((), ())
    defaults = Network()
    for name in Network.__dataclass_fields__:
        if name not in ("credential", "registry_credential", "s3_keys"):
            assert getattr(found.network, name) == getattr(defaults, name)


def test_options_outweigh_the_files(user):
    user.write(LOCAL, "[concurrency]\ndownloads = 3\n")
    found = user.settings(jobs=2, retries=0)
    assert (found.jobs, found.network.retries) == (2, 0)


def test_proxies_come_from_the_configuration(user):
    user.write(LOCAL, PROXY_CONFIG)
    user.environ["NO_PROXY"] = "never-asked"
    assert user.settings().network.proxies == Proxies(http="http://c1", https="http://c2", exempt=("lan", "*.corp"))


@pytest.mark.parametrize(
    ("environ", "http", "https"),
    [
        ({"http_proxy": "http://e"}, "http://e", None),
        ({"https_proxy": "http://e"}, None, "http://e"),
        ({"HTTPS_PROXY": "http://e"}, None, "http://e"),
        ({"all_proxy": "http://e"}, "http://e", "http://e"),
        ({"ALL_PROXY": "http://e", "https_proxy": "http://s"}, "http://e", "http://s"),
        ({"HTTP_PROXY": "http://h", "https_proxy": "http://s"}, "http://h", "http://s"),
        ({"HTTP_PROXY": "http://h"}, "http://c1", "http://c2"),
        ({"http_proxy": ""}, "http://c1", "http://c2"),
    ],
)
def test_proxy_variables_displace_the_configuration_as_in_pixi(user, environ, http, https):
    user.write(LOCAL, PROXY_CONFIG)
    user.environ.update(environ)
    found = user.settings().network.proxies
    assert (found.http, found.https) == (http, https)


@pytest.mark.parametrize(
    ("named", "url"),
    [
        ("proxy:3128", "http://proxy:3128"),
        ("//proxy:3128", "http://proxy:3128"),
        ("localhost:8123", "http://localhost:8123"),
        ("127.0.0.1:8123", "http://127.0.0.1:8123"),
        ("user:p%40w@proxy.corp:3128", "http://user:p%40w@proxy.corp:3128"),
        ("proxy", "http://proxy"),
        ("https://proxy:3128", "https://proxy:3128"),
        ("http://proxy:3128", "http://proxy:3128"),
    ],
)
def test_a_proxy_without_scheme_is_one_over_http(user, named, url):
    user.environ.update(http_proxy=named, HTTPS_PROXY=named)
    assert user.settings().network.proxies == Proxies(http=url, https=url)
    user.environ.clear()
    user.write(LOCAL, f'[proxy-config]\nhttp = "{named}"\nhttps = "{named}"\n')
    assert user.settings().network.proxies == Proxies(http=url, https=url)


def test_the_environments_exemptions_go_with_its_proxies(user):
    user.write(LOCAL, PROXY_CONFIG)
    user.environ.update(https_proxy="http://e", NO_PROXY="localhost, .lan,,10.0.0.0/8")
    assert user.settings().network.proxies.exempt == ("localhost", ".lan", "10.0.0.0/8")
    user.environ["no_proxy"] = "*"
    assert user.settings().network.proxies.exempt == ("*",)


def test_a_client_of_a_cgi_script_cannot_set_the_proxy(user):
    user.environ["HTTP_PROXY"] = "http://h"
    assert user.settings().network.proxies.http == "http://h"
    user.environ["REQUEST_METHOD"] = "GET"
    assert user.settings().network.proxies.http is None


def test_exemptions_without_a_proxy_are_ignored_with_a_warning(user):
    user.write(LOCAL, '[proxy-config]\nnon-proxy-hosts = ["lan"]\n')
    found = user.settings()
    assert found.network.proxies == Proxies()
    assert any("non-proxy-hosts" in warning for warning in found.warnings)


def test_a_file_with_proxies_takes_no_exemptions_from_a_lower_one(user):
    user.write("home/.pixi/config.toml", PROXY_CONFIG)
    user.write(LOCAL, '[proxy-config]\nhttps = "http://c3"\n')
    assert user.settings().network.proxies == Proxies(http="http://c1", https="http://c3")


def test_unverified_tls_is_said_with_the_file_that_asks_for_it(user):
    path = user.write("home/.pixi/config.toml", "tls-no-verify = true")
    found = user.settings()
    assert not found.network.verify_tls
    assert [str(path) in warning for warning in found.warnings] == [True]


@pytest.mark.parametrize("variable", ["PYTHONHTTPSVERIFY", "CURL_INSECURE", "GIT_SSL_NO_VERIFY"])
def test_no_variable_turns_verification_off(user, variable):
    user.environ[variable] = "0"
    assert user.settings().network.verify_tls


def test_every_insecure_host_is_said(user):
    found = user.settings(insecure_hosts=("B.example", "a.example:8443"))
    assert found.network.insecure_hosts == {"b.example", "a.example:8443"}
    assert [name in warning for name, warning in zip(("a.example:8443", "b.example"), found.warnings, strict=True)] == [
        True,
        True,
    ]
    assert found.network.verify_tls


def test_certificates_come_from_option_then_variables_then_configuration(user):
    bundle = user.write("etc/ssl/certs/ca-certificates.crt", "")
    folder = user.write("folder/x.pem", "").parent
    one, other = user.write("one.pem", ""), user.write("other.pem", "")
    user.write(LOCAL, "tls-root-certs = 'system'")
    assert user.settings().network.ca_file == bundle
    user.environ["PIXI_TLS_ROOT_CERTS"] = "webpki"
    assert user.settings().network.ca_file is None
    user.environ["SSL_CERT_DIR"] = str(folder)
    assert user.settings().network.ca_file == folder
    user.environ["SSL_CERT_FILE"] = str(one)
    assert user.settings().network.ca_file == one
    assert user.settings(ca_file=other).network.ca_file == other
    assert user.settings(ca_file=other).warnings == ()


@pytest.mark.parametrize(("word", "expected"), [("webpki", False), ("system", True), ("native", True), ("all", True)])
def test_each_word_of_pixi_for_certificates_is_understood(user, word, expected):
    user.write("etc/ssl/cert.pem", "")
    user.write(LOCAL, f"tls-root-certs = '{word}'")
    assert (user.settings().network.ca_file is not None) is expected


def test_a_system_without_bundle_in_the_usual_places_uses_openssls_or_says_so(user):
    user.write(LOCAL, "tls-root-certs = 'system'")
    found = user.settings()
    assert found.network.ca_file is not None or any("--ca-file" in warning for warning in found.warnings)


def test_several_certificate_folders_lead_to_a_warning(user):
    first, second = user.write("1/x", "").parent, user.write("2/x", "").parent
    user.environ["SSL_CERT_DIR"] = f"{user.root / 'gone'}:{first}:{second}"
    found = user.settings()
    assert found.network.ca_file == first
    assert any("several" in warning for warning in found.warnings)
    user.environ["SSL_CERT_DIR"] = f"{user.root / 'gone'};{second}"
    assert user.settings(platform="win32").network.ca_file == second


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
def test_certificates_that_are_not_there_are_an_error_and_not_a_fallback(user, name):
    user.environ[name] = str(user.root / "gone")
    with pytest.raises(MachineError, match=rf"{name} names .*gone"):
        user.settings()
    with pytest.raises(MachineError, match=r"--ca-file names .*gone"):
        user.settings(ca_file=user.root / "gone")


def test_an_unknown_word_in_the_variable_is_an_error(user):
    user.environ["PIXI_TLS_ROOT_CERTS"] = "mine"
    with pytest.raises(MachineError, match="PIXI_TLS_ROOT_CERTS"):
        user.settings()


def test_only_targets_over_plain_http_make_their_hosts_plain(user):
    user.write(
        LOCAL,
        "[mirrors]\n'http://key.example' = ['https://a.example']\n"
        "'https://b.example' = ['http://User@Lan:81/x', 'http://[::1]:80/y', 'https://c.example']\n",
    )
    assert user.settings().network.http_hosts == {"lan", "::1"}


def test_mirrors_cannot_be_changed(user):
    user.write(LOCAL, "[mirrors]\n'https://a' = ['https://b']\n")
    assert isinstance(user.settings().network.mirrors, MappingProxyType)
