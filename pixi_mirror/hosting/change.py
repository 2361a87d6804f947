"""Carry out one change of a hosted name in the one safe order, with work and writing that follow the change.

1. What will be placed, written or removed is noted.
2. The file is placed. No index lists it yet.
3. Index files are written: parts, sidecars, the index; then what lists nothing any more is removed.
4. The generation and the record. With that it has happened.
5. A file that was deleted is removed; indexes do not list it any more.

A writer that is killed leaves the mirror as it was, as it should be, or between the two. The next change sees the note,
and first has everything written anew that is not as it is recorded.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from pixi_mirror.context import Context
from pixi_mirror.hosting.pages import renew_pages
from pixi_mirror.hosting.subdirs import RenewedIndexes, renew_subdir
from pixi_mirror.mirror.apply import apply_plan
from pixi_mirror.mirror.inventory_journal import HostedChange, apply_changes
from pixi_mirror.mirror.pins import recorded_pins
from pixi_mirror.mirror.plan import plan_changes
from pixi_mirror.mirror.tree_changes import ChangingTree
from pixi_mirror.model.packages import Listing, Package, PackageFile, Snapshot
from pixi_mirror.model.values import MirrorPath, Sha256
from pixi_mirror.pypi.simple import METADATA, PROVENANCE


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedChange:
    """What is to become of one file of a hosted name."""

    host: Snapshot
    package: Package
    """The file; after a deletion it is no part of the name any more."""
    source: Path | None = None
    """Where its bytes are, on the disk and verified; None: it is in its place."""
    listings: Mapping[MirrorPath, Listing] = field(default_factory=dict)
    """What is newly known of it."""
    is_deletion: bool = False


def settle(tree: ChangingTree, context: Context) -> None:
    """Write everything anew that a killed upload left neither old nor new, inside `Tree.writing`.

    Raises:
        MachineError: the disk refuses.
    """
    if tree.notes.is_settled:
        return
    pins = recorded_pins(tree.inventory, tree.state.locks, sources={})
    apply_plan(tree, plan_changes(tree, pins, layout=tree.inventory.layout), context)
    tree.fold_notes()


def carry_out(tree: ChangingTree, wanted: WantedChange, context: Context) -> None:
    """Carry out a change, inside `Tree.writing`.

    Raises:
        MachineError: the disk refuses.
        BusyError: another process may have begun to write the mirror.
        WrongBytesError: the file changed after it was verified.
    """
    draft = _draft(tree, wanted)
    after = apply_changes(tree.inventory, [draft])
    host = next(each for each in after.snapshots if each.id == wanted.host.id)
    package, path = wanted.package, wanted.package.path
    if package.kind == "conda":
        renewed = renew_subdir(tree, after, host, package, context)
    else:
        here = wanted.source
        renewed = renew_pages(
            tree, after, host, package.name, lambda each: here if here and each == path else tree.path(each)
        )
    tree.begin_change({path, *draft.removed, *renewed.paths})
    if wanted.source is not None:
        tree.place(path, wanted.source, sha256=_sha256(package))
        tree.sync()
    _write(tree, renewed)
    since = dict.fromkeys(renewed.unlisted, time.time())
    gone = draft.removed.union(renewed.gone_heads, renewed.gone_pages)
    change = replace(draft, tree={**draft.tree, **renewed.recorded}, removed=gone)
    tree.record_change(change, unlisted=since)
    for each in sorted(draft.removed):
        tree.remove(each)
    if draft.removed:
        tree.sync()
    tree.end_change()


def _sha256(package: Package) -> Sha256:
    if package.sha256 is None:
        raise ValueError(f"{package.path} has no sha256")  # what is hosted was hashed when it came
    return package.sha256


def _draft(tree: ChangingTree, wanted: WantedChange) -> HostedChange:
    """The change without what becomes of the index files."""
    package = wanted.package
    ours = [MirrorPath(package.path + each) for each in ("", METADATA, PROVENANCE)]
    removed = {each for each in ours if each in tree.inventory.tree} if wanted.is_deletion else set()
    placed = {package.path: PackageFile(sha256=_sha256(package), size=package.size or 0)}
    stamp = tree.inventory.stamp
    if stamp is None:
        raise ValueError(f"{tree.root} has no generation")  # `host add` has made one
    return HostedChange(
        host=wanted.host.id,
        package=None if wanted.is_deletion else package,
        gone=package.path if wanted.is_deletion else None,
        tree={} if wanted.is_deletion else placed,
        listings=wanted.listings,
        removed=frozenset(removed),
        stamp=stamp,
    )


def _write(tree: ChangingTree, renewed: RenewedIndexes) -> None:
    """Write index files in an order in which no reader is misled: see `mirror/write_indexes.py`."""
    if renewed.parts:
        tree.write_all(renewed.parts)
        tree.sync()
    for path, data in renewed.heads.items():
        tree.write(path, data)
    for path in renewed.gone_heads:
        tree.remove(path)
    tree.write_all(renewed.pages)
    tree.sync()
    for path in renewed.gone_pages:
        tree.remove(path)
