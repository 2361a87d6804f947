"""Keep files that an import has verified until the generation that needs them is complete, and what it knows of that.

They are in `.pixi-mirror/staged/`: a file by its sha256, and of each generation that is incomplete the manifest of its
export, its rows and its signature. Nothing of it is served.
"""

import os
import re
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pixi_mirror.disk import directories, files
from pixi_mirror.disk.files import explain_errors, hash_file
from pixi_mirror.disk.hashing_writer import HashingWriter
from pixi_mirror.model.values import Sha256

if TYPE_CHECKING:
    from concurrent.futures import Future

STAGED = "staged"

_BLOB = re.compile(r"[0-9a-f]{64}")
_RECORD = re.compile(r"([1-9][0-9]{0,8})\.json")
_LONGEST_RECORD = 1 << 29
_SYNCING = 16
"""Threads that wait for the disk, where there are many files: a journal takes what waits together."""
_MANY = 64
_UNSYNCED = 256
"""Files that may wait to be synced."""


class StagedFiles:
    """The files that wait in one mirror. They are written inside `Tree.writing` alone."""

    def __init__(self, private: Path) -> None:
        """`private` is the private part of the mirror; nothing is read yet."""
        self.folder = private / STAGED
        self._temporary = private / "tmp"
        self._known: set[Sha256] = set()

    def path(self, sha256: Sha256) -> Path:
        """Where a file waits, or would."""
        return self.folder / sha256

    def names(self) -> frozenset[Sha256]:
        """The files that wait, by their names; they are not looked into.

        Raises:
            MachineError: they cannot be listed.
        """
        return frozenset(Sha256(name) for name in self._listed() if _BLOB.fullmatch(name))

    def whole(self, wanted: Collection[Sha256]) -> frozenset[Sha256]:
        """Those of the files `wanted` that wait and have the right bytes: earlier ones are hashed once.

        Raises:
            MachineError: one cannot be read.
        """
        for sha256 in sorted(self.names().intersection(wanted) - self._known):
            with explain_errors("read", self.path(sha256)):
                if hash_file(self.path(sha256))[0] == sha256:
                    self._known.add(sha256)
        return frozenset(self._known.intersection(wanted))

    def make_folder(self) -> None:
        """Make the folder of the files that wait.

        Raises:
            MachineError: it cannot be made, or belongs to somebody else.
        """
        with explain_errors("write", self.folder):
            self.folder.mkdir(mode=0o700, exist_ok=True)
            directories.refuse_foreign(self.folder)

    @contextmanager
    def adding(self, count: int) -> Iterator[Callable[[Sha256, Iterator[bytes]], None]]:
        """Take files in for the block, which writes `count` of them; at its end all that came survive a power loss.

        Yields:
            A function that takes the pieces of one file. It raises ValueError if they are another file; nothing of it
            stays then.

        Raises:
            MachineError: the disk refuses.
        """
        from pixi_mirror.threads import ThreadPool

        self.make_folder()
        waiting: deque[Future[None]] = deque()
        with ThreadPool(_SYNCING) as pool:

            def add(sha256: Sha256, pieces: Iterator[bytes]) -> None:
                descriptor, temporary = self._write(sha256, pieces)
                if count < _MANY:
                    self._finish(descriptor, temporary, sha256)
                    return
                waiting.append(pool.submit(self._finish, descriptor, temporary, sha256))
                if len(waiting) > _UNSYNCED:
                    waiting.popleft().result()

            try:
                yield add
            finally:
                while waiting:
                    waiting.popleft().result()
        with explain_errors("write", self.folder):
            directories.sync_directories([self.folder, self.folder.parent])

    def _write(self, sha256: Sha256, pieces: Iterator[bytes]) -> tuple[int, Path]:
        """Write a temporary file, and give it open; it has the right bytes."""
        temporary = self._temporary / files.fresh_name()
        with explain_errors("write", temporary):
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | files.NO_LINK, files.PUBLIC)
            try:
                _write_pieces(descriptor, sha256, pieces)
                files.make_read_only(descriptor)
            except BaseException:
                os.close(descriptor)
                with suppress(OSError):
                    os.unlink(temporary)
                raise
        return descriptor, temporary

    def _finish(self, descriptor: int, temporary: Path, sha256: Sha256) -> None:
        try:
            with explain_errors("write", temporary):
                try:
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)
                os.replace(temporary, self.path(sha256))
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary)
            raise
        self._known.add(sha256)

    def records(self) -> tuple[int, ...]:
        """The generations of which something waits.

        Raises:
            MachineError: they cannot be listed.
        """
        return tuple(sorted(int(found[1]) for name in self._listed() if (found := _RECORD.fullmatch(name))))

    def record(self, number: int, kind: str) -> bytes | None:
        """What is known of a generation: its file with the ending `kind`; None: there is none.

        Raises:
            MachineError: it cannot be read.
            ValueError: it is longer than any record.
        """
        with explain_errors("read", self.folder):
            try:
                return files.read_bytes(self.folder / f"{number}.{kind}", limit=_LONGEST_RECORD)
            except FileNotFoundError:
                return None

    def keep(self, wanted: Collection[Sha256], numbers: Collection[int]) -> None:
        """Remove every file that is not among `wanted`, and what is known of other generations than `numbers`.

        Raises:
            MachineError: one cannot be removed.
        """
        keep = {*wanted, *(f"{number}.{kind}" for number in numbers for kind in ("json", "gz", "sig"))}
        with explain_errors("remove", self.folder):
            for name in self._listed():
                if name not in keep:
                    directories.remove_leftover(self.folder / name)
                    self._known.discard(Sha256(name))
            with suppress(OSError):
                self.folder.rmdir()

    def sizes(self) -> Mapping[Sha256, int]:
        """The bytes of each file that waits.

        Raises:
            MachineError: one cannot be looked at.
        """
        with explain_errors("look at", self.folder):
            return {sha256: os.lstat(self.path(sha256)).st_size for sha256 in self.names()}

    def _listed(self) -> list[str]:
        with explain_errors("look at", self.folder):
            try:
                return os.listdir(self.folder)
            except FileNotFoundError:
                return []


def _write_pieces(descriptor: int, sha256: Sha256, pieces: Iterator[bytes]) -> None:
    with (
        open(descriptor, "wb", buffering=0, closefd=False) as file,
        HashingWriter(partial(files.write_whole, file)) as writer,
    ):
        for piece in pieces:
            writer.write(piece)
        if writer.sha256 != sha256:
            raise ValueError(f"the file {sha256} in it has other bytes, of sha256 {writer.sha256}")
