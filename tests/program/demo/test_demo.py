"""`pixi-mirror demo` shows the main job truly, fails when a step fails, and stays inside its directory."""

import json
import re
import sys
import urllib.request
from pathlib import Path

import pytest
from harness import program
from harness.child import run_python, user_environment

from pixi_mirror.demo.scene import served
from pixi_mirror.demo.story import STEPS, play_steps
from pixi_mirror.demo.upstream import Upstream

COMMANDS = [
    "pixi-mirror --lock workspace/pixi.lock -e prod",
    "pixi-mirror verify",
    "pixi-mirror",
    "pixi-mirror --dry-run",
    "pixi-mirror",
    "pixi-mirror status",
    "pixi-mirror verify",
    "pixi-mirror verify --repair",
]


@pytest.fixture
def user(tmp_path):
    """The environment of somebody with an empty home and a temporary directory."""
    (tmp_path / "temporary").mkdir()
    return user_environment(tmp_path / "home") | {"TMPDIR": str(tmp_path / "temporary")}


def demo(*args, env, cwd):
    return program.run(["demo", *args], env=env, cwd=cwd)


def everything(directory):
    return {path.relative_to(directory).as_posix() for path in directory.rglob("*")}


def shown(transcript):
    """Command -> what it printed, in the order of the transcript."""
    parts = re.split(r"^\$ (.*)\n", transcript, flags=re.MULTILINE)[1:]
    return list(zip(parts[::2], parts[1::2], strict=True))


def test_every_step_does_what_it_should(tmp_path, user):
    done = demo("stage", env=user, cwd=tmp_path)
    assert (done.status, done.stderr) == (0, "")
    steps = shown(done.stdout)
    assert [command for command, _ in steps] == [f"cd {tmp_path / 'stage'}", *COMMANDS]
    _, first, whole, again, planned, second, status, broken, mended = (output for _, output in steps)
    assert "brought 6 files" in first
    assert "wrong" not in whole
    assert again.startswith("nothing to do")
    assert "would bring 2 files" in planned
    assert "\nbrought 2 files" in second
    assert "prod on linux-64, osx-arm64" in status
    assert "1 file wrong" in broken
    assert "repaired:\n  conda-forge/linux-64/demo-lib-2.3-0.conda\n" in mended
    assert "wrong" not in mended.replace("read back", "")


def test_what_it_leaves_is_a_mirror_of_prod_with_the_locked_metadata(tmp_path, user):
    assert demo("stage", env=user, cwd=tmp_path).status == 0
    channel = tmp_path / "stage" / "mirror" / "conda-forge"
    archives = sorted(path.relative_to(channel).as_posix() for path in channel.rglob("demo-*"))
    assert archives == [
        "linux-64/demo-app-1.0-0.conda",
        "linux-64/demo-app-1.1-0.conda",
        "linux-64/demo-lib-2.3-0.conda",
        "noarch/demo-data-2024.1-0.tar.bz2",
        "osx-arm64/demo-app-1.0-0.conda",
        "osx-arm64/demo-app-1.1-0.conda",
        "osx-arm64/demo-lib-2.3-0.conda",
    ]
    content = served()
    assert {each: (channel / each).read_bytes() for each in archives} == {
        each: content[f"conda-forge/{each}"] for each in archives
    }
    repodata = json.loads((channel / "linux-64" / "repodata.json").read_text())
    assert repodata["packages.conda"]["demo-lib-2.3-0.conda"]["depends"] == ["demo-data >=2024,<2025"]


def test_it_writes_nothing_outside_its_directory_and_needs_no_home(tmp_path, user):
    (tmp_path / "no-home").write_text("a file, in which no directory can be made")
    nowhere = str(tmp_path / "no-home")
    homeless = user | {"HOME": nowhere, "USERPROFILE": nowhere, "XDG_CACHE_HOME": f"{nowhere}/cache"}
    before = everything(tmp_path)
    assert demo("stage", env=homeless, cwd=tmp_path).status == 0
    assert {path for path in everything(tmp_path) - before if path.split("/")[0] != "stage"} == set()
    assert (tmp_path / "stage" / "cache" / "CACHEDIR.TAG").is_file()
    assert (tmp_path / "no-home").read_text().startswith("a file")


def test_without_a_directory_it_makes_a_temporary_one_names_it_and_keeps_it(tmp_path, user):
    done = demo(env=user, cwd=tmp_path)
    assert done.status == 0
    (made,) = (tmp_path / "temporary").iterdir()
    assert f"$ cd {made}\n" in done.stdout
    assert (made / "mirror" / "pixi-mirror.json").is_file()


@pytest.mark.parametrize("what", ["a full directory", "a file"])
def test_it_leaves_alone_what_is_not_an_empty_directory(tmp_path, user, what):
    place = tmp_path / "place"
    kept = place / "kept.txt" if what == "a full directory" else place
    kept.parent.mkdir(exist_ok=True)
    kept.write_text("mine")
    before = everything(tmp_path)
    done = demo("place", env=user, cwd=tmp_path)
    assert done.status == 8
    assert "place" in done.stderr
    assert done.stdout == ""
    assert everything(tmp_path) == before
    assert kept.read_text() == "mine"


