"""Know how shells set a variable to a value, letter by letter, and how they quote.

The unpacker of self-extracting packs contains this module, so it runs on Python 3.9.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

_SH = ("bash", "sh", "dash", "ksh", "busybox", "brush")
SHELLS = (*_SH, "zsh", "xonsh", "fish", "cmd", "nu", "nushell", "powershell", "powershell_ise")
"""Every word that pixi-unpack takes after `--shell`."""


_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_WINDOWS_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.()-]*")
"""Such as `ProgramFiles(x86)`: the shells of Windows quote the names that others cannot have."""


class ShellDialect(NamedTuple):
    """How one family of shells says what the script says."""

    extension: str
    assign: Callable[[str, str], str]
    """The line that sets a variable to a value that is already quoted."""
    literal: Callable[[str], str]
    """A value or a path, quoted, of which nothing is expanded."""
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


def shell_dialect(shell: str) -> ShellDialect:
    """Return how a shell, one of `SHELLS`, says things."""
    if shell in _SH:
        return _sh()
    families = {"zsh": _zsh, "xonsh": _xonsh, "fish": _fish, "cmd": _cmd, "nu": _nu, "nushell": _nu}
    return families.get(shell, _powershell)()


def _sh() -> ShellDialect:
    """POSIX."""

    def paths(folders: list[str], _name: str, separator: str) -> str:
        return joined([_of_git_bash(each) for each in folders] if separator == ";" else folders, "PATH", ":")

    joined = _joining(_quoting('\\"$`'), "export {}={}".format, "${{{}}}".format)
    return ShellDialect(
        extension="sh",
        assign="export {}={}".format,
        literal=_word,
        paths=paths,
        run=lambda path: f". {_word(path)}",
    )


def _zsh() -> ShellDialect:
    literal = _quoting('\\"$`')
    return ShellDialect(
        extension="sh",
        assign="export {}={}".format,
        literal=literal,
        paths=_joining(literal, "export {}={}".format, "${{{}}}".format),
        run=lambda path: f". {literal(path)}",
    )


def _fish() -> ShellDialect:
    literal = _quoting('\\"$')
    return ShellDialect(
        extension="fish",
        assign="set -gx {} {}".format,
        literal=literal,
        paths=_joining(literal, "set -gx {} {}".format, "${}".format),
        run=lambda path: f"source {literal(path)}",
    )


def _xonsh() -> ShellDialect:
    """Its texts are Python's, so nothing is expanded in them but by PATH itself."""
    quoting = _quoting('\\"')

    def quoted(value: str) -> str:
        return quoting(value).replace("\n", "\\n").replace("\r", "\\r")

    return ShellDialect(
        extension="xsh",
        assign="${} = {}".format,
        literal=quoted,
        paths=_joining(quoted, "${} = {}".format, "${{{}}}".format),
        run=lambda path: f"{'source-bash' if path.endswith('.sh') else 'source'} {quoted(path)}",
        runs=("xsh", "sh"),
    )


def _nu() -> ShellDialect:
    quoted = _quoting('\\"')

    def paths(folders: list[str], name: str, _separator: str) -> str:
        return f"$env.{name} = ($env.{name} | prepend [{', '.join(map(quoted, folders))}])"

    def assign(name: str, value: str) -> str:
        return f"$env.{name if _IDENTIFIER.fullmatch(name) else _quoting('')(name)} = {value}"

    return ShellDialect(
        extension="nu",
        assign=assign,
        literal=quoted,
        paths=paths,
        run=lambda path: f"source-env {quoted(path)}",
        name=_WINDOWS_NAME,
    )


def _powershell() -> ShellDialect:
    # Typographic double quotes end a text of PowerShell too.
    literal = _quoting('`"$\u201c\u201d\u201e', "`")
    return ShellDialect(
        extension="ps1",
        assign="${{Env:{}}} = {}".format,
        literal=literal,
        paths=_joining(literal, "${{Env:{}}} = {}".format, "$Env:{}".format),
        run=lambda path: f". {literal(path)}",
        name=_WINDOWS_NAME,
        first="$OutputEncoding = [System.Console]::OutputEncoding = "
        "[System.Console]::InputEncoding = [System.Text.Encoding]::UTF8",
    )


def _cmd() -> ShellDialect:
    """What cannot be said for certain is refused: it has no way to quote a quote, and `CALL` reads a path twice."""

    def literal(value: str) -> str:
        if '"' in value:
            raise ValueError(f"{value!r} has a quote, which cmd has no words for")
        return value.replace("%", "%%")

    def assign(name: str, value: str) -> str:
        return f'@SET "{name}={value}"'

    def paths(folders: list[str], name: str, separator: str) -> str:
        return assign(name, separator.join([*map(literal, folders), f"%{name}%"]))

    def run(path: str) -> str:
        if "%" in path or "^" in path:
            raise ValueError(f"the script {path!r} has a % or ^ in its path, which cmd cannot call")
        return f'@CALL "{literal(path)}"'

    return ShellDialect(
        extension="bat",
        assign=assign,
        literal=literal,
        paths=paths,
        run=run,
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
