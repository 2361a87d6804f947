"""Have a mirror offer a generation whose files have all arrived."""

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pixi_mirror import __version__
from pixi_mirror.airgap.candidates import Candidate
from pixi_mirror.airgap.receipt import RECEIVER
from pixi_mirror.context import Context
from pixi_mirror.disk.files import read_bytes
from pixi_mirror.errors import UnmirrorableError, WrongBytesError
from pixi_mirror.mirror.apply import apply_plan
from pixi_mirror.mirror.compare import twin
from pixi_mirror.mirror.earlier_files import EarlierFiles, plan_generation
from pixi_mirror.mirror.generations import generation_name
from pixi_mirror.mirror.indexes import index_digest, stale_indexes
from pixi_mirror.mirror.mint import GenerationContent, dump_difference
from pixi_mirror.mirror.tree import Tree
from pixi_mirror.mirror.tree_view import GENERATIONS
from pixi_mirror.model.packages import Stamp
from pixi_mirror.model.values import MirrorPath, Sha256


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldFiles:
    """What is here of files, besides those that wait."""

    paths: Mapping[MirrorPath, Sha256 | None]
    """As `Tree.held` gives it."""
    places: Mapping[Sha256, MirrorPath]
    """Whole files of the tree -> a path of each."""
    replaced: Collection[Sha256]
    """Whole files that others have replaced."""


class GenerationOffer:
    """Has a mirror offer a generation, inside `Tree.writing`, or says in a dry run what would happen."""

    def __init__(self, tree: Tree, held: HeldFiles, context: Context, *, dry_run: bool) -> None:
        self._tree = tree
        self._held = held
        self._context = context
        self._dry_run = dry_run
        self._stamp = tree.inventory.stamp

    def offer(self, candidate: Candidate) -> tuple[tuple[MirrorPath, ...], bool]:
        """Have the mirror offer a generation that is complete; the files that were placed, and whether it changed."""
        tree, then = self._tree, candidate.inventory
        self._refuse_other_indexes(candidate)
        _refuse_equal_names(tree, then.tree)
        held = self._held.paths
        missing = [path for path, file in then.stored.items() if held.get(path) != file.sha256]
        plan = plan_generation(tree, then, then.snapshots, held=held)
        stamp = self._stamp_of(candidate)
        if stamp == self._stamp and not missing and not stale_indexes(tree, plan):
            return (), False
        if self._dry_run:
            return tuple(missing), True
        self._record_generation(candidate)
        sources = self._sources(candidate, missing)
        listed = {*then.stored, *then.deferred}
        unlisted = {path: time.time() for path in tree.inventory.stored if path not in listed}
        unlisted |= {path: at for path, at in tree.state.unlisted.items() if path not in listed}
        apply_plan(tree, plan, self._context, source=EarlierFiles(then, sources), unlisted=unlisted, stamp=stamp)
        return tuple(missing), True

    def _stamp_of(self, candidate: Candidate) -> Stamp:
        manifest, before = candidate.manifest, self._stamp
        return Stamp(
            mirror=manifest.mirror,
            number=manifest.number,
            last=max(manifest.number, before.last if before is not None else 0),
            fingerprint=manifest.fingerprint,
            content=manifest.content,
            imported=before is None or before.imported,
        )

    def _record_generation(self, candidate: Candidate) -> None:
        """Write the generation's own file, with the difference to the one before it if that is the current one."""
        tree, stamp = self._tree, self._stamp
        base, rows = None, frozenset[str]()
        if stamp is not None and candidate.head.parent == stamp.fingerprint and stamp.number < candidate.number:
            base, rows = stamp.number, tree.generations.rows(stamp.number)
        data = dump_difference(
            replace(candidate.head, base=base), GenerationContent.of(candidate.rows), GenerationContent.of(rows)
        )
        tree.record_private(f"{GENERATIONS}/{generation_name(candidate.number)}", data)
        if candidate.manifest.receiver is not None:
            tree.record_private(RECEIVER, f"{candidate.manifest.receiver}\n".encode())

    def _sources(self, candidate: Candidate, missing: Collection[MirrorPath]) -> Mapping[MirrorPath, Path]:
        """Where the bytes of the files are that do not stand in their places."""
        tree, stored = self._tree, candidate.inventory.stored
        overwritten = {*missing}
        found = {}
        for path in missing:
            sha256 = stored[path].sha256
            place = self._held.places.get(sha256)
            if place is not None and place in overwritten:
                # It will be gone when its turn comes, or be another file.
                with self._tree.staged.adding(1) as add:
                    add(sha256, iter([read_bytes(tree.path(place))]))
                place = None
            if place is not None:
                found[path] = tree.path(place)
            else:
                found[path] = tree.replaced(sha256) if sha256 in self._held.replaced else self._tree.staged.path(sha256)
        return found

    def _refuse_other_indexes(self, candidate: Candidate) -> None:
        manifest = candidate.manifest
        if index_digest(candidate.inventory, self._tree.path) == manifest.indexes:
            return
        if manifest.program == __version__:
            raise WrongBytesError(
                f"the indexes that follow from g{manifest.number} are not those that its archive promises; the mirror "
                "stays as it is. Ask for the archive again where it comes from."
            )
        self._context.progress.warn(
            f"g{manifest.number} was exported by version {manifest.program}, and this is {__version__}: the two write "
            "some index file differently; what is listed is the same."
        )


def _refuse_equal_names(tree: Tree, paths: Collection[MirrorPath]) -> None:
    """Refuse two paths that would be one file on a disk that ignores the case of letters."""
    twins = twin({*tree.inventory.tree, *paths}) if tree.is_case_blind else None
    if twins is not None:
        raise UnmirrorableError(
            f"{twins[0]} and {twins[1]} are one name on the disk of {tree.root}, which does not tell letters by their "
            "case. The mirror stays as it is. Import to a disk that does."
        )
