"""The store: verified files by their sha256, shared by all mirrors of a user; one log of their identities."""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path

from pixi_mirror.disk.directories import free_bytes, is_true_directory, refuse_foreign
from pixi_mirror.disk.files import (
    PUBLIC,
    FileIdentity,
    append_line,
    explain_errors,
    hash_file,
    identity_of,
    is_same,
    open_own,
    read_bytes,
    write_synced,
)
from pixi_mirror.disk.lock import lock_file
from pixi_mirror.errors import DiskFullError
from pixi_mirror.model.values import Sha256, admit_sha256

TAG = "CACHEDIR.TAG"
SIGNATURE = b"Signature: 8a477f597d28d172789f06886806bc55"
"""Cache Directory Tagging Specification: backups leave out a directory that has such a file, which begins so."""

_TAG = SIGNATURE + b"\n# Files that pixi-mirror fetched; it can fetch them again.\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """One verified file in the store."""

    sha256: Sha256
    path: Path
    size: int
    links: int
    """Names on this filesystem besides the store's own: mirrors that hold it by a hard link."""
    last_change: float
    """Seconds since 1970 when it came or was last linked or unlinked."""


class Store:
    """Files by sha256 below one directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.partial = directory / "partial"
        self._blobs = directory / "sha256"
        self._log = directory / "identities"
        self._identities: dict[Sha256, FileIdentity] | None = None

    def used(self) -> AbstractContextManager[Callable[[], bool]]:
        """Hold off `cache prune` while files are taken from the store; many may use it at once.

        Raises:
            BusyError: somebody prunes it for more than a minute.
            MachineError: it cannot be made, or belongs to somebody else.
        """
        with explain_errors("make the cache", self.directory):
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            refuse_foreign(self.directory)
            for folder in (self.partial, self._blobs):
                folder.mkdir(mode=0o700, exist_ok=True)
                refuse_foreign(folder)
            self._tag()
        return lock_file(self.directory / "lock", timeout_s=60, shared=True, what=f"the cache {self.directory}")

    def _tag(self) -> None:
        tag = self.directory / TAG
        with suppress(FileNotFoundError):
            if read_bytes(tag) == _TAG:
                return
        # It is written in place: all runs write the same bytes, and the next run mends a torn tag.
        descriptor = open_own(tag, os.O_WRONLY, mode=PUBLIC)
        try:
            os.write(descriptor, _TAG)
        finally:
            os.close(descriptor)

    def pruned(self) -> AbstractContextManager[Callable[[], bool]]:
        """Hold off everybody else.

        Raises:
            BusyError: somebody uses it.
        """
        return lock_file(self.directory / "lock", timeout_s=0, what=f"the cache {self.directory}")

    def path(self, sha256: Sha256) -> Path:
        """Path of a file, if the store has it."""
        return self._blobs / sha256[:2] / sha256

    def size_of(self, sha256: Sha256) -> int | None:
        """The size of a file in the store, unchecked; None: the store has none."""
        try:
            return self.path(sha256).stat().st_size
        except OSError:
            return None

    def free(self) -> int:
        """Bytes that may still be written to the store's disk."""
        with explain_errors("look at the disk of", self.directory):
            return free_bytes(self.directory)

    def verified(self, sha256: Sha256, *, suspect: bool) -> int | None:
        """The size of a file that the store has and that is right; None: it has none.

        Its recorded identity is proof enough unless it is `suspect`; else it is hashed, and removed if wrong.

        Raises:
            MachineError: it cannot be read.
        """
        path = self.path(sha256)
        try:
            status = os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        recorded = self._recorded().get(sha256)
        if not suspect and recorded is not None and is_same(recorded, status):
            return status.st_size
        with explain_errors("read the cached file", path):
            try:
                found, status = hash_file(path)
            except FileNotFoundError:
                return None
            if found != sha256:
                path.unlink(missing_ok=True)
                return None
        self.remember(sha256, status)
        return status.st_size

    def admit(self, partial: Path, sha256: Sha256) -> None:
        """Make a verified and synced partial file a file of the store.

        Raises:
            OSError: the disk refuses.
        """
        target = self.path(sha256)
        if not is_true_directory(target.parent):
            target.parent.mkdir(exist_ok=True)
        os.replace(partial, target)
        self.remember(sha256, os.lstat(target))

    def remember(self, sha256: Sha256, status: os.stat_result) -> None:
        """Log a file's identity; without the log, only time is lost."""
        # Mirrors link a file of the store, which changes its ctime. So that is no part of its identity here.
        identity = identity_of(status)._replace(ctime_ns=None)
        self._recorded()[sha256] = identity
        with suppress(OSError):
            append_line(self._log, _log_line(sha256, identity))

    def _recorded(self) -> dict[Sha256, FileIdentity]:
        if self._identities is None:
            found: dict[Sha256, FileIdentity] = {}
            with suppress(OSError):
                for line in read_bytes(self._log).decode("ascii", "replace").splitlines():
                    with suppress(ValueError):  # a line torn by a power loss
                        sha256, size, mtime_ns, inode = line.split(" ")
                        found[admit_sha256(sha256)] = FileIdentity(int(size), int(mtime_ns), int(inode), None)
            self._identities = found
        return self._identities

    def blobs(self) -> Iterator[Blob]:
        """Every file of the store, by sha256."""
        with explain_errors("look at the cache", self.directory):
            folders = sorted(self._blobs.iterdir()) if self._blobs.is_dir() else []
            for path in (path for folder in folders for path in sorted(folder.iterdir())):
                status = path.lstat()
                yield Blob(
                    sha256=admit_sha256(path.name),
                    path=path,
                    size=status.st_size,
                    links=status.st_nlink - 1,
                    last_change=status.st_ctime,
                )

    def partials(self) -> Iterator[tuple[Path, os.stat_result]]:
        """Downloads that were cut off and may go on, with what remembers how."""
        with explain_errors("look at the cache", self.directory):
            for path in sorted(self.partial.iterdir()) if self.partial.is_dir() else []:
                yield path, path.lstat()

    def remove(self, path: Path) -> None:
        """Remove a blob or a partial download.

        Raises:
            MachineError: the disk refuses.
        """
        with explain_errors("remove the cached file", path):
            path.unlink(missing_ok=True)

    def forget_identities(self) -> None:
        """Write the log anew with what is still in the store; else it would only grow.

        On a full disk it stays as it is: what was removed to make room is no file that it could be wrong about.

        Raises:
            MachineError: the disk refuses.
        """
        recorded = self._recorded()
        lines = [
            f"{_log_line(sha256, identity)}\n"
            for sha256, identity in sorted(recorded.items())
            if self.path(sha256).exists()
        ]
        temporary = self._log.with_suffix(".new")
        with suppress(DiskFullError), explain_errors("write the cache's log", self._log):
            temporary.unlink(missing_ok=True)  # a killed prune has left it; the lock keeps others out
            write_synced(self._log, "".join(lines).encode(), temporary=temporary, mode=0o600)


def _log_line(sha256: Sha256, identity: FileIdentity) -> str:
    return f"{sha256} {identity.size} {identity.mtime_ns} {identity.inode}"
