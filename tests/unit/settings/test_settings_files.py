"""Which of pixi's configuration files count, and what a broken one leads to."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from harness.child import ROOT
from harness.corpus import CORPUS

from pixi_mirror.errors import MachineError
from pixi_mirror.model.network import S3Options
from pixi_mirror.settings.files import cache_directory

SYSTEM = "etc/pixi/config.toml"
CONFIG = "home/.config/pixi/config.toml"
XDG = "xdg/pixi/config.toml"
LIBRARY = "home/Library/Application Support/pixi/config.toml"
ROAMING = "home/AppData/Roaming/pixi/config.toml"
APPDATA = "appdata/pixi/config.toml"
HOME = "home/.pixi/config.toml"
PIXI_HOME = "pixi-home/config.toml"
LOCAL = "ws/.pixi/config.toml"
EVERYWHERE = (SYSTEM, CONFIG, XDG, LIBRARY, ROAMING, APPDATA, HOME, PIXI_HOME, LOCAL)


@pytest.mark.parametrize(
    ("platform", "variables", "expected"),
    [
        ("linux", {}, [LOCAL, HOME, CONFIG, SYSTEM]),
        ("linux", {"XDG_CONFIG_HOME": "xdg"}, [LOCAL, HOME, XDG, SYSTEM]),
        ("linux", {"PIXI_HOME": "pixi-home"}, [LOCAL, PIXI_HOME, CONFIG, SYSTEM]),
        ("linux", {"APPDATA": "appdata"}, [LOCAL, HOME, CONFIG, SYSTEM]),
        ("darwin", {}, [LOCAL, HOME, LIBRARY, SYSTEM]),
        ("darwin", {"XDG_CONFIG_HOME": "xdg"}, [LOCAL, HOME, LIBRARY, XDG, SYSTEM]),
        ("win32", {}, [LOCAL, HOME, ROAMING, SYSTEM]),
        ("win32", {"APPDATA": "appdata", "XDG_CONFIG_HOME": "xdg"}, [LOCAL, HOME, APPDATA, SYSTEM]),
    ],
)
def test_the_files_of_a_platform_are_read_in_its_order(user, platform, variables, expected):
    for name in EVERYWHERE:
        user.write(name, "")
    user.environ.update({name: str(user.root / folder) for name, folder in variables.items()})
    assert user.sources(platform=platform) == expected


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
def test_each_file_outweighs_those_below_it(user, platform):
    user.environ.update({"XDG_CONFIG_HOME": str(user.root / "xdg"), "APPDATA": str(user.root / "appdata")})
    for number, name in enumerate(EVERYWHERE, start=10):
        user.write(name, f"[concurrency]\ndownloads = {number}\n")
    names = user.sources(platform=platform)
    assert len(names) >= 4
    for name in names:
        assert user.settings(platform=platform).jobs == 10 + EVERYWHERE.index(name)
        (user.root / name).unlink()
    assert user.settings(platform=platform).jobs == 8


def test_a_relative_xdg_folder_does_not_count_on_linux(user):
    user.write(CONFIG, "")
    user.environ["XDG_CONFIG_HOME"] = "xdg"
    assert user.sources() == [CONFIG]


def test_without_a_workspace_its_file_does_not_count(user):
    user.write(LOCAL, "")
    assert user.sources(workspace=False) == []


def test_the_platforms_own_system_folder_is_the_default(user):
    from pixi_mirror.settings.files import system_folder

    assert (system_folder("linux"), system_folder("darwin")) == (Path("/etc"), Path("/etc"))
    assert system_folder("win32").as_posix() == "C:/ProgramData"


@pytest.mark.parametrize("by_option", [True, False])
def test_a_named_file_replaces_all_but_the_workspaces(user, by_option):
    for name in EVERYWHERE:
        user.write(name, "")
    named = user.write("named.toml", "")
    options = {"config_file": named} if by_option else {}
    if not by_option:
        user.environ["PIXI_CONFIG_FILE"] = str(named)
    assert user.sources(**options) == [LOCAL, "named.toml"]


def test_the_option_outweighs_the_variable(user):
    user.environ["PIXI_CONFIG_FILE"] = str(user.write("variable.toml", ""))
    assert user.sources(config_file=user.write("option.toml", "")) == ["option.toml"]


@pytest.mark.parametrize(
    ("word", "dropped"), [("true", True), ("1", True), ("false", False), ("0", False), ("", False)]
)
def test_no_config_drops_all_but_the_workspaces(user, word, dropped):
    for name in EVERYWHERE:
        user.write(name, "")
    user.environ["PIXI_NO_CONFIG"] = word
    assert user.sources() == ([LOCAL] if dropped else [LOCAL, HOME, CONFIG, SYSTEM])


def test_no_config_outweighs_the_variable_and_not_the_option(user):
    named = user.write("named.toml", "")
    user.environ.update(PIXI_NO_CONFIG="true", PIXI_CONFIG_FILE=str(named))
    assert user.sources() == []
    assert user.sources(config_file=named) == ["named.toml"]


@pytest.mark.parametrize("by_option", [True, False])
def test_a_named_file_that_does_not_exist_is_an_error(user, by_option):
    options = {"config_file": user.root / "gone.toml"} if by_option else {}
    if not by_option:
        user.environ["PIXI_CONFIG_FILE"] = str(user.root / "gone.toml")
    with pytest.raises(MachineError, match=r"gone\.toml does not exist"):
        user.settings(**options)


def test_a_workspace_that_is_the_home_counts_once_and_highest(user):
    user.write(HOME, "")
    user.write(CONFIG, "")
    from pixi_mirror.settings.read import NetworkOptions, read_settings

    found = read_settings(
        environ={},
        workspace=user.home,
        home=user.home,
        options=NetworkOptions(),
        platform="linux",
        system=user.system,
    )
    assert [Path(source).parent.name for source in found.sources] == [".pixi", "pixi"]


def test_mirrors_are_merged_by_key_and_the_higher_replaces_the_list(user):
    user.write(SYSTEM, '[mirrors]\n"https://a.example" = ["https://low"]\n"https://b.example/" = ["https://low"]\n')
    user.write(LOCAL, '[mirrors]\n"https://a.example" = ["https://high/1//", "https://high/2"]\n')
    assert user.mirrors() == {
        "https://a.example/": ("https://high/1/", "https://high/2/"),
        "https://b.example/": ("https://low/",),
    }


def test_one_key_spelled_twice_is_one_key(user):
    user.write(SYSTEM, '[mirrors]\n"HTTPS://A.example:443/x/" = ["https://low"]\n')
    user.write(LOCAL, '[mirrors]\n"https://a.example/x" = ["https://high"]\n')
    assert user.mirrors() == {"https://a.example/x/": ("https://high/",)}


def test_the_higher_answer_wins_even_if_it_is_false(user):
    user.write(SYSTEM, "tls-no-verify = true")
    user.write(LOCAL, "tls-no-verify = false")
    assert user.settings().network.verify_tls
    assert user.settings().warnings == ()


def test_the_spelling_of_early_pixi_is_understood(user):
    user.write("early.json", '{"h.example": {"BearerToken": "t"}}')
    user.write(HOME, f'tls_no_verify = true\nauthentication_override_file = "{(user.root / "early.json").as_posix()}"')
    from pixi_mirror.model.network import Bearer
    from pixi_mirror.model.values import Url

    network = user.settings().network
    assert not network.verify_tls
    assert network.credential(Url("https://h.example/")) == Bearer("t")


def test_unknown_keys_are_ignored(user):
    user.write(LOCAL, 'sparkle = 3\n[concurrency]\nsolves = "many"\n[s3-options.b]\nregion = "x"\n')
    assert user.settings().warnings == ()
    assert user.settings().jobs == 8


def test_the_highest_file_that_names_a_bucket_says_all_of_it(user):
    user.write(SYSTEM, "[s3-options.'a.b']\nendpoint-url = 'https://one.example'\nregion = 'x'\n[s3-options.c]\n")
    user.write(LOCAL, "[s3-options.'a.b']\nendpoint-url = 'http://two.example:9000/s3'\nforce-path-style = true\n")
    assert user.settings().network.s3_options == {
        "a.b": S3Options(endpoint_url="http://two.example:9000/s3", force_path_style=True),
        "c": S3Options(),
    }


def test_a_byte_order_mark_does_no_harm(user):
    user.write(LOCAL, "\ufeff[concurrency]\ndownloads = 3\n")
    assert user.settings().jobs == 3


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tls-no-verify = 'yes'", ["line 1", "`tls-no-verify`", "true or false", "a text"]),
        ("\n\ntls_no_verify = 1", ["line 3", "`tls-no-verify`"]),
        ("tls-root-certs = 'mine'", ["line 1", "`tls-root-certs`", "webpki, system"]),
        ("authentication-override-file = []", ["line 1", "`authentication-override-file`"]),
        ("[concurrency]\ndownloads = true", ["line 2", "`concurrency.downloads`", "a whole number"]),
        ("[concurrency]\ndownloads = 0", ["line 2", "`concurrency.downloads`", "at least 1"]),
        ("concurrency = 3", ["line 1", "`concurrency`", "a table"]),
        ("[proxy-config]\nhttps = 3", ["line 2", "`proxy-config.https`"]),
        ("[proxy-config]\nnon-proxy-hosts = 'lan'", ["line 2", "`proxy-config.non-proxy-hosts`", "a list"]),
        ("[proxy-config]\nhttp='x'\nnon-proxy-hosts = [1]", ["line 3", "a list of texts"]),
        ("mirrors = []", ["line 1", "`mirrors`", "a table"]),
        ("[mirrors]\n'https://a' = 'https://b'", ["line 2", "https://a", "a list"]),
        ("[mirrors]\n'https://a' = [1]", ["line 2", "a list of URLs"]),
        ("[mirrors]\n'conda-forge' = ['https://a']", ["line 2", "conda-forge", "URL"]),
        ("[mirrors]\n'https://a' = ['https://b/?x=1']", ["line 2", "without query"]),
        ("s3-options = []", ["line 1", "`s3-options`", "a table"]),
        ("[s3-options]\nregion = 'x'", ["line 2", "`s3-options.region`", "a table"]),
        ("[s3-options.b]\nregion = 1", ["line 2", "`s3-options.b.region`", "a text"]),
        ("[s3-options.b]\nforce-path-style = 'yes'", ["line 2", "`s3-options.b.force-path-style`", "true or false"]),
        ("[s3-options.b]\nendpoint-url = 'minio'", ["line 2", "`s3-options.b.endpoint-url`", "http or https URL"]),
        ("[s3-options.b]\nendpoint-url = 'https://u:p@minio'", ["line 2", "without user"]),
    ],
)
def test_a_value_of_the_wrong_type_is_named_with_file_line_and_key(user, text, said):
    path = user.write(LOCAL, text)
    with pytest.raises(MachineError) as caught:
        user.settings()
    for words in [str(path), *said]:
        assert words in str(caught.value)
    assert caught.value.status == 8


def test_a_wrong_value_is_found_even_where_a_higher_file_outweighs_it(user):
    user.write(SYSTEM, "tls-no-verify = 3")
    user.write(LOCAL, "tls-no-verify = false")
    with pytest.raises(MachineError, match="etc"):
        user.settings()


def test_a_file_that_is_no_toml_is_named_with_its_line(user):
    path = user.write(LOCAL, "[concurrency]\ndownloads =\n")
    with pytest.raises(MachineError, match=r"not valid TOML \(at line 2") as caught:
        user.settings()
    assert str(path) in str(caught.value)


def test_a_file_that_is_not_text_is_named(user):
    path = user.write(LOCAL, "")
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(MachineError, match="not UTF-8"):
        user.settings()


def test_a_folder_in_place_of_a_file_is_an_error(user):
    (user.root / LOCAL).mkdir(parents=True)
    with pytest.raises(MachineError, match="cannot be read"):
        user.settings()


def test_a_file_in_place_of_the_folder_above_means_no_file(user):
    user.write("ws/.pixi", "")
    assert user.sources() == []


def test_without_files_no_parser_is_loaded(user):
    program = (
        "import sys; from pathlib import Path; from pixi_mirror.settings.read import *\n"
        "read_settings(environ={}, workspace=Path('w'), home=Path('h'), options=NetworkOptions(), system=Path('s'))\n"
        "heavy = 'tomllib netrc ssl requests yaml tqdm platformdirs keyring'\n"
        "print(*sorted(set(sys.modules) & set(heavy.split())))"
    )
    # -S, because site packages may load anything at start-up.
    where = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-S", "-c", program]
    ended = subprocess.run(command, cwd=user.root, env=where, capture_output=True, text=True, check=True)
    assert ended.stdout.split() == []


def test_the_cache_is_where_the_option_the_variable_or_the_platform_says(monkeypatch, tmp_path):
    environ = {"PIXI_MIRROR_CACHE_DIR": "/told"}
    assert cache_directory(environ=environ, option=Path("/asked")) == Path("/asked")
    assert cache_directory(environ=environ, option=None) == Path("/told")
    assert cache_directory(environ={"PIXI_MIRROR_CACHE_DIR": ""}, option=None).name == "pixi-mirror"


CASES = CORPUS / "answers" / "cases"


@pytest.mark.skipif(not CASES.is_dir(), reason="the corpus is not here")
def test_the_real_pixi_read_the_same_files_and_values(user):
    said = json.loads((CASES / "info-with-config" / "stdout").read_text("utf-8"))
    told = json.loads((CASES / "config-list" / "stdout").read_text("utf-8"))
    mirrors = "".join(f"{json.dumps(key)} = {json.dumps(to)}\n" for key, to in told["mirrors"].items())
    numbers = "".join(f"{key} = {number}\n" for key, number in told["concurrency"].items())
    user.write(LOCAL, f"[mirrors]\n{mirrors}[concurrency]\n{numbers}")
    user.write("home/.rattler/credentials.json", "{}")
    user.write(HOME.replace("config.toml", "manifests/pixi-global.toml"), "")

    found = user.settings()

    manifest = Path(said["project_info"]["manifest_path"])
    assert [Path(source).relative_to(user.workspace) for source in found.sources] == [
        Path(location).relative_to(manifest.parent) for location in said["config_locations"]
    ]
    assert found.jobs == told["concurrency"]["downloads"]
    assert found.network.mirrors == {
        f"{key}/": tuple(f"{target}/" for target in to) for key, to in told["mirrors"].items()
    }
    assert found.network.http_hosts == {"127.0.0.1"}
