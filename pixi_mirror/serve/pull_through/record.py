"""Put fetched files into a mirror and record them: all that have come meanwhile at once."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

from pixi_mirror.cache.batch import ObtainedPackage
from pixi_mirror.cache.store import Store
from pixi_mirror.context import Context
from pixi_mirror.errors import BusyError, PixiMirrorError
from pixi_mirror.mirror.apply import apply_plan
from pixi_mirror.mirror.bring import ObtainedPackages
from pixi_mirror.mirror.pins import recorded_pins
from pixi_mirror.mirror.plan import plan_changes
from pixi_mirror.mirror.tree import Tree
from pixi_mirror.model.values import MirrorPath
from pixi_mirror.progress import counted
from pixi_mirror.serve.pull_through.pins import PinnedPackages


class Recorder:
    """Puts files into a mirror; many threads may use it.

    Recording a hundred files costs about as much as recording one. So a thread that comes while another one records
    waits, and then the first of those that wait records the files of all.
    """

    def __init__(self, root: Path, context: Context, pins: PinnedPackages) -> None:
        """Read the mirror's records.

        Raises:
            MachineError: they cannot be read.
        """
        self.tree = Tree(root)
        self._context = context
        self._pins = pins
        self._waiting: dict[MirrorPath, ObtainedPackage] = {}
        self._collecting = threading.Lock()
        self._recording = threading.Lock()

    def record(self, obtained: ObtainedPackage, store: Store) -> Path:
        """Put a file into the mirror and say where it is: there, or in the cache if it could not be put there now."""
        path = obtained.package.path
        with self._collecting:
            self._waiting[path] = obtained
        with self._recording:
            with self._collecting:
                waiting, self._waiting = self._waiting, {}
            if waiting:
                self._record_all(waiting, store)
            where = self.tree.path(path)
            return where if path in self.tree.inventory.tree and where.is_file() else obtained.path

    def _record_all(self, waiting: dict[MirrorPath, ObtainedPackage], store: Store) -> None:
        try:
            with self.tree.writing(timeout_s=0, verb="serve"):
                self._apply(waiting, store)
                self._pins.update(self.tree.inventory)
        except BusyError:
            pass  # probably an update; the files stay in the cache
        except PixiMirrorError as error:
            self._context.progress.warn(f"{counted(len(waiting), 'fetched file')} left in the cache: {error}")

    def _apply(self, waiting: dict[MirrorPath, ObtainedPackage], store: Store) -> None:
        tree = self.tree
        pins = recorded_pins(tree.inventory, tree.state.locks, sources={})
        plan = plan_changes(tree, pins, layout=tree.inventory.layout)
        wanted = [
            each
            for path, each in waiting.items()
            if path in plan.packages and plan.packages[path].sha256 == each.sha256
            if path in plan.deferred or path in plan.difference.missing
        ]
        if not wanted:
            return
        obtained = [replace(each, package=plan.packages[each.package.path]) for each in wanted]
        apply_plan(tree, plan, self._context, source=ObtainedPackages(obtained, store, self._context.progress))
