"""Find, open and recognise the files of a mirror that may be shown, while somebody else may be updating it.

A writer places packages, then indexes, then the inventory. So for a while an index can list files that the inventory
does not have yet. The state file announces them, and they are served: whatever an index lists can be had.
"""

import errno
import hashlib
import os
import re
import stat
import threading
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple, TypeAlias

from pixi_mirror.disk.files import NO_LINK, NO_WAIT, FileIdentity, identity_of, is_same
from pixi_mirror.errors import MachineError
from pixi_mirror.mirror.state_notes import FILE as NOTES
from pixi_mirror.mirror.tree_view import INVENTORY, PRIVATE, STATE, TreeView
from pixi_mirror.model.packages import GeneratedFile, PackageFile
from pixi_mirror.model.values import MirrorPath
from pixi_mirror.pypi.simple import METADATA
from pixi_mirror.serve.access_log import WrongBytes
from pixi_mirror.serve.negotiation import Validators, is_index, is_known
from pixi_mirror.serve.watching import Watching

WaitForUpstream = Callable[[], AbstractContextManager[Callable[[], bool]]]
"""Counts a client as waiting for upstream while the context is open; what it gives says whether the client has left.

It raises `FileUnavailable` where too many wait already.
"""
FetchAbsent = Callable[[MirrorPath, WaitForUpstream], Path | None]
"""Fetches a file that the mirror does not have and says where it is on this machine; None: no such file is pinned.

It raises `FileUnavailable` if the file cannot be had now.
"""

_PIECE = 1 << 20
_MOST_HASHES = 1 << 16
_HASHING_AT_ONCE = 16
_TRIES = 20
_READ_ONLY = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_LINK_ERRORS = (errno.ELOOP, errno.EMLINK, errno.ENXIO)  # the last one is of a socket
_HAS_DIR_FD = os.open in os.supports_dir_fd
_SHARD = re.compile(r"(?:.*/)?shards/([0-9a-f]{64})\.msgpack\.zst")
"""CEP 16: a shard is named by its sha256."""


