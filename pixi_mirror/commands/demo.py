"""`pixi mirror demo`."""

import os
import sys
from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr
from pathlib import Path

from pixi_mirror.commands.command import Command, Outcome
from pixi_mirror.commands.messages import say
from pixi_mirror.commands.parsing import Parser
from pixi_mirror.commands.program import run
from pixi_mirror.demo.scene import Stage
from pixi_mirror.demo.story import play

_DESCRIPTION = """\
Show the main job on a small workspace: mirror a lock, verify, refresh, mend. Needs neither pixi nor a network;
reads and writes nothing outside its directory, which stays for you to look at."""

_HARMLESS = ("LANG", "LC_ALL", "PATH", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR")
"""The variables that a step gets; any other could lead to the user's settings."""


def _declare(parser: Parser) -> None:
    parser.positional("empty_dir", default=None, help="where to play (default: a new temporary directory)")


def _run(options: Namespace) -> Outcome:
    stopped = play(None if options.empty_dir is None else Path(options.empty_dir), run=_step, say=_say)
    if stopped is None:
        return Outcome(json={})
    say("error", f"the demo stopped at `{stopped.command}`: {stopped.problem}.")
    return Outcome(json={}, status=stopped.status)


def _say(line: str) -> None:
    print(line, flush=True)


def _step(stage: Stage, arguments: Sequence[str]) -> int:
    """Run one command line in the stage's directory."""
    with _isolated(stage.directory, stage.environment), redirect_stderr(sys.stdout):
        status = run(arguments)
        sys.stdout.flush()
    return status


@contextmanager
def _isolated(directory: Path, environment: Mapping[str, str]) -> Iterator[None]:
    """Change to a directory, with harmless variables and those given alone, while this is open."""
    before = dict(os.environ)
    try:
        here: str | None = os.getcwd()
    except OSError:
        here = None
    kept = {name: before[name] for name in _HARMLESS if name in before}
    try:
        _replace_environment({**kept, **environment})
        os.chdir(directory)
        yield
    finally:
        _replace_environment(before)
        if here is not None:
            os.chdir(here)


def _replace_environment(variables: Mapping[str, str]) -> None:
    os.environ.clear()
    os.environ.update(variables)


COMMAND = Command(description=_DESCRIPTION, declare=_declare, run=_run, empty_json=lambda _options: {"verb": "demo"})
