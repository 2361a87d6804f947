"""URLs of devpi, GitLab, Azure and others: mirrored, packed, served and led to, as any URL is."""

import re
import tomllib
import urllib.request
from hashlib import sha256
from urllib.parse import unquote, urljoin

import pytest
from harness.child import run_python
from harness.examples import first
from harness.python_tools import StaticServer
from harness.serving import served
from harness.upstream import answer, status
from harness.world import World, small_packages

from pixi_mirror.demo.distributions import build_wheel
from pixi_mirror.demo.packages import build_package
from pixi_mirror.lockfile.writer import CondaLockEntry, PypiLockEntry

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


CHANNELS = {
    "artifactory": "https://jf.example/artifactory/api/conda/team%2Fx",
    "gitlab": "https://chan.example/group/-/packages/conda",
    "scope and home page": "https://chan.example/@scope/~user/+f",
    "blob store": "https://store.example/$web/My%20Project",
    "colon and brackets": "https://chan.example/example.com:proj/a(b)/c&d",
    "two slashes": "https://two.example//conda",
    "two slashes inside": "https://two.example/a//conda",
    "letters": "https://chan.example/caf%C3%A9/conda",
    "odd name at the default host": "https://conda.anaconda.org/~odd+name",
    "host in capitals, default port": "https://Chan.Example:443/Conda",
}


def get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=30) as response:
        return response.read()


def page(entry: PypiLockEntry) -> bytes:
    link = f'<a href="{entry.url}#sha256={entry.sha256}" data-yanked="because">{WHEEL.file_name}</a>'
    return f"<!DOCTYPE html>{link}".encode()


@pytest.mark.parametrize("server", first(1, SERVERS))
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


@pytest.fixture(params=first(4, CHANNELS))
def channel(request, world: World):
    """The URL of a channel with two packages, mirrored by `[mirrors]`, and the URLs of its packages in the lock."""
    url = CHANNELS[request.param]
    packages = [
        build_package(name="tool", version="1!2.0+cu", subdir="linux-64", depends=["base"]),
        small_packages()["base"],
    ]
    entries = [
        CondaLockEntry(url=f"{url}/{each.record['subdir']}/{each.file_name}", record=each.record) for each in packages
    ]
    world.lock("ws", environments={"default": {"linux-64": entries}}, channels=[f"{url}/"], version=7)
    config = world.directory / "config.toml"
    config.write_text(f'[mirrors]\n"{"/".join(url.split("/")[:3])}" = ["{world.upstream.url}"]\n', encoding="utf-8")
    data = {each.file_name: each.data for each in packages}
    absent = status(404)  # such as the indexes of the channel
    replies = {name: answer(each) for name, each in data.items()}
    world.upstream.script("*", lambda reply: replies.get(unquote(reply.request.path.rpartition("/")[2]), absent)(reply))
    done = world.run("--lock", "ws", "--config-file", config)
    assert done.status == 0, done.stderr
    packed = world.run("pack", "ws", "-c", config, "-p", "linux-64", "-o", "e.tar", "--cache-dir", "other")
    assert packed.status == 0, packed.stderr
    return url, [each.url for each in entries]


def test_a_channel_is_mirrored_packed_and_led_to(world: World, channel):
    url, packages = channel
    assert world.run("verify").status == 0
    (row,) = world.run_json("status")["channels"]
    assert (row["url"], row["files"]) == (usual(url), 2)
    with served(world.mirror, env=world.environment) as at:
        leads = tomllib.loads(world.run("config", "--url", at).stdout)["mirrors"]
        for wanted in map(usual, (*packages, f"{url}/noarch/repodata.json")):
            key = max((key for key in leads if wanted.startswith(f"{key}/")), key=len)
            assert get(leads[key][0] + wanted[len(key) :])
        told = world.run("config", "--for", "conda", "-e", "default", "-p", "linux-64", "--url", at).stdout
        listed = [line.partition("#") for line in told.splitlines() if line.startswith(at)]
        assert [sha256(get(package)).hexdigest() for package, _, _ in listed] == [digest for _, _, digest in listed]
    assert len(listed) == 2


def usual(url: str) -> str:
    """As clients spell it that compare URLs."""
    scheme, _, host, path = url.split("/", 3)
    return f"{scheme}//{host.lower().removesuffix(':443')}/{path}"


SOLVE = """
import asyncio, os, sys, rattler
from pathlib import Path
async def main(config, cache, channel, prefix):
    client = rattler.networking.Client.from_config(rattler.Config.from_toml(config))
    gateway = rattler.Gateway(client=client, cache_dir=Path(cache))
    platforms = ["linux-64", "noarch"]
    records = await rattler.solve([rattler.Channel(channel)], ["tool"], gateway=gateway, platforms=platforms)
    await rattler.install(records, prefix, client=client, platform=rattler.Subdir("linux-64"), show_progress=False)
asyncio.run(main(*sys.argv[1:]))
os._exit(0)
"""


@pytest.mark.rattler
def test_pixis_own_library_solves_and_installs_from_such_a_channel_by_mirrors(world: World, channel):
    with served(world.mirror, env=world.environment) as at:
        config = world.run("config", "--url", at, "--only").stdout
        env = world.environment | {"RATTLER_CACHE_DIR": str(world.directory / "packages")}
        prefix = world.directory / "prefix"
        words = (config, world.directory / "repodata", channel[0], prefix)
        done = run_python("-c", SOLVE, *words, env=env, cwd=world.directory)
    assert done.status == 0, done.stderr
    assert len([*(prefix / "conda-meta").glob("*.json")]) == 2
