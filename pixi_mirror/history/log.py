"""List the generations of a mirror."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pixi_mirror.mirror.generation_file import Generation
from pixi_mirror.mirror.tree import Tree, open_mirror
from pixi_mirror.model.packages import Stamp


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryLog:
    """The generations of a mirror, the newest first."""

    mirror: Path
    stamp: Stamp | None
    """Of the generation that is current; None: the mirror has none yet."""
    generations: tuple[Generation, ...]
    names: Mapping[int, tuple[str, ...]]
    """Number of a generation -> the names that people gave it."""


def list_generations(mirror: Path) -> HistoryLog:
    """The generations of a mirror.

    Raises:
        MachineError: there is no mirror, or its history cannot be read.
    """
    tree = open_mirror(mirror)
    known = tree.generations
    return HistoryLog(
        mirror=mirror,
        stamp=tree.inventory.stamp,
        generations=tuple(known.generation(number) for number in reversed(known.numbers())),
        names=names_by_number(tree),
    )


def names_by_number(tree: Tree) -> Mapping[int, tuple[str, ...]]:
    """The names that people gave to generations, by number.

    Raises:
        MachineError: they cannot be read.
    """
    found: dict[int, tuple[str, ...]] = {}
    for name, number in sorted(tree.generations.names().items()):
        found[number] = (*found.get(number, ()), name)
    return found
