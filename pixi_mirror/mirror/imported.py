"""A mirror that imports fill is a copy: its generations are made where it comes from, unless it becomes its own."""

import shlex

from pixi_mirror.errors import HistoryError, UsageError
from pixi_mirror.mirror.generation_rows import rows_of
from pixi_mirror.mirror.inventory_text import PackageTexts
from pixi_mirror.mirror.mint import mint_fork
from pixi_mirror.mirror.tree import Tree
from pixi_mirror.mirror.tree_view import GENERATIONS
from pixi_mirror.model.packages import Stamp


def is_imported(tree: Tree) -> bool:
    """Whether imports fill the mirror."""
    return tree.inventory.stamp is not None and tree.inventory.stamp.imported


def lasting_stamp(tree: Tree) -> Stamp | None:
    """The generation that an imported mirror stays, whatever becomes of its files; None: it makes generations."""
    return tree.inventory.stamp if is_imported(tree) else None


def refuse_own_changes(tree: Tree, verb: str) -> None:
    """Refuse a verb that would make a generation of a mirror that imports fill.

    Raises:
        HistoryError: imports fill it.
    """
    if is_imported(tree):
        raise HistoryError(
            f"{tree.root} is filled by `pixi-mirror import`, so what it holds is decided where its archives come from; "
            f"nothing was changed. Run `{verb}` there, and export; or make this mirror one of its own, which takes no "
            f"more of those archives, with `pixi-mirror update --fork -o {shlex.quote(str(tree.root))}`."
        )


def fork(tree: Tree) -> Stamp:
    """Make an imported mirror one of its own, inside `Tree.writing`: the same content, under a random name of its own.

    Raises:
        UsageError: it is one of its own already.
        MachineError: the disk refuses.
        BusyError: another process may have begun to write the mirror.
    """
    stamp = tree.inventory.stamp
    if stamp is None or not stamp.imported:
        raise UsageError(f"--fork is for a mirror that imports fill, and {tree.root} makes generations of its own.")
    minted = mint_fork(rows_of(tree.inventory, PackageTexts()), stamp)
    for name, data in minted.files.items():
        tree.record_private(f"{GENERATIONS}/{name}", data)
    tree.record(tree.inventory, locks=tree.state.locks, unlisted=tree.state.unlisted, stamp=minted.stamp)
    return minted.stamp
