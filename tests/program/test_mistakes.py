"""A slip of the hand makes nothing, and is answered with what was meant."""

import os
import re
import subprocess
import sys

import pytest
from harness import mounts
from harness.child import ROOT
from harness.looking import identities
from harness.several import run_several

from pixi_mirror.commands.help_text import reflowed
from pixi_mirror.commands.program import VERBS

LOCK = "workspace/pixi.lock"


def refused(world, *words, status, env=None):
    """What is said about a command line that has to fail and to change nothing."""
    assert world.environment  # it makes the home
    before = identities(world.directory)
    done = world.run(*words, env=env)
    assert (done.status, done.stdout) == (status, ""), done.stderr
    assert identities(world.directory) == before
    return done.stderr


@pytest.mark.parametrize(
    ("words", "status", "answer"),
    [
        (("-o", "mirrorr"), 8, "there is no mirror at mirrorr to refresh"),
        (("--name", "nightly", "-o", "mirrorr"), 8, "there is no mirror at mirrorr to refresh"),
        (("--lock", LOCK, "--name", ""), 2, "--name takes a word that is not empty"),
        (("--lock", LOCK, "--auth-file", "gone"), 8, "there is no file gone"),
        (("--lock", LOCK, "--config-file", "gone"), 8, "there is no file gone"),
        (("--lock", LOCK, "--ca-file", "gone"), 8, "there is no file gone"),
        (("--lock", LOCK, "--report", "gone/run.json"), 8, "--report: there is no directory gone; nothing was changed"),
        (("--lock", "workspace/pixi.toml"), 3, "is a manifest, and --lock takes a lock"),
        (("--lock", LOCK, "-e", "prodd"), 3, "no environment 'prodd', perhaps 'prod' was meant; there are: "),
        (("--lock", LOCK, "-p", "linux64"), 3, "no chosen environment has the platform 'linux64', perhaps 'linux-64'"),
        (("--lock", LOCK, "--insecure-host", "https://a.example/"), 2, "--insecure-host takes HOST or HOST:PORT"),
        (("--lock", LOCK, "--platfrom", "linux-64"), 2, "'--platfrom', perhaps '--platform' was meant"),
        (
            ("--lock", LOCK, "-e", "prod,default"),
            3,
            "; name one at a time, with an option for each; there",
        ),
        (("--lock", LOCK, "-p", "linux-64 osx-arm64"), 3, "name one at a time, with an option for each; there are: "),
        (("--all",), 2, "there is no option '--all', perhaps '--all-environments' was meant"),
        (("--verison",), 2, "perhaps '--version' was meant"),
        (
            ("--lock", "https://ada:secret@a.example/pixi.lock"),
            2,
            "--lock takes a path on this machine, not 'https://***@a.",
        ),
        (("-o", "s3://bucket/mirror"), 2, "--output takes a path on this machine, not 's3://bucket/mirror'"),
        (("status", LOCK), 8, f"{LOCK} is a file and no mirror. Name the directory of one."),
        (("serve", "--version"), 2, "--version is no option of `pixi-mirror serve`: `pixi-mirror --version` says it"),
        (("--offline",), 2, "there is no option '--offline'; see"),
        (("--lock", LOCK, "--cache-dir", LOCK), 8, f"--cache-dir: {LOCK} is a file and no directory"),
        (("--lock", LOCK, "--jobs", "0"), 2, "--jobs takes a whole number above 0, not '0'"),
        (("--lock", LOCK, "--progress", "plian"), 2, "perhaps 'plain' was meant; choose from auto, bar, plain, none"),
        (("--lock", LOCK, "--json=yes"), 2, "--json takes no value"),
        (("--lock",), 2, "--lock needs a value"),
        ((LOCK,), 2, f"`pixi-mirror --lock {LOCK}`"),
        (("update", LOCK), 2, f"`pixi-mirror --lock {LOCK}`"),
        (("workspace/pixi.toml",), 2, "`pixi-mirror -m workspace/pixi.toml`"),
        (("workspace",), 2, "it is a directory"),
        (("list",), 2, "`pixi-mirror ls` lists the packages"),
        (("info",), 2, "`pixi-mirror status` says what the mirror holds"),
        (("sync",), 2, "`pixi-mirror` alone refreshes"),
        (("history",), 2, "`pixi-mirror log`"),
        (("undo",), 2, "`pixi-mirror rollback`"),
        (("compare",), 2, "`pixi-mirror diff`"),
        (("tag",), 2, "`pixi-mirror pin`"),
        (("statsu",), 2, "perhaps 'status' was meant"),
        (("help", "statsu"), 2, "perhaps 'status' was meant"),
        (("prune", "--dry-run"), 2, "as long as --apply is not given"),
        (("prune", "--grace", "soon"), 2, "--grace takes days, as 7, or 36h, not 'soon'"),
        (("serve", "--port", "70000"), 2, "--port takes 1 to 65535 (0 picks one), not '70000'"),
        (("serve", "--port", "http"), 2, "--port takes 1 to 65535"),
        (("status", "one", "-o", "two"), 2, "two mirrors are named, one and two"),
        (("status", "one", "two"), 2, "'two' is one word too many"),
        (("log", "workspace"), 2, "it is a directory; -o names a mirror's, as in `pixi-mirror log -o workspace`; see"),
        (("users", "add", "ada", "workspace"), 2, "it is a directory; see `pixi-mirror users --help`"),
    ],
)
def test_a_mistake_is_answered_and_makes_nothing(world, words, status, answer):
    world.workspace()
    assert answer in refused(world, *words, status=status)


