"""Real clients with credentials where their users keep them, at a mirror that only its users may read."""

import json
import shutil
import stat
import subprocess
import sys
from urllib.parse import urlsplit

import pytest
from harness.python_index import PythonIndex
from harness.python_tools import PythonTools, uv_program
from harness.serving import served
from harness.world import small_packages

from pixi_mirror.demo.distributions import build_wheel

NAME, PASSWORD = "ada", "p:a/s s@word"
THING = build_wheel(name="thing", version="1.0")

RATTLER = """
import asyncio, os, sys, traceback
import rattler
from rattler.networking import Client

async def main(channel, prefix, cache):
    client = Client.default_client(max_retries=0)
    gateway = rattler.Gateway(cache_dir=cache + "/repodata", client=client)
    records = await rattler.solve(
        sources=[rattler.Channel(channel)], specs=[rattler.MatchSpec("base")], gateway=gateway,
        platforms=["linux-64", "noarch"], virtual_packages=[],
    )
    await rattler.install(records, target_prefix=prefix, cache_dir=cache + "/pkgs", show_progress=False, client=client)

status = 0
try:
    asyncio.run(main(*sys.argv[1:]))
except BaseException:
    traceback.print_exc()
    status = 1
sys.stderr.flush()
os._exit(status)  # ending after an asynchronous call, it dies of SIGSEGV now and then
"""


@pytest.fixture
def mirror(world):
    """A mirror with a channel and a wheel; nobody but it is there any more."""
    index = PythonIndex(world)
    packages = [world.publish(small_packages()[name]) for name in ("base", "old")]
    wheel = index.publish(THING, name="thing", version="1.0")
    world.lock("workspace", environments={"default": {"linux-64": [*packages, wheel]}}, indexes=[index.url], version=7)
    done = world.run("--lock", "workspace/pixi.lock")
    assert done.status == 0, done.stderr
    world.upstream.close()
    return world.mirror


