"""No secret is ever said or written: not in output, not in files or their names, not to other programs."""

import base64
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from urllib.parse import quote

import pytest
from harness import program
from harness.child import Completed
from harness.examples import first
from harness.kill import Point
from harness.python_index import PythonIndex
from harness.upstream import Reply, Step, answer, gzip_encoded, redirect, stall, status, truncate, wrong_length
from harness.world import World, small_packages

from pixi_mirror.archives.compression import decompress_zstd
from pixi_mirror.demo.distributions import build_sdist
from pixi_mirror.demo.packages import build_package
from pixi_mirror.lockfile.writer import PypiLockEntry

CANARY = "cAnArY7"
USERS = {way: (f"{way}-user-{CANARY}", f"{way}-pass-{CANARY}") for way in ("lock", "mirror", "store")}
TOKEN = f"tk-{CANARY}"
ENCODED = {way: base64.b64encode(":".join(pair).encode()).decode() for way, pair in USERS.items()}
FORMS = (CANARY, *ENCODED.values())
THEIRS = {"home/.rattler/credentials.json", "home/.pixi/config.toml", "workspace/pixi.lock", "workspace/pixi.toml"}
"""Where the user keeps the secrets."""


@dataclass
class Cage:
    """A world with a secret of each kind, and everything that was said in it."""

    world: World
    said: list[str] = field(default_factory=list)

    def run(self, *args: object, env: dict[str, str] | None = None) -> Completed:
        done = self.world.run(*args, env=env)
        self.said += [done.stdout, done.stderr]
        return done

    @property
    def sent(self) -> set[str]:
        """Which secrets the upstream ever saw; without them a test would prove nothing."""
        seen = "\n".join(f"{request.path} {request.authorization}" for request in self.world.requests)
        return {way for way, form in {**ENCODED, "token": f"/t/{TOKEN}/"}.items() if form in seen}

    def traces(self) -> list[str]:
        """Where a secret shows."""
        found = [text for text in self.said if any(form in text for form in FORMS)]
        root = self.world.directory
        for folder, _, files in os.walk(root):
            for path in (root / folder / name for name in files):
                name = path.relative_to(root).as_posix()
                data = path.read_bytes()
                if path.suffix == ".zst":
                    data = decompress_zstd(data)
                if any(form in name or (form.encode() in data and name not in THEIRS) for form in FORMS):
                    found.append(name)
        return found


EVERY = {"lock", "mirror", "store", "token"}


@pytest.fixture
def cage(world):
    """Each package is reached with another secret: of the lock (user, token), of a store, of [mirrors]."""
    host, port = world.upstream.authority, world.upstream.port
    bases = {
        "base": f"http://{':'.join(USERS['lock'])}@{host}",
        "pure": f"http://{host}/t/{TOKEN}",
        "tool-linux": f"http://localhost:{port}",
        "old": f"http://127.0.0.9:{port}",
    }
    entries = [world.publish(small_packages()[name], base=base) for name, base in bases.items()]
    world.lock("workspace", environments={name: {"linux-64": entries} for name in ("default", "prod")})
    user, password = USERS["store"]
    files = {
        "home/.rattler/credentials.json": json.dumps(
            {"localhost": {"BasicHTTP": {"username": user, "password": password}}}
        ),
        "home/.pixi/config.toml": f'[mirrors]\n"http://127.0.0.9:{port}" = ["http://{":".join(USERS["mirror"])}@{host}"]\n',
    }
    for name, text in files.items():
        path = world.directory / name
        path.parent.mkdir(parents=True)
        path.write_text(text)
    return Cage(world)


def test_no_secret_is_left_by_a_whole_life_of_a_mirror(cage):
    for words in (
        ["--lock", "workspace", "--dry-run", "-v"],
        ["--lock", "workspace", "-e", "prod"],
        ["--lock", "workspace", "-v"],
        ["--lock", "workspace", "--json"],
        ["status", "--json"],
        ["status", "-v"],
        ["verify", "--json"],
        ["cache", "status", "--json"],
        ["forget", "--lock", "workspace", "-e", "default", "--json"],
        ["prune", "--apply", "--grace", "0", "--force", "--json"],
        ["--json"],
    ):
        assert cage.run(*words).status in (0, 1), cage.said[-1]
    assert cage.sent == EVERY
    assert cage.traces() == []


QUERY = f"?X-Amz-Signature={CANARY}&sig=%63AnArY7"


def circle(reply: Reply) -> None:
    """Send on for ever, to an address that is signed anew each time."""
    reply.answer(302, b"", {"Location": f"{reply.request.path.partition('?')[0]}{QUERY}&n={time.monotonic_ns()}"})