@pytest.mark.parametrize("words", [("-o", "mirror"), (), ("--dry-run",)])
def test_a_refresh_of_a_mirror_that_follows_nothing_says_so_first(world, words):
    world.workspace()
    assert world.run("--lock", LOCK).status == 0
    assert world.run("forget", "--lock", LOCK).status == 0
    said = refused(world, *words, status=3)
    assert said.startswith(
        "pixi-mirror: there is nothing to refresh, since mirror follows no lock (-o names another mirror); "
        "and for the workspace around you: no pixi was found"
    )
    named = refused(world, "-e", "prod", *words, status=3)
    assert named.startswith("pixi-mirror: no pixi was found")


def test_a_refresh_after_a_first_update_that_failed_says_what_to_do(world):
    world.workspace()
    next(world.root.rglob("base-*.conda")).unlink()
    assert world.run("--lock", LOCK, "--retries", "0").status == 5
    assert "since mirror has had no complete update yet, so run its first command again, with the lock; and" in refused(
        world, status=3
    )


def test_no_mirror_is_made_inside_another(world):
    world.workspace()
    assert world.run("--lock", LOCK).status == 0
    for where in ("mirror/inner", "mirror/deep/inner"):
        said = refused(world, "--lock", LOCK, "-o", where, status=8)
        assert f"{where} would lie in the mirror {world.mirror}; nothing was changed. Name that one, or one" in said
    done = world.run("--lock", world.directory / LOCK, cwd=world.mirror)
    assert (done.status, "Name that one" in done.stderr) == (8, True)


def test_environments_without_a_package_are_warned_of_on_every_run(world):
    channel = f"{world.upstream.url}/conda-forge"
    empty = {"linux-64": [], "osx-arm64": []}
    world.lock("workspace", environments={"default": empty, "docs": empty}, channels=[channel])
    warning = "warning: workspace: nothing to mirror, since its lock has no packages for the "
    for words in (("--dry-run",), (), ()):
        assert f"{warning}environment default; -e names another" in world.run("--lock", LOCK, *words).stderr
    assert f"{warning}environments default, docs; -e" in world.run("--lock", LOCK, "-e", "docs").stderr


