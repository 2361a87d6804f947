"""nginx and Caddy answer as our own server does, with the configuration that `config --for` prints."""

import hashlib
import http.client
import os
import re
import shutil
import socket
import subprocess
import time
from contextlib import contextmanager
from dataclasses import replace

import pytest
from harness.python_index import PythonIndex
from harness.serving import served

from pixi_mirror.demo.distributions import build_sdist, build_wheel
from pixi_mirror.demo.packages import build_package

pytestmark = pytest.mark.web_server

V1_JSON = "application/vnd.pypi.simple.v1+json"
PIP = f"{V1_JSON}, application/vnd.pypi.simple.v1+html; q=0.1, text/html; q=0.01"
BUNDLES = b"[]"
SHA256 = hashlib.sha256(BUNDLES).hexdigest()


@pytest.fixture
def mirrored(world):
    index = PythonIndex(world)
    attested = build_package(name="attested", subdir="linux-64", extra={})
    entry = world.publish(attested)
    (world.root / "conda-forge/linux-64" / f"{attested.file_name}.sigs.{SHA256}").write_bytes(BUNDLES)
    entry = replace(entry, record={**entry.record, "attestations_sha256": SHA256})
    old = build_package(name="old", extension="tar.bz2")
    entries = [
        entry,
        world.publish(old),
        index.publish(build_wheel(name="thing", version="1.0+cpu"), name="thing", version="1.0+cpu"),
        index.publish(build_sdist(name="source", version="1.0"), name="source", version="1.0"),
    ]
    world.lock("workspace", environments={"default": {"linux-64": entries}}, indexes=[index.url], version=7)
    done = world.run("--lock", "workspace/pixi.lock", "--shards", "always")
    assert done.status == 0, done.stderr
    return world


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def wait_for(port, process):
    while process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    pytest.fail(f"the server has ended with {process.returncode}")


def program(name, *elsewhere):
    found = shutil.which(name, path=os.pathsep.join([os.environ["PATH"], *elsewhere]))
    if found is None:
        pytest.skip(f"needs {name}")
    return found


