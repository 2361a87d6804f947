"""Draw sizes as bars for a terminal: the same at a glance as the lines above them."""

from collections.abc import Iterator, Sequence
from unicodedata import east_asian_width

from pixi_mirror.progress import format_size

_MOST = 12
"""Bars of one block; of further ones only the number is said, since environments share files."""
_LONGEST_LABEL = 44
_SHORTEST_BAR, _LONGEST_BAR = 8, 40
_SIZE = 9
"""Columns of a size."""
_EIGHTHS = " ▏▎▍▌▋▊▉"
_FULL = "█"


def bar_lines(title: str, sizes: Sequence[tuple[str, int]], *, columns: int, encoding: str | None) -> Iterator[str]:
    """A block of bars, the largest first.

    Args:
        title: Of the block.
        sizes: A label and bytes each.
        columns: Of the terminal.
        encoding: Of the terminal; where it has no blocks, bars are made of `#`.
    """
    ordered = sorted(((label, size) for label, size in sizes if size > 0), key=lambda row: (-row[1], row[0]))
    if not ordered:
        return
    shown, most = ordered[:_MOST], ordered[0][1]
    room = max(columns - _SIZE - 4 - _SHORTEST_BAR, _SHORTEST_BAR)
    labels = [_cut(label, min(_LONGEST_LABEL, room)) for label, _ in shown]
    wide = max(map(_width, labels))
    length = max(_SHORTEST_BAR, min(_LONGEST_BAR, columns - wide - _SIZE - 4))
    has_blocks = _can_show(encoding)
    yield f"{title}:"
    for label, (_, size) in zip(labels, shown, strict=True):
        bar = _bar(size / most * length, has_blocks=has_blocks)
        yield f"  {label}{' ' * (wide - _width(label))} {format_size(size):>{_SIZE}} {bar}"
    if left := len(ordered) - len(shown):
        yield f"  and {left} more"


def _bar(length: float, *, has_blocks: bool) -> str:
    """A bar of some columns; what is there at all has at least the thinnest one."""
    if not has_blocks:
        return "#" * max(1, round(length))
    eighths = max(1, round(length * 8))
    return (_FULL * (eighths // 8) + _EIGHTHS[eighths % 8]).rstrip()


def _can_show(encoding: str | None) -> bool:
    try:
        (_FULL + _EIGHTHS).encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _cut(label: str, room: int) -> str:
    """A label that fits; of a URL the end says more than the start."""
    seen = "".join(each if each.isprintable() else "?" for each in label)
    if _width(seen) <= room:
        return seen
    while _width(seen) > room - 2:
        seen = seen[1:]
    return f"..{seen}"


def _width(text: str) -> int:
    return sum(2 if east_asian_width(each) in "WF" else 1 for each in text)