@pytest.mark.slow
def test_the_settings_of_the_user_do_not_reach_it(tmp_path, user):
    pixi = Path(user["HOME"]) / ".pixi"
    pixi.mkdir()
    (pixi / "config.toml").write_text("this is no TOML")
    broken = tmp_path / "broken"
    broken.write_text("neither TOML nor JSON")
    here = tmp_path / ".pixi"
    here.mkdir()
    (here / "config.toml").write_text("this is no TOML either")
    settings = {
        "PIXI_CONFIG_FILE": str(broken),
        "RATTLER_AUTH_FILE": str(broken),
        "NETRC": str(broken),
        "http_proxy": "http://127.0.0.1:1",
        "HTTPS_PROXY": "http://127.0.0.1:1",
        "ALL_PROXY": "http://127.0.0.1:1",
        "REQUESTS_CA_BUNDLE": str(tmp_path / "absent"),
        "SSL_CERT_FILE": str(tmp_path / "absent"),
        "PIXI_MIRROR_FLAT": "true",
        "PIXI_MIRROR_OUTPUT": str(tmp_path / "elsewhere"),
        "PIXI_MIRROR_JSON": "true",
    }
    plain = demo("plain", env=user, cwd=tmp_path)
    told = demo("told", env=user | settings, cwd=tmp_path)
    assert (plain.status, told.status) == (0, 0)
    ports = re.compile(r"127\.0\.0\.1:\d+|\d\d:\d\d UTC")
    assert ports.sub("", told.stdout).replace("told", "plain") == ports.sub("", plain.stdout)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="limits the size of files by setrlimit")
def test_it_ends_with_the_status_of_the_step_that_failed(tmp_path, user):
    # Without -B, Python would leave bytecode in the checkout that is cut at the limit, and that no later run can load.
    limited = "import resource, runpy; resource.setrlimit(resource.RLIMIT_FSIZE, (16384, 16384)); "
    limited += "runpy.run_module('pixi_mirror', run_name='__main__', alter_sys=True)"
    done = run_python("-B", "-c", limited, "demo", "stage", env=user, cwd=tmp_path)
    assert done.status == 8
    assert done.stderr == (
        f"pixi-mirror: the demo stopped at `{COMMANDS[0]}`: it ended with status 8 where 0 was due.\n"
    )


class Typist:
    """Runs every command line as a process of its own, and can misbehave before or after one of them."""

    def __init__(self, user, *, at=-1, before=lambda: None, status=None):
        self._user = user
        self._at = at
        self._before = before
        self._status = status
        self._number = -1

    def __call__(self, stage, arguments):
        self._number += 1
        odd = self._number == self._at
        if odd:
            self._before()
        env = self._user | dict(stage.environment)
        done = program.run([*arguments], env=env, cwd=stage.directory)
        return self._status if odd and self._status is not None else done.status


def played(directory, upstream, typist):
    said = []
    directory.mkdir()
    return play_steps(directory, upstream=upstream, run=typist, say=said.append), said


@pytest.mark.slow
def test_a_dead_upstream_stops_it(tmp_path, user):
    with Upstream(served()) as upstream:
        typist = Typist(user, at=4, before=lambda: upstream.__exit__(None, None, None))
        stopped, said = played(tmp_path / "stage", upstream, typist)
    assert (stopped.command, stopped.status) == ("pixi-mirror", 5)
    assert said[-1] == "$ pixi-mirror"


def test_an_update_that_asks_for_more_than_it_should_stops_it(tmp_path, user):
    with Upstream(served()) as upstream:

        def ask():
            urllib.request.urlopen(f"{upstream.url}/{next(iter(served()))}").close()

        stopped, _ = played(tmp_path / "stage", upstream, Typist(user, at=2, before=ask))
    assert (stopped.command, stopped.status) == ("pixi-mirror", 7)
    assert "1 files from the server where 0 were due" in stopped.problem


@pytest.mark.slow
@pytest.mark.broken_mirror("the demo stops when its corrupted file is not found, and leaves it so")
def test_a_verify_that_finds_nothing_stops_it(tmp_path, user):
    with Upstream(served()) as upstream:
        stopped, _ = played(tmp_path / "stage", upstream, Typist(user, at=6, status=0))
    assert (stopped.command, stopped.status) == ("pixi-mirror verify", 7)


def test_the_whole_story_passes_with_a_typist_who_behaves(tmp_path, user):
    with Upstream(served()) as upstream:
        stopped, said = played(tmp_path / "stage", upstream, Typist(user))
    assert stopped is None
    assert len([line for line in said if line.startswith("$ pixi-mirror")]) == len(STEPS)
