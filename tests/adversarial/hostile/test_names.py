"""Names in a lock: what could lead anywhere else is refused before a byte is asked for or written.

`tests/formats/test_url_layout.py` holds the rules themselves; here the whole program is asked, with a lock a name.
"""

import json
import os
import re
import shutil
import subprocess
import sys

import pytest
from harness.several import run_several
from harness.urls import ANACONDA
from harness.urls import HOSTILE as CHANNELS

from pixi_mirror.demo.packages import build_package

FILES = "https://files.pypi.example"
WHEEL = "thing-1.0-py3-none-any.whl"
WHEELS = [
    f"{FILES}/../{WHEEL}",
    f"{FILES}/../../etc/{WHEEL}",
    f"{FILES}/./{WHEEL}",
    f"{FILES}//{WHEEL}",
    f"{FILES}/a//{WHEEL}",
    f"{FILES}/%2e%2e/{WHEEL}",
    f"{FILES}/%2e%2e%2f{WHEEL}",
    f"{FILES}/%252e%252e/{WHEEL}",
    f"{FILES}/..;/{WHEEL}",
    f"{FILES}/.hidden/{WHEEL}",
    f"{FILES}/.pixi-mirror/{WHEEL}",
    f"{FILES}/%2Epixi-mirror/{WHEEL}",
    f"{FILES}/c:/{WHEEL}",
    f"{FILES}/a\\b/{WHEEL}",
    f"{FILES}/a%5cb/{WHEEL}",
    f"{FILES}/a%2fb/{WHEEL}",
    f"{FILES}/a%00/{WHEEL}",
    f"{FILES}/a%0a/{WHEEL}",
    f"{FILES}/a b/{WHEEL}",
    f"{FILES}/a\x00/{WHEEL}",
    f"{FILES}/a\n/{WHEEL}",
    f"{FILES}/caf\u00e9/{WHEEL}",
    f"{FILES}/cafe\u0301/{WHEEL}",
    f"{FILES}/\u202e/{WHEEL}",
    f"{FILES}/%E2%80%AE/{WHEEL}",
    f"{FILES}/con/{WHEEL}",
    f"{FILES}/LPT1.x/{WHEEL}",
    f"{FILES}/end./{WHEEL}",
    f"{FILES}/end%20/{WHEEL}",
    f"{FILES}/~/{WHEEL}",
    f"{FILES}/-rf/{WHEEL}",
    f"{FILES}/$HOME/{WHEEL}",
    f"{FILES}/`id`/{WHEEL}",
    f"{FILES}/*/{WHEEL}",
    f"{FILES}/{'x' * 300}/{WHEEL}",
    f"{FILES}/{'x/' * 700}{WHEEL}",
    f"{FILES}/%zz/{WHEEL}",
    f"{FILES}/%ff/{WHEEL}",
    f"https://../{WHEEL}",
    f"https:///{WHEEL}",
    f"https://%2e%2e/{WHEEL}",
    f"https://h\u00f6st/{WHEEL}",
    f"https://host:0/{WHEEL}",
    f"https://host:99999/{WHEEL}",
    f"https://[::zz]/{WHEEL}",
    f"https://con/{WHEEL}",
    f"{FILES}/p/..%2f{WHEEL}",
    f"{FILES}/p/%2e%2e%2f%2e%2e%2fthing-1.0-py3-none-any.whl",
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


def test_more_than_sixty_urls_of_each_kind_are_hostile():
    assert len(set(CHANNELS)) >= 60
    assert len(set(WHEELS)) >= 60


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
