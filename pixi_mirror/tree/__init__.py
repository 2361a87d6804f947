"""Place, list, hash and remove files in the mirror; keep its inventory and state; lock it.

It alone touches the mirror on disk. Anybody may read a `Tree`; whoever changes it is inside `writing`.
"""

import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from pixi_mirror.errors import MachineError
from pixi_mirror.identity import identity_of, is_same
from pixi_mirror.model import Derived, Inventory, MirrorPath, Sha256, Stored
from pixi_mirror.report import Report
from pixi_mirror.tree import files, inventory, state
from pixi_mirror.tree.files import explained
from pixi_mirror.tree.lock import locked
from pixi_mirror.tree.records import Seen, parsed
from pixi_mirror.tree.state import State

__all__ = ["Looked", "State", "Tree"]

_INVENTORY = "pixi-mirror.json"
_PRIVATE = ".pixi-mirror"
_STATE = "state.json"

_HASHING = 4
"""Threads; hashing leaves the interpreter free, and a disk likes more than one reader."""


class Looked(NamedTuple):
    """A file as it is on disk."""

    sha256: Sha256
    size: int


class Tree:
    """One mirror on disk, with its inventory and state as last read or recorded."""

    def __init__(self, root: Path) -> None:
        """Read what stands in `root`; a directory that is absent or empty is a mirror that holds nothing.

        Raises:
            MachineError: it holds other things, is no directory or cannot be read, or its records do not parse.
        """
        self.root = root
        self._private = root / _PRIVATE
        self._temporary = self._private / "tmp"
        self._unsynced: set[Path] = set()
        self._seen = Seen()
        with explained("read the mirror", root):
            self._check()
            self._read()

    @property
    def exists(self) -> bool:
        """Whether somebody has begun a mirror here."""
        return self._private.is_dir() or (self.root / _INVENTORY).exists()

    def _check(self) -> None:
        if self.root.exists() and not self.root.is_dir():
            raise MachineError(f"{self.root} is a file; name the directory of a mirror, or one to be made")
        if not self.exists and self.root.is_dir() and any(self.root.iterdir()):
            raise MachineError(
                f"{self.root} is not a mirror and not empty; nothing was changed. "
                "Name an empty directory or one that does not exist yet."
            )

    def _read(self) -> None:
        if self._seen.is_news(self.root / _INVENTORY):
            nothing = Inventory(layout="channels", snapshots=(), kept={}, tree={})
            self.inventory = parsed(self.root / _INVENTORY, inventory.parse, nothing)
        # The private part is closed to other users, who may read a mirror all the same.
        readable = os.access(self._private, os.R_OK | os.X_OK)
        if self._seen.is_news(self._private / _STATE):
            self.state = parsed(self._private / _STATE, state.parse, State()) if readable else State()
        self._identities = dict(self.state.identities)

    @contextmanager
    def writing(self, *, timeout_s: float) -> Iterator[None]:
        """Be the only writer for the whole block; what a killed writer left half-made is cleared first.

        Raises:
            BusyError: another process is writing and did not finish within `timeout_s` seconds.
            MachineError: the directory cannot be made or written, or its private part belongs to somebody else.
        """
        with explained("prepare the mirror", self.root):
            self.root.mkdir(parents=True, exist_ok=True)
            self._private.mkdir(mode=0o700, exist_ok=True)
            files.refuse_foreign(self._private)
            self._temporary.mkdir(mode=0o700, exist_ok=True)
        with locked(self._private / "lock", timeout_s=timeout_s, what=f"the mirror {self.root}"):
            with explained("read the mirror", self.root):
                self._read()
                for leftover in self._temporary.iterdir():
                    files.clear(leftover)
            yield

    def path(self, path: MirrorPath) -> Path:
        """Where a file of the mirror is on disk."""
        return self.root / path

    def held(self) -> Mapping[MirrorPath, Sha256 | None]:
        """What of the recorded tree is really there: path -> sha256 of the bytes or recipe; None: something else.

        Every file is stat-ed; one whose identity differs from the recorded one is hashed again.
        """
        found: dict[MirrorPath, Sha256 | None] = {}
        with explained("look at the mirror", self.root):
            prefix = f"{self.root}{os.sep}"
            for path, content in self.inventory.tree.items():
                try:
                    status = os.lstat(prefix + path)
                except (FileNotFoundError, NotADirectoryError):
                    continue
                recorded = self._identities.get(path)
                if recorded is not None and stat.S_ISREG(status.st_mode) and is_same(recorded, status):
                    found[path] = content.sha256 if isinstance(content, Stored) else content.recipe
                else:
                    found[path] = self._looked_at(path, content)
        return found

    def _looked_at(self, path: MirrorPath, content: Stored | Derived) -> Sha256 | None:
        if isinstance(content, Derived):
            return None  # making it again costs less than knowing
        sha256, status = self.hashed(path) or (None, None)
        if sha256 == content.sha256 and status is not None:
            self._identities[path] = identity_of(status)
        return sha256

    def hashed(self, path: MirrorPath) -> tuple[Sha256, os.stat_result] | None:
        """The sha256 of a file's bytes and its status; None: it is missing or no regular file.

        Raises:
            MachineError: it cannot be read.
        """
        where = self.path(path)
        try:
            if not stat.S_ISREG(os.lstat(where).st_mode):
                return None
            return files.hash_of(where)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            with explained("read", where):
                raise error from None

    def rehashed(self, report: Report) -> Mapping[MirrorPath, Looked]:
        """Every file of the tree that is there, read and hashed whatever its identity says."""
        paths = list(self.inventory.tree)
        size = sum(content.size for content in self.inventory.tree.values() if isinstance(content, Stored))
        report.begin("verifying", files=len(paths), size=size)

        def look(path: MirrorPath) -> Looked | None:
            found = self.hashed(path)
            report.advance(files=1, size=found[1].st_size if found else 0)
            return None if found is None else Looked(found[0], found[1].st_size)

        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(_HASHING) as pool:
            return {path: looked for path, looked in zip(paths, pool.map(look, paths), strict=True) if looked}

    def read(self, path: MirrorPath) -> bytes | None:
        """The bytes of a small file; None: it is missing."""
        with explained("read", self.path(path)):
            try:
                return self.path(path).read_bytes()
            except (FileNotFoundError, NotADirectoryError):
                return None

    def workshop(self) -> AbstractContextManager[Path]:
        """A private directory for a program to work in, empty at first and gone afterwards."""
        return files.workshop(self._temporary / files.fresh_name())

    def intend(self, paths: Iterable[MirrorPath]) -> None:
        """Remember, before the first is placed, which files are about to be, so that a kill leaves no litter."""
        placing = tuple(sorted({*paths, *self.leftovers()}))
        self._write_state(replace(self.state, placing=placing, identities=self._identities))

    def place(self, path: MirrorPath, source: Path, *, sha256: Sha256) -> None:
        """Put a verified file at `path`: at every instant what stood there, or the whole new file.

        Raises:
            WrongBytesError: `source` has changed since it was verified.
            MachineError: the disk refuses, or `source` is gone.
        """
        target = self.path(path)
        with explained("write", target):
            self._unsynced |= files.made_directory(target.parent)
            temporary = self._temporary / files.fresh_name()
            status = files.bring(source, target, sha256=sha256, temporary=temporary)
        self._identities[path] = identity_of(status)
        self._unsynced.add(target.parent)

    def write(self, path: MirrorPath, data: bytes) -> None:
        """Put bytes that we made at `path`, whole or not at all, and make that last."""
        self.write_all({path: data})
        self.sync()

    def write_all(self, contents: Mapping[MirrorPath, bytes]) -> None:
        """Put many files that we made, each whole or not at all; they last once anything is written after them."""
        for path, data in contents.items():
            target = self.path(path)
            with explained("write", target):
                self._unsynced |= files.made_directory(target.parent)
                status = files.write_synced(target, data, temporary=self._temporary / files.fresh_name())
            self._identities[path] = identity_of(status)
            self._unsynced.add(target.parent)

    def remove(self, path: MirrorPath) -> None:
        """Remove a file of ours and the directories that are empty then; one that is gone already is fine."""
        target = self.path(path)
        with explained("remove", target):
            with suppress(FileNotFoundError):
                target.unlink()
            self._identities.pop(path, None)
            self._unsynced.discard(target.parent)
            with suppress(OSError):  # the first that is not empty ends it
                for parent in list(target.parents)[: len(Path(path).parents) - 1]:
                    parent.rmdir()
                    self._unsynced.discard(parent)

    def sync(self) -> None:
        """Make every file placed so far survive a power loss."""
        with explained("write", self.root):
            files.sync_directories(self._unsynced)
        self._unsynced.clear()

    def remember(self, directory: Path, manifest: Path, trail: str) -> None:
        """Know which workspace pixi found from a directory; those of directories that are gone are forgotten."""
        found = {each: known for each, known in self.state.found.items() if Path(each).is_dir()}
        self._write_state(replace(self.state, found={**found, str(directory): (str(manifest), trail)}))

    def record(
        self,
        new: Inventory,
        *,
        locks: Mapping[str, str],
        unlisted: Mapping[MirrorPath, float],
        manifests: Mapping[str, str] | None = None,
        attempts: Mapping[MirrorPath, str] | None = None,
    ) -> None:
        """Make `new` the inventory: the step after which a change has happened.

        `manifests` or `attempts` None: as they are known.
        """
        self.sync()
        known = {path: self._identities[path] for path in sorted(new.tree) if path in self._identities}
        self._identities = known
        asked = self.state.manifests if manifests is None else manifests
        state_of_new = replace(
            self.state,
            locks=locks,
            manifests={key: path for key, path in asked.items() if key in locks},
            identities=known,
            unlisted=unlisted,
            attempts=self.state.attempts if attempts is None else attempts,
        )
        if new != self.inventory or not (self.root / _INVENTORY).exists():
            # If we are killed between the two records, no identity of a file may vouch for other bytes.
            same = {path: each for path, each in known.items() if self.inventory.tree.get(path) == new.tree[path]}
            self._write_state(replace(state_of_new, identities=same))
            self._write_inventory(new)
        self._write_state(state_of_new)

    def _write_inventory(self, new: Inventory) -> None:
        with explained("write", self.root / _INVENTORY):
            data = inventory.dump(new)
            files.write_synced(self.root / _INVENTORY, data, temporary=self._temporary / files.fresh_name())
            files.sync_directories([self.root])
        self.inventory = new

    def _write_state(self, new: State) -> None:
        if new == self.state:
            return
        self.write_private(_STATE, state.dump(new))
        with explained("write", self._private):
            files.sync_directories([self._private])
        self.state = replace(new, identities=MappingProxyType(dict(new.identities)))

    def write_private(self, name: str, data: bytes) -> None:
        """Keep something that is never served, unless it is kept already; losing it must cost time only."""
        target = self._private / name
        with explained("write", target):
            with suppress(FileNotFoundError):
                if target.read_bytes() == data:
                    return
            files.write_synced(target, data, temporary=self._temporary / files.fresh_name(), mode=0o600)

    def leftovers(self) -> tuple[MirrorPath, ...]:
        """Files that a killed update placed and that the inventory does not know."""
        return tuple(
            path for path in self.state.placing if path not in self.inventory.tree and os.path.lexists(self.path(path))
        )

    def unknown(self) -> tuple[str, ...]:
        """Files in the directory that the inventory does not know, relative and sorted; they are never touched."""
        with explained("look at the mirror", self.root):
            found = files.relative_files(self.root, without=_PRIVATE)
        return tuple(sorted(found - {*self.inventory.tree, _INVENTORY}))

    def free(self) -> int:
        """Bytes that may still be written to the mirror's disk."""
        with explained("look at the disk of", self.root):
            return files.free_bytes(self.root)

    def shares_disk_with(self, directory: Path) -> bool:
        """Whether a file there can be linked here instead of being copied."""
        with explained("look at the disk of", self.root):
            return self.root.stat().st_dev == directory.stat().st_dev
