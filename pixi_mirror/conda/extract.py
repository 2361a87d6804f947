"""Extract a conda package into a folder of its own, so that nothing of it can ever lie or lead outside that folder.

Every member is looked at before it is made: `tarfile` filters that on recent versions of Python only, and has no limit.
"""

import os
import posixpath
import stat
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from pixi_mirror.archives.compression import Stream
from pixi_mirror.archives.zip import stored
from pixi_mirror.archives.zstd import Readable, decompressing
from pixi_mirror.conda.archive_parts import parts_of_conda

LARGEST_EXTRACTED = 64 << 30
"""Bytes; the largest packages that there are have about 5 GiB."""
MOST_MEMBERS = 2_000_000

_CHUNK = 1 << 20
_LARGEST_HEADER = 1 << 20
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
_EXTENDED = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, *tarfile.GNU_TYPES)
_PERMISSIONS = 0o777
_OWNER_READS = 0o400
_LONGEST_PATH, _DEEPEST = 4096, 200
_EARLIEST_TIME, _LATEST_TIME = 315_532_800, 1 << 33
"""Seconds: the beginning of 1980, which is what rattler makes of all before, and what every filesystem keeps."""


def extract_conda(
    file: BinaryIO,
    folder: Path,
    *,
    file_name: str,
    limit: int = LARGEST_EXTRACTED,
    before_each: Callable[[], None] = lambda: None,
) -> None:
    """Extract an open `.conda` or `.tar.bz2` into the empty `folder`, with modes, times and links; all of it is synced.

    `before_each` is called before every member, and may end it by raising.

    Raises:
        ValueError: it is damaged, larger than `limit` bytes, or holds what leads outside the folder or is neither file,
            folder nor link. What was extracted until there is left.
        ProgramError: it is a `.conda`, and there is no zstd library.
        OSError: the disk refuses.
    """
    extraction = _Extraction(folder.resolve(), limit, before_each)
    if file_name.endswith(".tar.bz2"):
        extraction.take(_Counted(Stream(file, limit=2 * LARGEST_EXTRACTED)))
    else:
        for part in _parts(file):
            extraction.take(decompressing(part))
    extraction.finish()


class _Counted:
    """A stream of this room, with the manners of a file."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def read(self, size: int, /) -> bytes:
        return self._stream.take_some(size)


class _Part:
    """The bytes of one stored member of a zip archive."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._left = size

    def read(self, size: int = -1, /) -> bytes:
        data = self._file.read(self._left if size < 0 else min(size, self._left))
        self._left -= len(data)
        return data


def _parts(file: BinaryIO) -> Iterator[Readable]:
    """The two tars of a `.conda`: `pkg-` and then `info-`, each to be read before the next."""
    for member in parts_of_conda(file):
        yield _Part(file, stored(file, member))


