"""Channels in a real OCI registry: mirrored like any other, with the credentials of docker, podman and pixi."""

import base64
import json
import os
import stat

import pytest
from harness.registry import PASSWORD, USER, Registry, TokenServer

from pixi_mirror.demo.packages import build_package

pytestmark = pytest.mark.registry

BIG = build_package(name="_big", version="1!2.0+x", build="h1_0", subdir="linux-64", payload_size=300_000)
SMALL = build_package(name="small", version="1.0", noarch="generic")
V2 = "application/vnd.conda.package.v2"


def tag_of(package):
    record = package.record
    return f"{record['version']}-{record['build']}".replace("+", "__p__").replace("!", "__e__").replace("=", "__eq__")


def fill(world, server, *packages, port=""):
    """Push packages and lock a workspace `ws` to them."""
    entries = []
    for package in packages:
        name = package.record["name"]
        name = f"zzz{name}" if name.startswith("_") else name
        server.push(f"team/channel/{package.record['subdir']}/{name}", tag_of(package), {V2: package.data})
        entries.append(world.publish(package, channel="channel", base=f"oci://{server.host}{port}/team"))
    world.lock(
        "ws", environments={"default": {"linux-64": entries}}, channels=[f"oci://{server.host}{port}/team/channel"]
    )


def require_mirrored(world, server, *packages, port=""):
    for package in packages:
        path = world.mirror / f"{server.host}{port}/team/channel/{package.record['subdir']}/{package.file_name}"
        assert path.read_bytes() == package.data


def docker(world, server, entry, **more):
    path = world.home / ".docker/config.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"auths": {server.host: entry}} | more))


def packed(user=USER, password=PASSWORD):
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


@pytest.fixture
def server(tmp_path):
    (tmp_path / "server").mkdir()
    with Registry(tmp_path / "server") as running:
        yield running


@pytest.fixture(params=["basic", "token"])
def closed(request, tmp_path):
    (tmp_path / "server").mkdir()
    with Registry(tmp_path / "server", auth=request.param) as running:
        yield running


def update(world, server, *words, env=None):
    return world.run("--lock", "ws", "--ca-file", server.ca, "--retries", "0", *words, env=env)


def test_a_channel_in_a_registry_is_mirrored(world, server):
    fill(world, server, BIG, SMALL)
    done = update(world, server)
    assert done.status == 0, done.stderr
    require_mirrored(world, server, BIG, SMALL)
    index = json.loads((world.mirror / f"{server.host}/team/channel/linux-64/repodata.json").read_bytes())
    assert list(index["packages.conda"]) == [BIG.file_name]
    assert "[mirrors]" in (said := world.run("config").stdout)
    assert f'"oci://{server.host}/team/channel"' in said


def test_as_in_pixi_the_port_of_an_url_does_not_count(world, server):
    fill(world, server, SMALL, port=":5000")
    done = update(world, server)
    assert done.status == 0, done.stderr
    require_mirrored(world, server, SMALL, port="_5000")


def test_another_package_under_the_name_is_wrong_bytes(world, server):
    fill(world, server, SMALL)
    server.push("team/channel/noarch/small", tag_of(SMALL), {V2: BIG.data})
    done = update(world, server)
    assert done.status == 6, done.stderr


def test_what_is_not_there_is_named_and_so_is_a_manifest_without_the_file(world, server):
    fill(world, server, SMALL)
    missing = build_package(name="missing", noarch="generic")
    entry = world.publish(missing, channel="channel", base=f"oci://{server.host}/team")
    world.lock("ws", environments={"default": {"linux-64": [entry]}}, channels=[f"oci://{server.host}/team/channel"])
    done = update(world, server)
    assert (done.status, f"has no manifest {server.host}/team/channel/noarch/missing:1.0-0" in done.stderr) == (5, True)
    server.push("team/channel/noarch/missing", "1.0-0", {"application/octet-stream": b"other"})
    done = update(world, server)
    assert (done.status, "names no file of the type application/vnd.conda.package.v2" in done.stderr) == (5, True)


