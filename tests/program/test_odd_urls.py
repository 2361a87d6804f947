"""URLs of devpi, GitLab, Azure and others: mirrored, packed, served and led to, as any URL is."""

import re
import tomllib
import urllib.request
from urllib.parse import urljoin

import pytest
from harness.examples import first
from harness.python_tools import StaticServer
from harness.serving import served
from harness.upstream import answer
from harness.world import World, small_packages

from pixi_mirror.demo.distributions import build_wheel
from pixi_mirror.lockfile.writer import PypiLockEntry

WHEEL = build_wheel(name="demo", version="1.0")
SERVERS = {
    "devpi": ("https://devpi.example/acme/dev/+simple", "https://devpi.example/acme/dev/+f/abc/0123456789abc"),
    "gitlab": ("https://git.example/api/v4/groups/1/-/packages/pypi/simple", "https://git.example/api/v4/g/-/files/f"),
    "gitlab project": ("https://git.example/api/group%2Fproject/simple", "https://git.example/api/group%2Fproject/f"),
    "azure": (
        "https://pkgs.example/org/My%20Project/_packaging/feed/pypi/simple",
        "https://pkgs.example/My%20Project/f",
    ),
    "google": ("https://dl.example/example.com:proj/simple", "https://dl.example/example.com:proj/f"),
    "home page": ("https://www.example/~user/simple", "https://www.example/~user/f"),
    "scope": ("https://npm.example/@scope/simple", "https://npm.example/@scope/f"),
    "blob store": ("https://store.example/$web/simple", "https://store.example/$web/f"),
    "two slashes": ("https://two.example//simple", "https://two.example/a//f"),
    "letters": ("https://letters.example/caf%C3%A9/simple", "https://letters.example/caf%C3%A9/f"),
}


def get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=30) as response:
        return response.read()


def page(entry: PypiLockEntry) -> bytes:
    link = f'<a href="{entry.url}#sha256={entry.sha256}" data-yanked="because">{WHEEL.file_name}</a>'
    return f"<!DOCTYPE html>{link}".encode()


@pytest.mark.parametrize("server", first(3, SERVERS))
def test_an_index_and_its_files_are_mirrored_packed_and_led_to(world: World, server):
    index, folder = SERVERS[server]
    entry = PypiLockEntry(url=f"{folder}/{WHEEL.file_name}", name="demo", version="1.0", sha256=WHEEL.sha256)
    python = world.publish(small_packages()["base"])
    world.lock("ws", environments={"default": {"linux-64": [python, entry]}}, indexes=[index])
    host = "/".join(index.split("/")[:3])
    config = world.directory / "config.toml"
    config.write_text(f'[mirrors]\n"{host}" = ["{world.upstream.url}/up"]\n')
    place = f"/up{folder.removeprefix(host)}/{WHEEL.file_name}"
    world.upstream.script("*", lambda reply: answer(WHEEL.data if place_of(reply) == place else page(entry))(reply))

    def place_of(reply) -> str:
        return reply.request.path.partition("?")[0]

    for path in (world.root / "conda-forge").rglob("*.conda"):
        world.upstream.script(f"/conda-forge/noarch/{path.name}", answer(path.read_bytes()))
    done = world.run("--lock", "ws", "--config-file", config)
    assert done.status == 0, done.stderr
    assert "no pages" not in done.stderr
    (found,) = (path for path in world.mirror.rglob(WHEEL.file_name))
    assert found.read_bytes() == WHEEL.data
    packed = world.run("pack", "ws", "-c", config, "-p", "linux-64", "-o", "e.tar", "--cache-dir", "other")
    assert packed.status == 0, packed.stderr
    with served(world.mirror, env=world.environment) as url:
        leads = tomllib.loads(world.run("config", "--url", url).stdout)["mirrors"]
        for wanted, kind in ((entry.url, b"PK"), (f"{index}/demo/", b"because")):
            key = max((key for key in leads if wanted.startswith(f"{key}/")), key=len)
            body = get(leads[key][0] + wanted[len(key) :])
            assert kind in body, (wanted, leads[key])
        (link,) = re.findall(rb'href="([^"#]+)', get(f"{url}/simple/demo/"))
        assert get(urljoin(f"{url}/simple/demo/", link.decode())) == WHEEL.data
    with StaticServer(world.mirror) as another:  # it knows nothing of our rule
        assert get(urljoin(f"{another.url}/simple/demo/", link.decode())) == WHEEL.data
