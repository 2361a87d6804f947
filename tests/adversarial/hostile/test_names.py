"""Names in a lock: what could lead anywhere else is refused before a byte is asked for or written.

`tests/formats/test_url_layout.py` holds the rules themselves; here the whole program is asked, with a lock a name.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib

import pytest
from harness.several import run_several
from harness.upstream import answer
from harness.urls import ANACONDA, SEGMENTS
from harness.urls import HOSTILE as CHANNELS

from pixi_mirror.demo.distributions import build_wheel
from pixi_mirror.demo.packages import build_package
from pixi_mirror.serve.request import parse_target

FILES = "https://files.pypi.example"
WHEEL = "thing-1.0-py3-none-any.whl"
WHEELS = [
    f"{FILES}/../{WHEEL}",
    f"{FILES}/../../etc/{WHEEL}",
    f"{FILES}/./{WHEEL}",
    f"{FILES}/%2e/{WHEEL}",
    f"{FILES}/%2e%2e/{WHEEL}",
    f"{FILES}/%2e%2e%2f{WHEEL}",
    f"{FILES}/%252e%252e/{WHEEL}",
    f"{FILES}/%25252e./{WHEEL}",
    f"{FILES}/a%2f..%2fb/{WHEEL}",
    f"{FILES}/..%5cb/{WHEEL}",
    f"{FILES}/a%252f%2e%2e/{WHEEL}",
    f"{FILES}/a\\b/{WHEEL}",
    f"{FILES}/a\x00/{WHEEL}",
    f"{FILES}/a\n/{WHEEL}",
    f"{FILES}/a\r/{WHEEL}",
    f"{FILES}/a\x1b[2J/{WHEEL}",
    f"{FILES}/{'x' * 300}/{WHEEL}",
    f"{FILES}/{'%3A' * 90}/{WHEEL}",
    f"{FILES}/{'x/' * 700}{WHEEL}",
    f"https://../{WHEEL}",
    f"https:///{WHEEL}",
    f"https://%2e%2e/{WHEEL}",
    f"https://h\u00f6st/{WHEEL}",
    f"https://ho st/{WHEEL}",
    f"https://host:0/{WHEEL}",
    f"https://host:99999/{WHEEL}",
    f"https://[::zz]/{WHEEL}",
    f"{FILES}/p/..%2f{WHEEL}",
    f"{FILES}/p/%2e%2e%2f%2e%2e%2fthing-1.0-py3-none-any.whl",
    f"{FILES}/p/a%2f{WHEEL}",
    f"{FILES}/p/.thing-1.0-py3-none-any.whl",
    f"{FILES}/p/thing-1.0-py3-none-any.whl%00.whl",
    f"{FILES}/p/thing-1.0-py3-none-any%0a.whl",
    f"{FILES}/p/thing-1.0-py3-none-any\u202e.whl",
    f"{FILES}/p/thing%20-1.0-py3-none-any.whl",
    f"{FILES}/p/thing:x-1.0-py3-none-any.whl",
    f"{FILES}/p/thing|x-1.0-py3-none-any.whl",
    f"{FILES}/p/<thing>-1.0-py3-none-any.whl",
    f"{FILES}/p/thing-{'1' * 5000}-py3-none-any.whl",
    f"{FILES}/p/aux.thing-1.0.tar.gz",
    f"{FILES}/p/thing-1.0%252e.tar.gz",
    f"{FILES}/p/..-1.0.tar.gz",
    f"{FILES}/p/~thing-1.0.tar.gz",
    f"{FILES}/p/-1.0.tar.gz",
    f"{FILES}/p/th'ing-1.0.tar.gz",
]
ODD = {f"{FILES}/{spelled}/{WHEEL}": f"files.pypi.example/{name}/{WHEEL}" for spelled, name in SEGMENTS.items()}
"""URLs that have a place in a mirror, however odd, with that place."""
GOOD = [f"{ANACONDA}/conda-forge/linux-64/a-1-0.conda", f"{FILES}/p/{WHEEL}"]


def lock_of(url):
    """A lock that pins one file, at `url`, quoted so that every character arrives."""
    kind = "conda" if re.search(r"-1[^/]*-0[^/]*(conda|bz2)$|a-1|-1-0|conda", url) and FILES not in url else "pypi"
    words = {"sha256": "0" * 64, "name": "a", "version": "1"}
    if kind == "conda":
        words |= {"build": "0", "subdir": "linux-64"}
    else:
        words |= {"name": "thing", "version": "1.0"}
    environment = {"channels": [{"url": f"{ANACONDA}/conda-forge/"}], "packages": {"linux-64": [{kind: url}]}}
    return json.dumps(
        {"version": 6, "environments": {"default": environment}, "packages": [{kind: url, **words}]}
    ).encode("ascii")  # fmt: skip


@pytest.fixture
def locks(world):
    """url -> its lock."""
    found = {}
    for number, url in enumerate([*CHANNELS, *WHEELS, *GOOD]):
        found[url] = world.directory / f"w{number}" / "pixi.lock"
        found[url].parent.mkdir()
        found[url].write_bytes(lock_of(url))
    return found


def test_many_urls_of_each_kind_are_hostile():
    assert len(set(CHANNELS)) >= 60
    assert len(set(WHEELS)) >= 45


def test_a_hostile_name_is_refused_before_any_request_or_file(world, locks):
    """The network is shut by a proxy that would log; what is written besides mirrors and cache would be seen."""
    env = {**world.environment, "HTTPS_PROXY": world.upstream.url, "HTTP_PROXY": world.upstream.url}
    options = ["--skip-unmirrorable", "--allow-unhashed", "--allow-md5", "--retries", "0", "-o", "mirror"]
    before = sorted(os.listdir(world.directory))
    lines = [["--lock", lock, *options] for url, lock in locks.items() if url not in GOOD]
    for url, done in zip(locks, run_several(lines, env=env, cwd=world.directory), strict=False):
        assert done.status == 3, (url, done)
        assert "Traceback" not in done.stderr, (url, done.stderr)
        assert len(done.stderr) < 2000, url
        assert done.stderr.isprintable() or done.stderr.replace("\n", "").isprintable(), (url, done.stderr)
    assert world.requests == []
    assert sorted(os.listdir(world.directory)) == before
    assert not (world.home / "cache").exists()


def test_an_odd_name_has_its_place_and_leads_nowhere_else(world):
    """Each of them in one run, from a real server through `[mirrors]`; nothing is written beside mirror and cache."""
    built = build_wheel(name="thing", version="1.0")
    assert built.file_name == WHEEL
    world.upstream.script("*", answer(built.data))
    packages = [{"pypi": url, "name": "thing", "version": "1.0", "sha256": built.sha256} for url in ODD]
    environments = {
        f"e{number}": {
            "channels": [{"url": f"{ANACONDA}/conda-forge/"}],
            "indexes": [url.rpartition("/")[0]],
            "packages": {"linux-64": [{"pypi": url}]},
        }
        for number, url in enumerate(ODD)
    }
    lock = world.directory / "ws/pixi.lock"
    lock.parent.mkdir()
    lock.write_text(json.dumps({"version": 6, "environments": environments, "packages": packages}))
    config = world.directory / "config.toml"
    config.write_text(f'[mirrors]\n"{FILES}" = ["{world.upstream.url}"]\n')
    before = {*os.listdir(world.directory), "mirror"}
    done = world.run("--lock", "ws", "--all-environments", "--config-file", config)
    assert done.status == 0, done.stderr
    assert {*os.listdir(world.directory)} - before == {"home"}
    found = {path.relative_to(world.mirror).as_posix() for path in world.mirror.rglob(WHEEL)}
    assert found == set(ODD.values())
    assert all((world.mirror / path).read_bytes() == built.data for path in found)
    leads = tomllib.loads(world.run("config", "--url", "http://127.0.0.1:1").stdout)["mirrors"]
    for url, path in ODD.items():
        # What a client asks for, led to the mirror by the longest key, is this very file.
        key = max((key for key in leads if url.startswith(f"{key}/")), key=len)
        target = parse_target(f"{leads[key][0]}{url[len(key) :]}".removeprefix("http://127.0.0.1:1"))
        assert target.paths[0] == path, (url, key)


def test_a_good_name_beside_them_is_asked_for(world, locks):
    env = {**world.environment, "HTTPS_PROXY": world.upstream.url}
    lines = [["--lock", locks[url], "--retries", "0", "-o", f"good{n}"] for n, url in enumerate(GOOD)]
    for url, done in zip(GOOD, run_several(lines, env=env, cwd=world.directory), strict=True):
        assert (done.status, url in done.stderr) == (5, True), done
    assert len(world.requests) == 2


@pytest.mark.strace
@pytest.mark.skipif(shutil.which("strace") is None, reason="no strace")
def test_no_file_is_opened_for_writing_outside_mirror_and_cache(world):
    lock = world.lock("workspace", environments={"default": {"linux-64": [world.publish(build_package(name="one"))]}})
    log = world.directory / "trace"
    files = "openat,open,creat,mkdir,mkdirat,rename,renameat,renameat2,link,linkat,symlink,symlinkat,unlink,unlinkat"
    done = subprocess.run(
        ["strace", "-f", "-o", log, "-e", f"trace={files}", sys.executable, "-B", "-m", "pixi_mirror", "--lock", lock],
        env=world.environment, cwd=world.directory, capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    touched = set()
    for line in log.read_text().splitlines():
        call = line.split("(")[0].split()[-1]
        if " = -1 " in line or '"' not in line or (call in ("openat", "open") and "O_RDONLY" in line):
            continue
        touched |= {os.path.join(world.directory, name) for name in line.split('"')[1::2]}
    allowed = (f"{world.mirror}", f"{world.home}/cache", "/dev/null", "/dev/urandom")
    assert {path for path in touched if not path.startswith(allowed)} == set()
    assert any(path.endswith("repodata.json") for path in touched)
