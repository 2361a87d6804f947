"""Give a generation a name, so that prune keeps its files, or take the name away."""

from dataclasses import dataclass
from pathlib import Path

from pixi_mirror.context import Context
from pixi_mirror.errors import UsageError, WorkspaceError
from pixi_mirror.history.reference import find_generation
from pixi_mirror.mirror.generations import admit_name
from pixi_mirror.mirror.tree import open_mirror


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
                f"`pixi-mirror unpin {name}`, or choose another name."
            )
        tree.record_names({**names, name: number})
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
        tree.record_names(names)
    return NamedGeneration(mirror=mirror, number=number, name=name)
