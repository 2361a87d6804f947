"""What was uploaded is installed a moment later: by pip and uv with netrc, keyring and variables, and by py-rattler."""

import json
import subprocess
import sys
from urllib.parse import urlsplit

import pytest
from harness.child import run_program
from harness.hosting import Host
from harness.serving import served
from harness.upload_tools import Target, program, twine

from pixi_mirror.demo.packages import build_package

pytestmark = pytest.mark.upload_tools

RATTLER = """
import asyncio, os, sys, traceback
import rattler
from rattler.networking import Client

async def main(channel, prefix, cache):
    client = Client.default_client(max_retries=0)
    gateway = rattler.Gateway(cache_dir=cache + "/repodata", client=client)
    records = await rattler.solve(
        sources=[rattler.Channel(channel)], specs=[rattler.MatchSpec("acme-tool")], gateway=gateway,
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
def target(world, tmp_path):
    """A server to which twine has just uploaded a wheel and an sdist."""
    if not (program("twine") and program("uv")):
        pytest.skip("needs twine and uv")
    host = Host(world)
    host.add()
    token = world.run("users", "add", "ci", "--token", "--upload", "team", "--file", "users").stdout.strip()
    folder = tmp_path / "tool"
    folder.mkdir()
    users = ("--users", world.directory / "users", "--hosted", "team")
    with served(host.mirror, *users, env=world.environment) as url:
        target = Target(url=url, token=token, ca=None, folder=folder)
        done = twine(target)
        assert done.status == 0, done.stderr
        yield target


def pip(target, page, *words, env=None):
    always = ("--no-cache-dir", "--disable-pip-version-check", "--retries", "0", "--no-input", "--only-binary", ":all:")
    where = ("--target", target.folder / "installed", "--index-url", page)
    environment = {**target.environment, **(env or {})}
    environment.pop("PYTHONPATH", None)
    return run_program(
        sys.executable,
        "-m",
        "pip",
        "install",
        *always,
        *where,
        *words,
        "from-twine",
        env=environment,
        cwd=target.folder,
    )


def uv(target, page, *words, env=None):
    where = ("--target", target.folder / "installed", "--default-index", page, "--python", sys.executable)
    environment = {"UV_HTTP_RETRIES": "0", "UV_LINK_MODE": "copy", **(env or {})}
    return target.run(
        "uv", "pip", "install", "--no-config", "--no-cache", *where, *words, "from-twine", env=environment
    )


def is_installed(target):
    return (target.folder / "installed" / "from_twine.py").exists()


@pytest.mark.parametrize("client", [pip, uv])
@pytest.mark.parametrize("page", ["team/simple", "simple"])
def test_with_netrc(target, client, page):
    file = target.folder / "home" / ".netrc"
    file.write_text(f"machine 127.0.0.1 login __token__ password {target.token}\n", encoding="utf-8")
    file.chmod(0o600)
    done = client(target, f"{target.url}/{page}/")
    assert done.status == 0, done.stderr
    assert is_installed(target)
    assert target.token not in done.stdout + done.stderr


@pytest.mark.parametrize("client", [pip, uv])
def test_with_a_keyring(target, client):
    keyring = target.folder / "programs" / "keyring"
    keyring.parent.mkdir()
    as_json = json.dumps({"username": "__token__", "password": target.token})
    keyring.write_text(
        f"#!/bin/sh\ncase \"$*\" in\n'get '*' __token__') echo '{target.token}' ;;\n"
        f"'--mode=creds --output=json get '*' __token__') echo '{as_json}' ;;\n*) exit 1 ;;\nesac\n",
        encoding="utf-8",
    )
    keyring.chmod(0o755)
    page = f"http://__token__@{urlsplit(target.url).netloc}/team/simple/"
    done = client(target, page, "--keyring-provider", "subprocess", env={"PATH": f"{keyring.parent}:/usr/bin:/bin"})
    assert done.status == 0, done.stderr
    assert is_installed(target)


def test_uv_with_variables(target):
    file = target.folder / "uv.toml"
    file.write_text(f'[[index]]\nname = "team"\nurl = "{target.url}/team/simple/"\ndefault = true\n', encoding="utf-8")
    variables = {"UV_INDEX_TEAM_USERNAME": "__token__", "UV_INDEX_TEAM_PASSWORD": target.token}
    where = ("--config-file", file, "--target", target.folder / "installed", "--python", sys.executable)
    done = target.run("uv", "pip", "install", "--no-cache", *where, "from-twine", env=variables)
    assert done.status == 0, done.stderr
    assert is_installed(target)


def test_without_credentials_nobody_is_told_anything(target):
    done = uv(target, f"{target.url}/team/simple/")
    assert done.status != 0
    assert "401" in done.stderr


def test_py_rattler_installs_from_the_channel(target):
    pytest.importorskip("rattler")
    file = target.put(build_package(name="acme-tool"))
    header = ("-H", f"Authorization: Bearer {target.token}")
    done = target.run("curl", "-sS", "--fail-with-body", *header, "-T", file, f"{target.url}/team/noarch/")
    assert done.status == 0, done.stdout
    store = target.folder / "store.json"
    store.write_text(json.dumps({"127.0.0.1": {"BearerToken": target.token}}), encoding="utf-8")
    prefix = target.folder / "prefix"
    done = subprocess.run(
        [sys.executable, "-c", RATTLER, f"{target.url}/team", prefix, target.folder / "cache"],
        env={**target.environment, "RATTLER_AUTH_FILE": str(store), "NO_PROXY": "127.0.0.1"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert len(list(prefix.glob("conda-meta/acme-tool-*.json"))) == 1
