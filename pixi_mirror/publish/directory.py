"""A directory as a destination, for any web server that shows it."""

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from pixi_mirror.disk import directories, files, links
from pixi_mirror.disk.files import explain_errors
from pixi_mirror.disk.lock import lock_file
from pixi_mirror.mirror.tree_view import PRIVATE
from pixi_mirror.model.values import MirrorPath, Sha256, sha256_of
from pixi_mirror.publish.destination import Held, Upload

_PUBLISHING = "publishing"
"""The folder of the private part in which files are written before they are renamed into place."""


class DirectoryDestination:
    """A directory of this machine, or one that is mounted here. `writing` has to be entered before anything is written.

    Files of the same disk are hard links to those of the mirror, which are never written in place.
    """

    ignores_conditions = False  # one writer at a time, by the lock file

    def __init__(self, root: Path) -> None:
        """Take the directory; nothing is made yet."""
        self._root = root
        self._private = root / PRIVATE / _PUBLISHING
        self._unsynced: set[Path] = set()
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """The directory as it was named."""
        return str(self._root)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Be the only publisher for the whole block; afterwards everything survives a power loss.

        Raises:
            BusyError: another process publishes to the directory.
            MachineError: it cannot be made or written.
        """
        with explain_errors("prepare", self._root):
            self._unsynced |= directories.make_directory(self._root)
            for private in (self._private.parent, self._private):
                private.mkdir(mode=0o700, exist_ok=True)
                directories.refuse_foreign(private)
        with lock_file(self._private / "lock", timeout_s=0.0, what=f"the directory {self._root}"):
            with explain_errors("clear", self._private):
                for leftover in self._private.iterdir():
                    if leftover.name != "lock":
                        directories.remove_leftover(leftover)
            yield
            self.settle()

    def arrange(self, uploads: Sequence[Upload]) -> Sequence[Upload]:
        """Every file as it is."""
        return uploads

    def is_empty(self) -> bool:
        """Whether the directory is absent or has nothing in it but what this program needs for writing."""
        with explain_errors("look at", self._root):
            return not self._root.exists() or not [each for each in self._root.iterdir() if each.name != PRIVATE]

    def read(self, path: MirrorPath) -> tuple[bytes, str] | None:
        """The bytes of a file, and their sha256 as its tag."""
        where = self._root / path
        with explain_errors("read", where):
            try:
                data = files.read_bytes(where)
            except (FileNotFoundError, NotADirectoryError):
                return None
        return data, sha256_of(data)

    def look(self, path: MirrorPath) -> Held | None:
        """What the file is; its tag is the sha256 of its bytes."""
        digest = self.hash(path)
        return None if digest is None else Held(size=(self._root / path).stat().st_size, sha256=digest, tag=digest)

    def hash(self, path: MirrorPath) -> Sha256 | None:
        """The sha256 of a file."""
        where = self._root / path
        with explain_errors("read", where):
            try:
                return files.hash_file(where)[0]
            except (FileNotFoundError, NotADirectoryError):
                return None

    def create(self, upload: Upload) -> str | None:
        """Link or copy a file to where nothing is."""
        return None if os.path.lexists(self._root / upload.path) else self._write(upload)

    def swap(self, upload: Upload, tag: str) -> str | None:
        """Replace a file that still has the bytes of the tag."""
        return self._write(upload) if self.hash(upload.path) == tag else None

    def _write(self, upload: Upload) -> str:
        target = self._root / upload.path
        temporary = self._private / files.fresh_name()
        with explain_errors("write", target):
            made = directories.make_directory(target.parent, below=self._root)
            if upload.data is None:
                links.link_or_copy(upload.source, target, sha256=upload.sha256, temporary=temporary)
            else:
                files.write_synced(target, upload.data, temporary=temporary)
        with self._lock:
            self._unsynced |= {*made, target.parent}
        return upload.sha256

    def remove(self, path: MirrorPath) -> None:
        """Remove a file, and the folders that are empty then."""
        where = self._root / path
        with explain_errors("remove", where):
            where.unlink(missing_ok=True)
            with suppress(OSError):  # it is not empty
                for parent in where.parents:
                    if parent == self._root:
                        break
                    parent.rmdir()

    def settle(self) -> None:
        """Sync the folders that files were written to."""
        with explain_errors("write", self._root):
            directories.sync_directories(each for each in self._unsynced if each.exists())
        self._unsynced.clear()

    def public_problem(self) -> None:
        """None: it depends on the web server."""
