"""What is put into somebody else's configuration can be taken out again to the last byte, and disturbs nothing else."""

import configparser
import itertools
import tomllib

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from pixi_mirror.clients.marked_lines import remove_lines
from pixi_mirror.clients.offer import Offer, admit_url
from pixi_mirror.clients.registry import CLIENTS
from pixi_mirror.errors import UsageError

URL = "http://127.0.0.1:8765"
OFFER = Offer(
    url=URL,
    channels={"https://conda.anaconda.org/conda-forge": f"{URL}/conda-forge", "https://prefix.example/x": f"{URL}/p/x"},
    indexes={"https://pypi.example/simple": f"{URL}/pypi.example/simple"},
    origins={"https://files.pypi.example": f"{URL}/files.pypi.example"},
    mapping={"https://conda-mapping.prefix.dev": f"{URL}/conda-mapping.prefix.dev"},
)
UPLOADERS = {"twine", "uv-publish", "pixi-upload"}
"""They are configured for what the mirror hosts, and this one hosts nothing."""
MIRRORS = {**OFFER.channels, **OFFER.indexes, **OFFER.origins, **OFFER.mapping}


def read(client, text):
    """A configuration file as data, by a parser that is not ours."""
    text = text.removeprefix("\ufeff")
    if client in ("pixi", "uv"):
        return tomllib.loads(text.replace("\r\n", "\n"))
    if client == "pip":
        parser = configparser.RawConfigParser()
        parser.read_string(text)
        return {section: dict(parser.items(section)) for section in parser.sections()}
    return yaml.safe_load(text) or {}


def test_the_fragment_for_pixi_is_one_sorted_table():
    text = CLIENTS["pixi"].configuration(OFFER)
    assert read("pixi", text) == {"mirrors": {key: [to] for key, to in MIRRORS.items()}}
    keys = [line.partition(" = ")[0] for line in text.splitlines()[1:]]
    assert keys == sorted(keys)
    assert not any(key.endswith('/"') for key in keys)


def test_the_fragments_of_the_others():
    assert read("conda", CLIENTS["conda"].configuration(OFFER)) == {
        "channels": [f"{URL}/conda-forge", f"{URL}/p/x"],
        "channel_alias": URL,
        "migrated_channel_aliases": ["https://conda.anaconda.org"],
        "custom_multichannels": {"nodefaults": []},
        "default_channels": [],
        "add_pip_as_python_dependency": False,
    }
    assert read("mamba", CLIENTS["mamba"].configuration(OFFER))["channels"] == [f"{URL}/conda-forge", f"{URL}/p/x"]
    assert read("pip", CLIENTS["pip"].configuration(OFFER)) == {"global": {"index-url": f"{URL}/simple/"}}
    assert read("uv", CLIENTS["uv"].configuration(OFFER)) == {"index": [{"url": f"{URL}/simple/", "default": True}]}


def test_pip_is_told_to_trust_a_host_that_it_would_ask_over_plain_http():
    offer = Offer(url="http://mirror.lan:81", channels={}, indexes={}, origins={}, mapping={})
    assert "trusted-host = mirror.lan:81" in CLIENTS["pip"].configuration(offer)


def test_the_notes_about_pip_reach_conda_and_mamba():
    assert "add_pip_as_python_dependency" in " ".join(CLIENTS["conda"].notes(OFFER))
    assert "pin pip" in " ".join(CLIENTS["mamba"].notes(OFFER))
    for line in CLIENTS["conda"].notes(OFFER):
        assert f"# {line}" in CLIENTS["conda"].configuration(OFFER)


PIXI = """\
# mine
[mirrors] # keep
"https://conda.anaconda.org/conda-forge/" = [
  "https://old.example/conda-forge", # the old one
]
"https://other.example" = ["https://else.example"]

[repodata-config]
disable-sharded = true
"""
CONDARC = """\
# mine
channels:
  - conda-forge
  # of the team
  - https://team.example/x
channel_alias: https://team.example
ssl_verify: false
"""
PIPCONF = """\
[install]
user = true
[global]
; of the team
index_url = https://team.example/simple
  https://second.example
timeout = 9
"""
UV = """\
index-url = "https://old.example/simple"
offline = false
[[index]]
name = "team"
url = "https://team.example/simple"
default = true
[[index]]
url = "https://more.example/simple"
[pip]
strict = true
"""


