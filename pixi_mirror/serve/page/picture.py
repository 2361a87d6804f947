"""Pictures of sizes as inline SVG, made without any library; pure.

A treemap shows what takes the space: each rectangle has the area of its share. Two of them are made, a broad one and
one for narrow screens, and the style shows one. Whoever cannot see them has the same in the table below.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from pixi_mirror.progress import format_size
from pixi_mirror.serve.page.elements import name
from pixi_mirror.serve.page.style import TINTS

_SHOWN = 60
"""Rectangles; the rest is one."""
_BROAD, _NARROW = (1000, 400), (340, 460)
"""Width and height, in the units of the picture: about pixels."""
_LETTER, _LINE, _EDGE = 7.4, 17.0, 6.0
"""Of the labels: the width of a letter, the height of a line, the space beside them."""


class PicturePart(NamedTuple):
    """One part of a whole."""

    label: str
    size: int
    """Bytes."""
    tint: int
    """Number of its colour."""


class _Box(NamedTuple):
    x: float
    y: float
    width: float
    height: float


def tint_of(number: int) -> int:
    """The colour of the group with this number; the groups after the first ones share the last colour."""
    return min(number, TINTS - 1)


def treemap(parts: Sequence[PicturePart], description: str) -> Iterator[str]:
    """What takes the space, as a picture.

    Args:
        parts: In any order; those without a size are left out.
        description: HTML, for those who cannot see it.
    """
    ordered = sorted((each for each in parts if each.size > 0), key=lambda each: (-each.size, each.label))
    shown = ordered[:_SHOWN]
    if rest := ordered[_SHOWN:]:
        shown.append(PicturePart(f"{len(rest):,} more", sum(each.size for each in rest), TINTS - 1))
        shown.sort(key=lambda each: -each.size)
    for (width, height), kind in ((_BROAD, "wide"), (_NARROW, "tall")) if shown else ():
        yield f'<svg class="{kind}" viewBox="0 0 {width} {height}" role="img" aria-label="{description}">\n'
        boxes = _squarified([float(each.size) for each in shown], _Box(0, 0, width, height))
        yield from map(_labelled, shown, boxes)
        yield "</svg>\n"


def _labelled(part: PicturePart, box: _Box) -> str:
    seen = f"{name(part.label)}, {format_size(part.size)}"
    made = (
        f'<g><title>{seen}</title><rect class="t{part.tint}" x="{box.x:.1f}" y="{box.y:.1f}" '
        f'width="{box.width:.1f}" height="{box.height:.1f}"/>'
    )
    room = int((box.width - 2 * _EDGE) / _LETTER)
    short = part.label if len(part.label) <= room else f"{part.label[: max(room - 1, 0)]}…"
    if box.height >= _LINE + _EDGE and len(short) >= min(4, len(part.label)):
        made += f'<text x="{box.x + _EDGE:.1f}" y="{box.y + _LINE:.1f}">{name(short)}</text>'
        if box.height >= 2 * _LINE + _EDGE and room >= len(format_size(part.size)):
            at = box.y + 2 * _LINE - 2
            made += f'<text class="small" x="{box.x + _EDGE:.1f}" y="{at:.1f}">{format_size(part.size)}</text>'
    return f"{made}</g>\n"


def _squarified(sizes: Sequence[float], room: _Box) -> Iterator[_Box]:
    """Rectangles with these shares of a room, as near to squares as rows allow (Bruls, Huizing, van Wijk, 2000).

    Args:
        sizes: The largest first, none of them 0.
        room: To be filled.
    """
    scale = room.width * room.height / sum(sizes)
    areas = [size * scale for size in sizes]
    start = 0
    while start < len(areas):
        side = max(min(room.width, room.height), 1e-6)
        end = start + 1
        while end < len(areas) and _worst(areas[start : end + 1], side) <= _worst(areas[start:end], side):
            end += 1
        row = areas[start:end]
        thickness = sum(row) / side
        at = 0.0
        for area in row:
            length = area / thickness
            if room.width >= room.height:
                yield _Box(room.x, room.y + at, thickness, length)
            else:
                yield _Box(room.x + at, room.y, length, thickness)
            at += length
        if room.width >= room.height:
            room = _Box(room.x + thickness, room.y, max(room.width - thickness, 0), room.height)
        else:
            room = _Box(room.x, room.y + thickness, room.width, max(room.height - thickness, 0))
        start = end


def _worst(row: Sequence[float], side: float) -> float:
    """The worst ratio of two sides in a row of rectangles along a side."""
    thickness = sum(row) / side
    return max(max(thickness * thickness / area, area / (thickness * thickness)) for area in (row[0], row[-1]))


def strip(parts: Sequence[PicturePart], description: str) -> str:
    """The shares of a whole side by side; `description` is HTML, for those who cannot see them."""
    whole = sum(each.size for each in parts)
    if not whole:
        return ""
    at, made = 0.0, []
    for part in parts:
        width = 100 * part.size / whole
        made.append(f'<rect class="t{part.tint}" x="{at:.3f}" width="{width:.3f}" height="10"/>')
        at += width
    return (
        f'<svg class="strip" viewBox="0 0 100 10" preserveAspectRatio="none" role="img" aria-label="{description}">'
        f"{''.join(made)}</svg>\n"
    )


def swatch(tint: int) -> str:
    """A small square of a colour, for a legend."""
    square = f'<rect class="t{tint}" width="10" height="10"/>'
    return f'<svg class="swatch" viewBox="0 0 10 10" aria-hidden="true">{square}</svg>'


def share(size: int, whole: int) -> str:
    """A thin bar for one row of a table."""
    width = 100 * size / whole if whole else 0
    return (
        '<svg class="share" viewBox="0 0 100 3" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect width="{width:.2f}" height="3"/></svg>'
    )