def signed_and_refused(reply: Reply) -> None:
    """Send on to an address that is a password, and refuse it there."""
    if "Signature" in reply.request.path:
        reply.answer(403, b"", {})
    else:
        reply.answer(302, b"", {"Location": f"/signed{QUERY}"})


FAULTS: dict[str, Step] = {
    "401": status(401),
    "404": status(404),
    "500": status(500),
    "wrong bytes": answer(b"a login page"),
    "truncated": truncate(100),
    "too short a length": wrong_length(-10),
    "encoded": gzip_encoded(),
    "a circle of redirects": circle,
    "a signed address that refuses": signed_and_refused,
    "a redirect to a file": redirect(f"file:///{CANARY}/x"),
    "a redirect to nobody": redirect(f"http://user:{CANARY}@127.0.0.1:1/t/{CANARY}/x{QUERY}#{CANARY}"),
    "a challenge that tells it": status(401, {"WWW-Authenticate": f'Basic realm="{CANARY}"'}),
    "a reason that tells it": lambda reply: reply.send_raw(
        f"HTTP/1.1 403 {reply.request.authorization}\r\nContent-Length: 0\r\n\r\n".encode()
    ),
}


@pytest.mark.parametrize("fault", first(2, reversed(FAULTS)))
def test_no_secret_is_left_by_a_failure_upstream(cage, fault):
    cage.world.upstream.script("*", FAULTS[fault])
    for output in ("-v", "--json"):
        assert cage.run("--lock", "workspace", "-e", "prod", output, "--retries", "1").status in (5, 6)
    assert cage.sent == EVERY
    assert cage.traces() == []


def test_no_secret_is_left_by_a_redirect_to_a_signed_address(cage):
    """As object stores have them: the address is a password."""
    for request_path in ("noarch", "linux-64"):
        for path in (cage.world.root / "conda-forge" / request_path).iterdir():
            bare = f"/conda-forge/{request_path}/{path.name}"
            cage.world.upstream.script(bare, redirect(f"/signed{bare}{QUERY}"))
            cage.world.upstream.put(f"/signed{bare}", path.read_bytes())
    assert cage.run("--lock", "workspace", "-v", "--json").status == 0
    assert cage.run("verify", "--json").status == 0
    assert any(CANARY in request.path for request in cage.world.requests if "/signed/" in request.path)
    assert cage.traces() == []


def test_no_secret_of_a_proxy_or_of_odd_characters_is_left(cage):
    """A password with every character that has to be escaped, through a proxy that has one too."""
    world = cage.world
    odd = f"p@:/?#[]%{CANARY} \u00e9"
    secret = quote(odd, safe="")
    base = f"http://user:{secret}@{world.upstream.authority}"
    entry = world.publish(small_packages()["base"], base=base)
    world.lock("workspace", environments={"prod": {"linux-64": [entry]}})
    proxy = {"HTTP_PROXY": f"http://proxy:{secret}@{world.upstream.authority}", "NO_PROXY": "x.example"}
    assert cage.run("--lock", "workspace", "-e", "prod", "-v", env=proxy).status == 0
    world.upstream.script("*", status(407))
    assert cage.run("--lock", "workspace", "-e", "prod", "-o", "other", "--cache-dir", "c", env=proxy).status == 5
    nobody = {"HTTP_PROXY": f"http://proxy:{secret}@127.0.0.1:1"}
    assert cage.run("--lock", "workspace", "-e", "prod", "-o", "other", "--cache-dir", "c", env=nobody).status == 5
    expected = base64.b64encode(f"user:{odd}".encode()).decode()
    assert expected in {(request.authorization or "").removeprefix("Basic ") for request in world.requests}
    forms = (CANARY, secret, expected, base64.b64encode(f"proxy:{odd}".encode()).decode())
    assert [text for text in cage.said if any(form in text for form in forms)] == []
    assert cage.traces() == []


def test_no_secret_is_left_where_a_run_was_killed(cage):
    """In the middle of a download, with the cache, the private part and partial files as they were."""
    world = cage.world
    path = f"/conda-forge/linux-64/{small_packages()['tool-linux'].file_name}"
    world.upstream.script(path, stall(5000))
    child = subprocess.Popen(
        [sys.executable, "-m", "pixi_mirror", "--lock", "workspace", "-v"],
        env=world.environment, cwd=world.directory, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8",
    )  # fmt: skip
    partial = world.home / "cache/partial" / str(small_packages()["tool-linux"].record["sha256"])
    while not partial.exists() or partial.stat().st_size < 5000:
        assert child.poll() is None
        time.sleep(0.01)
    child.kill()
    cage.said += child.communicate()
    assert partial.exists()
    assert cage.traces() == []


