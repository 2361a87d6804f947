"""Find, open and recognise the files of a mirror that may be shown, while somebody else may be updating it.

A writer places packages, then indexes, then the inventory. So files that an index lists can be missing from the
inventory for a while: what a running update has announced is shown, too, and what a client was told of is there.
"""

import errno
import hashlib
import os
import stat
import threading
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import NamedTuple

from pixi_mirror.disk.identity import FileIdentity, identity_of, is_same
from pixi_mirror.errors import MachineError
from pixi_mirror.mirror.tree_view import INVENTORY, PRIVATE, STATE, TreeView
from pixi_mirror.model.packages import GeneratedFile, StoredFile
from pixi_mirror.model.values import MirrorPath
from pixi_mirror.pypi.simple import METADATA
from pixi_mirror.serve.conditions import Validators
from pixi_mirror.serve.negotiation import is_index, is_known

FetchAbsent = Callable[[MirrorPath], Path | None]
"""Asked for a file that the mirror does not have: where it is then on this machine; None: nowhere.

It raises `Unobtainable` for what should be there and cannot be had now.
"""

_PIECE = 1 << 20
_MOST_HASHES = 1 << 16
_HASHING_AT_ONCE = 16
_TRIES = 20
_READ_ONLY = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_NO_LINK = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)  # a FIFO would be waited for
_LINKS = (errno.ELOOP, errno.EMLINK, errno.ENXIO)  # as the systems say it; the last is of a socket
_HAS_DIR_FD = os.open in os.supports_dir_fd