@pytest.mark.parametrize(
    ("client", "text", "expected"),
    [
        ("pixi", PIXI, {
            "mirrors": {"https://other.example": ["https://else.example"], **{k: [v] for k, v in MIRRORS.items()}},
            "repodata-config": {"disable-sharded": True},
        }),
        ("conda", CONDARC, {
            "channels": [f"{URL}/conda-forge", f"{URL}/p/x"], "channel_alias": URL, "default_channels": [],
            "add_pip_as_python_dependency": False, "ssl_verify": False,
            "custom_multichannels": {"nodefaults": []}, "migrated_channel_aliases": ["https://conda.anaconda.org"],
        }),
        ("pip", PIPCONF, {"install": {"user": "true"}, "global": {"index-url": f"{URL}/simple/", "timeout": "9"}}),
        ("uv", UV, {
            "offline": False,
            "index": [{"url": "https://more.example/simple"}, {"url": f"{URL}/simple/", "default": True}],
            "pip": {"strict": True},
        }),
    ],
)  # fmt: skip
@pytest.mark.parametrize("form", list(itertools.product(["\n", "\r\n"], ["", "\ufeff"], [True, False])))
def test_what_the_user_has_stays_or_comes_back(client, text, expected, form):
    newline, start, end = form
    if start and client == "conda":
        start = ""  # YAML with a mark is refused by our reader
    text = start + (text if end else text.rstrip("\n")).replace("\n", newline)
    written = CLIENTS[client].merge(text, OFFER)
    assert read(client, written) == expected
    assert remove_lines(written) == text
    kept = [line for line in text.removeprefix("\ufeff").splitlines() if line.startswith(("#", ";"))]
    assert all(line in written.splitlines() or start + line in written.splitlines() for line in kept)
    if newline == "\r\n":
        assert written.count("\r\n") == written.count("\n")


@pytest.mark.parametrize("client", sorted(CLIENTS.keys() - {"docker", "nginx", "caddy"} - UPLOADERS))
@pytest.mark.parametrize("text", [None, "", "# only a comment", "\n\n"])
def test_a_file_that_says_nothing_is_added_to(client, text):
    written = CLIENTS[client].merge(text, OFFER)
    assert read(client, written) == read(client, CLIENTS[client].configuration(OFFER))
    assert remove_lines(written) == text


@pytest.mark.parametrize(
    ("client", "text"),
    [
        ("pixi", "mirrors = {}\n"), ("pixi", 'mirrors."https://a.example" = ["https://b.example"]\n'),
        ("pixi", "[mirrors\n"),
        ("conda", "channels: [a\n"), ("conda", "- a\n"), ("conda", "{channels: [a], ssl_verify: false}\n"),
        ("pip", "index-url = x\n"), ("pip", "[global]\na\n"), ("uv", "index = []\n"), ("uv", "x = \n"),
    ],
)  # fmt: skip
def test_what_does_not_parse_or_has_no_place_is_refused(client, text):
    with pytest.raises(ValueError, match=r"it|its|Expected|Invalid|at line"):
        CLIENTS[client].merge(text, OFFER)


KEYS = st.sampled_from(
    ['"https://conda.anaconda.org/conda-forge"', '"https://files.pypi.example/"', '"https://x.example"']
)
VALUES = st.sampled_from(['["https://a.example"]', '[\n  "https://a.example", # why\n]', "[]"])
OTHERS = st.sampled_from(
    ["offline = true", "# a comment", "", 'text = """\n[mirrors]\n"""', "[s3-options.b]\nregion = 'x'"]
)


@given(
    before=st.lists(OTHERS, max_size=3, unique=True),
    table=st.none() | st.lists(st.tuples(KEYS, VALUES), max_size=3, unique_by=lambda row: row[0]),
    after=st.lists(st.sampled_from(["# end", "[tail]", "[tail.'[mirrors]']\na = 1"]), max_size=2, unique=True),
)
@settings(deadline=None)
def test_any_configuration_of_pixi_survives(before, table, after):
    lines = [*before, *([] if table is None else ["[mirrors]", *(f"{key} = {value}" for key, value in table)]), *after]
    text = "\n".join(lines)
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    try:
        written = CLIENTS["pixi"].merge(text, OFFER)
    except ValueError:
        return
    assert remove_lines(written) == text
    found = tomllib.loads(written)
    assert {**found, "mirrors": None} == {**data, "mirrors": None}
    assert found["mirrors"].items() >= {key: [to] for key, to in MIRRORS.items()}.items()


@given(text=st.text(alphabet="ab:-# \n'\"[]{},1", max_size=60))
@settings(deadline=None)
def test_any_condarc_survives_or_is_refused(text):
    try:
        written = CLIENTS["conda"].merge(text, OFFER)
    except ValueError:
        return
    assert remove_lines(written) == text
    assert read("conda", written)["channel_alias"] == URL


@pytest.mark.parametrize(
    "raw", ["mirror.lan", "ftp://x", "http://", "http://u:S3CRET@x", "http://x/?q", "http://x:99999", ""]
)
def test_a_url_that_clients_could_not_use_is_refused(raw):
    with pytest.raises(UsageError) as caught:
        admit_url(raw)
    assert "S3CRET" not in str(caught.value)