@contextmanager
def nginx(world, directory):
    """nginx with what `config --for nginx` prints, in a main file of the least that it takes."""
    port = free_port()
    site = world.run("config", "--for", "nginx", "--url", f"http://127.0.0.1:{port}")
    assert site.status == 0, site.stderr
    (directory / "site.conf").write_text(site.stdout, encoding="utf-8")
    temporary = "\n".join(
        f"{each}_temp_path {directory}/{each};" for each in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = "user root;" if os.geteuid() == 0 else ""
    main = (
        f"{user}\ndaemon off;\nmaster_process off;\npid {directory}/pid;\nerror_log stderr;\nevents {{ }}\n"
        f"http {{\naccess_log off;\n{temporary}\ninclude {directory}/site.conf;\n}}\n"
    )
    (directory / "nginx.conf").write_text(main, encoding="utf-8")
    call = [program("nginx", "/usr/sbin"), "-e", "stderr", "-p", str(directory), "-c", str(directory / "nginx.conf")]
    with subprocess.Popen(call) as process:
        wait_for(port, process)
        yield port
        process.terminate()


@contextmanager
def caddy(world, directory):
    """Caddy with what `config --for caddy` prints, and no more than what keeps it from the network."""
    port = free_port()
    site = world.run("config", "--for", "caddy", "--url", f"http://127.0.0.1:{port}")
    assert site.status == 0, site.stderr
    (directory / "Caddyfile").write_text("{\n\tadmin off\n\tauto_https off\n}\n" + site.stdout, encoding="utf-8")
    call = [program("caddy"), "run", "--adapter", "caddyfile", "--config", str(directory / "Caddyfile")]
    environment = {"HOME": str(directory), "PATH": os.environ["PATH"]}
    with subprocess.Popen(call, env=environment, stderr=subprocess.DEVNULL) as process:
        wait_for(port, process)
        yield port
        process.terminate()


@contextmanager
def ours(world, _directory):
    with served(world.mirror, env=world.environment) as url:
        yield int(url.rpartition(":")[2])


SERVERS = {"nginx": nginx, "caddy": caddy}


def ask(port, path, *, method="GET", **fields):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request(method, path, headers={name.replace("_", "-"): value for name, value in fields.items()})
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response.status, {name.lower(): value for name, value in response.getheaders()}, body


def questions(world):
    """What clients ask for: path, method, header fields."""
    files = sorted(path.relative_to(world.mirror).as_posix() for path in world.mirror.rglob("*") if path.is_file())
    paths = [f"/{name}".replace("+", "%2B") for name in files if not name.startswith(".pixi-mirror/")]
    pages = [f"/{name.removesuffix('index.html')}" for name in files if name.endswith("/index.html")]
    yield from ((path, "GET", {}) for path in paths)
    yield from ((path, "HEAD", {}) for path in paths[:6])
    for page in pages:
        yield from ((page, "GET", {"Accept": accept}) for accept in (PIP, "text/html", V1_JSON, "*/*"))
        yield page.rstrip("/"), "GET", {}
    package = next(path for path in paths if path.endswith(".conda"))
    yield package, "GET", {"Range": "bytes=10-19"}
    yield package, "GET", {"Range": "bytes=0-"}
    yield package, "GET", {"Range": "bytes=99999999-"}
    folder = package.rpartition("/")[0]
    for absent in (f"{folder}/absent-1.0-0.conda", f"{folder}/current_repodata.json", f"{folder}/", folder, "/absent/"):
        yield absent, "GET", {}
    yield from ((path, "GET", {}) for path in ("/.pixi-mirror/", "/.pixi-mirror/state.json", "/.pixi-mirror"))
    yield package, "POST", {}


COMPARED = ("content-type", "cache-control", "content-encoding", "content-range", "vary", "location")


def answer(port, path, method, fields):
    status, found, body = ask(port, path, method=method, **fields)
    said = {name: found.get(name) for name in COMPARED}
    if said["location"]:
        said["location"] = re.sub(r"^http://[^/]+", "", said["location"]).rstrip("/").rpartition("/")[2]
    if status >= 400:
        return {"status": status} | ({"cache": said["cache-control"]} if status == 404 else {})
    if status in (301, 308):
        return {"status": status, "location": said["location"]}
    return {"status": status, "body": hashlib.sha256(body).hexdigest(), "has etag": "etag" in found, **said}


@pytest.mark.parametrize("name", SERVERS)
def test_every_request_is_answered_as_our_own_server_answers_it(name, mirrored, tmp_path):
    directory = tmp_path / name
    directory.mkdir()
    different = []
    with ours(mirrored, directory) as own, SERVERS[name](mirrored, directory) as other:
        asked = list(questions(mirrored))
        for path, method, fields in asked:
            expected, found = answer(own, path, method, fields), answer(other, path, method, fields)
            if expected != found:
                wrong = {
                    key: (expected.get(key), found.get(key)) for key in expected if expected.get(key) != found.get(key)
                }
                different.append((path, method, fields, wrong))
    assert len(asked) > 50
    assert not different, "\n".join(map(str, different))


@pytest.mark.parametrize("name", SERVERS)
def test_an_unchanged_index_is_not_sent_again(name, mirrored, tmp_path):
    directory = tmp_path / name
    directory.mkdir()
    index = next(mirrored.mirror.rglob("noarch/repodata.json")).relative_to(mirrored.mirror).as_posix()
    with SERVERS[name](mirrored, directory) as port:
        tag = ask(port, f"/{index}")[1]["etag"]
        status, _, body = ask(port, f"/{index}", If_None_Match=tag)
        assert (status, body) == (304, b"")
        assert ask(port, f"/{index}", If_None_Match='"other"')[0] == 200
