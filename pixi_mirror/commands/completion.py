"""`pixi mirror completion`."""

import argparse
import importlib
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pixi_mirror.commands.command import Command, Outcome
from pixi_mirror.commands.completion_names import NAMES, find_names
from pixi_mirror.commands.parsing import Parser
from pixi_mirror.commands.values import path
from pixi_mirror.errors import ProgramError, UsageError
from pixi_mirror.model.values import Json

SHELLS = ("bash", "zsh", "fish", "powershell")
_PROGRAM = "pixi-mirror"
_OF_DESTINATION = {"environment": "environments", "platform": "platforms", "package": "packages", "match": "packages"}
"""The options and words that take names of a lock or of a mirror, by where the parser puts them."""

_BASH = """
_pixi_mirror_NAMES() {
  local words
  printf -v words '%s\\n' "${COMP_WORDS[@]:1:COMP_CWORD-1}"
  compgen -W "$(pixi-mirror completion --names NAMES --words="$words" 2> /dev/null)" -- "$1"
}"""
_ZSH = """
_pixi_mirror_NAMES() {
  local -a found
  found=(${(f)"$(pixi-mirror completion --names NAMES --words="${(F)words[2,CURRENT-1]}" 2> /dev/null)"})
  compadd -a found
}"""
_FISH = """
function _pixi_mirror_NAMES
  set -l words (commandline -opc)
  pixi-mirror completion --names NAMES --words=(string join \\n -- $words[2..-1] | string collect) 2> /dev/null
end"""
_POWERSHELL = """
function _pixi_mirror_NAMES {
  param([string]$WordToComplete)
  & pixi-mirror completion --names NAMES "--words=$($tokens -join "`n")" 2> $null |
    Where-Object { $_ -like "$WordToComplete*" }
}"""


def _declare(parser: Parser) -> None:
    parser.positional("shell", default=None, choices=SHELLS, help=f"one of {', '.join(SHELLS)}")
    parser.group("what the scripts ask")
    parser.value("--names", choices=NAMES, help="print such names, one a line, of the lock or the mirror that is meant")
    parser.value("--words", default="", metavar="TEXT", help="the words typed so far, one a line")


def _run(options: Namespace) -> Outcome:
    if options.names is not None:
        names = find_names(options.names, options.words.splitlines(), Path())
        return Outcome(json=_empty_json(options), lines=names, is_requested=True)
    if options.shell is None:
        raise UsageError(f"SHELL missing: one of {', '.join(SHELLS)}; see `{_PROGRAM} completion --help`.")
    return Outcome(json=_empty_json(options), lines=_script(options.shell).splitlines(), is_requested=True)


def _script(shell: str) -> str:
    """The completion script for a shell.

    Raises:
        ProgramError: there is no library for it.
    """
    try:
        import shtab
    except ImportError:
        raise ProgramError(
            "completion scripts are made by the library shtab, which is not here: `pip install shtab`, and run this "
            "again."
        ) from None
    if shell not in shtab.SUPPORTED_SHELLS:
        raise ProgramError(
            f"shtab {shtab.__version__} makes no script for {shell}, a newer one may: `pip install shtab`, and run "
            "this again."
        )
    return str(shtab.complete(_whole_parser(shtab.FILE, shtab.DIRECTORY), shell=shell))


def _whole_parser(file: Mapping[str, Any], directory: Mapping[str, Any]) -> argparse.ArgumentParser:
    """A parser of the whole command line, made of the parsers of the verbs; each option says what completes it.

    Args:
        file: how the library completes files.
        directory: how it completes directories.
    """
    from pixi_mirror.commands.program import VERBS

    root = argparse.ArgumentParser(prog=_PROGRAM, allow_abbrev=False)
    root.add_argument("-V", "--version", action="version", version="")
    _declare_verb("update", root, file, directory)
    verbs = root.add_subparsers()
    for verb, sentence in VERBS:
        _declare_verb(verb, verbs.add_parser(verb, help=sentence, allow_abbrev=False), file, directory)
    return root


def _declare_verb(
    verb: str, into: argparse.ArgumentParser, file: Mapping[str, Any], directory: Mapping[str, Any]
) -> None:
    parser = Parser(f"{_PROGRAM} {verb}", "", {}, argparse_parser=into)
    command: Command = importlib.import_module(f"pixi_mirror.commands.{verb}").COMMAND
    command.declare(parser)
    for declared in parser.declared:
        completer: Any = None
        if declared.action.dest in _OF_DESTINATION:
            completer = _names_completer(_OF_DESTINATION[declared.action.dest])
        elif declared.convert is path:
            completer = directory if declared.action.metavar == "DIR" else file
        if declared.choices is not None:
            declared.action.choices = declared.choices
        elif completer is not None:
            declared.action.complete = completer  # type: ignore[attr-defined] # where shtab looks


def _names_completer(names: str) -> Mapping[str, Any]:
    """What completes such names in each shell, in the form of shtab: a function, and the text that defines it."""
    scripts = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH, "powershell": _POWERSHELL}
    function = f"_pixi_mirror_{names}"
    return {
        **dict.fromkeys(scripts, function),
        "fish": f"({function})",
        "preamble": {shell: text.replace("NAMES", names) for shell, text in scripts.items()},
    }


def _empty_json(options: Namespace) -> Mapping[str, Json]:
    return {"verb": "completion", "shell": options.shell}


COMMAND = Command(
    description="""\
Print a script that has a shell complete the verbs and options of pixi-mirror, and the environments, platforms and
packages of the lock or the mirror that the command line names. It is made by the library shtab (extra `completion`).

  bash         pixi-mirror completion bash > ~/.local/share/bash-completion/completions/pixi-mirror
  zsh          pixi-mirror completion zsh > DIR/_pixi-mirror    (a directory of your $fpath)
  fish         pixi-mirror completion fish > ~/.config/fish/completions/pixi-mirror.fish
  PowerShell   pixi-mirror completion powershell >> $PROFILE""",
    declare=_declare,
    run=_run,
    empty_json=_empty_json,
)
