"""Write the script that activates an environment, in the words of each shell; it alone knows how shells quote.

The text is that of pixi-unpack (pixi-pack.md 2.8) for every path without characters that are special to the shell; for
the others its scripts break, and these do not. The file imports only the standard library and runs on Python 3.9,
because `pixi_mirror.standalone` puts its source into the unpacker that a self-extracting pack carries.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path, PureWindowsPath
from typing import Any, NamedTuple

_SH = ("bash", "sh", "dash", "ksh", "busybox", "brush")
SHELLS = (*_SH, "zsh", "xonsh", "fish", "cmd", "nu", "nushell", "powershell", "powershell_ise")
"""Every word that pixi-unpack takes after `--shell`."""

_WINDOWS_FOLDERS = ("", "Library/mingw-w64/bin", "Library/usr/bin", "Library/bin", "Scripts", "bin")
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_WINDOWS_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.()-]*")
"""Such as `ProgramFiles(x86)`: the shells of Windows quote the names that others cannot have."""


class _Dialect(NamedTuple):
    """How one family of shells says what the script says."""

    extension: str
    assign: Callable[[str, str], str]
    """The line that sets a variable to a value that is already quoted."""
    live: Callable[[str], str]
    """A value, quoted; what it says of other variables is expanded, as in the scripts of pixi-unpack."""
    literal: Callable[[str], str]
    """A path, quoted, of which nothing is expanded."""
    paths: Callable[[list[str], str, str], str]
    """The line that puts folders before those of PATH, in this order; how that is called, and what separates them."""
    run: Callable[[str], str]
    """The line that runs a script."""
    runs: tuple[str, ...] = ()
    """The endings of the scripts that it can run; none: its own."""
    name: re.Pattern[str] = _IDENTIFIER
    """What an environment variable may be called."""
    first: str = ""
    """The line before all others."""


def default_shell(platform: str) -> str:
    """The shell that pixi-unpack writes a script for where nobody names one."""
    return "cmd" if platform.startswith("win-") else "bash"


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
    dialect, there = _dialect(shell), contents or prefix
    windows = platform.startswith("win-")
    folders = [_within(prefix, each) for each in (_WINDOWS_FOLDERS if windows else ("bin",))]
    lines = [
        dialect.paths(folders, *(("Path", ";") if windows else ("PATH", ":"))),
        dialect.assign("CONDA_SHLVL", dialect.live("1")),
        dialect.assign("CONDA_PREFIX", dialect.literal(str(prefix))),
    ]
    for name, value in _variables(there).items():
        if not dialect.name.fullmatch(name):
            raise ValueError(f"{name!r}, which the environment's packages set, is no name of a variable for {shell}")
        lines.append(dialect.assign(name, dialect.live(value)))
    lines += [
        dialect.run(_within(prefix, f"etc/conda/activate.d/{name}"))
        for name in _scripts(there, dialect.runs or (dialect.extension,))
    ]
    _refuse_what_cannot_be_said(lines, shell)
    ending = "\r\n" if shell == "cmd" else "\n"
    text = "".join(f"{line}{ending}" for line in (dialect.first, *lines) if line)
    # A path that is not UTF-8 stays the bytes that it is.
    return f"activate.{dialect.extension}", text.encode("utf-8", "surrogateescape")


def _refuse_what_cannot_be_said(lines: Iterable[str], shell: str) -> None:
    for line in lines:
        if "\0" in line or (shell == "cmd" and ("\n" in line or "\r" in line)):
            raise ValueError(f"{line!r} holds a line break or a NUL, for which {shell} has no words")


def _within(prefix: Path, path: str) -> str:
    return f"{prefix}{os.sep}{path}" if path else str(prefix)


def _scripts(environment: Path, endings: tuple[str, ...]) -> list[str]:
    """The names of the packages' own activation scripts, in the order in which they run."""
    return [each.name for each in _files(environment / "etc/conda/activate.d") if each.suffix[1:] in endings]


def _variables(environment: Path) -> dict[str, str]:
    """What the packages and then the user (`conda env config vars set`) want set; others than texts are left out."""
    found: dict[str, str] = {}
    for file in _files(environment / "etc/conda/env_vars.d"):
        found.update(_texts(_document(file), file))
    state = environment / "conda-meta/state"
    if state.is_file():
        texts = _texts(_document(state).get("env_vars"), state)
        found.update((name.upper(), value) for name, value in texts.items())
    return found


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(each for each in folder.iterdir() if each.is_file())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ValueError(f"{folder}, which the environment's activation needs, cannot be listed: {error}") from error


def _document(file: Path) -> dict[str, Any]:
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


def _dialect(shell: str) -> _Dialect:
    if shell in _SH:
        return _sh()
    families = {"zsh": _zsh, "xonsh": _xonsh, "fish": _fish, "cmd": _cmd, "nu": _nu, "nushell": _nu}
    return families.get(shell, _powershell)()


def _sh() -> _Dialect:
    """POSIX: the value is quoted as a word, but in double quotes if it speaks of another variable."""

    def live(value: str) -> str:
        return '"' + value.replace('"', '\\"') + '"' if "$" in value else _word(value)

    def paths(folders: list[str], _name: str, separator: str) -> str:
        return joined([_of_git_bash(each) for each in folders] if separator == ";" else folders, "PATH", ":")

    joined = _joining(_quoting('\\"$`'), "export {}={}".format, "${{{}}}".format)
    return _Dialect(
        extension="sh",
        assign="export {}={}".format,
        live=live,
        literal=_word,
        paths=paths,
        run=lambda path: f". {_word(path)}",
    )