def test_no_secret_is_in_what_is_made_for_others(cage):
    """What clients are told, what a reader of the mirror gets, and reports that are kept."""
    assert cage.run("--lock", "workspace", "--report", "first.json").status == 0
    for words in (
        *(["config", "--for", client] for client in ("pixi", "conda", "mamba", "pip", "uv", "docker")),
        ["verify", "--report", "second.json"],
        ["prime", "--dry-run", "--json"],
        ["prune", "--json"],
        ["status", "--json"],
    ):
        assert cage.run(*words).status == 0, (words, cage.said[-1])
    assert cage.traces() == []


@pytest.mark.parametrize("where", first(1, ["upstream", "mirror"]))
def test_no_secret_is_in_a_pack(cage, where):
    """It travels: to colleagues, to customers, across an air gap; manifest and lock go along only if they hold none."""
    if where == "mirror":
        assert cage.run("--lock", "workspace").status == 0
    source = ["--from", "mirror"] if where == "mirror" else []
    options = ["-e", "prod", "-p", "linux-64", "-v", "--json"]
    for target in (["-o", "pack.tar"], ["-o", "pack", "--directory-only"]):
        assert cage.run("pack", "workspace", *options, *source, *target).status == 0, cage.said[-1]
    assert cage.sent == EVERY
    assert (cage.world.directory / "pack.tar").stat().st_size > 20_000
    assert cage.traces() == []


ARGUMENTS = ["--lock", "workspace", "-e", "prod", "-v", "--jobs", "1"]


@pytest.mark.slow
def test_no_secret_is_left_by_a_disk_that_fails(cage):
    """Every twentieth call that changes the disk fails in one run each, and so does the last."""
    world = cage.world
    (world.directory / "listed").mkdir()
    surroundings = {"env": world.environment, "cwd": world.directory}
    whole = [*ARGUMENTS, "-o", "listed/mirror", "--cache-dir", "listed/cache"]
    number = len(program.mutating_calls(whole, **surroundings))
    failures = 0
    for at in {*range(1, number, 20), number}:
        error = "ENOSPC" if at % 40 == 1 else "EIO"
        done = program.run(
            [*ARGUMENTS, "-o", f"at-{at}/mirror", "--cache-dir", f"at-{at}/cache"],
            point=Point(kind="any", number=at),
            error=error,
            **surroundings,
        )
        cage.said += [done.stdout, done.stderr]
        failures += done.status != 0
    assert failures > 2
    assert cage.sent == EVERY
    assert cage.traces() == []


@pytest.mark.slow
def test_no_secret_is_in_a_traceback(cage):
    """A bug ends in a traceback; the standard library is given one here."""
    site = cage.world.directory / "site"
    site.mkdir()
    bug = "def broken(file):\n    if os.fstat(file).st_size > 1000:\n        raise RuntimeError('a bug')\n"
    (site / "sitecustomize.py").write_text(f"import os\n\n{bug}\nos.fsync = broken\n")
    paths = os.pathsep.join([str(site), cage.world.environment["PYTHONPATH"]])
    done = cage.run(*ARGUMENTS, env={"PYTHONPATH": paths})
    assert "Traceback" in done.stderr
    assert cage.sent
    assert cage.traces() == []


@pytest.mark.skipif(os.name == "nt", reason="the stand-in is a script")
def test_no_secret_is_told_to_a_program_that_is_started(cage):
    programs = cage.world.directory / "programs"
    programs.mkdir()
    for name in ("pixi", "rattler-index"):
        path = programs / name
        path.write_text(f'#!/bin/sh\n{{ env; echo "$0 $@"; cat; }} >> "{programs}/{name}.told"\nexit 1\n')
        path.chmod(0o755)
    variables = {"PATH": f"{programs}{os.pathsep}{os.defpath}"}
    cage.run("--lock", "workspace", "-e", "prod", "--index", "rattler-index", env=variables)
    cage.run("-m", "workspace", "-e", "prod", env=variables)
    assert (programs / "pixi.told").exists()
    assert (programs / "rattler-index.told").exists()
    assert cage.sent == EVERY
    assert cage.traces() == []


