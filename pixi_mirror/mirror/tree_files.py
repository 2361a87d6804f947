"""Place, write and remove single files of a mirror, each whole or not at all; records are written elsewhere."""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from pixi_mirror.disk import directories, files, links
from pixi_mirror.disk.files import explain_errors, identity_of
from pixi_mirror.errors import WrongBytesError
from pixi_mirror.mirror.tree_view import TreeView
from pixi_mirror.model.values import MirrorPath, Sha256

_MANY, _WRITING = 64, 4
"""Files from which on several threads write them, and how many."""


class TreeFiles(TreeView):
    """The files of one mirror on disk, for its only writer."""

    def __init__(self, root: Path) -> None:
        """Read the mirror in `root`; a directory that is absent or empty is a mirror that holds nothing.

        Raises:
            MachineError: it holds other things, is no directory or cannot be read, or its records do not parse.
        """
        super().__init__(root)
        self._temporary = self._private / "tmp"
        self._unsynced: set[Path] = set()

    def place(self, path: MirrorPath, source: Path, *, sha256: Sha256) -> None:
        """Put a verified file at `path`: at every instant what stood there, or the whole new file.

        Raises:
            WrongBytesError: `source` has changed since it was verified.
            MachineError: the disk refuses, or `source` is gone.
        """
        target = self.path(path)
        with explain_errors("write", target):
            self._unsynced |= directories.make_directory(target.parent, below=self.root)
            self._keep_replaced(path, sha256)
            temporary = self._temporary / files.fresh_name()
            status = links.link_or_copy(source, target, sha256=sha256, temporary=temporary)
        self._identities[path] = identity_of(status)
        self._unsynced.add(target.parent)

    def _keep_replaced(self, path: MirrorPath, new: Sha256) -> None:
        """Keep the file that another one is about to replace: an earlier generation lists it."""
        old = self.inventory.stored_at(path)
        if old is None or old.sha256 == new:
            return
        target, temporary = self.replaced(old.sha256), self._temporary / files.fresh_name()
        with suppress(OSError, WrongBytesError):  # it is gone or damaged, so that no generation could use it
            links.link_or_copy(self.path(path), target, sha256=old.sha256, temporary=temporary)
        self._unsynced.add(target.parent)

    def remove_replaced(self, sha256: Sha256) -> None:
        """Remove a file that was replaced by another one with the same path."""
        with explain_errors("remove", self._private), suppress(FileNotFoundError):
            self.replaced(sha256).unlink()

    def write(self, path: MirrorPath, data: bytes) -> None:
        """Write a generated file, whole or not at all, so that it survives a power loss."""
        self.write_all({path: data})
        self.sync()

    def write_all(self, contents: Mapping[MirrorPath, bytes]) -> None:
        """Write many generated files, each whole or not at all; they survive a power loss after the next `sync`."""
        for path in contents:
            target = self.path(path)
            with explain_errors("write", target):
                self._unsynced |= directories.make_directory(target.parent, below=self.root)
            self._unsynced.add(target.parent)

        def put(path: MirrorPath) -> os.stat_result:
            target = self.path(path)
            with explain_errors("write", target):
                return files.write_synced(target, contents[path], temporary=self._temporary / files.fresh_name())

        if len(contents) < _MANY:
            found = {path: put(path) for path in contents}
        else:
            # Each write waits for the disk, and several at once are faster: 1600 pages took 0.75 s one by one.
            from pixi_mirror.threads import ThreadPool

            with ThreadPool(_WRITING) as pool:
                found = dict(zip(contents, pool.map(put, contents), strict=True))
        self._identities.update((path, identity_of(status)) for path, status in found.items())

    def remove(self, path: MirrorPath) -> None:
        """Remove a file of ours, if it exists, and the directories that are empty then."""
        target = self.path(path)
        with explain_errors("remove", target):
            for folder in list(target.parents)[: len(Path(path).parents) - 1]:
                directories.is_true_directory(folder)  # a link would lead to files that are not ours
            self._identities.pop(path, None)
            with suppress(FileNotFoundError):
                target.unlink()
                self._unsynced.add(target.parent)
            with suppress(OSError):  # the first that is not empty ends it
                for parent in list(target.parents)[: len(Path(path).parents) - 1]:
                    parent.rmdir()
                    self._unsynced.discard(parent)
                    self._unsynced.add(parent.parent)

    def sync(self) -> None:
        """Make every file placed so far survive a power loss."""
        with explain_errors("write", self.root):
            directories.sync_directories(self._unsynced)
        self._unsynced.clear()

    def write_private(self, name: str, data: bytes) -> None:
        """Write a private file whose loss costs only time, unless it has these bytes already."""
        target = self._private / name
        with explain_errors("write", target):
            with suppress(OSError):  # a link or directory is replaced
                if files.read_bytes(target) == data:
                    return
            files.write_synced(target, data, temporary=self._temporary / files.fresh_name(), mode=0o600)
