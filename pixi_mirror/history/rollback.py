"""Go back to what the mirror offered in an earlier generation.

Every file that the generation lists is hashed before anything is changed. No file is removed, no generation is made,
and what the mirror follows stays: the next update goes forward again.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pixi_mirror.context import Context
from pixi_mirror.errors import IncompleteError
from pixi_mirror.history.names import CURRENT, find_generation
from pixi_mirror.mirror.apply import apply_plan
from pixi_mirror.mirror.earlier_files import EarlierFiles, plan_generation
from pixi_mirror.mirror.indexes import stale_indexes
from pixi_mirror.mirror.tree import Tree, open_mirror
from pixi_mirror.model.packages import Inventory, PackageFile, Snapshot
from pixi_mirror.model.values import MirrorPath, Sha256, admit_sha256
from pixi_mirror.progress import counted, format_size
from pixi_mirror.suggest import advised

_NEVER_READ = admit_sha256("0" * 64)
"""The digest of a source that has to be read again, whatever it is."""

_SHOWN = 20
"""Files that a message names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackResult:
    """Where the mirror stood and stands."""

    mirror: Path
    was: int
    number: int
    fingerprint: Sha256
    listed: tuple[MirrorPath, ...]
    """Packages that indexes list again."""
    unlisted: tuple[MirrorPath, ...]
    """Packages that indexes list no longer; their files stay."""
    restored: tuple[MirrorPath, ...]
    """Files that have other bytes again."""


def rollback(mirror: Path, generation: str, context: Context) -> RollbackResult:
    """Let indexes list what they listed in an earlier generation, and nothing else.

    Raises:
        WorkspaceError: there is no such generation.
        IncompleteError: files that it lists are not here any more, or are damaged; nothing was changed.
        MachineError: there is no mirror, or it or its history cannot be read or written.
        BusyError: another process is writing the mirror.
    """
    tree = open_mirror(mirror)
    with tree.writing(timeout_s=context.lock_timeout_s, verb="rollback"):
        number = find_generation(tree, generation)
        head = tree.generations.generation(number)
        then = _judged_as_now(tree.generations.inventory(number), tree.inventory)
        then = _with_hosted_of_now(then, tree.inventory)
        was = find_generation(tree, CURRENT)
        before, after = _listed(tree.inventory), _listed(then)
        no_longer = tuple(sorted(before - after))
        replaced, held = _files_to_restore(tree, then, context)
        plan = plan_generation(tree, then, _snapshots(tree.inventory, then), held=held)
        # A killed rollback may have left indexes of another generation.
        if was != number or replaced or stale_indexes(tree, plan):
            unlisted = dict.fromkeys(no_longer, time.time())
            waiting = {path: at for path, at in tree.state.unlisted.items() if path not in after}
            files = EarlierFiles(then, replaced)
            apply_plan(tree, plan, context, source=files, unlisted={**unlisted, **waiting}, stamp=then.stamp)
            # They are back in their places, so their second copies can go.
            for sha256 in {then.stored[path].sha256 for path in replaced}:
                tree.remove_replaced(sha256)
    return RollbackResult(
        mirror=mirror,
        was=was,
        number=number,
        fingerprint=head.fingerprint,
        listed=tuple(sorted(after - before)),
        unlisted=no_longer,
        restored=tuple(sorted(replaced)),
    )


def _with_hosted_of_now(then: Inventory, now: Inventory) -> Inventory:
    """What a generation holds, with what is hosted now: an upload is not undone by going back, but by a verb.

    If that was something else then, the mirror goes to no earlier generation: what it offers is a new one.
    """
    if then.hosted == now.hosted:
        return then
    gone = {package.path for snapshot in then.hosted for package in snapshot.packages}
    here = {package.path for snapshot in now.hosted for package in snapshot.packages}
    others = tuple(each for each in then.snapshots if each.hosted is None)
    tree = {path: each for path, each in then.tree.items() if path not in gone}
    listings = {path: each for path, each in then.listings.items() if path not in gone}
    return replace(
        then,
        snapshots=tuple(sorted((*others, *now.hosted), key=lambda each: each.id)),
        tree=tree | {path: each for path, each in now.stored.items() if path in here},
        listings=listings | {path: each for path, each in now.listings.items() if path in here},
        stamp=None,
    )