def _zsh() -> _Dialect:
    literal = _quoting('\\"$`')
    return _Dialect(
        extension="sh",
        assign="export {}={}".format,
        live=_quoting('\\"'),
        literal=literal,
        paths=_joining(literal, "export {}={}".format, "${{{}}}".format),
        run=lambda path: f". {literal(path)}",
    )


def _fish() -> _Dialect:
    literal = _quoting('\\"$')
    return _Dialect(
        extension="fish",
        assign="set -gx {} {}".format,
        live=_quoting('\\"'),
        literal=literal,
        paths=_joining(literal, "set -gx {} {}".format, "${}".format),
        run=lambda path: f"source {literal(path)}",
    )


def _xonsh() -> _Dialect:
    """Its texts are Python's, so nothing is expanded in them but by PATH itself."""
    quoting = _quoting('\\"')

    def quoted(value: str) -> str:
        return quoting(value).replace("\n", "\\n").replace("\r", "\\r")

    return _Dialect(
        extension="xsh",
        assign="${} = {}".format,
        live=quoted,
        literal=quoted,
        paths=_joining(quoted, "${} = {}".format, "${{{}}}".format),
        run=lambda path: f"{'source-bash' if path.endswith('.sh') else 'source'} {quoted(path)}",
        runs=("xsh", "sh"),
    )


def _nu() -> _Dialect:
    quoted = _quoting('\\"')

    def paths(folders: list[str], name: str, _separator: str) -> str:
        return f"$env.{name} = ($env.{name} | prepend [{', '.join(map(quoted, folders))}])"

    def assign(name: str, value: str) -> str:
        return f"$env.{name if _IDENTIFIER.fullmatch(name) else _quoting('')(name)} = {value}"

    return _Dialect(
        extension="nu",
        assign=assign,
        live=quoted,
        literal=quoted,
        paths=paths,
        run=lambda path: f"source-env {quoted(path)}",
        name=_WINDOWS_NAME,
    )


def _powershell() -> _Dialect:
    # Typographic double quotes end a text of PowerShell too.
    literal = _quoting('`"$\u201c\u201d\u201e', "`")
    return _Dialect(
        extension="ps1",
        assign="${{Env:{}}} = {}".format,
        live=_quoting('`"', "`"),
        literal=literal,
        paths=_joining(literal, "${{Env:{}}} = {}".format, "$Env:{}".format),
        run=lambda path: f". {literal(path)}",
        name=_WINDOWS_NAME,
        first="$OutputEncoding = [System.Console]::OutputEncoding = "
        "[System.Console]::InputEncoding = [System.Text.Encoding]::UTF8",
    )


def _cmd() -> _Dialect:
    def literal(path: str) -> str:
        return path.replace("%", "%%")

    def assign(name: str, value: str) -> str:
        return f'@SET "{name}={value}"'

    def paths(folders: list[str], name: str, separator: str) -> str:
        return assign(name, separator.join([*map(literal, folders), f"%{name}%"]))

    return _Dialect(
        extension="bat",
        assign=assign,
        live=str,
        literal=literal,
        paths=paths,
        run=lambda path: f'@CALL "{literal(path)}"',
        name=_WINDOWS_NAME,
        first="@chcp 65001 > nul",
    )


def _quoting(specials: str, escape: str = "\\") -> Callable[[str], str]:
    return lambda value: '"' + "".join(escape + each if each in specials else each for each in value) + '"'


def _joining(
    literal: Callable[[str], str], assign: Callable[[str, str], str], current: Callable[[str], str]
) -> Callable[[list[str], str, str], str]:
    """A line for PATH: the folders and what it was before, between one pair of quotes."""

    def paths(folders: list[str], name: str, separator: str) -> str:
        return assign(name, f'"{separator.join([*(literal(each)[1:-1] for each in folders), current(name)])}"')

    return paths


_BARE = re.compile(r"[A-Za-z0-9+\-./:@\]_]+")
_SINGLE = re.compile(r"\^?[^'\\^]*")
_DOUBLE = re.compile(r"[^`$!^]*")


def _word(value: str) -> str:
    """A POSIX shell's word, quoted as pixi-unpack does: of the two kinds of quotes that which reaches farther.

    A caret begins a piece of its own and never stands in double quotes, nor does an exclamation mark: bash would take
    them for its history.
    """
    if not value:
        return "''"
    pieces, at = [], 0
    while at < len(value):
        single, double = _end(_SINGLE, value, at), _end(_DOUBLE, value, at)
        piece = value[at : max(single, double)]
        quoted = f"'{piece}'" if single >= double else _quoting('\\"')(piece)
        pieces.append(piece if _BARE.fullmatch(piece) else quoted)
        at += len(piece)
    return "".join(pieces)


def _end(pattern: re.Pattern[str], value: str, at: int) -> int:
    found = pattern.match(value, at)
    return found.end() if found else at


def _of_git_bash(path: str) -> str:
    r"""A path of Windows as bash there writes it: `C:\a` is `/c/a`. What `cygpath` says, without running it."""
    drive = re.match(r"([A-Za-z]):[\\/]", path)
    path = path.replace("\\", "/")
    return f"/{drive[1].lower()}{path[2:]}" if drive else path
