"""No secret is ever said or written: not in output, not in files or their names, not to other programs."""

import base64
import json
import os
from dataclasses import dataclass, field

import pytest
import zstandard
from harness import kill
from harness.child import Completed, run_python
from harness.kill import Point, killed_at
from harness.upstream import Step, answer, status, truncate
from harness.world import World, small_packages

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
                    data = zstandard.ZstdDecompressor().decompressobj().decompress(data)
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


FAULTS: dict[str, Step] = {
    "401": status(401),
    "404": status(404),
    "500": status(500),
    "wrong bytes": answer(b"a login page"),
    "truncated": truncate(100),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_no_secret_is_left_by_a_failure_upstream(cage, fault):
    cage.world.upstream.script("*", FAULTS[fault])
    for output in ("-v", "--json"):
        assert cage.run("--lock", "workspace", "-e", "prod", output, "--retries", "1").status in (5, 6)
    assert cage.sent == EVERY
    assert cage.traces() == []


ARGUMENTS = ["--lock", "workspace", "-e", "prod", "-v", "--jobs", "1"]


def test_no_secret_is_left_by_a_disk_that_fails(cage):
    """Every twentieth call that changes the disk fails in one run each, and so does the last."""
    world = cage.world
    (world.directory / "listed").mkdir()
    calls = world.directory / "calls"
    counted = run_python(
        kill.__file__, "--list", calls, "--", *ARGUMENTS, "-o", "listed/mirror", "--cache-dir", "listed/cache",
        env=world.environment, cwd=world.directory,
    )  # fmt: skip
    assert counted.status == 0
    number = len(calls.read_text().splitlines())
    failures = 0
    for at in {*range(1, number, 20), number}:
        error = "ENOSPC" if at % 40 == 1 else "EIO"
        done = killed_at(
            Point(kind="any", number=at),
            [*ARGUMENTS, "-o", f"at-{at}/mirror", "--cache-dir", f"at-{at}/cache"],
            env=world.environment,
            cwd=world.directory,
            error=error,
        )
        cage.said += [done.stdout, done.stderr]
        failures += done.status != 0
    assert failures > 2
    assert cage.sent == EVERY
    assert cage.traces() == []


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