def every_entry(world: World, version: int) -> str:
    """A lock with an entry of each kind, all with a password, most of which cannot be mirrored."""
    host = f"{':'.join(USERS['lock'])}@{world.upstream.authority}"
    package = small_packages()["base"]
    conda = f"http://{host}/conda-forge/noarch/{package.file_name}"
    sdist = build_sdist(name="five", version="1.0")
    world.upstream.put(f"/{sdist.file_name}", sdist.data)
    entries = [
        {"conda": conda, "sha256": package.record["sha256"], "md5": package.record["md5"], "depends": []},
        {"conda": f"gcs://{host}/c/linux-64/c-1.0-0.conda", "subdir": "linux-64"},
        {"pypi": f"git+http://{host}/r.git?rev=x", "name": "two", "version": "1.0"},
        {"pypi": f"ftp://{host}/three-1.0.tar.gz", "name": "three", "version": "1.0"},
        {"pypi": f"http://{host}/four?sig={CANARY}", "name": "four", "version": "1.0"},
        {"pypi": f"direct+http://{host}/{sdist.file_name}", "name": "five", "version": "1.0", "sha256": sdist.sha256},
    ]
    source = f"git+http://{host}/s.git?branch=main"
    if version == 7:
        entries.append({"conda_source": f"s[0a1b] @ {source}"})
    else:
        entries.append({"conda": source, "name": "s", "version": "1.0", "build": "0", "subdir": "linux-64"})
    references = [{key: each[key] for key in ("conda", "pypi", "conda_source") if key in each} for each in entries]
    environment = {
        "channels": [{"url": f"http://{host}/conda-forge/"}],
        "indexes": [f"http://{host}/simple"],
        "find-links": [{"url": f"http://{host}/links.html?sig={CANARY}"}],
        "packages": {"linux-64": references},
    }
    whole = {"version": version, "environments": {"default": environment}, "packages": entries}
    return json.dumps(whole | ({"platforms": [{"name": "linux-64"}]} if version == 7 else {}))


@pytest.mark.parametrize("version", first(1, [6, 7]))
def test_no_secret_of_an_entry_of_any_kind_is_left(world, version):
    """The password of a source's git URL stood in the inventory once, and was served."""
    world.workspace()
    (world.directory / "workspace/pixi.lock").write_text(every_entry(world, version))
    cage = Cage(world)
    for words in (
        ["--lock", "workspace", "--retries", "0"],
        ["--lock", "workspace", "--dry-run", "-v", "--json"],
        ["--lock", "workspace", "--skip-unmirrorable", "--dry-run", "-v"],
        ["--lock", "workspace", "--skip-unmirrorable", "--retries", "0", "--json"],
        ["status", "--json"],
        ["status", "-v"],
        ["verify", "--json"],
        ["config"],
        ["pack", "workspace", "-p", "linux-64", "-o", "one.tar"],
        ["pack", "workspace", "-p", "linux-64", "-o", "two.tar", "--ignore-pypi-non-wheel", "--json"],
        ["--lock", "workspace", "--flat", "-o", "flat", "--skip-unmirrorable", "--no-pypi"],
    ):
        done = cage.run(*words)
        assert "Traceback" not in done.stderr, done.stderr
    inventory = json.loads((world.mirror / "pixi-mirror.json").read_text())
    (subscription,) = inventory["subscriptions"]
    refused = " ".join(each["entry"] for each in subscription["refused"])
    assert all(name in refused for name in ("s.git", "r.git", "c-1.0-0.conda", "three-1.0", "four"))
    assert cage.sent == {"lock"}
    assert cage.traces() == []


def test_no_secret_of_what_building_needs_is_left(world):
    """A pyproject.toml may name a requirement by its URL, and the inventory is served."""
    place = world.directory / "workspace" / "pkg"
    place.mkdir(parents=True)
    needs = [f"a @ https://u:{CANARY}@h.example/a-1.0-py3-none-any.whl", f"b @ git+https://{CANARY}@h.example/b.git"]
    (place / "pyproject.toml").write_text(f"[build-system]\nrequires = {json.dumps(needs)}\n")
    index = PythonIndex(world)
    sdist = build_sdist(name="sd", version="1.0", build_requires=needs)
    python = build_package(name="python", version="3.12.1", subdir="linux-64")
    entries = [
        world.publish(python), PypiLockEntry(url="./pkg", name="pkg"), index.publish(sdist, name="sd", version="1.0"),
    ]  # fmt: skip
    world.lock("workspace", environments={"default": {"linux-64": entries}}, indexes=[index.url], version=7)
    lock = ("--lock", "workspace", "--retries", "0")
    for words, ends in (
        ((*lock,), 0),
        ((*lock, "--json", "-v"), 0),
        (("status",), 0),
        (("status", "--json"), 0),
        ((*lock, "--with-build-requirements"), 7),
        ((*lock, "--build-requires", needs[0]), 2),
        ((*lock, "--index", needs[0]), 2),
        (("pack", "workspace", "-p", "linux-64", "-o", "e.tar", "--ignore-pypi-non-wheel", "--json"), 0),
    ):
        done = world.run(*words)
        assert done.status == ends, done.stderr
        assert CANARY not in done.stdout + done.stderr, words
    assert (
        "will not build offline: the mirror lacks a @ https://h.example/a-1.0-py3-none-any.whl"
        in world.run("status").stdout
    )
    kept = [path for path in world.mirror.rglob("*") if path.is_file() and path.suffix != ".gz"]
    assert [path for path in kept if CANARY.encode() in path.read_bytes()] == []
