"""Look at a mirror: its records, what of its files is really there, and what their bytes are; nothing is changed."""

import hashlib
import os
import stat
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, TypeVar

from pixi_mirror.disk import files
from pixi_mirror.disk.files import explain_errors, read_bytes
from pixi_mirror.disk.identity import FileIdentity, identity_of, is_same
from pixi_mirror.errors import MachineError
from pixi_mirror.mirror import inventory_file, state_file
from pixi_mirror.mirror.state_file import State
from pixi_mirror.model.packages import GeneratedFile, Inventory, StoredFile
from pixi_mirror.model.values import MirrorPath, Sha256
from pixi_mirror.progress import Progress

INVENTORY = inventory_file.FILE
PRIVATE = ".pixi-mirror"
STATE = "state.json"
ADDRESSES = "addresses"

LONGEST_INDEX = 1 << 28
"""Bytes; a `repodata.json` of 200 000 packages has less."""

_HASHING = max(4, os.cpu_count() or 1)
"""Threads; hashing leaves the interpreter free, and a disk likes more than one reader."""


class FoundFile(NamedTuple):
    """A file as it is on disk."""

    sha256: Sha256
    size: int


class TreeView:
    """One mirror on disk, with its inventory and state as last read or recorded."""

    def __init__(self, root: Path) -> None:
        """Read what stands in `root`; a directory that is absent or empty is a mirror that holds nothing.

        Raises:
            MachineError: it holds other things, is no directory or cannot be read, or its records do not parse.
        """
        self.root = root
        self._private = root / PRIVATE
        self._seen = RecordCache()
        with explain_errors("read the mirror", root):
            self._check()
            self._read()

    @property
    def identity(self) -> str:
        """What tells this directory, on this machine, from every other: a copy of the mirror has another."""
        with explain_errors("look at the mirror", self.root):
            where = self.root.resolve()
            status = where.stat()
        return hashlib.sha256(f"{where}\0{status.st_dev}\0{status.st_ino}".encode()).hexdigest()

    def addresses(self) -> frozenset[str]:
        """The URLs at which the mirror is known to have been served, without trailing slash."""
        try:
            return frozenset(files.read_bytes(self._private / ADDRESSES).decode().splitlines())
        except (OSError, ValueError):
            return frozenset()

    def know_address(self, url: str) -> None:
        """Remember that the mirror is served at a URL, where this user may; nothing but `[mirrors]` depends on it."""
        if url not in self.addresses():
            with suppress(OSError):
                files.append_line(self._private / ADDRESSES, url)

    @property
    def exists(self) -> bool:
        """Whether somebody has begun a mirror here."""
        return self._private.is_dir() or (self.root / INVENTORY).exists()

    @property
    def is_case_blind(self) -> bool:
        """Whether the disk holds names that differ in case alone to be one, as far as can be seen from a mirror."""
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
        if self._seen.is_news(self.root / INVENTORY):
            nothing = Inventory(layout="channels", snapshots=(), kept={}, tree={})
            self.inventory = read_record(self.root / INVENTORY, inventory_file.parse, nothing)
        # The private part is closed to other users, who may read a mirror all the same.
        readable = os.access(self._private, os.R_OK | os.X_OK)
        if self._seen.is_news(self._private / STATE):
            self.state = read_record(self._private / STATE, state_file.parse, State()) if readable else State()
        self._identities = dict(self.state.identities)

    def path(self, path: MirrorPath) -> Path:
        """Where a file of the mirror is on disk."""
        return self.root / path

    def held(self) -> Mapping[MirrorPath, Sha256 | None]:
        """What of the recorded tree is really there: path -> sha256 of the bytes or recipe; None: something else.

        Every file is stat-ed; one whose identity differs from the recorded one is hashed again.
        """
        found: dict[MirrorPath, Sha256 | None] = {}
        with explain_errors("look at the mirror", self.root):
            prefix = f"{self.root}{os.sep}"
            for path, content in self.inventory.tree.items():
                try:
                    status = os.lstat(prefix + path)
                except (FileNotFoundError, NotADirectoryError):
                    continue
                recorded = self._identities.get(path)
                if recorded is not None and stat.S_ISREG(status.st_mode) and is_same(recorded, status):
                    found[path] = content.sha256 if isinstance(content, StoredFile) else content.recipe
                else:
                    found[path] = self._looked_at(path, content)
        return found

    def _looked_at(self, path: MirrorPath, content: StoredFile | GeneratedFile) -> Sha256 | None:
        if isinstance(content, GeneratedFile):
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
            return files.hash_file(where)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            with explain_errors("read", where):
                raise error from None

    def rehashed(self, progress: Progress) -> Mapping[MirrorPath, FoundFile]:
        """Every file of the tree that is there, read and hashed whatever its identity says."""
        paths = list(self.inventory.tree)
        size = sum(content.size for content in self.inventory.stored.values())
        progress.begin("verifying", files=len(paths), size=size)

        def look(path: MirrorPath) -> FoundFile | None:
            found = self.hashed(path)
            progress.advance(files=1, size=found[1].st_size if found else 0)
            return None if found is None else FoundFile(found[0], found[1].st_size)

        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(_HASHING) as pool:
            return {path: looked for path, looked in zip(paths, pool.map(look, paths), strict=True) if looked}

    def read(self, path: MirrorPath) -> bytes | None:
        """The bytes of an index file; None: it is missing, no regular file or longer than any index."""
        where = self.path(path)
        with explain_errors("read", where):
            try:
                if not stat.S_ISREG(os.lstat(where).st_mode):
                    return None
                return files.read_bytes(where, limit=LONGEST_INDEX)
            except (FileNotFoundError, NotADirectoryError, ValueError):
                return None

    def leftovers(self) -> tuple[MirrorPath, ...]:
        """Files that a killed update placed and that the inventory does not know."""
        return tuple(
            path for path in self.state.placing if path not in self.inventory.tree and os.path.lexists(self.path(path))
        )

    def unknown(self) -> tuple[str, ...]:
        """Files in the directory that the inventory does not know, relative and sorted; they are never touched."""
        with explain_errors("look at the mirror", self.root):
            found = files.relative_files(self.root, without=PRIVATE)
        return tuple(sorted(found - {*self.inventory.tree, INVENTORY}))

    def free(self) -> int:
        """Bytes that may still be written to the mirror's disk."""
        with explain_errors("look at the disk of", self.root):
            return files.free_bytes(self.root)

    def shares_disk_with(self, directory: Path) -> bool:
        """Whether a file there can be linked here instead of being copied."""
        with explain_errors("look at the disk of", self.root):
            return self.root.stat().st_dev == directory.stat().st_dev