@pytest.fixture
def file(world):
    """Users with one who has a password."""
    file = world.directory / "users"
    done = subprocess.run(
        [sys.executable, "-m", "pixi_mirror", "users", "add", NAME, "--file", file],
        env=world.environment,
        input=PASSWORD.encode(),
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return file


@pytest.fixture
def token(world, file):
    return world.run("users", "add", "ci", "--token", "--file", file).stdout.strip()


@pytest.fixture
def url(world, mirror, file):
    with served(mirror, "--users", file, "--access-log", "none", env=world.environment) as url:
        yield url


def netrc(home, name, secret):
    file = home / ".netrc"
    quoted = f'"{secret}"' if " " in secret else secret
    file.write_text(f"machine 127.0.0.1\nlogin {name}\npassword {quoted}\n", encoding="utf-8")
    file.chmod(0o600)
    return file


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
@pytest.mark.parametrize(
    "way",
    [
        "netrc",
        "wrong",
        *(pytest.param(way, marks=pytest.mark.slow) for way in ("token in netrc", "user", "bearer", "path")),
    ],
)
def test_curl_reads(world, url, token, tmp_path, way):
    channel = f"{world.authority_path}/conda-forge/noarch/repodata.json"
    words = {
        "netrc": lambda: ["--netrc-file", netrc(tmp_path, NAME, PASSWORD)],
        "token in netrc": lambda: ["--netrc-file", netrc(tmp_path, "ci", token)],
        "user": lambda: ["--user", f"{NAME}:{PASSWORD}"],
        "bearer": lambda: ["--oauth2-bearer", token],
        "path": list,
        "wrong": lambda: ["--anyauth", "--user", f"{NAME}:guess"],
    }[way]()
    prefix = f"t/{token}/" if way == "path" else ""
    done = subprocess.run(
        ["curl", "-sS", "--noproxy", "*", "-w", "%{http_code}", *map(str, words), f"{url}/{prefix}{channel}"],
        capture_output=True,
        text=True,
        check=False,
        env=world.environment,
    )
    assert done.stdout[-3:] == ("401" if way == "wrong" else "200"), done.stderr
    assert ("base-2024" in done.stdout) == (way != "wrong")


@pytest.fixture
def tools(tmp_path):
    if not uv_program().exists():
        pytest.skip("needs uv beside this Python: the extra `python-tools`")
    folder = tmp_path / "client"
    (folder / "home").mkdir(parents=True)
    return PythonTools(directory=folder)


def install(tools, client, page, *words, env=None):
    target = tools.directory / "target"
    if client == "pip":
        return tools.pip("install", "--target", target, "--index-url", page, *words, "thing", env=env)
    return tools.uv("install", "--target", target, "--default-index", page, *words, "thing", env=env)


@pytest.mark.python_tools
@pytest.mark.parametrize("client", ["pip", "uv"])
@pytest.mark.parametrize("secret", ["password", "token", "wrong"])
def test_pip_and_uv_read_with_netrc(url, token, tools, client, secret):
    name, word = {"password": (NAME, PASSWORD), "token": ("ci", token), "wrong": (NAME, "guess")}[secret]
    netrc(tools.directory / "home", name, word)
    done = install(tools, client, f"{url}/simple/")
    assert (done.status == 0) == (secret != "wrong"), done.stderr
    assert (tools.directory / "target" / "thing.py").exists() == (secret != "wrong")
    assert word not in done.stdout + done.stderr


@pytest.mark.python_tools
@pytest.mark.parametrize("client", ["pip", "uv"])
def test_pip_and_uv_read_with_a_keyring(url, tools, client):
    """Both run the program `keyring` that is on PATH: `get URL NAME`; pip 26 asks it for JSON (keyring 25.2.1)."""
    programs = tools.directory / "programs"
    programs.mkdir()
    keyring = programs / "keyring"
    credentials = json.dumps({"username": NAME, "password": PASSWORD})
    keyring.write_text(
        f"#!/bin/sh\ncase \"$*\" in\n'get '*' {NAME}') echo '{PASSWORD}' ;;\n"
        f"'--mode=creds --output=json get '*' {NAME}') echo '{credentials}' ;;\n*) exit 1 ;;\nesac\n",
        encoding="utf-8",
    )
    keyring.chmod(keyring.stat().st_mode | stat.S_IXUSR)
    parts = urlsplit(url)
    page = f"http://{NAME}@{parts.netloc}/simple/"
    path = {"PATH": f"{programs}:/usr/bin:/bin"}
    done = install(tools, client, page, "--keyring-provider", "subprocess", env=path)
    assert done.status == 0, done.stderr
    assert (tools.directory / "target" / "thing.py").exists()


@pytest.mark.rattler
@pytest.mark.parametrize("way", ["BasicHTTP", "BearerToken", "CondaToken", "wrong"])
def test_rattler_installs_with_pixis_credential_store(world, url, token, way):
    stored = {
        "BasicHTTP": {"BasicHTTP": {"username": NAME, "password": PASSWORD}},
        "BearerToken": {"BearerToken": token},
        "CondaToken": {"CondaToken": token},
        "wrong": {"BasicHTTP": {"username": NAME, "password": "guess"}},
    }[way]
    store = world.directory / "store.json"
    store.write_text(json.dumps({urlsplit(url).hostname: stored}), encoding="utf-8")
    prefix = world.directory / "prefix"
    done = subprocess.run(
        [sys.executable, "-c", RATTLER, f"{url}/{world.authority_path}/conda-forge", prefix, world.directory / "cache"],
        env={**world.environment, "RATTLER_AUTH_FILE": str(store), "NO_PROXY": "127.0.0.1"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert (done.returncode == 0) == (way != "wrong"), done.stderr
    assert len(list(prefix.glob("conda-meta/*.json"))) == (0 if way == "wrong" else 1)
    if way == "wrong":
        assert "401" in done.stderr
