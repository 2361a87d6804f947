"""Find the generation that a user names, and give generations names, whose files prune then keeps."""

import re
from dataclasses import dataclass
from pathlib import Path

from pixi_mirror.context import Context
from pixi_mirror.errors import UsageError, WorkspaceError
from pixi_mirror.mirror.generation_names import NAMES, admit_name, dump_names
from pixi_mirror.mirror.tree import Tree, open_mirror
from pixi_mirror.mirror.tree_view import GENERATIONS
from pixi_mirror.suggest import advised


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedGeneration:
    """A generation and a name that it has now, or had."""

    mirror: Path
    number: int
    name: str


def pin(mirror: Path, generation: str, name: str, context: Context) -> NamedGeneration:
    """Give a generation a name. A second one is added; the same name again changes nothing.

    Raises:
        UsageError: the name is none, or another generation has it.
        WorkspaceError: there is no such generation.
        MachineError: there is no mirror, or it cannot be read or written.
        BusyError: another process is writing the mirror.
    """
    try:
        admit_name(name)
    except ValueError as error:
        raise UsageError(f"{error}: letters, digits, `.`, `_` and `-`, and not only digits.") from None
    tree = open_mirror(mirror)
    with tree.writing(timeout_s=context.lock_timeout_s):
        number = find_generation(tree, generation)
        names = tree.generations.names()
        if names.get(name, number) != number:
            raise UsageError(
                f"{name} is the name of generation g{names[name]} already; take it away with "
                f"{advised(f'unpin {name}', tree.root)}, or choose another name."
            )
        tree.record_private(f"{GENERATIONS}/{NAMES}", dump_names({**names, name: number}))
    return NamedGeneration(mirror=mirror, number=number, name=name)


def unpin(mirror: Path, name: str, context: Context) -> NamedGeneration:
    """Take a name away from its generation; `prune` may then remove its files.

    Raises:
        WorkspaceError: no generation has the name.
        MachineError: there is no mirror, or it cannot be read or written.
        BusyError: another process is writing the mirror.
    """
    tree = open_mirror(mirror)
    with tree.writing(timeout_s=context.lock_timeout_s):
        names = dict(tree.generations.names())
        if name not in names:
            raise WorkspaceError(f"no generation has the name {name!r}; there are: {', '.join(names) or 'none'}.")
        number = names.pop(name)
        tree.record_private(f"{GENERATIONS}/{NAMES}", dump_names(names))
    return NamedGeneration(mirror=mirror, number=number, name=name)


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
            f"{tree.root} has no generation {named!r}; it has {_ranges(known)}{named_so} (see "
            f"{advised('log', tree.root)})."
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