def test_one_empty_environment_among_others_is_no_reason_to_warn(world):
    world.workspace()
    assert "nothing to mirror" not in world.run("--lock", LOCK, "-e", "prod").stderr


@pytest.mark.skipif(not mounts.possible(), reason="this machine does not let us mount")
def test_a_dry_run_refuses_a_directory_that_the_run_could_not_make(world):
    world.workspace()
    closed = world.directory / "closed"
    closed.mkdir()
    with mounts.mounted(mounts.read_only(closed)) as namespace:
        for where in (closed / "mirror", closed / "deep" / "mirror", closed):
            words = ("--lock", LOCK, "-o", where)
            planned, done = (
                namespace.run(*words, *more, env=world.environment, cwd=world.directory) for more in (["--dry-run"], [])
            )
            assert (planned.status, planned.stdout) == (8, "")
            assert planned.stderr == done.stderr
            assert "Read-only file system" in planned.stderr


@pytest.mark.parametrize("where", ["file", "file/below", "file/far/below"])
def test_a_dry_run_refuses_a_file_as_the_run_does(world, where):
    world.workspace()
    (world.directory / "file").write_text("1")
    planned = refused(world, "--lock", LOCK, "-o", where, "--dry-run", status=8)
    assert planned == refused(world, "--lock", LOCK, "-o", where, status=8)


@pytest.mark.skipif(not mounts.possible(), reason="this machine does not let us mount")
def test_a_dry_run_of_a_mirror_that_this_user_cannot_write_shows_the_plan_and_warns(world):
    world.workspace()
    assert world.run("--lock", LOCK).status == 0
    with mounts.mounted(mounts.read_only(world.mirror)) as namespace:
        words = ("--lock", LOCK, "-e", "prod", "--dry-run", "-o", world.mirror)
        planned = namespace.run(*words, env=world.environment, cwd=world.directory)
    assert (planned.status, "nothing to do" in planned.stdout) == (0, True)
    assert "warning: the update itself would end with status 8: cannot prepare the mirror" in planned.stderr


def test_a_variable_of_a_missing_file_counts_as_the_option_does(world):
    world.workspace()
    said = refused(world, "--lock", LOCK, status=8, env={"PIXI_MIRROR_AUTH_FILE": "gone"})
    assert "there is no file gone" in said


READING = ["status", "verify", "forget", "prune", "serve", "config", "prime"]


@pytest.mark.parametrize("verb", READING)
def test_a_verb_that_needs_a_mirror_gives_no_advice_to_make_one(world, verb):
    (world.directory / "photos").mkdir()
    (world.directory / "photos" / "one.jpg").write_bytes(b"1")
    words = ("--name", "x") if verb == "forget" else ()
    for directory, answer in (("photos", "photos is not a mirror"), ("gone", "there is no mirror at gone")):
        said = refused(world, verb, directory, *words, status=8)
        assert answer in said
        assert "Name the directory of one." in said
        assert "empty directory" not in said


def test_a_verb_names_the_mirror_around_the_directory_where_none_is(world):
    world.workspace()
    assert world.run("--lock", LOCK).status == 0
    assert "There is one at .: name that directory." in world.run("status", cwd=world.mirror).stderr
    assert "There is one at mirror: name that directory." in world.run("status", ".").stderr


@pytest.mark.parametrize("verb", [verb for verb in READING if verb not in ("serve", "forget")])
def test_every_verb_with_a_directory_takes_it_as_update_does(world, verb):
    world.workspace()
    assert world.run("--lock", LOCK, "-o", "elsewhere").status == 0
    words = ("--pixi-cache-dir", "cache", "--dry-run") if verb == "prime" else ()
    named = world.run(verb, "elsewhere", *words)
    assert named.status == 0, named.stderr
    assert world.run(verb, "-o", "elsewhere", *words).stdout == named.stdout
    by_variable = world.run(verb, *words, env={"PIXI_MIRROR_OUTPUT": "elsewhere"})
    assert by_variable.stdout == named.stdout
    assert world.run(verb, "elsewhere", *words, env={"PIXI_MIRROR_OUTPUT": "other"}).stdout == named.stdout


