"""Find the generation that a user names: by its number, by the name that it was given, or `current`."""

import re

from pixi_mirror.errors import WorkspaceError
from pixi_mirror.mirror.tree import Tree

CURRENT = "current"
_NUMBER = re.compile(r"g?[0-9]{1,9}")


def find_generation(tree: Tree, named: str) -> int:
    """The number of the generation that `named` stands for: `42`, `g42`, a name, or `current`.

    Raises:
        WorkspaceError: there is no such generation, or the mirror has none yet.
        MachineError: the history cannot be read.
    """
    if tree.inventory.stamp is None:
        raise WorkspaceError(f"{tree.root} has no generation yet: its next change by this program records the first.")
    if named == CURRENT:
        return tree.inventory.stamp.number
    known = tree.generations.numbers()
    names = tree.generations.names()
    number = int(named.removeprefix("g")) if _NUMBER.fullmatch(named) else names.get(named)
    if number is None or number not in known:
        named_so = f", and the {'name' if len(names) == 1 else 'names'} {', '.join(names)}" if names else ""
        raise WorkspaceError(
            f"{tree.root} has no generation {named!r}; it has {_ranges(known)}{named_so} (see `pixi-mirror log`)."
        )
    return number


def is_number(named: str) -> bool:
    """Whether a word is the number of a generation, as `42` and `g42` are."""
    return _NUMBER.fullmatch(named) is not None


def _ranges(numbers: tuple[int, ...]) -> str:
    """`g1 to g4, g7`."""
    starts = [number for number in numbers if number - 1 not in numbers]
    ends = [number for number in numbers if number + 1 not in numbers]
    shown = (f"g{start} to g{end}" if start < end else f"g{start}" for start, end in zip(starts, ends, strict=True))
    return ", ".join(shown) or "none"
