"""Which file `config` changes, with which rights, and what it says of the user's own lines; lists for conda."""

import hashlib
import itertools
import json
import os
import re
import subprocess
import sys
import tomllib
import urllib.request

import pytest
from harness.examples import first
from harness.python_index import PythonIndex
from harness.serving import served
from harness.world import small_packages

from pixi_mirror.clients.offer import Offer
from pixi_mirror.clients.registry import CLIENTS
from pixi_mirror.demo.distributions import build_wheel
from pixi_mirror.demo.packages import build_package

LOCK = ("--lock", "workspace/pixi.lock")
URL = "http://127.0.0.1:8765"


def config(world, *words, **options):
    return world.run("config", world.mirror, *words, **options)


@pytest.mark.slow
def test_outside_a_workspace_nothing_is_written(world, mirror):
    outside = world.directory / "outside"
    outside.mkdir()
    for words in itertools.product(["pixi", "uv", "docker"], ["--write", "--remove"]):
        done = config(world, "--for", *words, cwd=outside)
        assert done.status == 3, words
        assert "--file" in done.stderr
        assert list(outside.iterdir()) == []


def test_the_users_file_is_written_where_that_is_wanted(world, mirror):
    outside = world.directory / "outside"
    outside.mkdir()
    for client, place, variables in (
        ("pixi", "home/.pixi/config.toml", {}),
        ("pixi", "elsewhere/config.toml", {"PIXI_HOME": "elsewhere"}),
        ("uv", "home/.config/uv/uv.toml", {}),
        ("conda", "home/.condarc", {}),
        ("pip", "home/.config/pip/pip.conf", {}),
    ):
        env = {name: str(world.directory / value) for name, value in variables.items()}
        file = world.directory / place
        assert config(world, "--for", client, "--global", "--write", cwd=outside, env=env).status == 0, place
        assert URL in file.read_text(encoding="utf-8"), place
        assert config(world, "--for", client, "--global", "--remove", cwd=outside, env=env).status == 0, place
        assert not file.exists(), place


def test_options_that_do_not_go_together_are_refused(world, mirror):
    for words in (
        ("--global",), ("--global", "--write", "--file", "x"), ("--global", "--write", "--for", "docker"),
        ("--only", "--for", "pip"), ("-e", "default"), ("-e", "default", "--for", "pip"), ("-p", "linux-64"),
        ("-e", "default", "--for", "conda", "--write"), ("-e", "default", "-p", "linux-64", "--for", "docker"),
    ):  # fmt: skip
        done = config(world, *words)
        assert (done.status, done.stdout) == (2, ""), words


@pytest.mark.parametrize("umask", first(1, [0o077, 0o022, 0o002]))
def test_a_new_file_has_the_users_umask(world, mirror, umask):
    words = [sys.executable, "-m", "pixi_mirror", "config", "mirror", "--write", "--file", "new.toml"]
    subprocess.run(words, cwd=world.directory, env=world.environment, check=True, capture_output=True, umask=umask)
    assert (world.directory / "new.toml").stat().st_mode & 0o777 == 0o666 & ~umask


def without_comments(file):
    """As `pixi config set` leaves a file: the comments are gone, the values stay."""
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    file.write_text("".join(line for line in lines if not line.startswith("#")), encoding="utf-8")


def test_lines_that_have_lost_their_marks_are_known_by_where_they_lead(world, mirror):
    file = world.directory / "config.toml"
    own = '[mirrors]\n"https://mine.example" = ["https://else.example"]\n'
    file.write_text(own, encoding="utf-8")
    for url in ("http://mirror.lan:81", URL):  # the second time the first ones are neither kept nor commented out
        assert config(world, "--url", url, "--only", "--write", "--file", file).status == 0
        without_comments(file)
    assert "mirror.lan" not in file.read_text(encoding="utf-8")
    done = config(world, "--remove", "--file", file, "--url", "http://another.lan")
    assert (done.status, file.read_text(encoding="utf-8")) == (0, own), done.stderr


