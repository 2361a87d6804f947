"""Replace, in the files of a package, the prefix that it was built for by the prefix that it is installed to.

Files are read piece by piece, so that one of any size needs little memory.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator

_PYTHON_NAME = re.compile(rb"python(?:\d+(?:\.\d+)?)?")
_SHEBANG = re.compile(rb"#! *(/(?:\\ |[^ \n\r\t])*)(.*)", re.DOTALL)
_LONGEST_SHEBANG = {"linux": 127, "osx": 512}
"""Bytes; a kernel cuts a longer one."""
_LONGEST_LINE = 1 << 16
"""Bytes of a first line that may be a shebang."""
_LONGEST_TEXT = 64 << 20
"""Bytes of one text in a program, up to its zero byte."""


def replace_prefix(
    pieces: Iterable[bytes], placeholder: str, prefix: str, *, subdir: str, is_text: bool
) -> Iterator[bytes]:
    """Yield the content of a file with `prefix` in place of `placeholder`.

    In a program, a text ends with a zero byte, and what follows it has to stay where it is: the text is filled up with
    zeros. Programs for Windows find their libraries by themselves and stay as they are.

    Raises:
        ValueError: a program has no room for the prefix, or a text in it has no end.
    """
    old, new = placeholder.encode(), os.fsencode(prefix)
    if subdir.startswith("win-"):
        return _replace(pieces, old, new.replace(b"\\", b"/")) if is_text else iter(pieces)
    return _replace_in_script(pieces, old, new, subdir) if is_text else _replace_in_program(pieces, old, new)


def _replace(pieces: Iterable[bytes], old: bytes, new: bytes) -> Iterator[bytes]:
    rest = b""
    for piece in pieces:
        data, start, found = rest + piece, 0, []
        while (at := data.find(old, start)) >= 0:
            found += [data[start:at], new]
            start = at + len(old)
        # What may be the beginning of another one waits for the next piece.
        keep = max(start, len(data) - len(old) + 1)
        yield b"".join([*found, data[start:keep]])
        rest = data[keep:]
    yield rest


def _replace_in_script(pieces: Iterable[bytes], old: bytes, new: bytes, subdir: str) -> Iterator[bytes]:
    iterator = iter(pieces)
    start = next(iterator, b"")
    while start == b"#" and (more := next(iterator, b"")):
        start += more
    if start.startswith(b"#!"):
        while b"\n" not in start and len(start) < _LONGEST_LINE and (more := next(iterator, b"")):
            start += more
        line, end, start = start.partition(b"\n")
        yield shebang_for(line, old, new, subdir) + end
    yield from _replace(_chain(start, iterator), old, new)


def _chain(first: bytes, rest: Iterable[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def _replace_in_program(pieces: Iterable[bytes], old: bytes, new: bytes) -> Iterator[bytes]:
    data = b""
    searched = 0
    for piece in pieces:
        data += piece
        start = 0
        while (at := data.find(old, start)) >= 0:
            end = data.find(b"\0", max(at, searched))
            if end < 0:
                break
            yield data[start:at] + _padded(data[at:end], old, new)
            start, searched = end, 0
        keep = max(start, len(data) - len(old) + 1) if at < 0 else at
        yield data[start:keep]
        data = data[keep:]
        searched = len(data) if at >= 0 else 0
        if len(data) > _LONGEST_TEXT:
            raise ValueError(f"it has a text of more than {_LONGEST_TEXT} bytes")
    yield _padded(data, old, new) if old in data else data


def _padded(text: bytes, old: bytes, new: bytes) -> bytes:
    if len(new) > len(old):
        raise ValueError(
            f"it has room for a path of {len(old)} bytes, and {os.fsdecode(new)} has more. Choose a shorter -o"
        )
    return text.replace(old, new).ljust(len(text), b"\0")


def shebang_for(line: bytes, old: bytes, new: bytes, subdir: str) -> bytes:
    """Return the first line of a script with `new` in place of `old`.

    A line with a space or too long for a kernel starts the program in another way, as rattler has it.
    """
    longest = _LONGEST_SHEBANG.get(subdir.partition("-")[0])
    replaced = line.replace(old, new)
    has_space = old in line and len(new.split(maxsplit=1)) > 1
    if not has_space and (longest is None or len(replaced) <= longest):
        return replaced
    found = _SHEBANG.fullmatch(line)
    if found is None:
        return replaced
    path, rest = found[1].replace(old, new), found[2].replace(old, new)
    if _PYTHON_NAME.fullmatch(found[1].rpartition(b"/")[2]):
        return _through_sh(path, rest)
    return b"#!/usr/bin/env " + path.rpartition(b"/")[2] + rest


def shebang_of_python(program: str) -> bytes:
    """Return the first line of a script that the Python at the path `program` runs."""
    path = os.fsencode(program)
    is_plain = len(path) <= _LONGEST_SHEBANG["linux"] - len(b"#!") and len(path.split(maxsplit=1)) == 1
    return b"#!" + path if is_plain else _through_sh(path)


def _through_sh(path: bytes, rest: bytes = b"") -> bytes:
    """Two lines by which a shell has a Python run the script; to Python they are a comment and a text."""
    # A backslash would be no text of Python's, so what means something to the shell is put between the other quotes.
    is_special = any(sign in path for sign in b'$`"\\')
    quoted = b"'" + path.replace(b"'", b"'\"'\"'") + b"'" if is_special else b'"' + path + b'"'
    return b"#!/bin/sh\n'''exec' " + quoted + rest + b' "$0" "$@" #\'\'\''
