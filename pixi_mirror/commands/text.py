"""How numbers, lists and what others have written read to people."""

import re
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from pixi_mirror.progress import counted, format_size

_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""What a terminal would obey, what turns the order of writing, and halves of characters, which no stream takes."""


def plain(text: str) -> str:
    """The text with every control character as JSON escapes it: locks and servers are not trusted with a terminal."""
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def files_of(number: int, size_of_all: int, *, unknown: int = 0) -> str:
    """`3 files, 1.2 MB`, without the size where that is 0.

    With `unknown`, the number of files whose size is not known: `3 files, 1.2 MB and more`, or `3 files, size unknown`.
    """
    count = counted(number, "file")
    if unknown:
        return f"{count}, {format_size(size_of_all)} and more" if number > unknown else f"{count}, size unknown"
    return f"{count}, {format_size(size_of_all)}" if size_of_all else count


def table(rows: Iterable[Sequence[str]], *, right: Collection[int] | None = None) -> list[str]:
    """Lines with aligned columns.

    Args:
        rows: of one length.
        right: the columns that are aligned to the right, from 0; None: all but the first.
    """
    rows = list(rows)
    if not rows:
        return []
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(
            cell.rjust(width) if (column > 0 if right is None else column in right) else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def some(items: Sequence[str], *, at_most: int) -> list[str]:
    """The first of many lines, and how many more there are."""
    shown = [f"  {item}" for item in items[:at_most]]
    return [*shown, f"  and {len(items) - at_most} more"] if len(items) > at_most else shown


def nothing_to_do(mirror: Path, *, files: int, bytes: int, deferred: int = 0, deferred_bytes: int = 0) -> str:  # noqa: A002 - as the memo has it
    """What an update says that finds everything as it should be; `files` and `bytes` are of all, deferred ones too."""
    holds = f"nothing to do: {mirror} holds the packages that its locks pin: {files_of(files, bytes)}"
    return f"{holds}, of which {files_of(deferred, deferred_bytes)} deferred" if deferred else holds