def test_a_registry_stands_for_a_channel_on_the_web(world, server):
    fill(world, server, SMALL)
    entry = world.publish(SMALL, channel="channel", base="https://web.example")
    world.lock("ws", environments={"default": {"linux-64": [entry]}})
    config = world.directory / "config.toml"
    config.write_text(f'[mirrors]\n"https://web.example/channel" = ["oci://{server.host}/team/channel"]\n')
    done = update(world, server, "--config-file", config)
    assert done.status == 0, done.stderr
    assert (world.mirror / "web.example/channel/noarch" / SMALL.file_name).read_bytes() == SMALL.data


def test_without_credentials_a_closed_registry_is_status_5_and_says_where_to_log_in(world, closed):
    fill(world, closed, SMALL)
    done = update(world, closed)
    assert done.status == 5
    assert "no credentials were sent" in done.stderr
    assert f"`docker login {closed.host}`" in done.stderr


@pytest.mark.parametrize("where", ["docker", "podman", "REGISTRY_AUTH_FILE", "longer", "pixi", "helper", "store"])
def test_credentials_are_found_where_logins_leave_them(world, closed, where, tmp_path):
    fill(world, closed, BIG, SMALL)
    env = {}
    if where == "docker":
        docker(world, closed, packed())
    elif where == "podman":
        path = tmp_path / "run/containers/auth.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps({"auths": {closed.host: packed()}}))
        docker(world, closed, packed(password="wrong"))
        env = {"XDG_RUNTIME_DIR": str(tmp_path / "run")}
    elif where == "REGISTRY_AUTH_FILE":
        (tmp_path / "auth.json").write_text(json.dumps({"auths": {closed.host: packed()}}))
        env = {"REGISTRY_AUTH_FILE": str(tmp_path / "auth.json")}
    elif where == "longer":
        docker(world, closed, packed(password="wrong"))
        path = world.home / ".docker/config.json"
        auths = {closed.host: packed(password="wrong"), f"{closed.host}/team": packed()}
        path.write_text(json.dumps({"auths": auths}))
    elif where == "pixi":
        path = world.home / ".rattler/credentials.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({closed.host: {"BasicHTTP": {"username": USER, "password": PASSWORD}}}))
        docker(world, closed, packed(password="wrong"))
    else:
        program = tmp_path / "bin/docker-credential-test"
        program.parent.mkdir()
        answer = json.dumps({"ServerURL": closed.host, "Username": USER, "Secret": PASSWORD})
        program.write_text(f'#!/bin/sh\nread -r host\n[ "$1 $host" = "get {closed.host}" ] && echo \'{answer}\'\n')
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        env = {"PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}"}
        named = {"credHelpers": {closed.host: "test"}} if where == "helper" else {"credsStore": "test"}
        docker(world, closed, {}, **named)
    done = update(world, closed, "-v", env=env)
    assert done.status == 0, done.stderr
    require_mirrored(world, closed, BIG, SMALL)
    assert "CANARY" not in done.stdout + done.stderr
    if closed.tokens is not None:
        assert {scope for _, scope, _ in closed.tokens.asked} == {
            "repository:team/channel/linux-64/zzz_big:pull",
            "repository:team/channel/noarch/small:pull",
        }


def test_an_identity_token_is_exchanged(world, tmp_path):
    (tmp_path / "server").mkdir()
    with Registry(tmp_path / "server", auth="token") as server:
        fill(world, server, SMALL)
        docker(world, server, {"identitytoken": TokenServer.IDENTITY})
        done = update(world, server)
        assert done.status == 0, done.stderr
        assert [method for method, _, _ in server.tokens.asked] == ["POST"]


def test_wrong_credentials_are_said_and_not_shown(world, closed):
    fill(world, closed, SMALL)
    docker(world, closed, packed(password="wrong-CANARY"))
    done = update(world, closed)
    assert done.status == 5
    assert "a user name and password were" in done.stderr
    assert "CANARY" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("text", "words"),
    [("{", "is not a JSON object"), ('{"auths": {"HOST": {"auth": "%%%"}}}', "in no shape of docker's")],
)
def test_a_file_of_credentials_that_cannot_be_read_is_status_8(world, server, text, words):
    fill(world, server, SMALL)
    docker(world, server, {})
    (world.home / ".docker/config.json").write_text(text.replace("HOST", server.host))
    server.push("team/channel/noarch/small", tag_of(SMALL), {V2: SMALL.data})
    done = update(world, server)
    assert (done.status, words in done.stderr) == (8, True), done.stderr
