"""Look at a mirror: its records, which of its files exist, and what their bytes are. Nothing is changed."""

import hashlib
import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from pixi_mirror.disk import directories, files
from pixi_mirror.disk.files import FileIdentity, explain_errors, identity_of, is_same
from pixi_mirror.errors import MachineError
from pixi_mirror.mirror import inventory_file, state_file
from pixi_mirror.mirror.compare import promised
from pixi_mirror.mirror.generations import Generations
from pixi_mirror.mirror.kept_records import LONGEST_RECORD, RecordCache, read_record
from pixi_mirror.mirror.ledger_file import Ledger, read_ledger
from pixi_mirror.mirror.staged import StagedFiles
from pixi_mirror.mirror.state_file import State
from pixi_mirror.mirror.state_notes import FILE as NOTES
from pixi_mirror.mirror.state_notes import parse_notes
from pixi_mirror.model.packages import GeneratedFile, Inventory, PackageFile
from pixi_mirror.model.values import MirrorPath, Sha256
from pixi_mirror.progress import Progress

INVENTORY = inventory_file.FILE
PUBLISHED = MirrorPath("pixi-mirror-published.json")
"""What a directory that a mirror was published to has besides: the record of the publishers."""
PRIVATE = ".pixi-mirror"
STATE = "state.json"
ADDRESSES = "addresses"
GENERATIONS = "generations"
REPLACED = "replaced"
"""Files that were replaced by others with the same path, by sha256; a rollback may need them."""

LONGEST_INDEX = 1 << 28
"""In bytes. A `repodata.json` of 200 000 packages is shorter."""

_SHARE = 1 << 20
"""Bytes that a thread hashes before it takes more."""
_HASHING = max(4, os.cpu_count() or 1)
"""Threads. Hashing does not hold the interpreter's lock, and a disk serves several readers faster than one."""


class FoundFile(NamedTuple):
    """A file as it is on disk."""

    sha256: Sha256
    size: int


