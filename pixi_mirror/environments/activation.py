"""Write the script that activates an environment, in the words of each shell; it alone knows how shells quote.

The text is that of pixi-unpack (pixi-pack.md 2.8) where no path, name or value has characters that are special to the
shell; with others its scripts break or say something else, and these set what is written in the environment, letter by
letter. The unpacker of self-extracting packs contains this module, so it runs on Python 3.9.
"""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterable
from pathlib import Path, PureWindowsPath
from typing import Any

from pixi_mirror.environments.shells import SHELLS, shell_dialect

_WINDOWS_FOLDERS = ("", "Library/mingw-w64/bin", "Library/usr/bin", "Library/bin", "Scripts", "bin")


def default_shell(platform: str) -> str:
    """The shell that pixi-unpack writes a script for where nobody names one."""
    return "cmd" if platform.startswith("win-") else "bash"


def activation_command(script: Path) -> str:
    """What activates an environment, to be pasted into a shell; the path of its script may have spaces."""
    if script.suffix in (".bat", ".cmd"):
        return f'call "{script}"'
    if script.suffix == ".ps1":
        return ". '{}'".format(str(script).replace("'", "''"))
    return f"{'.' if script.suffix == '.sh' else 'source'} {shlex.quote(str(script))}"


def activation_script(prefix: Path, *, shell: str, platform: str, contents: Path | None = None) -> tuple[str, bytes]:
    """The name and the bytes of the script that activates an environment.

    Args:
        prefix: Where the environment is when the script runs; absolute.
        shell: One of `SHELLS`.
        platform: The conda subdir of the environment, such as `win-64`.
        contents: Where the environment is now, if it is not at its prefix yet.

    Raises:
        ValueError: The shell is unknown, the prefix is relative, a file of variables cannot be read or holds no JSON
            object, or a name, value or path cannot be said in this shell.
    """
    if shell not in SHELLS:
        raise ValueError(f"{shell!r} is an unknown shell: expected one of {', '.join(SHELLS)}")
    if not prefix.is_absolute() and not PureWindowsPath(prefix).is_absolute():
        raise ValueError(f"the path {str(prefix)!r} of the environment is relative: its script would work in one place")
    dialect, there = shell_dialect(shell), contents or prefix
    windows = platform.startswith("win-")
    separator = ";" if windows else ":"
    if separator in str(prefix):
        raise ValueError(f"the path {str(prefix)!r} of the environment has a {separator}, which ends a folder in PATH")
    folders = [_within(prefix, each) for each in (_WINDOWS_FOLDERS if windows else ("bin",))]
    lines = [
        dialect.paths(folders, "Path" if windows else "PATH", separator),
        dialect.assign("CONDA_SHLVL", dialect.literal("1")),
        dialect.assign("CONDA_PREFIX", dialect.literal(str(prefix))),
    ]
    for name, value in _variables(there).items():
        if not dialect.name.fullmatch(name):
            raise ValueError(f"{name!r}, which the environment's packages set, is no name of a variable for {shell}")
        lines.append(dialect.assign(name, dialect.literal(value)))
    lines += [
        dialect.run(_within(prefix, f"etc/conda/activate.d/{name}"))
        for name in _scripts(there, dialect.runs or (dialect.extension,))
    ]
    _refuse_unwritable_text(lines, shell)
    ending = "\r\n" if shell == "cmd" else "\n"
    text = "".join(f"{line}{ending}" for line in (dialect.first, *lines) if line)
    # A path that is not UTF-8 stays the bytes that it is.
    return f"activate.{dialect.extension}", text.encode("utf-8", "surrogateescape")


def _refuse_unwritable_text(lines: Iterable[str], shell: str) -> None:
    for line in lines:
        if "\0" in line or (shell == "cmd" and ("\n" in line or "\r" in line)):
            raise ValueError(f"{line!r} holds a line break or a NUL, for which {shell} has no words")


def _within(prefix: Path, path: str) -> str:
    return f"{prefix}{os.sep}{path}" if path else str(prefix)


def _scripts(environment: Path, endings: tuple[str, ...]) -> list[str]:
    """The names of the packages' own activation scripts, in the order in which they run."""
    return [each.name for each in _files(environment, "etc/conda/activate.d") if each.suffix[1:] in endings]


def _variables(environment: Path) -> dict[str, str]:
    """What the packages and then the user (`conda env config vars set`) want set; others than texts are left out."""
    found: dict[str, str] = {}
    for file in _files(environment, "etc/conda/env_vars.d"):
        found.update(_texts(_document(environment, file), file))
    state = environment / "conda-meta/state"
    if state.is_file():
        texts = _texts(_document(environment, state).get("env_vars"), state)
        found.update((name.upper(), value) for name, value in texts.items())
    return found


def _files(environment: Path, name: str) -> list[Path]:
    folder = environment / name
    _refuse_outside(environment, folder)
    try:
        return sorted(each for each in folder.iterdir() if each.is_file())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise ValueError(f"{folder}, which the environment's activation needs, cannot be listed: {error}") from error


def _refuse_outside(environment: Path, path: Path) -> None:
    """Refuse to look at what a link leads to outside of the environment."""
    root = os.path.realpath(environment)
    if os.path.commonpath([root, os.path.realpath(path)]) != root:
        raise ValueError(f"{path}, which the environment's activation needs, leads out of the environment")


def _document(environment: Path, file: Path) -> dict[str, Any]:
    _refuse_outside(environment, file)
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"{file}, which sets variables of the environment, cannot be read: {error}") from error
    if not isinstance(found, dict):
        raise ValueError(f"{file}, which sets variables of the environment, holds no JSON object")  # noqa: TRY004
    return found


def _texts(variables: object, file: Path) -> dict[str, str]:
    if not isinstance(variables, dict):
        raise ValueError(f"{file} holds no JSON object at `env_vars`")  # noqa: TRY004 - the contract is ValueError
    return {name: value for name, value in variables.items() if isinstance(value, str)}
