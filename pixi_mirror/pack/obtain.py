"""Have every file of a pack on this machine and verified: from the store, from a mirror, or from pixi-pack's cache."""

import os
import shlex
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pixi_mirror.cache.batch import Batch, FailedPackage, ObtainedPackage
from pixi_mirror.cache.store import SIGNATURE, TAG
from pixi_mirror.disk.directories import make_directory, sync_directories
from pixi_mirror.disk.files import explain_errors, fresh_name, hash_file, read_bytes, write_synced
from pixi_mirror.disk.links import link_or_copy
from pixi_mirror.errors import MachineError
from pixi_mirror.mirror.tree import Tree
from pixi_mirror.model.packages import Package
from pixi_mirror.model.values import Sha256
from pixi_mirror.progress import Progress
from pixi_mirror.threads import ThreadPool

_TAG = SIGNATURE + b"\n# Packages that pixi-pack and pixi-mirror fetched; they can fetch them again.\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadyFile:
    """A package whose verified bytes are in a file of this machine."""

    package: Package
    path: Path
    sha256: Sha256
    size: int

    @property
    def file_name(self) -> str:
        """What the file is called in a pack, and everywhere else."""
        return self.package.path.rpartition("/")[2]


def take_from_store(packages: Iterable[Package], batch: Batch) -> tuple[list[ReadyFile], list[FailedPackage]]:
    """Obtain packages with `batch`, whose store must be in use: what is there now, and what could not be had."""
    ready, failed = [], []
    for outcome in batch.obtain(packages):
        match outcome:
            case ObtainedPackage():
                ready.append(
                    ReadyFile(package=outcome.package, path=outcome.path, sha256=outcome.sha256, size=outcome.size)
                )
            case FailedPackage():
                failed.append(outcome)
    return ready, sorted(failed, key=lambda each: each.package.path)


def take_from_mirror(packages: Iterable[Package], tree: Tree, *, bring: str) -> list[ReadyFile]:
    """The files of a mirror with these packages, wherever in it they lie.

    Args:
        packages: what is wanted.
        tree: the mirror.
        bring: the command that brings what it never had.

    Raises:
        MachineError: it does not have some of them; they are all named.
    """
    stored = tree.inventory.stored
    places = {content.sha256: path for path, content in stored.items()}
    ready, missing, is_lost = [], [], True
    for package in packages:
        place = package.path if package.sha256 is None else places.get(package.sha256, package.path)
        content, path = stored.get(place), tree.path(place)
        if content is None or package.sha256 not in (None, content.sha256) or not path.is_file():
            missing.append(package.path)
            is_lost &= content is not None and package.sha256 in (None, content.sha256)
        else:
            ready.append(ReadyFile(package=package, path=path, sha256=content.sha256, size=content.size))
    if missing:
        remedy = f"pixi-mirror verify --repair {shlex.quote(str(tree.root))}" if is_lost else bring
        summary = f"the mirror {tree.root} lacks {len(missing)} of the files to pack. `{remedy}` brings them:"
        raise MachineError("\n  ".join([summary, *missing]), items=missing)
    return ready


class OldCache:
    """A folder of packages as pixi-pack keeps it, `<subdir>/<file>` and `pypi/<wheel>`; none of it is trusted."""

    def __init__(self, root: Path, progress: Progress) -> None:
        self._root = root
        self._progress = progress

    def found(self, packages: Iterable[Package]) -> list[ReadyFile]:
        """Those that it has with the right bytes; of a wrong one a warning is given, and `keep` replaces it.

        Raises:
            MachineError: a file of it cannot be read.
        """
        packages = [package for package in packages if package.sha256 is not None]  # a name alone tells nothing
        with ThreadPool(os.cpu_count() or 1) as pool:
            looked = pool.map(_hashed, [self._path(package) for package in packages])
            return [
                found
                for package, measured in zip(packages, looked, strict=True)
                if (found := self._right(package, measured))
            ]

    def _right(self, package: Package, measured: tuple[Sha256, int] | None) -> ReadyFile | None:
        """The file of a package, given what was found there; None: it is none."""
        path = self._path(package)
        if measured is None:
            return None
        sha256, size = measured
        if sha256 == package.sha256:
            return ReadyFile(package=package, path=path, sha256=sha256, size=size)
        self._progress.warn(
            f"{path}: expected sha256 {package.sha256}, found {sha256}; it is not used, and fetched anew."
        )
        return None

    def keep(self, ready: Iterable[ReadyFile]) -> None:
        """Put files into it that it lacks, each whole or not at all.

        Raises:
            MachineError: it cannot be written.
            WrongBytesError: a file has changed since it was verified.
        """
        unsynced: set[Path] = set()
        for each in ready:
            target = self._path(each.package)
            with explain_errors("write the cached file", target):
                unsynced |= {target.parent, *make_directory(target.parent)}
                link_or_copy(each.path, target, sha256=each.sha256, temporary=_beside(target))
        with explain_errors("write the cache", self._root):
            sync_directories(unsynced)

    def tag(self) -> None:
        """Make the folder, marked as a cache, unless it is.

        Raises:
            MachineError: it cannot be written.
        """
        tag = self._root / TAG
        with explain_errors("make the cache", self._root):
            make_directory(self._root)
            with suppress(FileNotFoundError):
                if read_bytes(tag).startswith(SIGNATURE):
                    return
            write_synced(tag, _TAG, temporary=_beside(tag))

    def _path(self, package: Package) -> Path:
        folder = "pypi" if package.kind == "pypi" else str(package.subdir)
        return self._root / folder / package.path.rpartition("/")[2]


def _hashed(path: Path) -> tuple[Sha256, int] | None:
    """The sha256 and size of a file; None: there is none."""
    with explain_errors("read the cached file", path):
        try:
            sha256, status = hash_file(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
    return sha256, status.st_size


def _beside(target: Path) -> Path:
    return target.with_name(f".{fresh_name()}.partial")