class FileUnavailable(Exception):
    """A file belongs to the mirror, is not there, and cannot be had now.

    Attributes:
        status: Of the HTTP response.
        retry_after_s: When the client may ask again; None: the response does not say.
    """

    def __init__(self, status: int, reason: str, *, retry_after_s: int | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.retry_after_s = retry_after_s


class OpenFile(NamedTuple):
    """A file that is open for reading; whoever has it closes it."""

    descriptor: int
    size: int
    validators: Validators
    may_change: bool
    """Whether other bytes may stand at the path tomorrow, so that clients must ask again."""


_Marks: TypeAlias = tuple[FileIdentity | None, ...]
"""Which versions of the records were read: the inventory, the state and the notes of uploads."""


class _Records(NamedTuple):
    """What the inventory and the state of the mirror say."""

    marks: _Marks
    """The identities of inventory and state when they were read."""
    since_ns: int
    """When the inventory got its place."""
    tree: Mapping[MirrorPath, PackageFile | GeneratedFile]
    identities: Mapping[MirrorPath, FileIdentity]
    announced: Collection[MirrorPath]
    """What a running or killed update places and has not recorded; some replace files of the tree."""
    is_under_way: bool
    """Whether such an update adds files to the tree."""
    is_closed: bool
    """Whether the private part is there, and this process may not read it."""


class MirrorFiles:
    """The files of one mirror; many threads may use it."""

    def __init__(
        self,
        root: Path,
        fetch_absent: FetchAbsent | None = None,
        *,
        report: Callable[[WrongBytes], None] = lambda _: None,
    ) -> None:
        """Read the mirror's records.

        Args:
            root: Of the mirror.
            fetch_absent: Fetches what the mirror pins and does not have; None: such files are missing.
            report: Called for each file with other bytes than the inventory's, once for each version of the file.

        Raises:
            MachineError: they cannot be read, or it is no mirror.
        """
        self._root = root
        self._fetch_absent = fetch_absent
        self._report = report
        self._lock = threading.Lock()
        self._records = self._read(self._marks())
        self.identity = TreeView(root).identity
        self.watching = Watching(root)
        self._hashes: dict[str, tuple[FileIdentity, str]] = {}
        self._reported: dict[str, FileIdentity] = {}
        self._hashing = [threading.Lock() for _ in range(_HASHING_AT_ONCE)]

    def has(self, path: MirrorPath) -> bool:
        """Whether a file may be shown and is there, without opening it."""
        try:
            found = os.lstat(os.path.join(self._root, path))
        except (FileNotFoundError, NotADirectoryError):
            return False
        return stat.S_ISREG(found.st_mode) and self._may_show(self._current(), path, found)

    def open(self, path: MirrorPath, wait: WaitForUpstream) -> OpenFile | None:
        """Open a file that may be shown; None: there is none, or its bytes are wrong.

        Raises:
            FileUnavailable: it is not there, and cannot be fetched now.
            OSError: it is there and cannot be read.
        """
        records = self._current()
        descriptor = _open_below(self._root, path)
        if descriptor is None:
            where = self._fetch_absent(path, wait) if self._fetch_absent is not None else None
            return None if where is None else self._opened(os.open(where, _READ_ONLY | NO_LINK | NO_WAIT), path, None)
        return self._opened(descriptor, path, records)

    def _opened(self, descriptor: int, path: MirrorPath, records: _Records | None) -> OpenFile | None:
        """What is sent of an open file; None: nothing is, and it is closed. Without records it is from the cache."""
        opened = None
        try:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                return None
            if records is None:
                sha256: str | None = self._hash(path, descriptor, found)
            else:
                sha256 = self._sha256(records, path, descriptor, found)
            if sha256 is not None:
                content = None if records is None else records.tree.get(path)
                is_replaced = isinstance(content, PackageFile) and content.sha256 != sha256
                may_change = is_index(path) or is_replaced
                opened = OpenFile(descriptor, found.st_size, _validators(sha256, found), may_change)
            return opened
        finally:
            if opened is None:
                os.close(descriptor)

    def _may_show(self, records: _Records, path: MirrorPath, found: os.stat_result) -> bool:
        if path in records.tree or path in records.announced or path == INVENTORY:
            return True
        if path.endswith(METADATA):
            wheel = MirrorPath(path.removesuffix(METADATA))
            return wheel in records.tree or wheel in records.announced
        # An update announces packages and the files beside indexes, but it also writes new index files. Where the
        # state file cannot be read, a file that is younger than the inventory counts as a part of the update.
        is_young = found.st_ctime_ns >= records.since_ns
        is_possible = records.is_closed or (records.is_under_way and is_index(path))
        return is_possible and is_young and is_known(path)

    def _sha256(self, records: _Records, path: MirrorPath, descriptor: int, found: os.stat_result) -> str | None:
        """The sha256 of an open file's bytes; None: it is not to be shown, or it has wrong bytes."""
        if not self._may_show(records, path, found):
            return None
        content = records.tree.get(path)
        recorded = records.identities.get(path)
        # The recorded hash counts for a file that has not changed since. An update may just have replaced it.
        is_unchanged = is_same(recorded, found) if recorded is not None else found.st_ctime_ns < records.since_ns
        if isinstance(content, PackageFile) and content.size == found.st_size and is_unchanged:
            return content.sha256
        sha256 = self._hash(path, descriptor, found)
        expected = _expected(content, path)
        if expected in (None, sha256) or path in records.announced:
            return sha256
        # Between reading the records and opening the file, an update may have recorded another one.
        current = self._current()
        if current is not records:
            return self._sha256(current, path, descriptor, found)
        if self._reported.get(path) != identity_of(found):
            self._reported[path] = identity_of(found)
            self._report(WrongBytes(time.time(), path, str(expected), sha256))
        return None

    def _hash(self, path: MirrorPath, descriptor: int, found: os.stat_result) -> str:
        with self._hashing[hash(path) % _HASHING_AT_ONCE]:  # many clients may ask for a new index at once
            cached = self._hashes.get(path)
            if cached is not None and is_same(cached[0], found):
                return cached[1]
            digest = hashlib.sha256()
            offset = 0
            while piece := read_piece(descriptor, _PIECE, offset):
                digest.update(piece)
                offset += len(piece)
            if len(self._hashes) >= _MOST_HASHES:
                self._hashes.clear()
            self._hashes[path] = identity_of(found), digest.hexdigest()
            return digest.hexdigest()

    def _current(self) -> _Records:
        """The records as they are at an instant after the call; as they were last if they do not parse now."""
        if self._records.marks == self._marks():
            return self._records
        with self._lock:
            for _ in range(_TRIES):
                marks = self._marks()
                if self._records.marks == marks:
                    break
                try:
                    records = self._read(marks)
                except MachineError:
                    break
                # Between the reading of the two files, paths may have moved from the announced to the recorded.
                if self._marks() == marks:
                    self._records = records
            return self._records

    def _marks(self) -> _Marks:
        private = os.path.join(self._root, PRIVATE)
        records = (os.path.join(self._root, INVENTORY), os.path.join(private, STATE), os.path.join(private, NOTES))
        return tuple(map(_identity, records))

    def _read(self, marks: _Marks) -> _Records:
        reading = TreeView(self._root)
        tree, inventory = reading.inventory.tree, marks[0]
        announced = frozenset(reading.state.placing)
        return _Records(
            marks=marks,
            since_ns=0 if inventory is None else (inventory.ctime_ns or inventory.mtime_ns),
            tree=tree,
            identities=reading.state.identities,
            announced=announced,
            is_under_way=not announced.issubset(tree),
            is_closed=reading.is_closed,
        )


def _expected(content: PackageFile | GeneratedFile | None, path: MirrorPath) -> str | None:
    """The sha256 that the bytes at a path must have; None: the inventory has no hash of them."""
    if isinstance(content, PackageFile):
        return content.sha256
    shard = _SHARD.fullmatch(path)
    return shard[1] if shard else None


def _identity(path: str) -> FileIdentity | None:
    try:
        return identity_of(os.stat(path))
    except OSError:
        return None


def _validators(sha256: str, found: os.stat_result) -> Validators:
    # A file may be replaced within the second in which it was written, and no date would tell the two apart.
    now_s = int(time.time())
    modified_s = found.st_mtime_ns // 1_000_000_000
    settled_s = found.st_ctime_ns // 1_000_000_000
    return Validators(
        etag=f'"sha256-{sha256}"',
        modified_s=min(modified_s, now_s - 1),
        settled_s=settled_s + 1,
    )


def _open_below(root: Path, path: MirrorPath) -> int | None:
    """Open what stands at a path, without following a link below the root; None: nothing does."""
    try:
        if not _HAS_DIR_FD:
            where = os.path.join(os.path.realpath(root), *path.split("/"))
            if os.path.realpath(where) != where:
                return None
            return os.open(where, _READ_ONLY)
        *folders, name = path.split("/")
        folder = os.open(root, _READ_ONLY | os.O_DIRECTORY)
        try:
            for each in folders:
                below = os.open(each, _READ_ONLY | NO_LINK | NO_WAIT | os.O_DIRECTORY, dir_fd=folder)
                os.close(folder)
                folder = below
            return os.open(name, _READ_ONLY | NO_LINK | NO_WAIT, dir_fd=folder)
        finally:
            os.close(folder)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if error.errno in _LINK_ERRORS:
            return None
        raise


def read_piece(descriptor: int, length: int, offset: int) -> bytes:
    """Read bytes of an open file, fewer at its end."""
    if hasattr(os, "pread"):
        return os.pread(descriptor, length, offset)
    os.lseek(descriptor, offset, os.SEEK_SET)
    return os.read(descriptor, length)
