"""One download under way: bytes go to a private file and into the hash at once, and survive a cut."""

import errno
import hashlib
import os
import stat
from contextlib import suppress
from pathlib import Path

from pixi_mirror.disk.files import NO_LINK, NO_WAIT, PUBLIC, read_bytes
from pixi_mirror.progress import Progress

_CHUNK = 1 << 20


def note_path(path: Path) -> Path:
    """Path of the note that says which version of the file upstream the partial bytes are from."""
    return path.with_name(path.name + ".validator")


class Partial:
    """The sink of one download, to be used by one thread; locked against other processes while open."""

    def __init__(self, path: Path, progress: Progress, *, with_md5: bool) -> None:
        """Open or make the file and take up what an earlier run left.

        Raises:
            OSError: it cannot be opened; it is a link or no regular file.
        """
        self.path = path
        self.offset = 0
        self.validator: str | None = None
        self._note = note_path(path)
        self._progress = progress
        self._with_md5 = with_md5
        self.descriptor = _open(path)
        if not stat.S_ISREG(os.fstat(self.descriptor).st_mode):
            os.close(self.descriptor)
            raise OSError(errno.EINVAL, "Not a regular file; remove it")
        self._sha256 = hashlib.sha256()
        self._md5 = self._new_md5()

    def _new_md5(self) -> "hashlib._Hash | None":
        return hashlib.md5(usedforsecurity=False) if self._with_md5 else None

    @property
    def has_other_names(self) -> bool:
        """Whether the file has a second name, which another user may have made."""
        return os.fstat(self.descriptor).st_nlink > 1

    def resume(self) -> None:
        """Hash what is there already, so that the download may go on behind it."""
        validator = self._read_note()
        if validator is None:
            return
        os.lseek(self.descriptor, 0, os.SEEK_SET)
        while chunk := os.read(self.descriptor, _CHUNK):
            self._digest(chunk)
        if self.offset:
            self.validator = validator

    def _read_note(self) -> str | None:
        with suppress(OSError, UnicodeDecodeError):
            return read_bytes(self._note).decode() or None
        return None

    def begin(self, offset: int, validator: str | None) -> None:
        """Bytes from `offset` follow: all that were taken so far, or 0 to start again."""
        if offset == 0:
            self._progress.advance(size=-self.offset)
            self._note.unlink(missing_ok=True)  # first, because it must never belong to other bytes
            os.ftruncate(self.descriptor, 0)
            os.lseek(self.descriptor, 0, os.SEEK_SET)
            self._sha256, self._md5, self.offset = hashlib.sha256(), self._new_md5(), 0
        if validator != self.validator or self.offset == 0:
            self.validator = validator
            self._note.unlink(missing_ok=True)
            if validator is not None:
                with self._note.open("x", encoding="utf-8") as note:
                    note.write(validator)

    def write(self, chunk: bytes | memoryview) -> None:
        """Take the next bytes."""
        view = memoryview(chunk)
        while view:
            view = view[os.write(self.descriptor, view) :]
        self._digest(chunk)

    def _digest(self, chunk: bytes | memoryview) -> None:
        self._sha256.update(chunk)
        if self._md5 is not None:
            self._md5.update(chunk)
        self.offset += len(chunk)
        self._progress.advance(size=len(chunk))

    @property
    def sha256(self) -> str:
        """Of all bytes so far."""
        return self._sha256.hexdigest()

    @property
    def md5(self) -> str | None:
        """Of all bytes so far; None: it is not needed."""
        return None if self._md5 is None else self._md5.hexdigest()

    def discard(self) -> None:
        """Remove the file and its note."""
        self._progress.advance(size=-self.offset)
        for path in (self._note, self.path):
            with suppress(FileNotFoundError):
                path.unlink()

    def forget_note(self) -> None:
        """Remove the note of a complete file."""
        with suppress(FileNotFoundError):
            self._note.unlink()

    def close(self) -> None:
        """Close the file, which unlocks it."""
        os.close(self.descriptor)


def _open(path: Path) -> int:
    """Open the file of a download, made if it is absent."""
    flags = os.O_RDWR | os.O_CREAT | NO_LINK | NO_WAIT
    try:
        return os.open(path, flags, PUBLIC)
    except PermissionError:
        # A run that was killed when it had made the file read-only, and had not yet named it.
        os.chmod(path, PUBLIC, follow_symlinks=os.chmod not in os.supports_follow_symlinks)
        return os.open(path, flags, PUBLIC)
