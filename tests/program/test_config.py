"""`config` says what a client needs, puts it into the client's file and takes it out again."""

import os
import tomllib

import pytest
from harness.python_index import PythonIndex
from harness.serving import served

from pixi_mirror.demo.distributions import build_wheel

LOCK = ("--lock", "workspace/pixi.lock")


def test_every_url_of_the_mirror_is_led_to_a_file_that_is_there(world, mirror):
    done = world.run("config", "--url", "http://mirror.lan/sub/")
    mirrors = tomllib.loads(done.stdout)["mirrors"]
    assert list(tomllib.loads(done.stdout)) == ["mirrors"]
    for row in world.run_json(*LOCK, "--dry-run")["wanted"]:
        key = max((key for key in mirrors if row["url"].startswith(f"{key}/")), key=len)
        (target,) = mirrors[key]
        assert target.startswith("http://mirror.lan/sub/")
        path = target.removeprefix("http://mirror.lan/sub/") + row["url"].removeprefix(key)
        assert (mirror / path).is_file(), path
    page = f"{world.upstream.url}/simple"
    assert mirrors[page] == [f"http://mirror.lan/sub/{world.authority_path}/simple"]


def test_the_default_is_pixi_at_the_default_port(world, mirror):
    assert world.run("config").stdout == world.run("config", "--for", "pixi", "--url", "http://127.0.0.1:8765").stdout


def test_json_says_what_was_written(world, mirror):
    told = world.run_json("config")
    assert (told["verb"], told["for"], told["written"]) == ("config", "pixi", None)
    assert told["content"] == world.run("config").stdout
    assert world.run_json("config", "--write", "--file", "x.toml")["written"] == "x.toml"


def test_it_is_written_into_the_clients_file_once_and_removed_again(world, mirror):
    inside = world.directory / "workspace" / "deep"
    inside.mkdir()
    for client, place in (
        ("pixi", "workspace/.pixi/config.toml"),
        ("uv", "workspace/uv.toml"),
        ("conda", "home/.condarc"),
        ("mamba", "home/.condarc"),
        ("pip", "home/.config/pip/pip.conf"),
    ):
        file = world.directory / place
        words = ("config", mirror, "--for", client)
        done = world.run(*words, "--write", cwd=inside)
        assert done.status == 0, done.stderr
        assert str(file) in done.stderr
        written = file.read_bytes()
        assert "so before" in world.run(*words, "--write", cwd=inside).stderr, client
        assert file.read_bytes() == written, client
        assert world.run(*words, "--remove", cwd=inside).status == 0, client
        assert not file.exists(), client


def test_a_file_of_the_user_keeps_its_mode_its_link_and_its_words(world, mirror):
    real = world.directory / "real.toml"
    before = '# mine\n[mirrors]\n"https://x.example" = ["https://y.example"]\n'
    real.write_text(before, encoding="utf-8")
    real.chmod(0o600)
    link = world.directory / "link.toml"
    link.symlink_to(real)
    assert world.run("config", "--write", "--file", link).status == 0
    assert link.is_symlink()
    assert real.stat().st_mode & 0o777 == 0o600
    assert "# mine" in real.read_text(encoding="utf-8")
    assert world.run("config", "--remove", "--file", link).status == 0
    assert real.read_text(encoding="utf-8") == before


@pytest.mark.parametrize(
    ("client", "text"), [("pixi", "[mirrors\n"), ("conda", "a: [\n"), ("pip", "no\n"), ("uv", "= 1")]
)
def test_a_file_that_does_not_parse_is_never_touched(world, mirror, client, text):
    file = world.directory / "file"
    file.write_text(text, encoding="utf-8")
    done = world.run("config", "--for", client, "--write", "--file", file)
    assert done.status == 8
    assert str(file) in done.stderr
    assert file.read_text(encoding="utf-8") == text
    assert [path.name for path in world.directory.glob(".file*")] == []


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (("--url", "mirror.lan"), 2), (("--for", "npm"), 2), (("--write", "--remove"), 2), (("--file", "x"), 2),
        (("nowhere",), 8),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_refused(world, mirror, words, status):
    done = world.run("config", *words)
    assert (done.status, done.stdout) == (status, "")


def test_an_update_does_not_ask_the_mirror_for_what_it_lacks(world, mirror):
    more = build_wheel(name="more", version="1.0")
    index = PythonIndex(world)
    entry = index.publish(more, name="more", version="1.0")
    with served(mirror, env=world.environment) as url:
        assert world.run("config", mirror, "--url", url, "--write", cwd=world.directory / "workspace").status == 0
        world.lock("workspace", environments={"default": {"linux-64": [entry]}}, indexes=[index.url], version=7)
        done = world.run(*LOCK)
        assert done.status == 0, done.stderr
        assert "itself" in done.stderr
    assert list(mirror.rglob(more.file_name))


def test_the_file_of_another_mirror_is_used_as_told(world, mirror):
    other = world.directory / "other"
    with served(mirror, env=world.environment) as url:
        config = world.directory / "config.toml"
        config.write_text(world.run("config", mirror, "--url", url).stdout, encoding="utf-8")
        world.upstream.forget_requests()
        done = world.run(*LOCK, "-o", other, "--config-file", config, env={"PIXI_MIRROR_CACHE_DIR": "fresh"})
        assert done.status == 0, done.stderr
        assert "itself" not in done.stderr
        assert world.requests == []
    assert os.listdir(other)
