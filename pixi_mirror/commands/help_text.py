"""Lay out help in the width of the terminal."""

import re
import shutil
from collections.abc import Iterator
from functools import lru_cache

_NARROWEST, _WIDEST = 40, 120
_WITHOUT_TERMINAL = 100
_COLUMNS = r"(\s+\S.*?)(\s{2,})(\S.*)"
"""An indented line of two columns: an example or a name, and what it is."""


@lru_cache(maxsize=1)
def help_width() -> int:
    """The width of lines of help: that of the terminal or `COLUMNS`, within limits."""
    return max(_NARROWEST, min(shutil.get_terminal_size((_WITHOUT_TERMINAL, 24)).columns - 1, _WIDEST))


def reflowed(text: str, width: int) -> str:
    """The text with lines of at most `width` characters where words allow it.

    Lines that begin without a space are one paragraph with those next to them. An indented line stays a line of its
    own; if it has two columns and is too long, the second goes on below itself.
    """
    return "\n".join(_lines(text, width)).rstrip("\n")


def _lines(text: str, width: int) -> Iterator[str]:
    import textwrap  # most runs print no help

    paragraph: list[str] = []
    for line in [*text.splitlines(), ""]:
        if line and not line[0].isspace():
            paragraph.append(line)
            continue
        yield from textwrap.wrap(" ".join(paragraph), width, break_long_words=False, break_on_hyphens=False)
        paragraph = []
        yield from _indented(line, width) if line else [""]


def _indented(line: str, width: int) -> list[str]:
    if len(line) <= width:
        return [line]
    found = re.fullmatch(_COLUMNS, line)
    first, indent = (found[1] + found[2], len(found[1] + found[2])) if found else ("", len(line) - len(line.lstrip()))
    rest = found[3] if found else line.lstrip()
    if found and indent > width // 2:  # the second column is too far to the right: it goes under the first
        indent = len(line) - len(line.lstrip()) + 6
        return [found[1], *_hanging(" " * indent, rest, indent, width)]
    return _hanging(first or " " * indent, rest, indent, width)


def _hanging(first: str, text: str, indent: int, width: int) -> list[str]:
    import textwrap

    return textwrap.wrap(
        text,
        width,
        initial_indent=first,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
