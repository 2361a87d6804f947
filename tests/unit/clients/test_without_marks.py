"""Lines of ours whose marks a program has dropped are known by what they lead to."""

import tomllib

import pytest

from pixi_mirror.clients.offer import Offer
from pixi_mirror.clients.registry import CLIENTS

URL = "http://127.0.0.1:8765"
OFFER = Offer(
    url=URL,
    channels={"https://conda.anaconda.org/conda-forge": f"{URL}/conda-forge"},
    indexes={"https://pypi.example/simple": f"{URL}/pypi.example/simple"},
    origins={"https://files.pypi.example": f"{URL}/files.pypi.example"},
    mapping={"https://conda-mapping.prefix.dev": f"{URL}/conda-mapping.prefix.dev"},
    upstream=("https://conda.anaconda.org", "https://files.pypi.example", "https://pypi.example"),
    is_only=True,
)
OWN = {
    "pixi": '[mirrors]\n"https://mine.example" = ["https://else.example"]\n"https://shut.example" = []\n',
    "conda": "channels:\n  - mine\nssl_verify: false\ndefault_channels:\n  - mine\n",
    "mamba": "channels:\n  - mine\nssl_verify: false\n",
    "pip": "[global]\ntimeout = 9\n",
    "uv": 'offline = false\n\n[[index]]\nurl = "https://mine.example/simple"\n',
}


def without_comments(text):
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith("#"))


@pytest.mark.parametrize("client", sorted(OWN))
@pytest.mark.parametrize("own", [True, False])
def test_they_are_removed_and_nothing_else_is(client, own):
    before = OWN[client] if own else ""
    if client in ("conda", "mamba"):  # what ours replaced was a comment, which is lost
        before = before.replace("channels:\n  - mine\n", "", 1).replace("default_channels:\n  - mine\n", "")
    kind = CLIENTS[client]
    written = without_comments(kind.merge(before or None, OFFER))
    assert URL in written
    assert kind.remove(written, [URL]).rstrip("\n") == before.rstrip("\n")
    assert kind.remove(written, ["http://127.0.0.1:876"]) == written, "another port is another mirror"
    assert kind.remove(before, [URL]) == before


def test_several_urls_of_a_mirror_are_known():
    written = without_comments(CLIENTS["pixi"].merge(None, OFFER))
    assert CLIENTS["pixi"].remove(written, ["http://mirror.lan", URL]) == ""


def test_a_line_of_the_users_that_has_the_mirror_beside_another_stays():
    text = f'[mirrors]\n"https://a.example" = ["{URL}/a.example", "https://a.example"]\n'
    assert CLIENTS["pixi"].remove(text, [URL]) == text


def test_only_shuts_the_hosts_upstream_and_leads_what_is_here():
    mirrors = tomllib.loads(CLIENTS["pixi"].configuration(OFFER))["mirrors"]
    assert mirrors["https://conda.anaconda.org"] == mirrors["https://pypi.example"] == []
    assert mirrors["https://conda.anaconda.org/conda-forge"] == [f"{URL}/conda-forge"]
    assert mirrors["https://files.pypi.example"] == [f"{URL}/files.pypi.example"]


LAN = Offer(url="http://mirror.lan:81", channels=OFFER.channels, indexes=OFFER.indexes, origins={}, mapping={})


@pytest.mark.parametrize(
    ("client", "text", "words"),
    [
        ("pip", "[global]\nno-index = true\n", ["[global] no-index"]),
        ("pip", "[install]\nindex-url = https://a.example/simple\n", ["[install] index-url"]),
        ("pip", "[global]\nextra_index_url = https://a.example\n  https://b.example\n", ["[global] extra-index-url"]),
        ("pip", "[global]\nproxy = http://proxy.lan:3128\n", ['--proxy ""']),
        ("pip", "[global]\nno-index = false\nindex-url = https://a.example\n", []),
        ("pip", "[install]\nindex-url = http://mirror.lan:81/simple\n", []),
        ("uv", 'no-index = true\nextra-index-url = ["https://a.example"]\n', ["`extra-index-url`", "`no-index`"]),
        ("uv", '[pip]\nindex-url = "https://a.example"\nno-index = true\n', ["`[pip] index-url`", "`[pip] no-index`"]),
        ("uv", '[[index]]\nurl = "https://a.example"\n', ["https://a.example"]),
        ("uv", '[[index]]\nurl = "https://a.example"\nexplicit = true\n', []),
        ("uv", 'index-url = "https://a.example"\n', []),
        ("uv", 'https-proxy = "http://proxy.lan:3128"\nno-proxy = ["a.lan"]\n', ['no-proxy = ["a.lan", "mirror.lan"]']),
        ("pixi", '[mirrors]\n"https://conda.anaconda.org/conda-forge/label" = ["https://a.example"]\n', ["longer key"]),
        ("pixi", '[mirrors]\n"https://conda.anaconda.org" = ["https://a.example"]\n', []),
        ("pixi", '[proxy-config]\nhttp = "http://p:3128"\n', ['non-proxy-hosts = ["mirror.lan"]']),
        ("pixi", '[proxy-config]\nhttps = "http://p"\nnon-proxy-hosts = ["mirror.lan"]\n', []),
        ("conda", "proxy_servers:\n  http: http://p:3128\n", ['"http://mirror.lan": ""']),
        ("conda", 'proxy_servers:\n  http: http://p:3128\n  "http://mirror.lan": ""\n', []),
        ("conda", "custom_channels:\n  conda-forge: https://a.example\n", ["conda-forge"]),
    ],
)  # fmt: skip
def test_what_keeps_a_client_from_the_mirror_is_named(client, text, words):
    found = CLIENTS[client].conflicts(text, LAN)
    assert len(found) == len(words)
    assert all(word in sentence for word, sentence in zip(words, found, strict=True))


def test_a_user_of_multichannels_and_aliases_keeps_them():
    import yaml

    text = "custom_multichannels:\n  mine: [a, b]\nmigrated_channel_aliases:\n  - https://old.example\n"
    written = yaml.safe_load(CLIENTS["conda"].merge(text, OFFER))
    assert written["custom_multichannels"] == {"mine": ["a", "b"], "nodefaults": []}
    assert written["migrated_channel_aliases"] == ["https://old.example", "https://conda.anaconda.org"]