class _Header(tarfile.TarInfo):
    """A header that is refused where the standard library would end quietly, or read as much as it claims."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> "_Header":
        try:
            header = super().frombuf(buf, encoding, errors)
        except (tarfile.InvalidHeaderError, tarfile.TruncatedHeaderError) as error:  # type: ignore[attr-defined]
            raise ValueError(f"its tar is damaged: {error}") from error
        if header.type in _EXTENDED and header.size > _LARGEST_HEADER:
            raise ValueError(f"an extended header of its tar is {header.size} bytes long")
        return header


class _Extraction:
    """What was made of one package so far."""

    def __init__(self, folder: Path, limit: int, before_each: Callable[[], None]) -> None:
        self._folder = folder
        self._limit = limit
        self._before_each = before_each
        self._size = 0
        self._count = 0
        self._folders = {"": folder}
        self._links: list[tuple[str, Path]] = []

    def take(self, stream: Readable) -> None:
        """Make what a tar holds."""
        try:
            with tarfile.open(fileobj=stream, mode="r|", tarinfo=_Header) as archive:  # type: ignore[call-overload]
                while (member := archive.next()) is not None:
                    archive.members.clear()  # it would keep them all
                    self._before_each()
                    self._make(archive, member)
        # A chain of extended headers is read by recursion.
        except (tarfile.TarError, RecursionError, OverflowError) as error:
            raise ValueError(f"its tar is damaged: {error}") from error

    def finish(self) -> None:
        """Make sure that no link leads outside, now that all are there, and have the folders last.

        Where a link leads cannot be told from its text alone, for it may lead through others.
        """
        for name, link in self._links:
            if not Path(os.path.realpath(link)).is_relative_to(self._folder):
                raise ValueError(f"the link {name} leads outside of the package")
        if os.name == "nt":
            return  # a folder cannot be opened there
        for folder in self._folders.values():
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def _make(self, archive: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        self._count += 1
        self._size += max(member.size, 0)
        if self._size > self._limit or self._count > MOST_MEMBERS:
            raise ValueError(f"it would become more than {self._limit} bytes or {MOST_MEMBERS} files")
        name = _relative(member.name)
        if member.isdir():
            self._made_folder(name)
            return
        if not name:
            raise ValueError("its own folder is no folder in it")
        target = self._made_folder(posixpath.dirname(name)) / posixpath.basename(name)
        if os.path.lexists(target):  # the later one counts, as in every tar
            if stat.S_ISDIR(os.lstat(target).st_mode):
                raise ValueError(f"{name} is a folder and something else")
            os.unlink(target)
        if member.issym():
            self._link(name, target, member.linkname)
        elif member.islnk():
            os.link(self._linked(name, member.linkname), target, follow_symlinks=False)
        elif member.isreg() and not member.issparse():
            _write(archive, member, target)
        else:
            raise ValueError(f"{name} is neither file, folder nor link")

    def _made_folder(self, name: str) -> Path:
        """The folder of that name, made if need be; it and all above it are no links."""
        if name in self._folders:
            return self._folders[name]
        folder = self._made_folder(posixpath.dirname(name)) / posixpath.basename(name)
        try:
            folder.mkdir()
        except FileExistsError:
            if not stat.S_ISDIR(os.lstat(folder).st_mode):
                raise ValueError(f"{name} is a folder and something else") from None
        self._folders[name] = folder
        return folder

    def _link(self, name: str, target: Path, leads_to: str) -> None:
        if not leads_to or "\0" in leads_to or posixpath.isabs(leads_to):
            raise ValueError(f"the link {name} leads outside of the package, to {leads_to!r}")
        os.symlink(leads_to, target)
        self._links.append((name, target))

    def _linked(self, name: str, leads_to: str) -> Path:
        """The file, made already, that a hard link means."""
        told = _relative(leads_to)
        folder = self._folders.get(posixpath.dirname(told))
        original = folder / posixpath.basename(told) if folder else None
        if original is None or not os.path.lexists(original) or not stat.S_ISREG(os.lstat(original).st_mode):
            raise ValueError(f"{name} is a link to {leads_to!r}, which is no file before it")
        return original


def _relative(raw: str) -> str:
    """The path of a member as a plain relative one; empty: the package's own folder."""
    parts = [part for part in raw.split("/") if part not in ("", ".")]
    strange = raw.startswith("/") or ".." in parts or "\0" in raw
    if len(raw) > _LONGEST_PATH or len(parts) > _DEEPEST:
        raise ValueError(f"the name of the member {raw[:80]!r}... is {len(raw)} characters long")
    if strange or (os.name == "nt" and any(letter in raw for letter in '\\:<>"|?*')):
        raise ValueError(f"the member {raw!r} would lie outside of the package, or has no name that can be made")
    return "/".join(parts)


def _write(archive: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> None:
    content = archive.extractfile(member)
    assert content is not None  # noqa: S101 - it is a regular file
    with open(os.open(target, _NEW, 0o600), "wb", buffering=0) as file:
        while chunk := content.read(_CHUNK):
            view = memoryview(chunk)
            while view:
                view = view[file.write(view) :]
        os.fsync(file.fileno())
    os.chmod(target, member.mode & _PERMISSIONS | _OWNER_READS)
    # Compiled Python files are as good as absent where their sources have another time.
    time = min(max(member.mtime, _EARLIEST_TIME), _LATEST_TIME)
    os.utime(target, (time, time))
