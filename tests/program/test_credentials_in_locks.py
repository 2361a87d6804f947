"""Users, tokens and `****` in the URLs of a lock: sent to whom they are for, to nobody else, and stored nowhere."""

import base64
import os

import pytest
from harness.examples import first
from harness.python_index import PythonIndex
from harness.upstream import Upstream, demand_basic
from harness.world import World, small_packages

from pixi_mirror.demo.distributions import build_wheel
from pixi_mirror.lockfile.writer import PypiLockEntry

CANARY = "cAnArY7"
USER = ("index-user", f"p:w/{CANARY}")
USERINFO = f"index-user:p%3Aw%2F{CANARY}"
SENT = "Basic " + base64.b64encode(":".join(USER).encode()).decode()


def traces(world: World) -> list[str]:
    found = []
    for folder, _, files in os.walk(world.directory):
        for path in (os.path.join(folder, name) for name in files):
            with open(path, "rb") as file:
                data = file.read()
            if (CANARY.encode() in data or SENT[6:].encode() in data) and not path.endswith(("pixi.lock", "pixi.toml")):
                found.append(path)
    return found


@pytest.fixture
def private(world) -> PypiLockEntry:
    """A wheel of an index that lets in only the user in the index's URL; the file's URL has no user."""
    index = PythonIndex(world)
    entry = index.publish(
        build_wheel(name="demo", version="1.0"), name="demo", version="1.0", **{"upload-time": "2026-01-02T03:04:05Z"}
    )
    world.upstream.script("*", demand_basic(*USER))
    return entry


@pytest.mark.parametrize("version", first(1, [7, 6]))
def test_the_user_of_an_index_is_used_for_its_pages_and_its_files_and_stored_nowhere(world, private, version):
    index = f"http://{USERINFO}@{world.upstream.authority}/simple"
    world.lock("ws", environments={"default": {"linux-64": [private]}}, indexes=[index], version=version)
    for output in ("-v", "--json"):
        done = world.run("--lock", "ws", output, "-o", output.strip("-"))
        assert done.status == 0, done.stderr
        assert CANARY not in done.stdout + done.stderr
    asked = {request.path.partition("?")[0] for request in world.requests}
    assert {request.authorization for request in world.requests} == {SENT}
    assert any("/simple/demo" in path for path in asked)
    assert any(path.endswith(".whl") for path in asked)
    page = world.directory / "v" / world.authority_path / "simple/demo/index.v1_json"
    assert "2026-01-02T03:04:05" in page.read_text(), "the page was read"
    assert traces(world) == []
    world.upstream.forget_requests()
    (world.directory / "v" / private.url.split("//")[1].replace(":", "_")).unlink()
    assert world.run("verify", "v", "--repair", "--cache-dir", "another").status in (0, 1)
    assert {request.authorization for request in world.requests} == {SENT}, "a repair reads the lock again"
    assert world.run("pack", "ws", "-e", "default", "-p", "linux-64", "--cache-dir", "third").status == 0
    assert traces(world) == []


def test_the_user_of_an_index_is_sent_to_no_other_place(world, private):
    with Upstream(root=world.root) as elsewhere:
        other = build_wheel(name="other", version="1.0")
        elsewhere.put(f"/{other.file_name}", other.data)
        entry = PypiLockEntry(
            url=f"{elsewhere.url}/{other.file_name}", name="other", version="1.0", sha256=other.sha256
        )
        index = f"http://{USERINFO}@{world.upstream.authority}/simple"
        world.lock("ws", environments={"default": {"linux-64": [private, entry]}}, indexes=[index])
        assert world.run("--lock", "ws").status == 0
        assert {request.authorization for request in elsewhere.requests} == {None}
    assert traces(world) == []


@pytest.mark.parametrize("user", ["****", "name:****"])
def test_a_redacted_user_is_no_credential(world, user):
    index = PythonIndex(world)
    entry = index.publish(build_wheel(name="demo", version="1.0"), name="demo", version="1.0")
    url = f"direct+http://{user}@{entry.url.removeprefix('http://')}"
    redacted = PypiLockEntry(url=url, name="demo", version="1.0", sha256=entry.sha256)
    named = f"http://{user}@{world.upstream.authority}/simple"
    world.lock("ws", environments={"default": {"linux-64": [redacted]}}, indexes=[named])
    assert world.run("--lock", "ws").status == 0
    assert {request.authorization for request in world.requests} == {None}
    world.upstream.script("*", demand_basic("a", "b"))
    done = world.run("--lock", "ws", "-o", "other", "--cache-dir", "other-cache")
    assert done.status == 5
    assert "the lock has **** in place of the user" in done.stderr


def test_mirrors_apply_to_a_url_with_a_user_who_is_not_sent_to_the_mirror(world):
    entry = world.publish(small_packages()["base"], base=f"https://u:{CANARY}@chan.example/up")
    world.lock("ws", environments={"default": {"linux-64": [entry]}})
    config = world.directory / "config.toml"
    config.write_text(f'[mirrors]\n"https://chan.example/up/conda-forge" = ["{world.upstream.url}/conda-forge"]\n')
    done = world.run("--lock", "ws", "--config-file", config)
    assert done.status == 0, done.stderr
    assert {request.authorization for request in world.requests} == {None}
    assert (world.mirror / "chan.example/up/conda-forge/noarch").is_dir()
    assert traces(world) == []


@pytest.mark.parametrize("proxy", ["localhost:{port}", "user:pw@127.0.0.1:{port}", "127.0.0.1:{port}"])
def test_a_proxy_without_scheme_is_used(world, proxy):
    world.publish(small_packages()["base"])
    entry = world.publish(small_packages()["base"], base="http://chan.example")
    world.lock("ws", environments={"default": {"linux-64": [entry]}})
    env = {"http_proxy": proxy.format(port=world.upstream.port)}
    done = world.run("--lock", "ws", "--retries", "0", env=env)
    assert done.status == 0, done.stderr
    assert [request.proxied for request in world.requests] == [True]


def test_a_channel_with_a_token_is_noted_where_pixi_is_configured(world):
    entries = [
        world.publish(small_packages()["base"], channel="ch", base=f"{world.upstream.url}/t/{CANARY}"),
        world.publish(small_packages()["pure"], channel="open"),
    ]
    for path in (world.root / "ch").rglob("*.conda"):
        world.upstream.put(f"/t/{CANARY}/ch/noarch/{path.name}", path.read_bytes())
    world.lock("ws", environments={"default": {"linux-64": entries}})
    assert world.run("--lock", "ws").status == 0
    done = world.run("config", "--url", "http://mirror.example")
    (note,) = [line for line in done.stderr.splitlines() if "with a token in its URL" in line]
    assert f"{world.upstream.url}/ch " in note
    assert "pixi auth login 127.0.0.1 --conda-token" in note
    assert "/open" not in note
    assert "token" not in world.run("config", "--for", "mamba", "--url", "http://mirror.example").stderr
    assert traces(world) == []
    assert world.run().status == 0, "a refresh keeps it"
    assert "token" in world.run("config").stderr