def _files_to_restore(
    tree: Tree, then: Inventory, context: Context
) -> tuple[Mapping[MirrorPath, Path], Mapping[MirrorPath, Sha256 | None]]:
    """Hash every file of a generation.

    Returns:
        The files whose bytes have to be brought back, with where they are kept; and what the tree holds.

    Raises:
        IncompleteError: files of the generation are not here any more, or are damaged.
        MachineError: a file cannot be read.
    """
    found, held, _ = tree.hash_all(context.progress)
    lacking = {
        path: file for path, file in then.stored.items() if path not in found or found[path].sha256 != file.sha256
    }
    replaced = {path: tree.replaced(file.sha256) for path, file in lacking.items() if tree.keeps_replaced(file.sha256)}
    if missing := sorted(lacking.keys() - replaced.keys()):
        raise _incomplete(tree, then, {path: lacking[path] for path in missing})
    return replaced, held


def _incomplete(tree: Tree, then: Inventory, missing: Mapping[MirrorPath, PackageFile]) -> IncompleteError:
    number = then.stamp.number if then.stamp is not None else 0
    size = format_size(sum(file.size for file in missing.values()))
    lines = [f"{path}: expected sha256 {file.sha256}" for path, file in missing.items()]
    return IncompleteError(
        "\n".join(
            [
                f"generation g{number} of {tree.root} lacks {counted(len(missing), 'file')} ({size}), gone or damaged; "
                "nothing was changed. Put back what is missing from a backup, or choose a generation "
                f"that has all its files. {advised('prune --keep N', tree.root)} and "
                f"{advised('pin N NAME', tree.root)} keep files for later:",
                *(f"  {line}" for line in lines[:_SHOWN]),
                *([f"  and {len(lines) - _SHOWN} more"] if len(lines) > _SHOWN else []),
            ]
        ),
        items=lines,
    )


def _snapshots(now: Inventory, then: Inventory) -> tuple[Snapshot, ...]:
    """The pins of then for the subscriptions of now.

    * A subscription of both has the pins of then. If other things were requested then, its lock is read again by the
      next update.
    * One that is new since then is followed and has no pins, until the next update.
    * One that was forgotten since then has its pins and no requests; the next update drops it again.
    """
    followed = {snapshot.id: snapshot for snapshot in now.followed}
    earlier = {snapshot.id: snapshot for snapshot in then.snapshots if snapshot.hosted is None}
    found = {key: _restored(snapshot, followed.get(key)) for key, snapshot in earlier.items()}
    found |= {key: _without_pins(snapshot) for key, snapshot in followed.items() if key not in earlier}
    found |= {snapshot.id: snapshot for snapshot in now.hosted}
    return tuple(found[key] for key in sorted(found))


def _restored(earlier: Snapshot, followed: Snapshot | None) -> Snapshot:
    if followed is None:
        return replace(earlier, requests=())
    source = earlier.source_sha256 if earlier.requests == followed.requests else _NEVER_READ
    return replace(earlier, requests=followed.requests, source_sha256=source)


def _without_pins(followed: Snapshot) -> Snapshot:
    return replace(
        followed,
        source_sha256=_NEVER_READ,
        newest_timestamp=0,
        cells=(),
        packages=(),
        refused=(),
        tools=(),
        tools_for=None,
        directories=(),
        commits=(),
    )


def _judged_as_now(then: Inventory, now: Inventory) -> Inventory:
    """The generation with the advisories and the policy of now: what is known against it is not unlearned."""
    files = {path: each for path, each in then.tree.items() if path not in then.advisories}
    files |= {path: now.tree[path] for path in now.advisories}
    return replace(then, tree=files, advisories=now.advisories, policy=now.policy)


def _listed(inventory: Inventory) -> set[MirrorPath]:
    wanted = {package.path for package in inventory.wanted}
    return (wanted | {*inventory.kept}) & {*inventory.stored, *inventory.deferred}
