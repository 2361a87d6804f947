"""Extract a conda package into a folder of its own, so that nothing of it can ever lie or lead outside that folder.

Every member is checked before it is made.
"""

import os
import posixpath
import stat
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from pixi_mirror.archives.tar import TarContent, TarMember, plain_path, read_tar
from pixi_mirror.conda.archives import open_tars
from pixi_mirror.disk.files import NEW_FILE

LARGEST_EXTRACTED = 64 << 30
"""Bytes; the largest packages that there are have about 5 GiB."""
MOST_EXTRACTED = 2_000_000
"""Files, folders and links."""

_PERMISSIONS = 0o777
_OWNER_READS = 0o400
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
    """Extract an open `.conda` or `.tar.bz2` with modes, times and links, and sync all of it.

    Args:
        file: the package, which can seek.
        folder: where its files go; it is there and empty.
        file_name: its end says which format the package has.
        limit: bytes that the files may have together.
        before_each: is called before every member, and may end the extraction by raising.

    Raises:
        ValueError: it is damaged, larger than `limit`, or holds what leads outside the folder or is neither file,
            folder nor link. What was extracted until then is left.
        OSError: the disk refuses.
    """
    extraction = _Extraction(folder.resolve(), limit, before_each)
    for tar in open_tars(file, file_name=file_name, limit=2 * LARGEST_EXTRACTED):
        # Some old packages lack the end mark.
        for member, content in read_tar(tar, needs_end=False, most_members=MOST_EXTRACTED):
            extraction.extract(member, content)
        tar.drain()
    extraction.finish()


class _Extraction:
    """What was made of one package until now."""

    def __init__(self, folder: Path, limit: int, before_each: Callable[[], None]) -> None:
        self._folder = folder
        self._limit = limit
        self._before_each = before_each
        self._size = 0
        self._count = 0
        self._folders = {"": folder}
        self._links: list[tuple[str, Path]] = []

    def extract(self, member: TarMember, content: TarContent) -> None:
        """Make one member of a tar.

        Raises:
            ValueError: it would lie outside, or the package has too many members or bytes.
            OSError: it cannot be made.
        """
        self._before_each()
        self._count += 1
        self._size += member.size if member.kind == "file" else 0
        if self._size > self._limit or self._count > MOST_EXTRACTED:
            raise ValueError(f"it would become more than {self._limit} bytes or {MOST_EXTRACTED} files")
        name = plain_path(member.name)
        if member.kind == "folder":
            self._make_folder(name)
            return
        if not name:
            raise ValueError("its own folder is no folder in it")
        target = self._make_folder(posixpath.dirname(name)) / posixpath.basename(name)
        if os.path.lexists(target):  # the later one counts, as in every tar
            if stat.S_ISDIR(os.lstat(target).st_mode):
                raise ValueError(f"{name} is a folder and something else")
            os.unlink(target)
        if member.kind == "symlink":
            self._make_link(name, target, member.target)
        elif member.kind == "hardlink":
            os.link(self._linked_file(name, member.target), target, follow_symlinks=False)
        elif member.kind == "file":
            _write_file(target, member, content)
        else:
            raise ValueError(f"{name} is neither file, folder nor link")

    def finish(self) -> None:
        """Refuse links that lead outside, now that all are there, and sync the folders.

        The text of a link does not say where it leads, because it may lead through other links.

        Raises:
            ValueError: a link leads outside.
            OSError: a folder cannot be synced.
        """
        for name, link in self._links:
            if not Path(os.path.realpath(link)).is_relative_to(self._folder):
                raise ValueError(f"the link {name} leads outside of the package")
        if os.name == "nt":
            return  # Windows cannot open a folder
        for folder in self._folders.values():
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def _make_folder(self, name: str) -> Path:
        """Return the folder of that name, and make it if it is missing; it and all above it are no links."""
        if name in self._folders:
            return self._folders[name]
        folder = self._make_folder(posixpath.dirname(name)) / posixpath.basename(name)
        try:
            folder.mkdir()
        except FileExistsError:
            if not stat.S_ISDIR(os.lstat(folder).st_mode):
                raise ValueError(f"{name} is a folder and something else") from None
        self._folders[name] = folder
        return folder

    def _make_link(self, name: str, target: Path, leads_to: str) -> None:
        if not leads_to or "\0" in leads_to or posixpath.isabs(leads_to):
            raise ValueError(f"the link {name} leads outside of the package, to {leads_to!r}")
        os.symlink(leads_to, target)
        self._links.append((name, target))

    def _linked_file(self, name: str, leads_to: str) -> Path:
        """Return the file, made already, that a hard link means."""
        path = plain_path(leads_to)
        folder = self._folders.get(posixpath.dirname(path))
        original = folder / posixpath.basename(path) if folder else None
        if original is None or not os.path.lexists(original) or not stat.S_ISREG(os.lstat(original).st_mode):
            raise ValueError(f"{name} is a link to {leads_to!r}, which is no file before it")
        return original


def _write_file(target: Path, member: TarMember, content: TarContent) -> None:
    with open(os.open(target, NEW_FILE, 0o600), "wb", buffering=0) as file:
        for piece in content.pieces():
            view = memoryview(piece)
            while view:
                view = view[file.write(view) :]
        os.fsync(file.fileno())
    os.chmod(target, member.mode & _PERMISSIONS | _OWNER_READS)
    # Python ignores compiled files whose sources have another time.
    time = min(max(member.mtime, _EARLIEST_TIME), _LATEST_TIME)
    os.utime(target, (time, time))