Parsed = TypeVar("Parsed")

_LONGEST = 1 << 29
"""Bytes; a record of 200 000 packages has half of that."""


class RecordCache:
    """Which records have changed since they were last read; reading is what an unchanged run spends its time on."""

    def __init__(self) -> None:
        self._identities: dict[Path, FileIdentity | None] = {}

    def is_news(self, path: Path) -> bool:
        """Whether a record is another, or gone or there, than when this was last asked."""
        try:
            found: FileIdentity | None = identity_of(path.stat())
        except OSError:
            found = None
        news = path not in self._identities or self._identities[path] != found
        self._identities[path] = found
        return news


def read_record(path: Path, parse: Callable[[bytes], Parsed], absent: Parsed) -> Parsed:
    """What a record says, or `absent` where there is none.

    Raises:
        MachineError: it does not parse.
    """
    try:
        return parse(read_bytes(path, limit=_LONGEST))
    except FileNotFoundError:
        return absent
    except (ValueError, RecursionError) as error:
        why = "it is nested too deep" if isinstance(error, RecursionError) else str(error)
        raise MachineError(
            f"{path} does not parse: {why}. Nothing was changed. Restore it from a backup, or move it away and name "
            "the locks again: the next update hashes the files that are there instead of fetching them."
        ) from error