class Unobtainable(Exception):
    """A file belongs to the mirror, is not there, and could not be brought; `status` is what HTTP calls it."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class OpenFile(NamedTuple):
    """A file that is there, open for reading: whoever has it closes it."""

    descriptor: int
    size: int
    path: MirrorPath
    validators: Validators


class _Records(NamedTuple):
    """What the records of the mirror say."""

    marks: tuple[FileIdentity | None, FileIdentity | None]
    """The identities of inventory and state when they were read."""
    since_ns: int
    """When the inventory got its place."""
    tree: Mapping[MirrorPath, StoredFile | GeneratedFile]
    identities: Mapping[MirrorPath, FileIdentity]
    announced: Collection[MirrorPath]
    """What a running update, or one that was killed, has put there and not recorded."""
    is_closed: bool
    """Whether the private part is there, and not for us to read."""


class MirrorFiles:
    """The files of one mirror; many threads may use it."""

    def __init__(self, root: Path, absent: FetchAbsent | None = None) -> None:
        """Read the mirror's records.

        Raises:
            MachineError: they cannot be read, or it is no mirror.
        """
        self._root = root
        self._absent = absent
        self._lock = threading.Lock()
        self._known = self._read(self._marks())
        self.identity = TreeView(root).identity
        self._hashes: dict[str, tuple[FileIdentity, str]] = {}
        self._hashing = [threading.Lock() for _ in range(_HASHING_AT_ONCE)]

    def has(self, path: MirrorPath) -> bool:
        """Whether a file may be shown and is there, without opening it."""
        try:
            found = os.lstat(os.path.join(self._root, path))
        except (FileNotFoundError, NotADirectoryError):
            return False
        return stat.S_ISREG(found.st_mode) and self._is_ours(self._now(), path, found)

    def opened(self, path: MirrorPath) -> OpenFile | None:
        """A file that may be shown; None: there is none.

        Raises:
            Unobtainable: it is not there, and could not be brought.
            OSError: it is there and cannot be read.
        """
        known = self._now()
        descriptor = _descriptor(self._root, path)
        if descriptor is None:
            return self._brought(path)
        try:
            found = os.fstat(descriptor)
            if stat.S_ISREG(found.st_mode) and self._is_ours(known, path, found):
                etag = self._etag(known, path, descriptor, found)
                return OpenFile(descriptor, found.st_size, path, _validators(etag, found))
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        return None

    def _brought(self, path: MirrorPath) -> OpenFile | None:
        where = self._absent(path) if self._absent is not None else None
        if where is None:
            return None
        descriptor = os.open(where, _READ_ONLY | _NO_LINK)
        try:
            found = os.fstat(descriptor)
            if stat.S_ISREG(found.st_mode):
                validators = _validators(self._hash(path, descriptor, found), found)
                return OpenFile(descriptor, found.st_size, path, validators)
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        return None

    def _is_ours(self, known: _Records, path: MirrorPath, found: os.stat_result) -> bool:
        if path in known.tree or path in known.announced or path == INVENTORY:
            return True
        if path.endswith(METADATA):
            wheel = MirrorPath(path.removesuffix(METADATA))
            return wheel in known.tree or wheel in known.announced
        # Only packages and what stands beside indexes are announced, and an update writes new index files as well.
        # Who may not read the announcements must take what is younger than the inventory for a part of the update.
        is_under_way = known.is_closed or bool(known.announced)
        is_young = found.st_ctime_ns >= known.since_ns
        return is_under_way and is_young and is_known(path) and (known.is_closed or is_index(path))

    def _etag(self, known: _Records, path: MirrorPath, descriptor: int, found: os.stat_result) -> str:
        content = known.tree.get(path)
        recorded = known.identities.get(path)
        # An update may just have put other bytes there: the recorded hash is that of a file which has not changed.
        has_stood = is_same(recorded, found) if recorded is not None else found.st_ctime_ns < known.since_ns
        if isinstance(content, StoredFile) and content.size == found.st_size and has_stood:
            return content.sha256
        return self._hash(path, descriptor, found)

    def _hash(self, path: MirrorPath, descriptor: int, found: os.stat_result) -> str:
        with self._hashing[hash(path) % _HASHING_AT_ONCE]:  # many may ask for a new index at once
            cached = self._hashes.get(path)
            if cached is not None and is_same(cached[0], found):
                return cached[1]
            digest = hashlib.sha256()
            offset = 0
            while piece := piece_of(descriptor, _PIECE, offset):
                digest.update(piece)
                offset += len(piece)
            if len(self._hashes) >= _MOST_HASHES:
                self._hashes.clear()
            self._hashes[path] = identity_of(found), digest.hexdigest()
            return digest.hexdigest()

    def _now(self) -> _Records:
        """The records as they are at an instant after this was called."""
        if self._known.marks == self._marks():
            return self._known
        with self._lock:
            for _ in range(_TRIES):
                marks = self._marks()
                if self._known.marks == marks:
                    break
                try:
                    known = self._read(marks)
                except MachineError:
                    break  # the records do not parse; what was known is better than nothing
                # Between reading the one and the other, files may have moved from the announced to the recorded.
                if self._marks() == marks:
                    self._known = known
            return self._known

    def _marks(self) -> tuple[FileIdentity | None, FileIdentity | None]:
        return _identity(os.path.join(self._root, INVENTORY)), _identity(os.path.join(self._root, PRIVATE, STATE))

    def _read(self, marks: tuple[FileIdentity | None, FileIdentity | None]) -> _Records:
        reading = TreeView(self._root)
        private = self._root / PRIVATE
        tree, state = reading.inventory.tree, reading.state
        inventory = marks[0]
        since_ns = 0 if inventory is None else (inventory.ctime_ns or inventory.mtime_ns)
        return _Records(
            marks=marks,
            since_ns=since_ns,
            tree=tree,
            identities=state.identities,
            announced=frozenset(state.placing).difference(tree),
            is_closed=private.exists() and not os.access(private, os.R_OK | os.X_OK),
        )


def _identity(path: str) -> FileIdentity | None:
    try:
        return identity_of(os.stat(path))
    except OSError:
        return None


def _validators(sha256: str, found: os.stat_result) -> Validators:
    # Within the second in which a file was written another one may follow, and no date would tell them apart.
    now_s = int(time.time())
    modified_s = found.st_mtime_ns // 1_000_000_000
    settled_s = found.st_ctime_ns // 1_000_000_000
    return Validators(
        etag=f'"sha256-{sha256}"',
        modified_s=min(modified_s, now_s - 1),
        settled_s=settled_s + 1,
    )


def _descriptor(root: Path, path: MirrorPath) -> int | None:
    """A descriptor of whatever stands at a path, without following a link below the root; None: nothing does."""
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
                below = os.open(each, _READ_ONLY | _NO_LINK | os.O_DIRECTORY, dir_fd=folder)
                os.close(folder)
                folder = below
            return os.open(name, _READ_ONLY | _NO_LINK, dir_fd=folder)
        finally:
            os.close(folder)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if error.errno in _LINKS:
            return None
        raise


def piece_of(descriptor: int, length: int, offset: int) -> bytes:
    """Bytes of an opened file, fewer at its end."""
    if hasattr(os, "pread"):
        return os.pread(descriptor, length, offset)
    os.lseek(descriptor, offset, os.SEEK_SET)
    return os.read(descriptor, length)
