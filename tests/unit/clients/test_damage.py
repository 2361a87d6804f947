"""Files that people have gone on editing: what they wrote is never lost, and a doubt is a refusal."""

import os
import subprocess
import sys
import tomllib
from configparser import RawConfigParser
from dataclasses import replace

import pytest
from harness.world import small_packages
from hypothesis import given, settings
from hypothesis import strategies as st

from pixi_mirror.clients.files import pixi_workspace
from pixi_mirror.clients.marked_lines import remove_lines
from pixi_mirror.clients.offer import Offer
from pixi_mirror.clients.registry import CLIENTS

URL = "http://mirror.lan:81"
OFFER = Offer(url=URL, channels={"https://a.example/c": f"{URL}/a.example/c"}, indexes={}, origins={}, mapping={})
END = "# <<< pixi-mirror <<<\n"


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("client", ["pixi", "uv"])
def test_what_is_written_below_our_lines_is_not_joined_to_what_is_above(client, newline):
    text = f"b = 2{newline}a = 1"
    written = CLIENTS[client].merge(text, OFFER)
    assert remove_lines(written) == text
    assert remove_lines(f"{written}[x]{newline}y = 1{newline}") == f"{text}{newline}[x]{newline}y = 1{newline}"


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text.replace(END, ""),
        lambda text: text.replace(END, END.upper()),
        lambda text: text.replace("# >>> pixi-mirror >>>\n", ""),
        lambda text: text.replace(END, "# >>> pixi-mirror >>>\n" + END),
    ],
)
def test_a_mark_without_the_other_is_refused(damage):
    written = CLIENTS["pixi"].merge("a = 1\n", OFFER) + "[x]\ny = 1\n"
    assert remove_lines(written) == "a = 1\n[x]\ny = 1\n"
    with pytest.raises(ValueError, match=r"its line [0-9]+ is one of the two marks"):
        remove_lines(damage(written))


@pytest.mark.parametrize(
    ("client", "line"), [("pixi", '"https://x.example" = []'), ("uv", 'name = "x"'), ("pip", "timeout = 9")]
)
def test_a_line_that_our_table_has_got_is_not_given_to_another(client, line):
    written = CLIENTS[client].merge("[other]\n", OFFER)
    with pytest.raises(ValueError, match=r"line .* in the table that pixi-mirror added"):
        remove_lines(f"{written}\n# why\n{line}\n")


def test_the_byte_order_mark_stays_first():
    for client, text in (("uv", "index-url = 'x'\n"), ("conda", "channels: [a]\n"), ("pip", "[global]\nindex-url=x\n")):
        written = CLIENTS[client].merge("\ufeff" + text, OFFER)
        assert (written[0], written.count("\ufeff")) == ("\ufeff", 1)
        assert remove_lines(written) == "\ufeff" + text


def test_hosts_that_pip_trusts_already_stay_trusted():
    text = "[global]\ntrusted-host = team.example\n    more.example\n"
    written = CLIENTS["pip"].merge(text, OFFER)
    parser = RawConfigParser()
    parser.read_string(written)
    assert parser["global"]["trusted-host"].split() == ["team.example", "more.example", "mirror.lan:81"]
    assert remove_lines(written) == text


