"""Make the commands of Python packages: entry points of conda packages and of wheels."""

from __future__ import annotations

import re
from typing import NamedTuple

from pixi_mirror.environments.placeholders import shebang_of_python
from pixi_mirror.environments.prefix import Prefix

_ENTRY_POINT = re.compile(r"\s*([^=/\\\s][^=/\\]*?)\s*=\s*([\w.]+)\s*:\s*([\w.]+)\s*(?:\[.*\]\s*)?")
_LAUNCHERS = {"win-64": "cli-64.exe", "win-32": "cli-32.exe", "win-arm64": "cli-arm64.exe"}
"""What setuptools brings for Windows: programs that start `NAME-script.py` beside them."""


class EntryPoint(NamedTuple):
    """A command and what it calls."""

    name: str
    module: str
    function: str
    """May be an attribute of an attribute."""


class CommandFile(NamedTuple):
    """A file that makes a command."""

    path: str
    """In the prefix."""
    data: bytes
    kind: str
    """What `conda-meta` calls it."""


def parse_entry_point(line: str) -> EntryPoint:
    """Return the entry point in a line `name = module:function [extra]`.

    Raises:
        ValueError: it is none.
    """
    found = _ENTRY_POINT.fullmatch(line)
    if found is None or found[1] in (".", ".."):
        raise ValueError(f"the command {line[:200]!r} is not `name = module:function`")
    return EntryPoint(found[1], found[2], found[3])


def launcher_path(prefix: Prefix) -> str | None:
    """Return where the program that starts commands on Windows is, if the environment has setuptools."""
    name = _LAUNCHERS.get(prefix.subdir)
    return f"{prefix.python.site_packages}/setuptools/{name}" if name and prefix.python else None


def command_files(point: EntryPoint, prefix: Prefix, *, program: str, launcher: bytes | None) -> list[CommandFile]:
    """Return the files that make a command.

    Args:
        point: what it is called and what it calls.
        prefix: where it is made.
        program: the Python that runs it, relative to the prefix.
        launcher: for Windows, the program that starts `NAME-script.py` beside it; None: a batch file does that.

    Raises:
        ValueError: the environment has no Python.
    """
    if prefix.python is None:
        raise ValueError(f"the command {point.name} needs a Python, and there is none")
    text = (
        "# -*- coding: utf-8 -*-\nimport re\nimport sys\n\n"
        f"from {point.module} import {point.function.partition('.')[0]}\n\n"
        "if __name__ == '__main__':\n"
        "\tsys.argv[0] = re.sub(r'(-script\\.pyw?|\\.exe)?$', '', sys.argv[0])\n"
        f"\tsys.exit({point.function}())\n"
    ).encode()
    folder = prefix.python.commands
    if not prefix.is_windows:
        shebang = shebang_of_python(prefix.in_place(program))
        return [CommandFile(f"{folder}/{point.name}", shebang + b"\n" + text, "unix_python_entry_point")]
    script = CommandFile(f"{folder}/{point.name}-script.py", b"\n" + text, "windows_python_entry_point_script")
    kind = "windows_python_entry_point_exe"
    if launcher is not None:
        return [script, CommandFile(f"{folder}/{point.name}.exe", launcher, kind)]
    batch = f'@"%~dp0..\\python.exe" "%~dp0{point.name}-script.py" %*\r\n'.encode()
    return [script, CommandFile(f"{folder}/{point.name}.bat", batch, kind)]
