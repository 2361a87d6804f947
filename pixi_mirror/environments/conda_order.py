"""Put conda packages into the order that decides whose file stays where two packages bring the same one.

It is rattler's order: every package comes after those that it depends on, and the file of the last one stays.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

_NAME = re.compile(r"[^\s=<>!~\[;,]+")


class _Node(NamedTuple):
    depends: tuple[str, ...]
    """Names, sorted, of packages that are there."""
    is_noarch: bool


def ordered(records: Sequence[dict[str, Any]]) -> list[int]:
    """Return the positions of the records in that order.

    Of a package and one that depends on it in a circle, such as python and pip, the one for a platform does without
    the one for all.
    """
    positions = {str(record["name"]).lower(): number for number, record in enumerate(records)}
    nodes = {name: _node(records[number], positions) for name, number in positions.items()}
    kept = {name: _without_circles(name, nodes) for name in nodes}
    needed = {each for depends in kept.values() for each in depends}
    roots = sorted(name for name in nodes if name not in needed)
    found: dict[str, None] = {}
    # What is left when no root reaches it depends on each other in a circle.
    for start in (roots, sorted(nodes, reverse=True)):
        _visit(start, kept, found)
    return [positions[name] for name in found]


def _node(record: dict[str, Any], known: dict[str, int]) -> _Node:
    names = {found[0].lower() for spec in record.get("depends") or () if (found := _NAME.match(str(spec).strip()))}
    return _Node(tuple(sorted(names & known.keys())), bool(record.get("noarch")))


def _without_circles(name: str, nodes: dict[str, _Node]) -> tuple[str, ...]:
    node = nodes[name]
    if node.is_noarch:
        return node.depends
    return tuple(each for each in node.depends if not (nodes[each].is_noarch and _reaches(each, name, nodes)))


def _reaches(start: str, end: str, nodes: dict[str, _Node]) -> bool:
    seen, waiting = {start}, [start]
    while waiting:
        for each in nodes[waiting.pop()].depends:
            if each == end:
                return True
            if each not in seen:
                seen.add(each)
                waiting.append(each)
    return False


def _visit(roots: list[str], kept: dict[str, tuple[str, ...]], found: dict[str, None]) -> None:
    """Add the names that the roots reach, each after those that it depends on; the last root comes first."""
    entered = set(found)
    waiting = [(name, False) for name in roots]
    while waiting:
        name, is_done = waiting.pop()
        if is_done:
            found[name] = None
        elif name not in entered:
            entered.add(name)
            waiting.append((name, True))
            waiting += [(each, False) for each in kept[name]]
