"""Withdraw what was uploaded: yank a file, which stays for those who have locked it, or delete it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from pixi_mirror.context import Context
from pixi_mirror.errors import UnmirrorableError
from pixi_mirror.hosting.audit import Action, record_audit
from pixi_mirror.hosting.change import WantedChange, carry_out, settle
from pixi_mirror.hosting.names import require_hosted
from pixi_mirror.mirror.imported import refuse_own_changes
from pixi_mirror.mirror.tree import require_mirror
from pixi_mirror.mirror.tree_changes import ChangingTree
from pixi_mirror.model.packages import Listing, Package, Snapshot
from pixi_mirror.model.values import MirrorPath
from pixi_mirror.suggest import suggested

_OF_CONDA = Listing(is_settled=True)


def yank(
    mirror: Path, name: str, files: tuple[str, ...], *, reason: str | None, user: str, context: Context
) -> tuple[MirrorPath, ...]:
    """Yank files of a hosted name (PEP 592), or take that back; they stay where they are.

    An index lists a yanked distribution as yanked, and installers take it only if exactly it is asked for. For conda
    there is no such mark: a yanked package is not in the repodata, and who has locked it gets it still.

    Args:
        mirror: its directory.
        name: the hosted name.
        files: names of files, with the subdir before them where several have one name.
        reason: perhaps empty; None: they are not to be yanked any more.
        user: who does it, for the audit log.
        context: of the verb.

    Raises:
        UnmirrorableError: there is no such name, or it has no such file.
        HistoryError: imports fill the mirror.
        MachineError: the mirror cannot be read or written.
        BusyError: another process is writing the mirror.
    """
    action: Action = "unyank" if reason is None else "yank"
    with _withdrawing(mirror, name, files, action, context) as (tree, chosen):
        for package in chosen:
            known = tree.inventory.listings.get(package.path, _OF_CONDA)
            if known.yanked == reason:
                continue  # it was done before
            listing = replace(known, yanked=reason)
            record_audit(
                tree,
                action=action,
                name=name,
                path=package.path,
                sha256=package.sha256 or "",
                user=user,
                reason=reason or "",
            )
            wanted = WantedChange(host=require_hosted(tree, name), package=package, listings={package.path: listing})
            carry_out(tree, wanted, context)
    return tuple(package.path for package in chosen)


def delete(mirror: Path, name: str, files: tuple[str, ...], *, user: str, context: Context) -> tuple[MirrorPath, ...]:
    """Delete files of a hosted name: out of the indexes first, and then off the disk.

    Args:
        mirror: its directory.
        name: the hosted name.
        files: names of files, with the subdir before them where several have one name.
        user: who does it, for the audit log.
        context: of the verb.

    Raises:
        UnmirrorableError: there is no such name, or it has no such file.
        HistoryError: imports fill the mirror.
        MachineError: the mirror cannot be read or written.
        BusyError: another process is writing the mirror.
    """
    with _withdrawing(mirror, name, files, "delete", context) as (tree, chosen):
        for package in chosen:
            record_audit(tree, action="delete", name=name, path=package.path, sha256=package.sha256 or "", user=user)
            wanted = WantedChange(host=require_hosted(tree, name), package=package, is_deletion=True)
            carry_out(tree, wanted, context)
    return tuple(package.path for package in chosen)


@contextmanager
def _withdrawing(
    mirror: Path, name: str, files: tuple[str, ...], action: Action, context: Context
) -> Iterator[tuple[ChangingTree, list[Package]]]:
    """Hold the mirror for a change of files of a hosted name: its settled tree, and the files.

    Raises:
        UnmirrorableError: there is no such name, or it has no such file.
        HistoryError: imports fill the mirror.
        MachineError: the mirror cannot be read or written.
        BusyError: another process is writing the mirror.
    """
    require_mirror(mirror)
    tree = ChangingTree(mirror)
    is_deletion = action == "delete"
    refuse_own_changes(tree, "pixi-mirror host delete" if is_deletion else "pixi-mirror host yank")
    with tree.writing(timeout_s=context.lock_timeout_s, verb=f"host {action}", freeing=is_deletion):
        settle(tree, context)
        yield tree, [_found(require_hosted(tree, name), file) for file in files]


def _found(snapshot: Snapshot, file: str) -> Package:
    """The one file of a hosted name that is called so.

    Raises:
        UnmirrorableError: none is, or several are.
    """
    found = [each for each in snapshot.packages if f"/{each.path}".endswith(f"/{file}")]
    if not found:
        names = {each.path.rpartition("/")[2] for each in snapshot.packages}
        raise UnmirrorableError(
            f"{snapshot.workspace} has no file {file!r}{suggested(file, names)}; nothing was changed."
        )
    if len(found) > 1:
        both = " and ".join(each.path for each in found)
        raise UnmirrorableError(f"{file!r} may be {both}; nothing was changed. Name the subdir as well.")
    return found[0]