@pytest.mark.parametrize(("grace", "waits"), [("36h", True), ("0h", False), ("1m", True), ("0d", False)])
def test_a_grace_time_has_a_unit(world, grace, waits):
    world.workspace()
    assert world.run("--lock", LOCK).status == 0
    for path in world.mirror.rglob("*.conda"):
        path.unlink()
    planned = world.run_json("cache", "prune", "--grace", grace, status=0 if waits else 1)
    assert bool(planned["waiting"]) == waits
    assert world.run("--lock", LOCK).status == 0


def test_a_variable_that_nobody_reads_is_named_and_its_value_is_not(world):
    world.workspace()
    done = world.run("--lock", LOCK, env={"PIXI_MIRROR_CACHEDIR": "secret", "PIXI_MIRROR_PORT": "1"})
    assert done.status == 0
    assert "PIXI_MIRROR_CACHEDIR, perhaps 'PIXI_MIRROR_CACHE_DIR' was meant" in done.stderr
    assert "secret" not in done.stderr
    assert "PIXI_MIRROR_PORT" not in done.stderr


@pytest.mark.parametrize("columns", [60, 100])
def test_help_fits_the_terminal(world, columns):
    verbs = [[], *([verb] for verb, _ in VERBS)]
    lines = [words for verb in verbs for words in (["help", *verb], [*verb, "--help"])]
    done = run_several(lines, env={**world.environment, "COLUMNS": str(columns)}, cwd=world.directory)
    for words, one, other in zip(lines[::2], done[::2], done[1::2], strict=True):
        assert one.status == 0, words
        assert one.stdout == other.stdout, words
        long = [line for line in one.stdout.splitlines() if len(line) >= columns]
        assert all(len(line.split()) <= 2 or "{" in line for line in long), words


def test_examples_of_help_keep_their_lines_and_columns():
    text = "One two three\nfour five.\n\n  pixi-mirror status      what it holds\n  pixi-mirror -o x      seen so"
    assert reflowed(text, 30).splitlines() == [
        "One two three four five.",
        "",
        "  pixi-mirror status",
        "        what it holds",
        "  pixi-mirror -o x",
        "        seen so",
    ]
    assert reflowed(text, 80).splitlines()[2] == "  pixi-mirror status      what it holds"


def on_a_terminal(world, *words, **variables):
    """What a run says on stderr where that is a terminal."""
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    environment = {**world.environment, "TERM": "xterm", **variables}
    command = [sys.executable, "-m", "pixi_mirror", *words]
    subprocess.run(command, cwd=world.directory, env=environment, stdout=subprocess.DEVNULL, stderr=theirs, check=False)
    os.close(theirs)
    found = b""
    try:
        while part := os.read(ours, 4096):
            found += part
    except OSError:  # Linux says so at the end
        pass
    os.close(ours)
    return found.decode()


@pytest.mark.slow
def test_a_terminal_gets_colours_unless_it_is_not_to(world):
    assert on_a_terminal(world, "status", "gone").startswith("\x1b[1;31merror:\x1b[0m there is no mirror at gone")
    assert on_a_terminal(world, "status", "gone", NO_COLOR="1").startswith("error: there is no mirror at gone")
    assert on_a_terminal(world, "status", "gone", TERM="dumb").startswith("error: there is no mirror at gone")
    hinted = on_a_terminal(world, "list", NO_COLOR="1").splitlines()
    assert (hinted[0][:23], hinted[1]) == ("error: there is no verb", "hint: see `pixi-mirror --help`.")
    warned = on_a_terminal(world, "status", "gone", PIXI_MIRROR_X="1")
    assert warned.startswith("\x1b[1;33mwarning:\x1b[0m no option reads")


