"""Place, list, hash and remove files in the mirror; keep its inventory and state; lock it.

It alone touches the mirror on disk. Anybody may read a `Tree`; whoever changes it is inside `writing`.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from pixi_mirror.disk import directories, files
from pixi_mirror.disk.files import explain_errors
from pixi_mirror.disk.lock import WAITING, lock_file
from pixi_mirror.errors import BusyError, MachineError
from pixi_mirror.mirror import inventory_text, state_file
from pixi_mirror.mirror.generation_rows import rows_of
from pixi_mirror.mirror.inventory_text import PackageTexts
from pixi_mirror.mirror.mint import GenerationContent, MintedGenerations, mint
from pixi_mirror.mirror.state_file import State
from pixi_mirror.mirror.state_notes import FILE as NOTES
from pixi_mirror.mirror.state_notes import StateNotes
from pixi_mirror.mirror.tree_files import TreeFiles
from pixi_mirror.mirror.tree_view import GENERATIONS, INVENTORY, PRIVATE, REPLACED, STATE
from pixi_mirror.model.packages import Inventory, Stamp
from pixi_mirror.model.request import LockReading
from pixi_mirror.model.values import MirrorPath


class Tree(TreeFiles):
    """One mirror on disk. It may be read at any time, and changed inside `writing`."""

    _excludes_updates = True
    """Whether it waits for an update that is fetching; an upload does not."""

    def __init__(self, root: Path) -> None:
        """Read the mirror in `root`; a directory that is absent or empty is a mirror that holds nothing.

        Raises:
            MachineError: it holds other things, is no directory or cannot be read, or its records do not parse.
        """
        super().__init__(root)
        self._holds: Callable[[], bool] = lambda: False
        self._verb = ""
        self._holds_update_lock: Callable[[], bool] | None = None

    @contextmanager
    def updating(self, *, timeout_s: float) -> Iterator[None]:
        """Keep out every other verb for the whole block, but not uploads: those write in between.

        Raises:
            BusyError: another verb is writing and did not finish within `timeout_s` seconds.
            MachineError: the directory cannot be made or written, or its private part belongs to somebody else.
        """
        self._prepare()
        lock = self._private / "update-lock"
        with lock_file(lock, timeout_s=timeout_s, what=f"the mirror {self.root}", advice=WAITING) as holds:
            self._holds_update_lock = holds
            try:
                yield
            finally:
                self._holds_update_lock = None

    @contextmanager
    def writing(self, *, timeout_s: float, verb: str = "", freeing: bool = False) -> Iterator[None]:
        """Be the only writer for the whole block; what a killed writer left half-made is cleared first.

        The generations that are recorded meanwhile have the name `verb` for people. With `freeing`, the reserve that
        earlier writers left is removed first where the disk is full.

        Raises:
            BusyError: another process is writing and did not finish within `timeout_s` seconds.
            MachineError: the directory cannot be made or written, or its private part belongs to somebody else.
        """
        self._prepare()
        is_alone = self._holds_update_lock is not None or not self._excludes_updates
        lock, what = self._private / "lock", f"the mirror {self.root}"
        with (
            nullcontext() if is_alone else self.updating(timeout_s=timeout_s),
            lock_file(lock, timeout_s=timeout_s, what=what, advice=WAITING) as holds,
        ):
            self._holds = holds
            self._verb = verb
            with explain_errors("read the mirror", self.root):
                self._read()
                for leftover in self._temporary.iterdir():
                    directories.remove_leftover(leftover)
            if freeing:
                directories.release_reserve(self._private / directories.RESERVE)
            yield
            directories.keep_reserve(self._private / directories.RESERVE, size=self._rewritable())

    def _prepare(self) -> None:
        with explain_errors("prepare the mirror", self.root):
            self._unsynced |= directories.make_directory(self.root)
            for private in (self._private, self._temporary, self._private / GENERATIONS, self._private / REPLACED):
                private.mkdir(mode=0o700, exist_ok=True)
                directories.refuse_foreign(private)

    def _rewritable(self) -> int:
        """Bytes of what has to be written anew where files are unlisted: indexes and, about as long, the records."""
        sizes = sum(self._identities[path].size for path in self.inventory.generated if path in self._identities)
        with suppress(OSError):
            sizes += (self.root / INVENTORY).stat().st_size * 2
        return sizes

    def _require_lock(self) -> None:
        """Refuse to go on where another process may have begun to write.

        Raises:
            BusyError: the lock file was removed or replaced since we locked it.
        """
        locks = {"lock": self._holds, "update-lock": self._holds_update_lock}
        lost = next((name for name, holds in locks.items() if holds is not None and not holds()), None)
        if lost is not None:
            raise BusyError(
                f"{self._private / lost} was removed or replaced while this process held it, so another may be "
                "writing the mirror; nothing more was recorded. Leave that file alone and run the same command again."
            )

    def temporary_directory(self) -> AbstractContextManager[Path]:
        """A private directory for a program to work in, empty at first and gone afterwards."""
        return directories.temporary_directory(self._temporary / files.fresh_name())

    def leftovers(self) -> tuple[MirrorPath, ...]:
        """Files that a killed update placed and that the inventory does not know."""
        return tuple(
            path for path in self.state.placing if path not in self.inventory.tree and os.path.lexists(self.path(path))
        )

    def announce(self, paths: Iterable[MirrorPath]) -> None:
        """Record which files will be placed, before the first is, so that the next run knows what a killed run left."""
        self._require_lock()
        placing = tuple(sorted({*paths, *self.leftovers()}))
        self._write_state(replace(self.state, placing=placing, identities=self._identities))

    def record_found_workspace(self, directory: Path, manifest: Path, trail: str) -> None:
        """Record which workspace pixi found from a directory; entries of directories that are gone are dropped."""
        found = {each: known for each, known in self.state.found.items() if os.path.isdir(each)}
        self._write_state(replace(self.state, found={**found, str(directory): (str(manifest), trail)}))

    def remember_identities(self) -> None:
        """Record the new identities of files that were found to be intact; another writer is not waited for.

        Nothing depends on them but time: without them, the next look hashes these files again.
        """
        seen, inventory = self._identities, self.inventory
        if seen == self.state.identities or not self.notes.is_settled:
            return
        with suppress(BusyError, MachineError), self.writing(timeout_s=0):
            if self.inventory is inventory:
                self._identities = seen
                self.record_identities()

    def record_identities(self) -> None:
        """Record the identities of files as they were last seen intact, inside `writing`."""
        self._write_state(replace(self.state, identities=self._identities))

    def record(
        self,
        new: Inventory,
        *,
        locks: Mapping[str, str],
        unlisted: Mapping[MirrorPath, float],
        manifests: Mapping[str, str] | None = None,
        readings: Mapping[str, LockReading] | None = None,
        attempts: Mapping[MirrorPath, str] | None = None,
        stamp: Stamp | None = None,
        is_complete: bool = True,
    ) -> None:
        """Make `new` the inventory. With that, a change has happened.

        Args:
            new: the inventory.
            locks: subscription id -> path of its lock.
            unlisted: when files were unlisted, in seconds since 1970.
            manifests: subscription id -> path of its manifest, after an update; None: as they are.
            readings: subscription id -> how its lock is read, where the user says it; None: as they are.
            attempts: failed attempts to make sidecars; None: as they are.
            stamp: the generation that the mirror goes back to; None: what is new is a generation.
            is_complete: whether the change is complete; else it is no generation yet.
        """
        self.sync()
        self._identities = known = {path: self._identities[path] for path in new.tree if path in self._identities}
        known_manifests = self.state.manifests if manifests is None else manifests
        known_readings = self.state.readings if readings is None else readings
        state_of_new = replace(
            self.state,
            locks=locks,
            manifests={key: path for key, path in known_manifests.items() if key in locks},
            readings={key: each for key, each in known_readings.items() if key in locks},
            updated_as=self.state.updated_as if manifests is None else self.identity,
            identities=known,
            unlisted=unlisted,
            attempts=self.state.attempts if attempts is None else attempts,
            # A recorded file is no longer a part of an update that is under way.
            placing=tuple(path for path in self.state.placing if path not in new.tree),
        )
        if new != self.inventory or not (self.root / INVENTORY).exists() or stamp not in (None, self.inventory.stamp):
            # If we are killed between the two records, no identity may be that of a file with other bytes.
            same = {path: each for path, each in known.items() if self.inventory.tree.get(path) == new.tree[path]}
            self._write_state(replace(state_of_new, identities=same, placing=self.state.placing))
            texts = PackageTexts()
            stamp = stamp or (self._record_generation(new, texts) if is_complete else self.inventory.stamp)
            self._write_inventory(replace(new, stamp=stamp), texts)
        self._write_state(state_of_new)

    def _record_generation(self, new: Inventory, texts: PackageTexts) -> Stamp:
        """Write what the mirror will hold as a generation; it is one as soon as the inventory names it."""
        self._require_lock()
        known, old = self.generations, self.inventory
        before = GenerationContent.of(rows_of(old, texts)) if old.snapshots or old.tree else None
        minted = mint(known, old.stamp, before, GenerationContent.of(rows_of(new, texts)), verb=self._verb)
        self.write_generations(minted)
        return minted.stamp

    def write_generations(self, minted: MintedGenerations) -> None:
        """Write the files of new generations, and remove those that a killed writer left."""
        folder = self._private / GENERATIONS
        with explain_errors("write", folder):
            for name in self.generations.unfinished():
                (folder / name).unlink()
            for name, data in minted.files.items():
                files.write_synced(folder / name, data, temporary=self._temporary / files.fresh_name(), mode=0o600)
            directories.sync_directories([folder, self._private])

    def append_private(self, name: str, line: str) -> None:
        """Add a line to a private record, so that it survives a power loss."""
        self._require_lock()
        with explain_errors("write", self._private / name):
            files.append_line(self._private / name, line, synced=True)
            directories.sync_directories([self._private])

    def record_private(self, name: str, data: bytes) -> None:
        """Write a private record, whole or not at all, so that it survives a power loss."""
        self._require_lock()
        self.write_private(name, data)
        with explain_errors("write", self._private):
            directories.sync_directories([(self._private / name).parent, self._private])

    def _write_inventory(self, new: Inventory, texts: PackageTexts) -> None:
        self._require_lock()
        with explain_errors("write", self.root / INVENTORY):
            data = inventory_text.dump(new, texts)
            files.write_synced(self.root / INVENTORY, data, temporary=self._temporary / files.fresh_name())
            directories.sync_directories([self.root])
        self.inventory = new

    def _write_state(self, new: State) -> None:
        if new == self.state:
            return
        self.write_private(STATE, state_file.dump(new))
        with explain_errors("write", self._private):
            directories.sync_directories([self._private])
        self.state = self._written = replace(new, identities=MappingProxyType(dict(new.identities)))
        if self.notes.is_settled:
            self._forget_notes()

    def _forget_notes(self) -> None:
        """Remove the notes of uploads, which are in the state now."""
        with explain_errors("write", self._private), suppress(FileNotFoundError):
            (self._private / NOTES).unlink()
        self.notes = StateNotes()


def open_mirror(mirror: Path) -> Tree:
    """Open the mirror at a path where there must be one.

    Raises:
        MachineError: there is none.
    """
    require_mirror(mirror)
    return Tree(mirror)


def require_mirror(mirror: Path) -> None:
    """Refuse a path where there is no mirror.

    Raises:
        MachineError: there is none.
    """
    with explain_errors("read the mirror", mirror):
        begun = (mirror / INVENTORY).exists() or (mirror / PRIVATE).is_dir()
        if mirror.exists() and not mirror.is_dir():
            raise MachineError(f"{mirror} is a file and no mirror.{_advice(mirror)}")
        if not begun:
            here = f"{mirror} is not a mirror: there is no {INVENTORY} in it"
            raise MachineError(f"{here if mirror.is_dir() else f'there is no mirror at {mirror}'}.{_advice(mirror)}")


def _advice(mirror: Path) -> str:
    """Where the mirror may be that was meant: around the directory that was named, or in it."""
    for near in (mirror.parent, mirror / "mirror"):
        if (near / INVENTORY).exists():
            return f" There is one at {near}: name that directory."
    return " Name the directory of one."
