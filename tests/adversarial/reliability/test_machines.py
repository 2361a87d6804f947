"""On odd machines (umask, locale, clock, home, streams, paths, disks) the mirror is the same, or it is said why not."""

import os
import stat
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from harness import kill, mounts, oracle, program, scenario
from harness.child import ROOT
from harness.looking import contents, served_files
from harness.world import small_packages

pytestmark = pytest.mark.skipif(os.name == "nt", reason="what POSIX has")
LOCK = ("--lock", "workspace/pixi.lock", "--all-environments")
WORDS = [sys.executable, "-m", "pixi_mirror"]


def modes(mirror):
    return {path.relative_to(mirror).as_posix(): stat.S_IMODE(path.lstat().st_mode) for path in mirror.rglob("*")}


@pytest.fixture
def usual(world):
    """What a mirror of the workspace serves on a usual machine."""
    world.workspace()
    done = program.run([*LOCK, "-o", "usual"], env=world.environment, cwd=world.directory)
    assert done.status == 0, done.stderr
    return served_files(world.directory / "usual")


def update(world, mirror="mirror", **options):
    env = world.environment | {"PIXI_MIRROR_CACHE_DIR": f"{world.home}/another cache"} | options.pop("env", {})
    done = program.run([*LOCK, "-o", mirror], env=env, cwd=world.directory, **options)
    assert done.status == 0, done.stderr
    return done


slow = partial(pytest.param, marks=pytest.mark.slow)


@pytest.mark.parametrize("umask", [slow(0o000), 0o022, slow(0o027), 0o077], ids=oct)
def test_every_umask_makes_the_same_bytes_readable_for_whom_it_lets_and_writable_for_nobody_else(world, usual, umask):
    update(world, umask=umask)
    assert served_files(world.mirror) == usual
    found = modes(world.mirror)
    private = {path: mode for path, mode in found.items() if path.startswith(".pixi-mirror")}
    assert all(not mode & 0o7077 for mode in private.values()), private
    public = [mode for path, mode in found.items() if path not in private]
    packages = {mode for path, mode in found.items() if path.endswith((".conda", ".tar.bz2"))}
    assert packages == {0o444 & ~umask}, "what a cache and many mirrors share is edited in place by nobody"
    assert {mode & 0o055 for mode in public if mode & 0o100} == {0o055 & ~umask}, "folders"
    assert {mode for mode in public if not mode & 0o100} == {0o644 & ~umask} | packages, "files"
    assert not any(mode & 0o022 for mode in public), "what others may write"
    again = program.run([*LOCK, "-o", "mirror"], env=world.environment, cwd=world.directory, umask=umask)
    assert again.status == 0, again.stderr


@pytest.mark.parametrize(
    "settings",
    [
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        slow({"LC_ALL": "C"}),
        slow({"LANG": "POSIX"}),
    ],
)
def test_the_plain_locale_makes_the_same_bytes_also_where_paths_are_not_plain(world, usual, settings):
    done = world.run(*LOCK, "-o", "spiegel-ä-鏡", env=settings)
    assert done.status == 0, done.stderr
    assert served_files(world.directory / "spiegel-ä-鏡") == usual
    done = world.run("status", "spiegel-ä-鏡", env=settings)
    assert (done.status, "Traceback" in done.stderr) == (0, False)


def test_without_a_home_nothing_is_missing_but_the_place_of_the_cache(world, usual):
    bare = {key: world.environment[key] for key in ("PATH", "PYTHONPATH", "PYTHONUTF8", "PIXI_MIRROR_INDEX")}
    done = program.run([*LOCK, "--cache-dir", world.directory / "c"], env=bare, cwd=world.directory)
    assert done.status == 0, done.stderr
    assert served_files(world.mirror) == usual
    for words in (["status"], ["verify"], ["prune"], ["config", "--for", "pip"]):
        done = program.run([*words, world.mirror], env={**bare, "HOME": ""}, cwd=world.directory)
        assert done.status == 0, (words, done.stderr)


def streamed(world, redirection, *words, env=None):
    """A run whose streams a shell redirects, with what comes out of it on stderr."""
    command = " ".join(f"'{word}'" for word in [*WORDS, *words])
    return subprocess.run(
        ["sh", "-c", f"{command} {redirection}"],
        env=env or world.environment,
        cwd=world.directory,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    "redirection", [slow(">&-"), slow("2>&-"), "<&- >&- 2>&-", "2>/dev/full", slow("--progress none 2>/dev/full")]
)
def test_closed_streams_are_nothing_to_an_update(world, usual, redirection):
    done = streamed(world, redirection, *LOCK)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert served_files(world.mirror) == usual
    assert not any(b"bringing" in data or b"brought" in data for data in contents(world.mirror).values())


@pytest.mark.parametrize(
    "words",
    [["--version"], slow(["--help"]), ["status", "usual", "--json"], slow(["verify", "usual", "--progress", "none"])],
)
def test_results_that_cannot_be_printed_are_status_8_in_one_line(world, usual, words):
    done = streamed(world, ">/dev/full", *words)
    assert done.returncode == 8
    assert done.stderr == "pixi-mirror: the results cannot be printed: No space left on device.\n"


