"""Fill rattler's package cache, which pixi installs from, beside a pixi that may be using it.

The layout is rattler's: `<name>-<version>-<build>/` holds an extracted package, `<name>-<version>-<build>.lock` its
revision (8 bytes, big-endian) and the sha256 of its archive (32 bytes), and who installs locks `.cache.lock`. A package
is extracted in a workshop of ours beside the entries and renamed into its place, so an entry is never there by halves.
"""

import hashlib
import json
import os
import stat
import struct
from collections.abc import Collection, Generator, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pixi_mirror.conda.extract import extract_conda
from pixi_mirror.disk.directories import make_directory, remove_leftover, sync_directories
from pixi_mirror.disk.files import NO_LINK, explain_errors, fresh_name, open_regular, read_bytes
from pixi_mirror.disk.lock import WAITING, lock_file
from pixi_mirror.errors import BusyError, DiskFullError, MachineError, PixiMirrorError, WrongBytesError
from pixi_mirror.model.packages import Package
from pixi_mirror.model.values import MirrorPath, Sha256
from pixi_mirror.suggest import advised
from pixi_mirror.threads import ThreadPool

_GLOBAL_LOCK = ".cache.lock"
_WORKSHOP = ".pixi-mirror-"
_WORKSHOP_LOCK = "lock"
_REVISION = struct.Struct(">Q")
_METADATA = _REVISION.size + hashlib.sha256().digest_size


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """An archive of the mirror that is to become an entry of the cache."""

    mirror: Path
    name: str
    """Of the entry."""
    path: MirrorPath
    archive: Path
    """The same, on disk."""
    sha256: Sha256
    size: int
    """In bytes, of the archive."""


def entry_name(package: Package) -> str:
    """How rattler calls the entry of a conda package; neither channel nor subdir nor format are part of it.

    Raises:
        WrongBytesError: name, version or build cannot be part of a file name.
    """
    name = f"{package.name.lower()}-{package.version}-{package.build}"
    if name.startswith(".") or any(letter in name for letter in "/\\\0"):
        raise WrongBytesError(f"{package.path} calls itself {name!r}, and nothing in a package cache can be called so.")
    return name


class _Ended(Exception):
    """The others have ended, so this one need not go on."""


