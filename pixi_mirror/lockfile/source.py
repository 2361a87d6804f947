"""A lock file as a source, with no pixi on the machine: a `pixi.lock`, or a lock of another format."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from pixi_mirror.disk.files import hash_file, open_regular
from pixi_mirror.errors import WorkspaceError
from pixi_mirror.lockfile.formats.detection import PIXI, PREFIX, REQUIREMENTS, format_of
from pixi_mirror.lockfile.interface import SelectionResult
from pixi_mirror.lockfile.yaml_reader import SIZE_LIMIT
from pixi_mirror.model.packages import Layout
from pixi_mirror.model.request import LockReading, Request
from pixi_mirror.model.values import Sha256, Url, admit_sha256

if TYPE_CHECKING:  # a run with nothing to do must not import these
    from collections.abc import Callable, Mapping

    from pixi_mirror.lockfile.entries import Lock
    from pixi_mirror.lockfile.formats.requirements_file import RequirementsFile
    from pixi_mirror.lockfile.interface import IndexPages
    from pixi_mirror.model.network import IndexUser

MANIFEST_NAMES = ("pixi.toml", "pyproject.toml", "mojoproject.toml")
"""What pixi calls a manifest."""

_RULES = b"pixi-mirror reads locks by rules 8\n"
"""It changes whenever the same lock would give another result: then pins of an older program are renewed."""

_LOCAL_ARCHIVE = re.compile(
    rb"\n[ -]*(?:pypi|path|url): (?:file://)?([./][^\n]*\.(?:whl|zip|tar(?:\.[a-z0-9]+)?|t[gbx]z2?))[ \r]*(?=\n)"
    rb"|\n- conda: (?:file://)?([./][^\n]*\.(?:conda|tar\.bz2))[ \r]*\n(?!  sha256:)"
)
"""Where a lock names an archive of this machine and has no hash of it: version 7 has none of Python archives."""


_OPEN_FILES = ("/dev/fd/", "/dev/stdin", "/proc/")
"""Where the system shows the files that a process has open."""

_USER = re.compile(rb"://[^\s/?#]*@")
"""Where a URL of a lock has a user; without any, the lock is not read for them."""


class LockSource:
    """One lock file."""

    def __init__(
        self,
        path: Path,
        *,
        lock_format: str | None = None,
        index: str | None = None,
        pages: Callable[[Path], IndexPages] | None = None,
    ) -> None:
        """Take the path of a lock, of the directory that holds `pixi.lock`, or of a prefix; nothing is read yet.

        Args:
            path: of the lock.
            lock_format: one of `FORMATS`; None: the lock's name and content say it.
            index: URL of the Python index that has the files of a requirements file, perhaps with a user; None: the
                file or the configuration names one.
            pages: gives the index pages of other machines for a lock in this directory; None: they are not asked, so
                that a requirements file cannot be completed.
        """
        # Not `Path.is_dir`, which raises where a folder above cannot be searched, and not `Path.resolve`, which fails
        # on a circle of links before Python 3.13. What cannot be read is said when it is read.
        holds_lock = os.path.isdir(path) and not _is_prefix(path, lock_format)
        named = path / "pixi.lock" if holds_lock else path
        # A pipe, as a shell makes one for `<(git show HEAD:pixi.lock)`, has no other name.
        self._is_pipe = _is_pipe(named)
        self._path = named.absolute() if self._is_pipe else Path(os.path.realpath(named))
        self._lock_format = lock_format
        self._index = index
        self._data: bytes | None = None
        self._lock: Lock | None = None
        self._pages = pages
        self._requirements_read: RequirementsFile | None = None

    @property
    def location(self) -> Path:
        """The resolved path of the lock."""
        return self._path

    @property
    def reading(self) -> LockReading | None:
        """How the lock is read, as the user says it, without a secret; None: nothing is said."""
        if self._lock_format is None and self._index is None:
            return None
        return LockReading(
            format=self._lock_format, index=None if self._index is None else Url(self._index).stripped.rstrip("/")
        )

    @property
    def files(self) -> tuple[Path, ...]:
        """The lock, and what it includes, as far as that can be read."""
        try:
            included = self._requirements().included if self._found_format() == REQUIREMENTS else {}
        except WorkspaceError:  # whoever reads the lock says why
            included = {}
        return self._path, *included

    @property
    def manifest(self) -> None:
        """None: only the lock is read."""

    def digest(self) -> Sha256:
        """The sha256 of the lock with all that it includes, of the local archives without a hash, and of the rules.

        Raises:
            WorkspaceError: there is none, or it cannot be read.
        """
        digest = hashlib.sha256(_RULES + self._bytes())
        if self._found_format() != PIXI:
            digest.update(self._found_format().encode())
        if self._found_format() == REQUIREMENTS:
            if self.reading is not None and self.reading.index is not None:
                digest.update(self.reading.index.encode())
            for content in self._requirements().included.values():
                digest.update(hashlib.sha256(content).digest())
        for path in self._local_archives():
            with suppress(OSError):  # one that is not there is refused when the lock is read
                digest.update(hash_file(path)[0].encode())
        return admit_sha256(digest.hexdigest())

    def _local_archives(self) -> list[Path]:
        """The archives of this machine that the lock names without a hash."""
        if self._found_format() == PIXI:  # a search, because reading the whole lock takes longer
            names = {python or conda for python, conda in _LOCAL_ARCHIVE.findall(self._bytes())}
            return [self._path.parent / os.fsdecode(name) for name in sorted(names)]
        if self._found_format() == REQUIREMENTS:
            return self._requirements().local_archives(self._path.parent)
        from pixi_mirror.lockfile.formats.reading import local_archives

        return local_archives(self.read(), directory=self._path.parent)

    def _found_format(self) -> str:
        if os.path.isdir(self._path):
            return PREFIX
        return self._lock_format or format_of(self._path.name, self._bytes())

    def _bytes(self) -> bytes:
        if self._data is None:
            if self._path.name in MANIFEST_NAMES:
                raise WorkspaceError(
                    f"{self._path} is a manifest, and --lock takes a lock: name {self._path.with_name('pixi.lock')}, "
                    "or have pixi asked about the workspace with -m."
                )
            if os.path.isdir(self._path):
                from pixi_mirror.lockfile.formats.prefix import read_records

                self._data = read_records(self._path)
                return self._data
            try:
                # Else nothing but a regular file: a FIFO with a name would be waited for.
                opened = self._path if self._is_pipe else open_regular(self._path, follow_links=True)
                with open(opened, "rb") as file:
                    self._data = file.read(SIZE_LIMIT + 1)
            except (FileNotFoundError, NotADirectoryError):
                raise WorkspaceError(
                    f"there is no lock at {self._path}. Run `pixi lock` in the workspace, or name another file."
                ) from None
            except OSError as error:
                raise WorkspaceError(f"the lock {self._path} cannot be read: {error.strerror}.") from None
            if len(self._data) > SIZE_LIMIT:
                self._data = None
                raise WorkspaceError(f"the lock {self._path} is larger than {SIZE_LIMIT} bytes, so it is no real lock.")
        return self._data

    def read(self) -> Lock:
        """Read the lock; of a requirements file, find its files on index pages.

        Raises:
            WorkspaceError: there is none, or it cannot be read.
            FetchError: an index page that it needs cannot be read.
            UnmirrorableError: no index has a file that it needs.
        """
        if self._lock is None and self._found_format() == REQUIREMENTS:
            from pixi_mirror.lockfile.formats.requirements import lock_requirements

            file = self._requirements()
            if self._pages is None:
                raise WorkspaceError(
                    f"{self._path} is a requirements file, which has hashes and no URLs: its files are found on an "
                    "index, which only `update` and `diff` ask."
                )
            self._lock = lock_requirements(file, self._path, self._pages(self._path.parent), index=self._index)
        if self._lock is None:
            from pixi_mirror.lockfile.formats.reading import read_any_lock

            self._lock = read_any_lock(self._bytes(), lock_format=self._found_format(), name=str(self._path))
        return self._lock

    def refuse_damage(self) -> None:
        """Read the lock, as far as that needs no other machine.

        Raises:
            WorkspaceError: there is none, or it cannot be read.
        """
        if self._found_format() == REQUIREMENTS:
            self._requirements()
        else:
            self.read()

    def _requirements(self) -> RequirementsFile:
        if self._requirements_read is None:
            from pixi_mirror.lockfile.formats.requirements_file import read_requirements

            self._requirements_read = read_requirements(self._bytes(), self._path)
        return self._requirements_read

    def select(
        self, requests: tuple[Request, ...], *, subscription: str, workspace: str, layout: Layout
    ) -> SelectionResult:
        """Read what the requests want now.

        Raises:
            WorkspaceError: the lock cannot be read, or has no such environment.
            FetchError: an index page that it needs cannot be read.
            UnmirrorableError: no index has a file that it needs.
        """
        from pixi_mirror.lockfile.selection import Selection

        digest = self.digest()
        selection = Selection(self.read(), name=str(self._path), base=self._path.parent.as_uri() + "/", layout=layout)
        for request in requests:
            selection.add(request)
        return selection.result(subscription=subscription, workspace=workspace, requests=requests, source_sha256=digest)

    def index_users(self) -> Mapping[str, IndexUser]:
        """The users in the URLs of its indexes, by the URL without user and with a final slash.

        Raises:
            WorkspaceError: there is no lock, or it cannot be read.
        """
        if self._index is None and _USER.search(self._bytes()) is None:
            return {}
        from pixi_mirror.lockfile.index_users import index_users, users_in

        if self._found_format() == REQUIREMENTS:
            return users_in((*self._requirements().urls, self._index or ""))
        return index_users(self.read())


def _is_pipe(path: Path) -> bool:
    """Whether it is an open pipe of this process, as a shell makes one; a FIFO with a name of its own is none."""
    if not str(path.absolute()).startswith(_OPEN_FILES):
        return False
    with suppress(OSError):
        return stat.S_ISFIFO(os.stat(path).st_mode)
    return False


def _is_prefix(directory: Path, lock_format: str | None) -> bool:
    """Whether a directory is read as an installed prefix; a `pixi.lock` in it comes first."""
    if lock_format is not None:
        return lock_format == PREFIX
    return os.path.isdir(directory / "conda-meta") and not os.path.exists(directory / "pixi.lock")