def test_elsewhere_a_message_is_plain_unless_colours_are_forced(world):
    assert world.run("status", "gone").stderr.startswith("pixi-mirror: there is no mirror at gone")
    forced = world.run("status", "gone", env={"CLICOLOR_FORCE": "1"}).stderr
    assert forced.startswith("\x1b[1;31merror:\x1b[0m there is no mirror at gone")
    both = world.run("status", "gone", env={"CLICOLOR_FORCE": "1", "NO_COLOR": "1"}).stderr
    assert both.startswith("pixi-mirror: there is no mirror at gone")
    warned = world.run("status", "gone", env={"PIXI_MIRROR_X": "1"}).stderr
    assert warned.startswith("warning: no option reads")


@pytest.mark.parametrize("verb", ["update", "status", "verify", "prune", "forget"])
def test_quiet_is_silent_on_success(world, verb):
    world.workspace()
    assert world.run("--lock", LOCK, "--name", "x").status == 0
    words = {"update": ("--lock", LOCK, "--name", "x", "-e", "prod"), "forget": ("--name", "x")}.get(verb, ())
    done = world.run(verb, *words, "-q")
    assert (done.status, done.stdout, done.stderr) == (0, "", "")


def test_quiet_still_prints_what_was_asked_for_and_what_was_found(world):
    world.workspace()
    assert world.run("--lock", LOCK).status == 0
    assert world.run("config", "-q").stdout == world.run("config").stdout
    assert world.run_json("status", "-q")["verb"] == "status"
    next(world.mirror.rglob("*.conda")).unlink()
    assert "missing" in world.run("verify", "-q").stdout
    assert world.run("--lock", LOCK, "-q").status == 0


def test_the_same_failure_of_many_files_is_told_once(world):
    world.workspace()
    for path in world.root.rglob("*.conda"):
        path.unlink()
    done = world.run("--lock", LOCK, "--retries", "0")
    assert done.status == 5
    assert done.stderr.count("could not be fetched: ") == 1
    (line,) = [line for line in done.stderr.splitlines() if "could not be fetched: " in line]
    assert line.startswith("  4 files could not be fetched: ")
    assert "    and 1 more\n" in done.stderr
    assert len(world.run_json("--lock", LOCK, "--retries", "0", status=5)["error"]["items"]) == 4


def test_what_a_message_says_to_install_is_a_project_of_the_field():
    """A project of our own name on a public index could be anybody's, and zsh takes brackets for a pattern."""
    source = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "pixi_mirror").rglob("*.py"))
    words = re.findall(r"(?:pip install|global install)[\s\"]+([^`{}]+)`", source)
    assert {"py-rattler", "botocore", "rattler-index", "git"} <= {*words}
    assert [word for word in words if "pixi-mirror" in word] == []
    assert [word for word in words if re.search(r"[\[<>=*]", word) and not re.fullmatch("'[^']+'", word)] == []


def test_a_mirror_that_follows_no_lock_any_more_is_not_sent_to_prune_which_would_refuse(world):
    world.workspace()
    assert world.run("--lock", LOCK).status == 0
    assert world.run("--lock", LOCK, "-e", "prod").status == 0
    done = world.run("forget", "--lock", LOCK, "-e", "default")
    assert done.stdout.endswith(" files no longer wanted: see `pixi-mirror prune`\n")
    done = world.run("forget", "--lock", LOCK)
    assert done.stdout == (
        "mirror no longer follows workspace, and now follows no lock; 5 files no longer wanted: delete the directory, "
        "or name a lock with --lock\n"
    )
    lines = world.run("status").stdout.splitlines()
    assert "follows no lock: `pixi-mirror --lock PATH -o DIR` has it follow one" in lines
    assert lines[-1] == "5 files no longer wanted: delete the directory to be rid of them"
    assert world.run("prune").status == 8