class TreeView:
    """One mirror on disk, with its inventory and state as they were last read or recorded."""

    def __init__(self, root: Path) -> None:
        """Read the mirror in `root`; a directory that is absent or empty is a mirror that holds nothing.

        Raises:
            MachineError: it holds other things, is no directory or cannot be read, or its records do not parse.
        """
        self.root = root
        self._private = root / PRIVATE
        self._records = RecordCache()
        self._recognised: dict[MirrorPath, FileIdentity] = {}
        """Of files that were hashed since the records were read, because their identity was another one."""
        with explain_errors("read the mirror", root):
            self._check()
            self._read()

    @property
    def identity(self) -> str:
        """A digest that differs for every directory and machine: a copy of the mirror has another one."""
        with explain_errors("look at the mirror", self.root):
            where = self.root.resolve()
            status = where.stat()
        return hashlib.sha256(os.fsencode(where) + f"\0{status.st_dev}\0{status.st_ino}".encode()).hexdigest()

    @property
    def is_moved(self) -> bool:
        """Whether the last update of this mirror was made in another directory, or on another machine."""
        return bool(self.state.updated_as) and self.state.updated_as != self.identity

    @property
    def is_closed(self) -> bool:
        """Whether this user may not read the private part, as is the rule for all but the mirror's owner."""
        return self._private.exists() and not os.access(self._private, os.R_OK | os.X_OK)

    def addresses(self) -> frozenset[str]:
        """The URLs at which the mirror is known to have been served, without trailing slash."""
        try:
            return frozenset(files.read_bytes(self._private / ADDRESSES).decode().splitlines())
        except (OSError, ValueError):
            return frozenset()

    def know_address(self, url: str) -> None:
        """Remember that the mirror is served at a URL, if this user may write that; only `[mirrors]` depends on it."""
        if url not in self.addresses():
            with suppress(OSError):
                files.append_line(self._private / ADDRESSES, url)

    def read_private(self, name: str) -> bytes | None:
        """The bytes of a small private file; None: it is not there, or not for this user."""
        try:
            return files.read_bytes(self._private / name, limit=LONGEST_RECORD)
        except (OSError, ValueError):
            return None

    @property
    def exists(self) -> bool:
        """Whether a mirror has been begun here."""
        return self._private.is_dir() or (self.root / INVENTORY).exists()

    @property
    def is_case_blind(self) -> bool:
        """Whether the disk takes names that differ only in case for the same, as far as a mirror shows that."""
        return (self.root / PRIVATE.upper()).exists()

    def _check(self) -> None:
        if self.root.exists() and not self.root.is_dir():
            raise MachineError(f"{self.root} is a file; name the directory of a mirror, or one to be made")
        if not self.exists and self.root.is_dir() and any(self.root.iterdir()):
            raise MachineError(
                f"{self.root} is not a mirror and not empty; nothing was changed. "
                "Name an empty directory or one that does not exist yet."
            )

    def _read(self) -> None:
        is_new = self._records.has_changed(self.root / INVENTORY)
        if is_new:
            nothing = Inventory(layout="channels", snapshots=(), kept={}, tree={})
            self.inventory = read_record(self.root / INVENTORY, inventory_file.parse, nothing)
        closed = self.is_closed
        if self._records.has_changed(self._private / STATE):
            is_new = True
            self._written = State() if closed else read_record(self._private / STATE, state_file.parse, State())
        if self._records.has_changed(self._private / NOTES):
            self.notes = parse_notes(b"" if closed else self.read_private(NOTES) or b"")
        self.state = self.notes.added_to(self._written)
        if is_new:
            self._recognised.clear()
        self._identities = {**self.state.identities, **self._recognised}

    @property
    def generations(self) -> Generations:
        """What the mirror held after each complete change."""
        return Generations(self._private / GENERATIONS, self.inventory.stamp)

    @property
    def ledger(self) -> Ledger:
        """What was exported for whom.

        Raises:
            MachineError: it cannot be read.
        """
        return read_ledger(self._private)

    @property
    def staged(self) -> StagedFiles:
        """The files that an import has brought and that wait for others."""
        return StagedFiles(self._private)

    def replaced(self, sha256: Sha256) -> Path:
        """Where a file is kept that was replaced by another one with the same path."""
        return self._private / REPLACED / sha256

    def keeps_replaced(self, sha256: Sha256) -> bool:
        """Whether such a file is kept, and is whole.

        Raises:
            MachineError: it cannot be read.
        """
        path = self.replaced(sha256)
        with explain_errors("read", path):
            try:
                return files.hash_file(path)[0] == sha256
            except FileNotFoundError:
                return False

    def all_replaced(self) -> tuple[Sha256, ...]:
        """The files that are kept so."""
        with explain_errors("look at the mirror", self.root):
            try:
                return tuple(sorted(map(Sha256, os.listdir(self._private / REPLACED))))
            except FileNotFoundError:
                return ()

    def path(self, path: MirrorPath) -> Path:
        """Where a file of the mirror is on disk."""
        return self.root / path

    def held(self) -> Mapping[MirrorPath, Sha256 | None]:
        """The files of the recorded tree that exist: path -> recorded sha256 or recipe; None: it is damaged.

        Every file is looked at. A file whose identity is not the recorded one is hashed; if it is intact, its new
        identity is known from then on. So a mirror that was copied or restored is hashed once.

        Raises:
            MachineError: a file cannot be read.
        """
        found: dict[MirrorPath, Sha256 | None] = {}
        unknown: list[MirrorPath] = []
        with explain_errors("look at the mirror", self.root):
            prefix = f"{self.root}{os.sep}"
            for path, content in self.inventory.tree.items():
                try:
                    status = os.lstat(prefix + path)
                except (FileNotFoundError, NotADirectoryError):
                    continue
                recorded = self._identities.get(path)
                found[path] = promised(content)
                if recorded is None or not stat.S_ISREG(status.st_mode) or not is_same(recorded, status):
                    unknown.append(path)
        if unknown:
            found |= self._recognise({path: self.hash_file(path) for path in unknown})
        return found

    def _recognise(
        self, hashed: Mapping[MirrorPath, tuple[Sha256, os.stat_result] | None]
    ) -> Mapping[MirrorPath, Sha256 | None]:
        """What files of the recorded tree are, by the sha256 of their bytes; None: no regular file, or damaged.

        A package is its sha256. A generated file is its recorded recipe if it is intact. The recipe of an index file is
        the sha256 of its bytes. A program writes the sidecars, so their bytes are not known: a sidecar is intact if it
        says the same as its index file. The identities of intact files are known from then on.
        """
        tree = self.inventory.tree
        found: dict[MirrorPath, Sha256 | None] = {}
        for path, each in hashed.items():
            known_by = promised(tree[path])
            if each is None or each[0] == known_by or isinstance(tree[path], PackageFile):
                found[path] = None if each is None else each[0]
            else:
                from pixi_mirror.mirror.sidecars import is_intact

                found[path] = known_by if is_intact(path, self._read_recorded) else None
            if each is not None and found[path] == known_by:
                self._identities[path] = self._recognised[path] = identity_of(each[1])
        return found

    def _read_recorded(self, path: MirrorPath) -> bytes | None:
        """The bytes of a sidecar, or of a `repodata.json` that is as it is recorded; None: it is not, or is absent."""
        data = self.read(path)
        if data is None or not path.endswith(".json"):
            return data
        recorded = self.inventory.tree.get(path)
        digest = hashlib.sha256(data).hexdigest()
        return data if isinstance(recorded, GeneratedFile) and recorded.recipe == digest else None

    def hash_file(self, path: MirrorPath) -> tuple[Sha256, os.stat_result] | None:
        """The sha256 of a file's bytes and its status; None: it is missing or no regular file.

        Raises:
            MachineError: it cannot be read.
        """
        where = self.path(path)
        try:
            if not stat.S_ISREG(os.lstat(where).st_mode):
                return None
            return files.hash_file(where)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            with explain_errors("read", where):
                raise error from None

    def hash_all(
        self, progress: Progress
    ) -> tuple[Mapping[MirrorPath, FoundFile], Mapping[MirrorPath, Sha256 | None], Mapping[MirrorPath, str]]:
        """Read and hash every file of the recorded tree, whatever its identity is.

        Returns:
            The files that exist as they are, the same as `held` gives them, and why others could not be read.
        """
        paths = list(self.inventory.tree)
        size = sum(content.size for content in self.inventory.stored.values())
        size += sum(self._identities[path].size for path in self.inventory.generated if path in self._identities)
        progress.begin("verifying", files=len(paths), size=size)
        unreadable: dict[MirrorPath, str] = {}

        def look(some: list[MirrorPath]) -> list[tuple[Sha256, os.stat_result] | None]:
            found: list[tuple[Sha256, os.stat_result] | None] = [None] * len(some)
            for number, path in enumerate(some):
                try:
                    found[number] = self.hash_file(path)
                except MachineError as error:  # the others are looked at all the same
                    unreadable[path] = str(error)
            progress.advance(files=len(some), size=sum(each[1].st_size for each in found if each))
            return found

        from pixi_mirror.threads import ThreadPool, share_out

        with ThreadPool(_HASHING) as pool:
            shares = share_out(paths, lambda path: getattr(self.inventory.tree[path], "size", _SHARE), size=_SHARE)
            results = (each for some in pool.map(look, shares) for each in some)
            hashed = {path: each for path, each in zip(paths, results, strict=True) if each}
        sizes = {path: FoundFile(each[0], each[1].st_size) for path, each in hashed.items()}
        return sizes, self._recognise(hashed), unreadable

    def read(self, path: MirrorPath) -> bytes | None:
        """The bytes of an index file; None: it is missing, unreadable, no regular file or longer than any index."""
        with suppress(OSError, ValueError):
            return files.read_bytes(self.path(path), limit=LONGEST_INDEX)
        return None

    def unknown(self) -> tuple[str, ...]:
        """Files in the directory that the inventory does not know, relative and sorted. They are never touched."""
        with explain_errors("look at the mirror", self.root):
            found = directories.relative_files(self.root, without=PRIVATE)
        return tuple(sorted(found - {*self.inventory.tree, INVENTORY, PUBLISHED}))

    def free(self) -> int:
        """Bytes that may still be written to the mirror's disk."""
        with explain_errors("look at the disk of", self.root):
            return directories.free_bytes(self.root)

    def shares_disk_with(self, directory: Path) -> bool:
        """Whether a file there can be linked here instead of being copied."""
        with explain_errors("look at the disk of", self.root):
            return self.root.stat().st_dev == directory.stat().st_dev
