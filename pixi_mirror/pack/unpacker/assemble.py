"""Make the unpacker that a self-extracting pack carries: one Python file, for a bare Python 3.9.

It holds the source of `program` and of every module that this needs, and a loader that makes modules of them. So there
is one source of every rule, for this program and for `pixi-mirror unpack`.
"""

import ast
from collections.abc import Iterator
from functools import cache
from importlib.resources import files

_PACKAGE = "pixi_mirror"
_PROGRAM = "pixi_mirror.pack.unpacker.program"

_HEAD = '''\
#!/usr/bin/env python3
"""The unpacker of a pack that pixi-mirror wrote. It needs Python 3.9 or newer and nothing else."""

import __future__
import importlib.abc
import importlib.machinery
import sys

SOURCES = {}
'''

_TAIL = '''

class Loader(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Makes modules of the sources in this file."""

    def find_spec(self, name, path=None, target=None):
        if name in SOURCES:
            return importlib.machinery.ModuleSpec(name, self)
        if any(each.startswith(name + ".") for each in SOURCES):
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def exec_module(self, module):
        name = module.__spec__.name
        flags = __future__.annotations.compiler_flag
        code = compile(SOURCES.get(name, ""), "<%s>" % name, "exec", flags, dont_inherit=True)
        exec(code, module.__dict__)


def fill_up():
    """Give Python 3.9 the words of 3.10 that the sources use and that mean nothing when they run."""
    import dataclasses
    import typing

    true = dataclasses.dataclass

    def dataclass(cls=None, **options):
        known = {key: value for key, value in options.items() if key not in ("slots", "kw_only")}
        return true(cls, **known) if cls is not None else lambda each: true(each, **known)

    dataclasses.dataclass = dataclass
    typing.TypeAlias = typing.Any


if __name__ == "__main__":
    if sys.version_info < (3, 9):
        raise SystemExit("error: this Python is too old: 3.9 or newer is needed.")
    if sys.version_info < (3, 10):
        fill_up()
    sys.meta_path.insert(0, Loader())
    from os import environ

    from PROGRAM import main

    raise SystemExit(main(sys.argv[1:], environ))
'''


@cache
def assembled() -> bytes:
    """Return the unpacker: `unpacker.py [-o DIR] [-e NAME] [-s SHELL] [-v] [-q] [-h] [ARCHIVE|DIR|-]`.

    It is the same bytes wherever and whenever it is made.
    """
    pieces = [_HEAD]
    for name, source in sorted(_needed().items()):
        # A text of lines can be read, and compared with the module that it is.
        escaped = source.replace("\\", "\\\\").replace("'''", "\\'\\'\\'")
        pieces.append(f"\nSOURCES[{name!r}] = '''\\\n{escaped}'''\n")
    return "".join([*pieces, _TAIL.replace("PROGRAM", _PROGRAM)]).encode()


def _needed() -> dict[str, str]:
    """Name -> source of the program and of all modules of ours that it imports, directly or not."""
    found: dict[str, str] = {}
    waiting = [_PROGRAM]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found[name] = _source(name)
        waiting += _imported(found[name])
    return found


def _source(name: str) -> str:
    folder, _, module = name.rpartition(".")
    return files(folder).joinpath(f"{module}.py").read_text(encoding="utf-8").replace("\r\n", "\n")


def _imported(source: str) -> Iterator[str]:
    """The modules of ours that a source imports, wherever in it; each is imported by its full name."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == _PACKAGE:
            yield str(node.module)
