"""Have a mirror offer what a generation holds, from files that are on this disk: for `rollback` and `import`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from pixi_mirror.mirror.blocked_paths import make_way
from pixi_mirror.mirror.bring import BringResult
from pixi_mirror.mirror.pins import recorded_pins
from pixi_mirror.mirror.plan import Plan, plan_changes
from pixi_mirror.mirror.tree import Tree
from pixi_mirror.model.packages import Inventory, Listing, PackageFile, Snapshot
from pixi_mirror.model.values import MirrorPath, Sha256


def plan_generation(
    tree: Tree, then: Inventory, snapshots: tuple[Snapshot, ...], *, held: Mapping[MirrorPath, Sha256 | None]
) -> Plan:
    """What is to be listed so that a mirror offers what a generation holds.

    Args:
        tree: the mirror.
        then: what the generation holds, without the files that are made.
        snapshots: the pins that the mirror is to have.
        held: what the tree holds, as `Tree.held` gives it.
    """
    pins = replace(recorded_pins(tree.inventory, tree.state.locks, sources={}), snapshots=snapshots)
    plan = plan_changes(
        tree, pins, layout=then.layout, held=held, defer=bool(then.deferred), advisories=then.advisories
    )
    return replace(plan, policy=then.policy, kept=then.kept, deferred=plan.deferred & then.deferred)


class EarlierFiles:
    """The files of a generation, as a source for `apply_plan`; upstream is not asked anything."""

    needs_all = True

    def __init__(self, then: Inventory, sources: Mapping[MirrorPath, Path]) -> None:
        """Place nothing yet.

        Args:
            then: what the generation holds.
            sources: the files that do not stand in their places, with where their bytes are now. All others stand
                there, and were verified.
        """
        self._then = then
        self._sources = sources

    def bring(self, tree: Tree, _plan: Plan) -> BringResult:
        """Put the files in their places.

        Raises:
            WrongBytesError: a file has changed since it was verified.
            MachineError: the disk refuses.
        """
        if self._sources:
            make_way(tree, self._sources)
            tree.announce(self._sources)
        stored = self._then.stored
        for path, source in self._sources.items():
            tree.place(path, source, sha256=stored[path].sha256)
        tree.sync()
        return BringResult(stored=stored, relations=self._then.relations)

    def listings(
        self, _tree: Tree, _plan: Plan, _stored: Mapping[MirrorPath, PackageFile]
    ) -> Mapping[MirrorPath, Listing]:
        """What the index pages said then."""
        return self._then.listings
