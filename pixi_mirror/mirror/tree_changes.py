"""Record what an upload changes by what is added, so that the work follows the change and not the mirror."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from pixi_mirror.disk import directories, files
from pixi_mirror.disk.files import FileIdentity, explain_errors
from pixi_mirror.mirror import state_file
from pixi_mirror.mirror.generation_rows import rows_of
from pixi_mirror.mirror.inventory_journal import (
    END,
    HostedChange,
    apply_changes,
    ends_whole,
    journal_line,
    split_journal,
)
from pixi_mirror.mirror.inventory_text import PackageTexts, change_bytes
from pixi_mirror.mirror.mint import GenerationContent, mint
from pixi_mirror.mirror.state_notes import FILE as NOTES
from pixi_mirror.mirror.state_notes import note_text, parse_notes
from pixi_mirror.mirror.tree import Tree
from pixi_mirror.mirror.tree_view import INVENTORY, STATE
from pixi_mirror.model.packages import Inventory
from pixi_mirror.model.values import MirrorPath

_SMALLEST_JOURNAL = 1 << 18
"""Bytes of a journal that is not folded in, however small the mirror is."""
_SHARE = 4
"""What part of the inventory a journal may be: then all writing comes to a small multiple of what was uploaded."""


class ChangingTree(Tree):
    """A mirror into which uploads come, one after another. What it knows of the records it keeps between them."""

    _excludes_updates = False

    def __init__(self, root: Path) -> None:
        """Read the mirror in `root`.

        Raises:
            MachineError: it holds other things, is no directory or cannot be read, or its records do not parse.
        """
        super().__init__(root)
        self._content: tuple[Inventory, GenerationContent] | None = None
        self._end: tuple[FileIdentity, int, bool] | None = None
        """Identity of the inventory's file, bytes of its document, whether its journal is empty; None: not known."""
        self._pending: str | None = None
        """The note that ends a change; None: the state is to be written with all notes."""

    def begin_change(self, paths: Iterable[MirrorPath]) -> None:
        """Note which files are about to be placed, written or removed, before the first is.

        Raises:
            BusyError: another process may have begun to write the mirror.
            MachineError: the disk refuses.
        """
        self._require_lock()
        self._note(note_text(placing=tuple(sorted(set(paths)))), synced=True)

    def record_change(self, change: HostedChange, *, unlisted: Mapping[MirrorPath, float]) -> None:
        """Make a change a part of the inventory, and a generation. With that it has happened.

        Args:
            change: its stamp is that of the inventory now, and gets replaced.
            unlisted: parts of sidecars that nothing names any more -> since when, in seconds since 1970.

        Raises:
            BusyError: another process may have begun to write the mirror.
            MachineError: the disk refuses.
        """
        self.sync()
        self._require_lock()
        old = self.inventory
        new = apply_changes(old, [change])
        before = self._content_of(old)
        after = before.changed(removed=_rows_about(old, change), added=_rows_about(new, change))
        minted = mint(self.generations, old.stamp, before, after, verb=self._verb)
        self.write_generations(minted)
        if not self._append(replace(change, stamp=minted.stamp)):
            since = {path: at for path, at in {**self.state.unlisted, **unlisted}.items() if path in new.tree}
            self.record(new, locks=self.state.locks, unlisted=since, stamp=minted.stamp)
            self._content = (self.inventory, after)
            return
        self.inventory = replace(new, stamp=minted.stamp)
        self._content = (self.inventory, after)
        self._pending = note_text(
            unlisted=unlisted,
            identities={path: self._identities[path] for path in change.tree if path in self._identities},
        )

    def end_change(self) -> None:
        """Note that the change is complete, with what else the state has to know of it.

        Raises:
            MachineError: the disk refuses.
        """
        if self._pending is None:
            self.fold_notes()
        else:
            self._note(self._pending, synced=False)
        self._pending = None

    def fold_notes(self) -> None:
        """Write the state with all notes, of which none is left then.

        Raises:
            MachineError: the disk refuses.
        """
        self.write_private(STATE, state_file.dump(self.state))
        with explain_errors("write", self._private):
            directories.sync_directories([self._private])
        self._written = self.state
        self._forget_notes()

    def refresh(self) -> None:
        """Read the records again if another process has written them; nobody is waited for.

        Raises:
            MachineError: they cannot be read or do not parse.
        """
        with explain_errors("read the mirror", self.root):
            self._read()

    def _content_of(self, inventory: Inventory) -> GenerationContent:
        if self._content is None or self._content[0] is not inventory:
            self._content = (inventory, GenerationContent.of(rows_of(inventory, PackageTexts())))
        return self._content[1]

    def _append(self, change: HostedChange) -> bool:
        """Write a change to the journal, and say whether there was room for it: else all is to be written anew."""
        path = self.root / INVENTORY
        with explain_errors("write", path):
            found = self._known_end(path)
            if found is None:
                return False
            identity, document, is_first = found
            data = journal_line(change_bytes(change), is_first=is_first) + END
            if identity.size + len(data) - document > max(_SMALLEST_JOURNAL, document // _SHARE):
                return False
            self._end = None
            written = files.overwrite_end(path, data, size=identity.size, end=END)
            if written is None:
                return False
            self._end = (written, document, False)
            self._records.has_changed(path)  # what it says now is known
        return True

    def _known_end(self, path: Path) -> tuple[FileIdentity, int, bool] | None:
        """How the inventory ends; None: it has no journal, or one that a killed writer left half-written."""
        if self._end is None or self._end[0] != files.identity_of(os.lstat(path)):
            data = files.read_bytes(path)
            document, lines = split_journal(data)
            is_whole = document is not data and ends_whole(data, lines)
            identity = files.identity_of(os.lstat(path))
            self._end = (identity, len(document), not lines) if is_whole else None
        return self._end

    def _note(self, text: str, *, synced: bool) -> None:
        path = self._private / NOTES
        with explain_errors("write", path):
            is_new = not path.exists()
            files.append_line(path, text, synced=synced)
            if is_new:
                directories.sync_directories([self._private])
        self._records.has_changed(path)  # what it says now is known
        self.notes = self.notes.followed_by(parse_notes(text.encode()))
        self.state = self.notes.added_to(self._written)


def _rows_about(inventory: Inventory, change: HostedChange) -> frozenset[str]:
    """The rows of an inventory that the change may add or take away, with some that it does not touch."""
    paths = {*change.listings, *change.removed}
    paths |= {change.package.path} if change.package is not None else set()
    paths |= {change.gone} if change.gone is not None else set()
    snapshots = tuple(
        replace(snapshot, packages=tuple(each for each in snapshot.packages if each.path in paths))
        for snapshot in inventory.snapshots
        if snapshot.id == change.host
    )
    part = Inventory(
        layout=inventory.layout,
        snapshots=snapshots,
        kept={},
        tree={path: inventory.tree[path] for path in paths if path in inventory.tree},
        listings={path: inventory.listings[path] for path in paths if path in inventory.listings},
    )
    return rows_of(part, PackageTexts())
