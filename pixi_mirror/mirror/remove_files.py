"""Remove files that no index lists any more, and the index files that list nothing without them."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace

from pixi_mirror.context import Context
from pixi_mirror.mirror.indexes import needed_indexes
from pixi_mirror.mirror.plan import Plan
from pixi_mirror.mirror.tree import Tree
from pixi_mirror.model.packages import Stamp
from pixi_mirror.model.values import MirrorPath


def remove_files(
    tree: Tree,
    plan: Plan,
    removed: Collection[MirrorPath],
    context: Context,
    *,
    stamp: Stamp | None = None,
    below: str = "",
) -> None:
    """Remove files that are unlisted already and the index files that list nothing any more, and record what is left.

    Args:
        tree: the mirror, open for writing.
        plan: what it should hold; `kept` are the surplus packages that indexes list.
        removed: the files; no index lists them.
        context: of the verb; it gives the maker of sidecars.
        stamp: the generation that the mirror stays; None: what is new is a generation.
        below: how the paths of the index files begin that may go; empty: all may.

    Raises:
        MachineError: the disk refuses.
    """
    sidecar_maker = context.sidecar_maker(plan.pins.locks.values())
    needed = needed_indexes(tree, plan, {*removed})
    idle = [
        path
        for path in tree.inventory.generated
        if path not in needed and path.startswith(below) and sidecar_maker.role(path) is None
    ]
    going = dict.fromkeys((*removed, *idle))
    left = {path: content for path, content in tree.inventory.tree.items() if path not in going}
    for path in _without_other_names(tree, going, left):
        tree.remove(path)
    tree.record(
        replace(
            tree.inventory,
            tree=left,
            listings={
                path: each
                for path, each in tree.inventory.listings.items()
                if path in left or path in tree.inventory.deferred
            },
        ),
        locks=plan.pins.locks,
        unlisted={path: at for path, at in tree.state.unlisted.items() if path in left},
        stamp=stamp,
    )


def _without_other_names(tree: Tree, going: Iterable[MirrorPath], left: Iterable[MirrorPath]) -> Iterator[MirrorPath]:
    """Those of `going` that are no other name of a file in `left`, as `A` and `a` are on a disk that ignores case."""
    names = {path.casefold() for path in left} if tree.is_case_blind else set()
    yield from (path for path in going if path.casefold() not in names)