class PackageCache:
    """A package cache on disk, which other programs use at the same time."""

    def __init__(self, root: Path) -> None:
        """The folder `pkgs` of pixi's cache, which need not be there."""
        self.root = root
        self._ended = False

    def has(self, name: str, sha256: Sha256) -> bool:
        """Whether an entry is there, was made of the archive with that sha256, and can be installed from.

        Raises:
            MachineError: it cannot be read.
        """
        with explain_errors("read the package cache", self.root):
            try:
                recorded = read_bytes(self._lock(name))
                is_folder = stat.S_ISDIR(os.lstat(self.root / name).st_mode)
            except (FileNotFoundError, NotADirectoryError):
                return False
            return is_folder and recorded[_REVISION.size :] == bytes.fromhex(sha256) and _is_whole(self.root / name)

    @property
    def has_litter(self) -> bool:
        """Whether somebody has a workshop here: one that was killed, or is at work."""
        with explain_errors("read the package cache", self.root):
            return any(self.root.glob(f"{_WORKSHOP}*"))

    def fill(
        self, waiting: Collection[Waiting], *, jobs: int, timeout_s: float
    ) -> Generator[PixiMirrorError | Waiting, None, None]:
        """Make the entries, each at once or not at all; what is made, or why it could not be, in the order given.

        What killed runs have left is cleared first.

        Raises:
            BusyError: another process held a lock of the cache for `timeout_s` seconds.
            MachineError: the cache cannot be made or written.
        """
        self._ended = False
        with explain_errors("make the package cache", self.root):
            sync_directories(make_directory(self.root))
        with self._workshop(timeout_s) as workshop:
            pool = ThreadPool(jobs)
            try:
                extracted = [(each, pool.submit(self._extracted, each, workshop / each.name)) for each in waiting]
                for each, future in extracted:
                    try:
                        self._put(each, future.result(), workshop, timeout_s)
                    except (BusyError, DiskFullError):
                        raise
                    except PixiMirrorError as error:
                        yield error
                    else:
                        yield each
            finally:
                self._ended = True
                pool.shutdown(cancel_futures=True)

    def _lock(self, name: str) -> Path:
        return self.root / f"{name}.lock"

    @contextmanager
    def _locked(self, path: Path, timeout_s: float) -> Iterator[None]:
        """Hold a lock file of rattler's, which keeps its content."""
        with explain_errors("open the lock file", path):
            # With the mode that rattler gives it: other users of a shared cache have to open it, too.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | NO_LINK, 0o666))
        what = f"the package cache {self.root}, at {path.name}"
        with lock_file(path, timeout_s=timeout_s, signed=False, what=what, advice=WAITING):
            yield

    @contextmanager
    def _workshop(self, timeout_s: float) -> Iterator[Path]:
        """A folder of ours beside the entries, known by its lock to be in use, and gone afterwards."""
        where = self.root / f"{_WORKSHOP}{fresh_name()}"
        held = ExitStack()
        # Nobody clears a workshop between its making and its locking, for that is done under the same lock.
        with self._locked(self.root / _GLOBAL_LOCK, timeout_s):
            self._clear_litter()
            with explain_errors("write", where):
                where.mkdir(mode=0o700)
            held.enter_context(lock_file(where / _WORKSHOP_LOCK, timeout_s=0, what=f"{where}"))
        try:
            yield where
        finally:
            with held, suppress(OSError):  # what cannot be removed is cleared by the next run
                remove_leftover(where)

    def _clear_litter(self) -> None:
        for each in self.root.glob(f"{_WORKSHOP}*"):
            # Another run is at work there, has just removed it, or was another user's.
            with (
                suppress(BusyError, MachineError, OSError),
                lock_file(each / _WORKSHOP_LOCK, timeout_s=0, what=f"{each}"),
            ):
                remove_leftover(each)

    def _extracted(self, waiting: Waiting, folder: Path) -> Path:
        """The package, verified and then extracted; nothing is left of one that is wrong."""
        try:
            with explain_errors("extract", f"{waiting.path} to {folder}"):
                folder.mkdir()
                self._extract(waiting, folder)
        except BaseException:
            with suppress(OSError):
                remove_leftover(folder)
            raise
        return folder

    def _extract(self, waiting: Waiting, folder: Path) -> None:
        try:
            file = open(open_regular(waiting.archive), "rb")  # noqa: SIM115 - it is closed below
        except (FileNotFoundError, NotADirectoryError):
            raise missing(waiting.mirror, waiting.path) from None
        with file:
            before = os.fstat(file.fileno())
            found = hashlib.file_digest(file, "sha256").hexdigest()
            if found != waiting.sha256:
                raise _wrong(waiting, f"expected sha256 {waiting.sha256}, found {found}")
            file.seek(0)
            try:
                extract_conda(file, folder, file_name=waiting.path, before_each=self._refuse_ended)
            except ValueError as error:
                raise _wrong(waiting, f"it cannot be extracted: {error}") from error
            after = os.fstat(file.fileno())
            if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
                raise _wrong(waiting, "it was written to while it was extracted")
        if not _is_whole(folder):
            raise _wrong(waiting, "its info/index.json or info/paths.json is missing or does not parse")

    def _refuse_ended(self) -> None:
        if self._ended:
            raise _Ended

    def _put(self, waiting: Waiting, folder: Path, workshop: Path, timeout_s: float) -> None:
        """Put an extracted package into its place, unless another process has been faster."""
        target = self.root / waiting.name
        with (
            self._locked(self.root / _GLOBAL_LOCK, timeout_s),
            self._locked(self._lock(waiting.name), timeout_s),
        ):
            if self.has(waiting.name, waiting.sha256):
                with explain_errors("remove", folder):
                    remove_leftover(folder)
                return
            with explain_errors("write", target):
                if os.path.lexists(target):
                    os.rename(target, workshop / fresh_name())  # a folder that is not empty cannot be replaced
                    sync_directories([self.root])
                # First: were it killed in between, a folder would stand there as made of another archive, or of any.
                _record(self._lock(waiting.name), waiting.sha256)
                os.rename(folder, target)
                sync_directories([self.root])


def missing(mirror: Path, path: MirrorPath) -> MachineError:
    """What is to be said of a package that the mirror does not have."""
    return MachineError(
        f"{path} is missing in the mirror; {advised('update', mirror)} brings it, or "
        f"{advised('verify --repair', mirror)}."
    )


def _wrong(waiting: Waiting, what: str) -> WrongBytesError:
    return WrongBytesError(
        f"{waiting.path}: {what}; it was not put into the package cache. If {advised('verify', waiting.mirror)} finds "
        f"it wrong, {advised('verify --repair', waiting.mirror)} fetches it again."
    )


def _is_whole(folder: Path) -> bool:
    """Whether rattler would install from an extracted package; it reads these documents of it and no others."""
    index = _document(folder / "info" / "index.json")
    if not isinstance(index, dict) or not {"name", "version", "build"} <= index.keys():
        return False
    paths = _document(folder / "info" / "paths.json")
    if paths is None:
        return (folder / "info" / "files").is_file()  # packages of long ago
    return isinstance(paths, dict) and isinstance(paths.get("paths"), list)


def _document(path: Path) -> object:
    """What a JSON file says; None: it is not there; False: it is no JSON."""
    try:
        found: object = json.loads(read_bytes(path))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, RecursionError):
        return False
    return found


def _record(lock: Path, sha256: Sha256) -> None:
    """Count the revision up and name the archive, in place: a new file would not be the one that others have locked."""
    with open(os.open(lock, os.O_RDWR | NO_LINK), "r+b", buffering=0) as file:
        old = file.read(_REVISION.size)
        revision = _REVISION.unpack(old)[0] + 1 if len(old) == _REVISION.size else 1
        file.seek(0)
        file.write(_REVISION.pack(revision % 2**64) + bytes.fromhex(sha256))
        file.truncate(_METADATA)
        os.fsync(file.fileno())
