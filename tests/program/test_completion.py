"""Completion scripts: made of the verbs' parsers, run by the real shells, with the names of a lock and of a mirror."""

import os
import shlex
import shutil
import sys

import pytest
from harness.child import ROOT, run_program
from harness.examples import first

from pixi_mirror.commands.completion import SHELLS
from pixi_mirror.commands.program import VERBS

shtab = pytest.importorskip("shtab")

LOCK = "workspace/pixi.lock"


def needs(shell):
    return pytest.mark.skipif(shutil.which(shell) is None or os.name != "posix", reason=f"needs {shell}")


@pytest.fixture
def shell_world(world):
    """A world with a mirror, whose scripts lie in the directory, and where `pixi-mirror` is on PATH."""
    world.workspace()
    assert world.run("--lock", LOCK, "-e", "prod").status == 0
    program = world.directory / "bin" / "pixi-mirror"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m pixi_mirror "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    for shell in SHELLS:
        done = world.run("completion", shell)
        assert (done.status, done.stderr) == (0, "")
        (world.directory / f"script.{shell}").write_text(done.stdout, encoding="utf-8")
    return world


def environment(world):
    path = f"{world.directory / 'bin'}:{os.environ['PATH']}"
    return world.environment | {"PATH": path, "PYTHONPATH": str(ROOT), "TERM": "dumb"}


def run_shell(world, *words):
    done = run_program(*words, env=environment(world), cwd=world.directory)
    assert (done.status, done.stderr) == (0, ""), done.stderr
    return done.stdout


def bash(world, *words):
    """What bash offers for the last word."""
    ask = 'COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _shtab_pixi_mirror; printf "%s\\n" "${COMPREPLY[@]}"'
    return run_shell(world, "bash", "-c", f"source script.bash; {ask}", "bash", "pixi-mirror", *words).split()


def fish(world, *words):
    line = shlex.join(["pixi-mirror", *words]).removesuffix("''")
    found = run_shell(world, "fish", "--no-config", "-c", f"source script.fish; complete -C {shlex.quote(line)}")
    return [row.partition("\t")[0] for row in found.splitlines()]


OFFERS = [
    (("stat",), {"status"}),
    (("",), {verb for verb, _ in VERBS}),
    (("verify", "--rep"), {"--repair", "--report"}),
    (("--lock-f",), {"--lock-format"}),
    (("--lock", LOCK, "-e", ""), {"default", "prod"}),
    (("--lock", LOCK, "-e", "prod", "--platform", "os"), {"osx-arm64"}),
    (("--lock", f"{LOCK}.gone", "-e", ""), set()),
    (("ls", "-e", ""), {"prod"}),
    (("ls", "-p", "linux"), {"linux-64"}),
    (("ls", "--kind", "py"), {"pypi"}),
    (("why", "b"), {"base"}),
    (("cache", ""), {"prune", "status"}),
]


@needs("bash")
@pytest.mark.parametrize(("words", "expected"), first(3, OFFERS))
def test_bash_completes(shell_world, words, expected):
    assert set(bash(shell_world, *words)) == expected


@needs("fish")
@pytest.mark.parametrize(("words", "expected"), first(1, [OFFERS[number] for number in (4, 0, 2, 5, 7, 10)]))
def test_fish_completes(shell_world, words, expected):
    assert set(fish(shell_world, *words)) == expected


@pytest.mark.slow
@needs("zsh")
@pytest.mark.parametrize(
    ("line", "whole"),
    first(
        1,
        [
            ("--lock workspace/pixi.lock -e pr", "-e prod"),
            ("verif", "verify"),
            ("why too", "why tool"),
            ("ls --kind at", "attestations"),
        ],
    ),
)
def test_zsh_completes(shell_world, line, whole):
    pty = pytest.importorskip("pty")
    setup = (
        "autoload -U compinit; compinit -D -u; eval \"$(cat script.zsh)\"; PS1='rea''dy> '\n"  # its echo is no prompt
    )
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(shell_world.directory)
        os.execvpe("zsh", ["zsh", "-f", "-i"], environment(shell_world))
    try:
        os.write(terminal, setup.encode())
        read_until(terminal, "ready> ")
        os.write(terminal, f"pixi-mirror {line}\t".encode())
        os.write(terminal, b"|")  # it takes the place of the space behind what was completed
        shown = read_until(terminal, "|")
    finally:
        os.write(terminal, b"\x03\x04")
        os.close(terminal)
        os.waitpid(pid, 0)
    assert f"{whole}|" in shown.replace(" \b", "")


def read_until(terminal, end):
    """What a terminal shows up to a text at the end of its output."""
    found = ""
    while end not in found[-20:]:
        found += os.read(terminal, 4096).decode()
    return found


def test_each_script_is_one_of_its_shell(shell_world):
    for shell in ("bash", "zsh", "fish"):
        if shutil.which(shell):
            run_shell(shell_world, shell, "-n", f"script.{shell}")
    text = (shell_world.directory / "script.powershell").read_text(encoding="utf-8")
    assert "Register-ArgumentCompleter -Native -CommandName pixi-mirror" in text
    assert "function _pixi_mirror_environments" in text


def test_every_verb_and_option_is_in_every_script(shell_world):
    for shell in SHELLS:
        text = (shell_world.directory / f"script.{shell}").read_text(encoding="utf-8")
        for word in (*(verb for verb, _ in VERBS), "lock-format", "allow-md5"):
            assert word in text, (shell, word)


def test_names_are_those_of_the_lock_around_or_of_the_mirror(shell_world):
    world = shell_world

    def names(kind, *words, cwd=None):
        return world.run("completion", "--names", kind, f"--words={os.linesep.join(words)}", cwd=cwd).stdout.split()

    inside = world.directory / "workspace" / "src"
    inside.mkdir()
    assert names("environments", cwd=inside) == ["default", "prod"]
    assert names("environments", "-m", "workspace") == ["default", "prod"]
    assert names("environments", f"--lock={LOCK}") == ["default", "prod"]
    assert names("environments", "-m", "workspace/pixi.toml") == ["default", "prod"]
    assert names("environments", "status", "mirror") == ["prod"]
    assert names("platforms", "ls", "-o", "mirror") == ["linux-64"]
    assert names("packages") == ["base", "pure", "tool"]
    assert names("packages", "why", "-o", "mirror") == ["base", "pure", "tool"]
    (world.directory / LOCK).write_text("version: [", encoding="utf-8")
    assert names("environments", "--lock", LOCK) == []
    done = world.run("completion", "--names", "packages", cwd=inside)
    assert (done.status, done.stdout, done.stderr) == (0, "", "")


def test_slips_are_answered(world):
    assert "SHELL missing: one of bash, zsh, fish, powershell" in world.run("completion").stderr
    done = world.run("completion", "bsh")
    assert (done.status, "perhaps 'bash' was meant" in done.stderr) == (2, True)


def test_without_the_library_it_says_what_to_install(world, monkeypatch):
    (world.directory / "shtab.py").write_text("raise ImportError('gone')\n", encoding="utf-8")
    done = run_program(
        sys.executable, "-m", "pixi_mirror", "completion", "bash",
        env=world.environment | {"PYTHONPATH": os.pathsep.join([str(world.directory), str(ROOT)])}, cwd=world.directory,
    )  # fmt: skip
    assert (done.status, done.stdout) == (7, "")
    assert "`pip install shtab`" in done.stderr
