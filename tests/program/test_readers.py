"""Who may read a mirror and is not its owner: what is said is true for them, and is what they can do."""

import os
import shutil
import sys

import pytest
from harness.child import ROOT, run_program
from harness.looking import identities
from harness.several import run_several

LOCK = "workspace/pixi.lock"
SETPRIV = shutil.which("setpriv")

pytestmark = pytest.mark.skipif(
    not hasattr(os, "geteuid") or (os.geteuid() == 0 and SETPRIV is None), reason="this user may read everything"
)


@pytest.fixture
def closed(world):
    """A mirror whose private part may not be read, as that of another user."""
    world.workspace()
    assert world.run("--lock", LOCK).status == 0
    assert world.run("verify").status == 0
    private = world.mirror / ".pixi-mirror"
    private.chmod(0)
    yield world
    private.chmod(0o700)


def read(world, *words):
    """Run it without a superuser's right to read everything."""
    command = (*limited(), sys.executable, "-m", "pixi_mirror", *words)
    return run_program(*command, env=world.environment, cwd=world.directory)


def limited():
    """The command that takes those rights away."""
    return [SETPRIV, "--bounding-set=-all"] if os.geteuid() == 0 else []


def test_status_says_what_the_owner_alone_knows_and_finds_nothing_wrong(closed):
    done = read(closed, "status", "--check")
    assert (done.status, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[1:4] == [
        "when it was refreshed and verified is known to its owner alone",
        "follows workspace",
        "  its lock is known to the owner of the mirror alone",
    ]
    assert "not verified yet" not in done.stdout


@pytest.mark.parametrize("words", [("log",), ("diff", "1", "current"), ("rollback", "1")])
def test_what_is_for_the_owner_is_refused_with_advice_for_readers(closed, words):
    before = identities(closed.mirror)
    done = read(closed, *words)
    assert done.status == 8
    assert "Permission denied" in done.stderr
    if words[0] != "rollback":
        assert "Run this as a user who may read it" in done.stderr
        assert "that you may write" not in done.stderr
    assert identities(closed.mirror) == before


def test_verify_reads_all_that_is_to_be_read(closed):
    done = read(closed, "verify")
    assert (done.status, "all is as recorded" in done.stdout) == (0, True), done.stderr


def test_a_dry_run_says_who_can_do_it(closed):
    done = read(closed, "--dry-run")
    assert done.status == 3
    assert "where the lock of workspace is, the owner of mirror alone can see; run this as that user" in done.stderr


def test_a_mirror_without_its_private_part_does_not_say_for_ever_that_something_is_to_be_done(world):
    world.workspace()
    assert world.run("--lock", LOCK).status == 0
    shutil.rmtree(world.mirror / ".pixi-mirror")
    for _ in range(2):
        done = world.run("status", "--check")
        assert (done.status, done.stderr) == (0, "")
        unknown = "  where its lock is, is not known on this machine; what it wanted last stays"
        assert unknown in done.stdout.splitlines()


@pytest.fixture
def shut(world):
    """A folder that may not be entered, with a lock and a mirror in it; and a mirror beside it that follows both."""
    world.workspace()
    world.workspace("shut/project")
    assert world.run("--lock", "shut/project/pixi.lock", "-o", "shut/mirror").status == 0
    for lock in (LOCK, "shut/project/pixi.lock"):
        assert world.run("--lock", lock).status == 0
    (world.directory / "shut").chmod(0)
    yield world
    (world.directory / "shut").chmod(0o700)


HIDDEN = [
    ("status", "shut/mirror"), ("verify", "shut/mirror"), ("prune", "shut/mirror"), ("serve", "shut/mirror"),
    ("config", "shut/mirror"), ("log", "-o", "shut/mirror"), ("ls", "shut/mirror"), ("-o", "shut/mirror"),
    ("forget", "shut/mirror", "--name", "x"), ("--lock", LOCK, "-o", "shut/mirror"),
    ("--lock", LOCK, "-o", "shut/new"), ("--lock", LOCK, "-o", "shut/new", "--dry-run"),
    ("--lock", LOCK, "--cache-dir", "shut/cache"), ("--lock", LOCK, "--auth-file", "shut/auth.json"),
    ("--lock", LOCK, "--report", "shut/project/run.json", "--dry-run"), ("cache", "--cache-dir", "shut/cache"),
    ("users", "list", "--file", "shut/users"), ("users", "add", "ada", "--token", "--file", "shut/users"),
    ("-m", "shut/project"), ("--lock", "shut/project/pixi.lock"), ("--lock", "shut/project"),
    ("forget", "--lock", "shut/other/pixi.lock"), ("diff", "1", "shut/project/pixi.lock"),
]  # fmt: skip


def test_what_lies_where_this_user_may_not_go_is_one_sentence_with_its_status(shut):
    before = limited()
    for words, done in zip(
        HIDDEN, run_several(HIDDEN, env=shut.environment, cwd=shut.directory, before=before), strict=True
    ):
        assert done.status in (3, 8), (words, done.stderr)
        (line,) = [line for line in done.stderr.splitlines() if line.startswith("pixi-mirror: ")]
        assert "Traceback" not in done.stderr, words
        assert "shut/" in line, words


def test_a_lock_that_this_user_may_not_read_does_not_keep_the_others_from_being_refreshed(shut):
    new = shut.workspace("other")
    (shut.directory / LOCK).write_text(new.read_text() + "\n")
    done = read(shut, "status", "--check")
    assert (done.status, done.stderr) == (1, "")
    assert f"  {shut.directory / 'shut/project/pixi.lock'}: the lock cannot be read; what it wanted last stays" in (
        done.stdout.splitlines()
    )
    done = read(shut)
    assert done.status == 3
    assert "1 of 2 subscriptions could not be refreshed; what was wanted last stays:" in done.stderr
    assert f"the lock {shut.directory / 'shut/project/pixi.lock'} cannot be read: Permission denied." in done.stderr
    assert f"{shut.directory / LOCK}: current" in read(shut, "status").stdout


@pytest.mark.parametrize("words", [(), ("--lock", LOCK), ("config", "--write")])
def test_a_directory_that_is_gone_under_the_user_is_named_and_not_said_to_be_unprintable(world, words):
    world.workspace()
    assert world.run("--lock", LOCK).status == 0
    gone = world.directory / "gone"
    gone.mkdir()
    words = [word.replace(LOCK, str(world.directory / LOCK)) for word in words]
    script = "import os, sys; os.rmdir(os.getcwd()); from pixi_mirror.commands.program import main; main()"
    command = [sys.executable, "-c", script, *words]
    if words[:1] == ["config"]:
        command.append(str(world.mirror))
    done = run_program(*command, env={**world.environment, "PYTHONPATH": str(ROOT)}, cwd=gone)
    assert (done.status, done.stdout) == (8, ""), done.stderr
    assert "current directory" in done.stderr
    assert "printed" not in done.stderr