def test_what_still_leads_to_the_mirror_is_no_success(world, mirror):
    file = world.directory / "config.toml"
    text = f'[mirrors]\n"https://a.example" = ["{URL}/a.example", "https://a.example"]\n'
    file.write_text(text, encoding="utf-8")
    done = config(world, "--remove", "--file", file)
    assert (done.status, file.read_text(encoding="utf-8")) == (8, text)
    assert "line 2" in done.stderr


def test_what_overrules_a_file_is_warned_of(world, mirror):
    pip = world.directory / "pip.conf"
    pip.write_text("[global]\nno-index = true\n[install]\nindex-url = https://a.example\n", encoding="utf-8")
    words = ("--for", "pip", "--file", pip, "--write", "--json")
    done = config(world, *words, env={"PIP_INDEX_URL": "https://b.example"})
    assert done.status == 0
    warnings = json.loads(done.stdout)["warnings"]
    assert [
        word for word in ("[global] no-index", "[install] index-url", "PIP_INDEX_URL") if word in str(warnings)
    ] == [
        "[global] no-index",
        "[install] index-url",
        "PIP_INDEX_URL",
    ]
    assert done.stderr.count("warning: ") == 3


ELSEWHERE = "https://else.example"
OVERRULING = {
    "pixi, a longer key in another file of the user": (
        ("pixi",), "home/.config/pixi/config.toml", '[mirrors]\n"{channel}/noarch" = ["{else_}"]', {}, "a longer key",
    ),
    "pixi, the same key in the workspace": (
        ("pixi", "--global"), "workspace/.pixi/config.toml", '[mirrors]\n"{channel}" = ["{else_}"]', {}, "the same key",
    ),
    "pip, in the active environment": (
        ("pip",), "venv/pip.conf", "[global]\nindex-url = {else_}", {"VIRTUAL_ENV": "venv"}, "[global] index-url",
    ),
    "pip, of the system": (
        ("pip",), "etc/pip/pip.conf", "[global]\nextra-index-url = {else_}", {"XDG_CONFIG_DIRS": "etc"}, "extra-index",
    ),
    "uv, a default index of the workspace": (
        ("uv", "--global"), "workspace/uv.toml", '[[index]]\nurl = "{else_}"\ndefault = true', {}, "the default index",
    ),
    "uv, of the project": (
        ("uv", "--global"), "workspace/pyproject.toml", "[tool.uv]\nno-index = true", {}, "`no-index`",
    ),
    "uv, of the system": (("uv",), "etc/uv/uv.toml", "no-index = true", {"XDG_CONFIG_DIRS": "etc"}, "`no-index`"),
    "conda, in the active environment": (
        ("conda",), "venv/.condarc", "channel_alias: {else_}", {"CONDA_PREFIX": "venv"}, "channel_alias",
    ),
    "mamba, another file of the user": (
        ("mamba",), "home/.conda/.condarc", "custom_channels: {{mine: {else_}}}", {}, "the channel mine elsewhere",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", first(3, OVERRULING))
def test_what_overrules_a_file_is_warned_of_wherever_the_client_reads_it(world, mirror, case):
    (client, *words), place, text, variables, told = OVERRULING[case]
    file = world.directory / place
    file.parent.mkdir(parents=True, exist_ok=True)
    channel = f"{world.upstream.url}/conda-forge"
    file.write_text(text.format(channel=channel, else_=ELSEWHERE) + "\n", encoding="utf-8")
    env = {name: str(world.directory / value) for name, value in variables.items()}
    workspace = world.directory / "workspace"
    done = config(world, "--for", client, *words, "--write", cwd=workspace, env=env)
    (warning,) = [line for line in done.stderr.splitlines() if "warning: " in line]
    assert told in warning
    assert str(file) in warning
    file.unlink()
    assert "warning: " not in config(world, "--for", client, *words, "--write", cwd=workspace, env=env).stderr


@pytest.mark.parametrize("client", first(2, ["pixi", "pip", "uv", "conda", "mamba", "git"]))
def test_a_proxy_of_the_environment_is_warned_of_unless_the_mirror_is_exempt(world, mirror, client):
    proxy = "http://proxy.lan:3128"
    for variables, url, named in (
        ({"http_proxy": proxy}, "http://mirror.lan:81", "http_proxy"),
        ({"ALL_PROXY": proxy}, "https://mirror.lan", "ALL_PROXY"),
        ({"http_proxy": proxy, "NO_PROXY": "localhost,.lan"}, "http://mirror.lan:81", None),
        ({"https_proxy": proxy}, "http://mirror.lan:81", None),
    ):
        told = config(world, "--for", client, "--url", url, env=variables).stderr
        assert ("NO_PROXY" in told) == (named is not None)
        assert named is None or f"the environment variable {named} sends requests" in told


@pytest.mark.parametrize(
    ("client", "place", "text"),
    first(
        2,
        [
            ("pip", "home/.config/pip/pip.conf", "[global]\nextra-index-url =\n  {url}/simple\n  {url}?sig=hunter2\n"),
            ("pip", "home/.config/pip/pip.conf", "[install]\nfind-links = {url}\nproxy = {url}\n"),
            ("uv", "workspace/uv.toml", '[[index]]\nurl = "{url}"\n'),
            ("pixi", "workspace/.pixi/config.toml", '[mirrors]\n"{channel}/t/hunter2/x" = ["{url}"]\n'),
            ("conda", "home/.condarc", "custom_channels: {{mine: '{url}'}}\nproxy_servers: {{http: '{url}'}}\n"),
            ("git", "home/.gitconfig", '[url "{url}"]\n\tinsteadOf = {url}\n'),
        ],
    ),
)
def test_no_secret_of_what_overrules_a_file_is_shown(world, mirror, client, place, text):
    file = world.directory / place
    file.parent.mkdir(parents=True, exist_ok=True)
    channel = f"{world.upstream.url}/conda-forge"
    file.write_text(text.format(url="https://ada:hunter2@else.example", channel=channel), encoding="utf-8")
    for words in ((), ("--write",), ("--write", "--json")):
        done = config(world, "--for", client, *words, cwd=world.directory / "workspace")
        assert done.status == 0, done.stderr
        assert "hunter2" not in done.stdout + done.stderr
    assert "warning: " in done.stderr or client == "git"


def test_a_line_of_git_that_is_as_long_as_ours_is_warned_of():
    offer = Offer(
        url=URL, channels={}, indexes={}, origins={}, mapping={},
        repositories={"https://git.example/org/r.git": f"{URL}/git.example/org/r.git"},
    )  # fmt: skip
    text = '[url "ssh://git@git.example/"]\n\tinsteadOf = https://git.example/\n[core]\n\tbare = true\n'
    assert CLIENTS["git"].conflicts(text + CLIENTS["git"].configuration(offer), offer) == ()
    longer = '[URL "ssh://git@git.example/org/r.git"]\n\tinsteadof=https://git.example/org/r.git\n'
    (told,) = CLIENTS["git"].conflicts(text + longer, offer)
    assert "insteadOf = https://git.example/org/r.git leads elsewhere" in told


def test_what_overrules_a_file_is_warned_of_once(world, mirror):
    (world.directory / "uv.toml").write_text("no-index = true\n")
    done = world.run("config", "--for", "uv", "--file", "uv.toml", "--write")
    assert done.stderr.count("`no-index`") == 1


def test_a_proxy_in_the_users_file_is_warned_of_with_the_line_that_exempts_the_mirror(world, mirror):
    users = world.home / ".pixi" / "config.toml"
    users.parent.mkdir(parents=True, exist_ok=True)
    users.write_text('[proxy-config]\nhttp = "http://proxy.lan:3128"\n', encoding="utf-8")
    done = config(world, "--url", "http://mirror.lan:81")
    assert 'non-proxy-hosts = ["mirror.lan"]' in done.stderr
    assert "pixi auth login http://mirror.lan:81 --token TOKEN" in done.stderr
    assert tomllib.loads(done.stdout)["mirrors"]["https://conda-mapping.prefix.dev"]


def test_a_list_for_an_install_without_a_solver_has_the_mirrors_urls_and_the_locks_hashes(world):
    odd = world.publish(build_package(name="odd", version="1!2.0+cuda12", subdir="linux-64"))
    base = world.publish(small_packages()["base"])
    wheel = PythonIndex(world).publish(build_wheel(name="thing", version="1.0"), name="thing", version="1.0")
    cells = {"prod": {"linux-64": [odd, base, wheel], "osx-arm64": [base]}}
    world.lock("workspace", environments=cells, version=7, indexes=[PythonIndex(world).url])
    assert world.run(*LOCK, "-e", "prod").status == 0
    with served(world.mirror, env=world.environment) as url:
        done = config(world, "--for", "conda", "--url", url, "-e", "prod", "-p", "linux-64")
        assert done.status == 0, done.stderr
        assert "1 Python package from PyPI" in done.stderr
        lines = done.stdout.splitlines()
        entries = [line.partition("#") for line in lines[lines.index("@EXPLICIT") + 1 :]]
        assert sorted(sha256 for _, _, sha256 in entries) == sorted(each.record["sha256"] for each in (odd, base))
        for package, _, sha256 in entries:
            with urllib.request.urlopen(package) as reply:
                assert hashlib.sha256(reply.read()).hexdigest() == sha256
        mac = config(world, "--for", "mamba", "--url", url, "-e", "prod", "-p", "osx-arm64").stdout
        assert [line for line in mac.splitlines() if line.startswith(url)] == [
            package for package in [f"{package}#{sha256}" for package, _, sha256 in entries] if "base" in package
        ]
    for words, message in (
        (("-e", "nope"), "there are: prod"),
        (("-e", "prod", "-p", "win-64"), "linux-64, osx-arm64"),
    ):
        done = config(world, "--for", "conda", *words)
        assert (done.status, done.stdout) == (3, "")
        assert message in done.stderr


def test_a_list_has_the_hash_that_was_pinned_where_the_lock_has_none(world):
    locked = [
        world.publish(small_packages()["base"]).hotfixed(sha256=None, md5=None),
        world.publish(small_packages()["old"]).hotfixed(sha256=None),
    ]
    world.lock("workspace", environments={"default": {"linux-64": locked}}, version=7)
    assert world.run(*LOCK, "--allow-unhashed").status == 0
    lines = config(world, "--for", "conda", "-e", "default", "-p", "linux-64").stdout.splitlines()
    hashes = {line.partition("#")[2] for line in lines if line.startswith(URL)}
    assert hashes == {small_packages()[name].record["sha256"] for name in ("base", "old")}


def test_an_environment_of_two_locks_is_no_list_unless_it_is_the_same(world):
    base, old = (world.publish(small_packages()[name]) for name in ("base", "old"))
    for name, packages in (("a", [base]), ("b", [base]), ("c", [base, old])):
        world.lock(name, environments={"default": {"linux-64": packages}})
        assert world.run("--lock", f"{name}/pixi.lock").status == 0
        done = config(world, "--for", "conda", "-e", "default", "-p", "linux-64")
        assert (done.status, "several locks" in done.stderr) == ((0, False) if name != "c" else (3, True))


def test_a_mirror_without_the_mapping_is_served_with_an_empty_one(world, mirror):
    file = mirror / "conda-mapping.prefix.dev/compressed-v0/compressed_mapping.json"
    before = file.read_bytes()
    file.unlink()
    target = file.relative_to(mirror).as_posix()
    with served(mirror, env=world.environment) as url, urllib.request.urlopen(f"{url}/{target}") as reply:
        assert (reply.status, reply.read(), reply.headers["Content-Type"]) == (200, b"{}", "application/json")
    file.write_bytes(before)
    assert re.fullmatch(rb"\{\}\n?", before)
    assert os.listdir(file.parent) == [file.name]