def test_the_real_pip_reads_a_file_whose_lines_are_indented(tmp_path):
    file = tmp_path / "pip.conf"
    file.write_text(
        CLIENTS["pip"].merge("[global]\n    timeout = 9\n    index-url = https://x.example\n        y\n", OFFER)
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    done = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"],
        env={**environment, "PIP_CONFIG_FILE": str(file)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert f"global.index-url='{URL}/simple/'" in done.stdout
    assert "global.timeout='9'" in done.stdout
    assert "x.example" not in done.stdout


LINES = st.lists(
    st.sampled_from(
        ["[global]", "[install]", " [global]", "index-url = https://x.example", "    index_url: y", "timeout = 9",
         "    more", "\tdeep = 1", "# why", "  ; why", "", "trusted-host = a.example"]
    ),
    max_size=7,
)  # fmt: skip


@given(lines=LINES, newline=st.sampled_from(["\n", "\r\n"]), end=st.sampled_from(["", "\n"]))
@settings(deadline=None)
def test_any_pip_conf_survives_or_is_refused(lines, newline, end):
    text = ("\n".join(lines) + end).replace("\n", newline)
    try:
        written = CLIENTS["pip"].merge(text, OFFER)
    except ValueError:
        return
    assert remove_lines(written) == text
    before, after = RawConfigParser(), RawConfigParser()
    before.read_string(text)
    after.read_string(written)
    assert after["global"]["index-url"] == f"{URL}/simple/"
    assert set(after.sections()) == {*before.sections(), "global"}
    for section in before.sections():
        kept = {
            key: value
            for key, value in before[section].items()
            if section != "global" or key.replace("_", "-") not in ("index-url", "trusted-host")
        }
        assert after[section].items() >= kept.items()


TABLES = st.lists(
    st.sampled_from(
        ['[[index]]\nurl = "https://x.example"\ndefault = true', '[[index]]\ndefault = true # mine\nurl = "y"',
         '[[index]]\nname = "team"\nurl = "https://team.example"', "[pip]\nstrict = true", "# why",
         '[[index]]\nurl = """\n[[index]]\ndefault = true\n"""']
    ),
    max_size=4,
)  # fmt: skip


@given(
    top=st.lists(st.sampled_from(['index-url = "x"', "offline = true", "", "# top"]), max_size=3, unique=True),
    tables=TABLES,
    end=st.sampled_from(["", "\n"]),
)
@settings(deadline=None)
def test_any_uv_toml_survives_or_is_refused(top, tables, end):
    text = "\n".join([*top, *tables]) + end
    try:
        data = tomllib.loads(text)
        written = CLIENTS["uv"].merge(text, OFFER)
    except ValueError:
        return
    assert remove_lines(written) == text
    after = tomllib.loads(written)
    assert after["index"][-1] == {"url": f"{URL}/simple/", "default": True}
    assert after["index"][:-1] == [each for each in data.get("index", []) if not each.get("default")]
    ours = {"index", "index-url"}
    assert {k: v for k, v in after.items() if k not in ours} == {k: v for k, v in data.items() if k not in ours}


PROXIES = 'http-proxy = "http://p.example"\nno-proxy = '


@pytest.mark.parametrize(
    ("client", "text"),
    [
        ("uv", "pip = 1\n"), ("uv", "[[pip]]\nno-index = true\n"), ("uv", "[index]\nurl = 'x'\n"),
        ("uv", "index = 3\n"), ("uv", "index = 'x'\n"), ("uv", "index = [3, 'x']\n"), ("pixi", "proxy-config = 1\n"),
        ("pixi", "mirrors = 1\n"), ("pixi", "[[proxy-config]]\nhttp = 'http://p.example'\n"),
    ],
)  # fmt: skip
def test_a_value_of_another_kind_is_no_conflict_and_no_crash(client, text):
    assert CLIENTS[client].conflicts(text, OFFER) == ()


@pytest.mark.parametrize("exempt", ["1", "[1]", "[1979-05-27]", "{ a = 1 }"])
def test_hosts_that_are_no_list_of_texts_exempt_nothing(exempt):
    (told,) = CLIENTS["uv"].conflicts(f"{PROXIES}{exempt}\n", OFFER)
    assert told.endswith('set no-proxy = ["mirror.lan"].')
    (told,) = CLIENTS["pixi"].conflicts(
        f"[proxy-config]\nhttp = 'http://p.example'\nnon-proxy-hosts = {exempt}\n", OFFER
    )
    assert told.endswith('set non-proxy-hosts = ["mirror.lan"] there.')
    assert CLIENTS["uv"].conflicts(f"{PROXIES}['mirror.lan', {exempt}]\n", OFFER) == ()


def test_an_index_whose_url_is_no_text_does_not_lead_to_the_mirror():
    text = f'[[index]]\nurl = 3\n[[index]]\nurl = "{URL}/simple/"\n'
    assert CLIENTS["uv"].remove(text, [URL]) == "[[index]]\nurl = 3\n"


def test_an_alias_of_conda_s_that_is_a_list_is_passed_on():
    of_default_host = f"{URL}/conda.anaconda.org/c"
    offer = replace(OFFER, channels={"https://conda.anaconda.org/c": of_default_host})
    written = CLIENTS["conda"].merge("migrated_channel_aliases: [[x], https://conda.anaconda.org]\n", offer)
    assert '  - ["x"]\n  - "https://conda.anaconda.org"\n' in written


@pytest.mark.parametrize("client", ["pixi", "uv"])
def test_a_file_that_is_nested_too_deeply_is_refused_as_one_that_does_not_parse(client):
    text = f"a = {'[' * 100_000}{']' * 100_000}\n"
    for change in (CLIENTS[client].merge, CLIENTS[client].conflicts):
        with pytest.raises(ValueError, match="nested"):
            change(text, OFFER)


@pytest.mark.parametrize("text", ["tool = 1\n", "tool = 'pixi'\n", "[[tool]]\npixi = 1\n"])
def test_a_pyproject_toml_of_another_shape_is_no_workspace(tmp_path, text):
    (tmp_path / "pixi.toml").touch()
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "pyproject.toml").write_text(text, encoding="utf-8")
    assert pixi_workspace(tmp_path / "below") == tmp_path


def test_a_damaged_file_and_a_loop_of_links_are_status_8_and_left_alone(world):
    world.lock("workspace", environments={"default": {"linux-64": [world.publish(small_packages()["base"])]}})
    assert world.run("--lock", "workspace/pixi.lock").status == 0
    file = world.directory / "config.toml"
    assert world.run("config", "--write", "--file", file).status == 0
    text = file.read_text(encoding="utf-8").replace(END, "") + "[mine]\n"
    file.write_text(text, encoding="utf-8")
    loop = world.directory / "loop.toml"
    loop.symlink_to(loop.name)
    for place in (file, loop):
        for words in ("--write", "--remove"):
            done = world.run("config", words, "--file", place)
            assert done.status == 8, done.stderr
            assert str(place) in done.stderr
    assert file.read_text(encoding="utf-8") == text
