"""The unpacker that a self-extracting pack carries: one file for a bare Python 3.9, assembled of the rooms of this one.

The rooms import the standard library, each other and two of `installs` and nothing else, so that there is one source
of every rule, which is linted, typed and tested as all others are. Nobody but `assembled` knows of them.
"""

import ast
from functools import cache
from importlib.resources import files

_ROOMS = (
    ("pixi_mirror.environments", "activation"),
    ("pixi_mirror.environments", "platform"),
    ("pixi_mirror.pack.unpacker", "refusal"),
    ("pixi_mirror.pack.unpacker", "tars"),
    ("pixi_mirror.pack.unpacker", "packs"),
    ("pixi_mirror.pack.unpacker", "archives"),
    ("pixi_mirror.pack.unpacker", "places"),
    ("pixi_mirror.pack.unpacker", "linking"),
    ("pixi_mirror.pack.unpacker", "wheels"),
    ("pixi_mirror.pack.unpacker", "program"),
)
"""Each imports only from those before it."""

_HEAD = """\
#!/usr/bin/env python3
# The unpacker of a pack that pixi-mirror wrote. It needs Python 3.9 or newer and nothing else.
from __future__ import annotations
"""


@cache
def assembled() -> bytes:
    """The unpacker as one Python file: `unpacker.py [-o DIR] [-e NAME] [-s SHELL] [-v] [-q] [-h] [ARCHIVE|DIR|-]`.

    It is the same bytes wherever and whenever it is made.
    """
    pieces, seen = [_HEAD], dict[str, str]()
    for package, room in _ROOMS:
        source = files(package).joinpath(f"{room}.py").read_text(encoding="utf-8").replace("\r\n", "\n")
        for name in _names(ast.parse(source)):
            if (other := seen.setdefault(name, room)) != room:
                raise AssertionError(f"{other} and {room} both call something {name}: one of the names has to change")
        pieces.append(_without_own_imports(source))
    return "\n\n".join(piece.strip("\n") + "\n" for piece in pieces).encode()


def _names(tree: ast.Module) -> set[str]:
    """What a module calls by a name at its top, apart from what it imports."""
    found: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign):
            found.update(each.id for target in node.targets for each in ast.walk(target) if isinstance(each, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found.add(node.target.id)
    return found


def _without_own_imports(source: str) -> str:
    """The source of a room; what it imports from others of ours is above it in the file."""
    lines = source.splitlines()
    for node in ast.parse(source).body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in ("pixi_mirror", "__future__"):
            assert node.end_lineno is not None  # noqa: S101 - it was parsed
            lines[node.lineno - 1 : node.end_lineno] = [""] * (node.end_lineno - node.lineno + 1)
    return "\n".join(lines)