def test_a_reader_that_goes_away_is_no_failure(world, usual):
    done = streamed(world, "| true; exec true", "status", "usual", "--json")
    assert (done.returncode, done.stderr) == (0, "")


CLOCK = """
import time
_real, _begin = time.time, time.time()
def stopped_elsewhen(): return {seconds} + _real() - _begin
time.time = stopped_elsewhen
time.time_ns = lambda: int(stopped_elsewhen() * 1e9)
"""


@pytest.mark.parametrize("seconds", [0, slow(4_291_747_200)], ids=["1970", "2106"])
def test_the_clock_may_stand_anywhere(world, usual, tmp_path, seconds):
    (tmp_path / "clock").mkdir()
    (tmp_path / "clock/sitecustomize.py").write_text(CLOCK.format(seconds=seconds))
    env = {"PYTHONPATH": f"{tmp_path / 'clock'}{os.pathsep}{ROOT}", "PIXI_MIRROR_CACHE_DIR": f"{tmp_path}/c"}
    done = world.run(*LOCK, env=env)
    assert done.status == 0, done.stderr
    assert served_files(world.mirror) == usual
    base = small_packages()["base"]
    world.lock("workspace", environments={"default": {"linux-64": [world.publish(base)]}})
    assert world.run("--lock", "workspace/pixi.lock", "-o", "mirror", env=env).status == 0
    done = world.run("prune", "--apply", "--force", env=env)
    assert done.status == 0, done.stderr
    assert "removed 0" in done.stdout or "removed" not in done.stdout, "the grace time begins now"
    assert world.run("prune", "--apply", "--force", "--grace", "0", env=env).status == 0
    assert world.run("verify", env=env).status == 0
    # And back on a clock that is right.
    assert world.run("--lock", "workspace/pixi.lock").status == 0


@pytest.mark.parametrize(
    "name",
    [
        slow("with spaces, 'quotes' and \"more\""),
        "with a\nnew line",
        slow("nicht-nur-ascii-äß-鏡-🪞"),
        slow("-begins-with-a-dash"),
        slow("$HOME `id` %41 #x?y"),
        "/".join(["a-rather-long-name-of-a-directory-" * 2] * 4),
    ],
    ids=["spaces", "newline", "unicode", "dash", "shell", "260 characters"],
)
def test_every_path_that_the_system_allows_is_a_good_place(world, usual, name):
    place = world.directory / "places" / name
    assert len(str(place)) > 260 or len(name) < 100
    (place / "workspace").mkdir(parents=True)
    for file in ("pixi.toml", "pixi.lock"):
        (place / "workspace" / file).write_bytes((world.directory / "workspace" / file).read_bytes())
    env = world.environment | {"PIXI_MIRROR_CACHE_DIR": f"{place}/cache"}
    for words in ([*LOCK], ["status"], ["verify"], ["prune"], [*LOCK]):
        done = program.run(words, env=env, cwd=place)
        assert (done.status, "Traceback" in done.stderr) == (0, False), (words, done.stderr)
    # A subscription is known by where its lock is.
    ours, theirs = ({**each, "pixi-mirror.json": b""} for each in (served_files(place / "mirror"), usual))
    assert ours == theirs


def test_a_file_system_without_hard_links_gets_copies(world, usual):
    place = scenario.first_update(world).fresh()
    every_link = kill.Point(kind="link", number=kill.EVERY)
    for error in ("EPERM", "EOPNOTSUPP", "EMLINK"):
        mirror = place.directory / error
        update(world, mirror, point=every_link, error=error, env={"PIXI_MIRROR_CACHE_DIR": str(place.cache)})
        assert served_files(mirror).keys() >= {"pixi-mirror.json"}
        assert {path.stat().st_nlink for path in mirror.rglob("*.conda")} == {1}
        assert oracle.problems(mirror) == []


@pytest.mark.skipif(not mounts.possible(), reason="this machine does not let us mount")
@pytest.mark.parametrize("which", [slow("cache"), "mirror"])
def test_cache_and_mirror_may_be_on_different_disks(world, usual, which):
    disk = world.directory / which
    cache = disk if which == "cache" else world.directory / "its cache"
    with mounts.mounted(mounts.tmpfs(disk, size=64 << 20)) as namespace:
        env = world.environment | {"PIXI_MIRROR_CACHE_DIR": str(cache)}
        for _ in range(2):
            done = namespace.run(*LOCK, "-o", world.mirror, env=env, cwd=world.directory)
            assert done.status == 0, done.stderr
        seen = namespace.seen(world.mirror)
        assert served_files(seen) == usual
        assert {path.stat().st_nlink for path in seen.rglob("*.conda")} == {1}
        assert len(world.requests) == 2 * len(small_packages())
    assert Path(world.mirror).is_dir()
