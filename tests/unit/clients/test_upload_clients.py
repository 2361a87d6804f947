"""The configurations of uploaders: their own parsers read them, no secret is in them, and `--remove` gives all back."""

import configparser
import tomllib

import pytest

from pixi_mirror.clients.marked_lines import remove_lines
from pixi_mirror.clients.offer import HostedOffer, Offer
from pixi_mirror.clients.registry import CLIENTS
from pixi_mirror.errors import UsageError

URL = "https://mirror.lan"
TEAM = HostedOffer(name="team", url=f"{URL}/team", conda=True, pypi=True)
WHEELS = HostedOffer(name="data-science", url=f"{URL}/data-science", conda=False, pypi=True)
OFFER = Offer(url=URL, channels={}, indexes={}, origins={}, mapping={}, hosted_names=(WHEELS, TEAM))
UPLOADERS = ("twine", "uv-publish", "pixi-upload")


def ini(text):
    parser = configparser.RawConfigParser()
    parser.read_string(text)
    return parser


def test_twine_reads_an_index_server_for_each_index():
    found = ini(CLIENTS["twine"].configuration(OFFER))
    assert found.get("distutils", "index-servers").split() == ["data-science", "team"]
    assert dict(found["team"]) == {"repository": f"{URL}/team/legacy/", "username": "__token__"}


def test_uv_reads_an_index_that_installs_do_not_ask():
    text = CLIENTS["uv-publish"].configuration(OFFER)
    found = tomllib.loads(text)
    assert found["trusted-publishing"] == "never"
    assert found["index"][1] == {
        "name": "team",
        "url": f"{URL}/team/simple/",
        "publish-url": f"{URL}/team/legacy/",
        "explicit": True,
    }
    assert "UV_INDEX_DATA_SCIENCE_PASSWORD" in text


def test_pixi_reads_variables_of_a_channel():
    lines = CLIENTS["pixi-upload"].configuration(OFFER).splitlines()
    assert [line for line in lines if not line.startswith("#")] == [f"PREFIX_SERVER_URL={URL}", "PREFIX_CHANNEL=team"]


@pytest.mark.parametrize("client", UPLOADERS)
def test_without_a_hosted_name_there_is_nothing_to_configure(client):
    with pytest.raises(UsageError, match="host add"):
        CLIENTS[client].configuration(Offer(url=URL, channels={}, indexes={}, origins={}, mapping={}))


@pytest.mark.parametrize("client", UPLOADERS)
@pytest.mark.parametrize("before", [None, "", "# mine\n"])
def test_what_was_put_into_a_file_comes_out_again(client, before):
    written = CLIENTS[client].merge(before, OFFER)
    assert CLIENTS[client].configuration(OFFER).strip() in written
    assert remove_lines(written) == before


def test_uv_keeps_the_keys_and_tables_of_the_user():
    before = 'native-tls = true\ntrusted-publishing = "always"\n\n[[index]]\nname = "mine"\nurl = "https://x.example"\n'
    written = CLIENTS["uv-publish"].merge(before, OFFER)
    found = tomllib.loads(written)
    assert found["native-tls"] is True
    assert found["trusted-publishing"] == "never"
    assert [index["name"] for index in found["index"]] == ["data-science", "team", "mine"]
    assert remove_lines(written) == before


def test_twine_keeps_other_sections_and_refuses_a_second_list_of_servers():
    written = CLIENTS["twine"].merge("[server-login]\nusername = ada\n", OFFER)
    assert ini(written).get("server-login", "username") == "ada"
    with pytest.raises(ValueError, match="distutils"):
        CLIENTS["twine"].merge("[distutils]\nindex-servers = x\n", OFFER)
    with pytest.raises(ValueError, match="team"):
        CLIENTS["twine"].merge("[team]\nrepository = https://x.example\n", OFFER)


def test_lines_that_have_lost_their_marks_are_known_by_the_url():
    text = CLIENTS["twine"].configuration(OFFER)
    left = ini(CLIENTS["twine"].remove(text + "[mine]\nrepository = https://x.example\n", [URL]))
    assert left.sections() == ["distutils", "mine"]
    text = CLIENTS["uv-publish"].configuration(OFFER) + '\n[[index]]\nname = "mine"\nurl = "https://x.example"\n'
    assert [index["name"] for index in tomllib.loads(CLIENTS["uv-publish"].remove(text, [URL]))["index"]] == ["mine"]


def test_plain_http_is_warned_of_but_on_loopback():
    def notes(url):
        return " ".join(CLIENTS["twine"].notes(Offer(url=url, channels={}, indexes={}, origins={}, mapping={})))

    assert "plain http" in notes("http://mirror.lan")
    assert "plain http" not in notes("http://127.0.0.1:8765")
    assert "plain http" not in notes("https://mirror.lan")


def test_hosted_channels_come_first_and_pixi_is_told_of_them():
    offer = Offer(
        url=URL,
        channels={"https://conda.anaconda.org/x": f"{URL}/x"},
        indexes={},
        origins={},
        mapping={},
        hosted={"team": TEAM.url},
        hosted_names=(TEAM,),
    )
    text = CLIENTS["conda"].configuration(offer)
    assert text.index(f"{URL}/team") < text.index(f"{URL}/x")
    assert f'channels = ["{URL}/team"' in " ".join(CLIENTS["pixi"].notes(offer))
