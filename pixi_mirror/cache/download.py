"""Fetch one file into the store: downloaded, verified, then synced and named, or nothing of it."""

import hashlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pixi_mirror.cache.partial import Partial
from pixi_mirror.cache.store import Store
from pixi_mirror.disk.files import explain_errors, make_read_only
from pixi_mirror.disk.lock import wait_for_lock
from pixi_mirror.errors import MachineError, WrongBytesError
from pixi_mirror.http.fetcher import Fetcher
from pixi_mirror.model.packages import Package
from pixi_mirror.model.values import Sha256, Url, admit_sha256
from pixi_mirror.progress import Progress

_SLACK = 1 << 20
"""A record's size may be stale under the right sha256 (178 real files), so a body may be this much longer."""

_LONGEST = 1 << 34
"""The longest body, in bytes, where the lock says no size."""


@dataclass(frozen=True, slots=True)
class VerifiedDownload:
    """A downloaded file with the right bytes, open and locked, still to be synced and named."""

    partial: Partial
    sha256: Sha256
    size: int


def download(package: Package, store: Store, fetcher: Fetcher, progress: Progress) -> VerifiedDownload | None:
    """The package's bytes, verified; None: another process has put them into the store meanwhile.

    Raises:
        FetchError: they could not be had.
        WrongBytesError: they are not what was promised; nothing of them is kept.
        MachineError: the disk refuses.
    """
    path = store.partial / _key(package)
    with explain_errors("write", path):
        partial = _opened(path, package, store, progress)
        if partial is None:
            return None
        with _closed_on_error(partial):
            partial.resume()
            resumed = partial.offset > 0
            _fetch(package, partial, fetcher)
            if resumed and _complaint(package, partial):
                # What an earlier run left was poisoned; once more from zero, and only once.
                partial.begin(0, None)
                _fetch(package, partial, fetcher)
            if complaint := _complaint(package, partial):
                partial.discard()
                raise WrongBytesError(complaint)
            make_read_only(partial.descriptor)
            return VerifiedDownload(partial, admit_sha256(partial.sha256), partial.offset)


def _key(package: Package) -> str:
    if package.kind == "git":  # whatever its bytes were before: git packs the same objects in more than one way
        return "git-" + hashlib.sha256(package.path.encode()).hexdigest()
    return package.sha256 or "url-" + hashlib.sha256(package.url.stripped.encode()).hexdigest()


def _opened(path: Path, package: Package, store: Store, progress: Progress) -> Partial | None:
    while True:
        partial = Partial(path, progress, with_md5=package.sha256 is None and package.md5 is not None)
        with _closed_on_error(partial):
            current = wait_for_lock(partial.descriptor, path)
        if current and partial.has_other_names:  # planted: writing would spoil what the other name is for
            path.unlink()
            partial.close()
            continue
        has_arrived = package.sha256 is not None and store.verified(package.sha256, suspect=False) is not None
        if current and not has_arrived:
            return partial
        if current:  # it came between our look at the store and the making of this file
            partial.discard()
        partial.close()
        if has_arrived:
            return None


@contextmanager
def _closed_on_error(partial: Partial) -> Iterator[None]:
    try:
        yield
    except BaseException:
        partial.close()
        raise


def _fetch(package: Package, partial: Partial, fetcher: Fetcher) -> None:
    limit = _LONGEST if package.size is None else package.size + _SLACK
    try:
        fetcher.download(_url_to_ask(package), partial, limit=limit)
    except (OSError, WrongBytesError):
        partial.discard()  # a full disk needs the space, and a body that is too long is of no use
        raise


def _url_to_ask(package: Package) -> Url:
    """The URL of a package; a recorded one of a git source has lost its fragment, which is the commit."""
    if package.kind != "git":
        return package.url
    return Url(f"{package.url.raw.partition('#')[0]}#{package.version}")


def _complaint(package: Package, partial: Partial) -> str | None:
    if package.kind == "git":
        return None  # the commit's hash is the promise, and git has kept it
    if package.sha256 is not None:
        algorithm, expected, found = "sha256", str(package.sha256), partial.sha256
    elif package.md5 is not None:
        algorithm, expected, found = "md5", str(package.md5), str(partial.md5)
    else:
        return None
    if expected == found:
        return None
    size = "" if package.size in (None, partial.offset) else f" and {package.size} bytes"
    return (
        f"{package.url}: expected {algorithm} {expected}{size}, found {found} and {partial.offset} bytes. Nothing "
        "of it was kept. A proxy or login page may answer in its place; if the file was replaced upstream, the lock "
        "must be solved again."
    )


def admit_download(verified: VerifiedDownload, store: Store) -> None:
    """Sync a verified file and give it its name in the store.

    Raises:
        MachineError: the disk refuses; nothing is kept.
    """
    partial = verified.partial
    try:
        with explain_errors("write", partial.path):
            os.fsync(partial.descriptor)
            if sys.platform == "win32":
                partial.close()  # an open file cannot be renamed there
            # Renamed while locked: who waits for this file must see that its name is gone.
            store.admit(partial.path, verified.sha256)
            partial.forget_note()
    except MachineError:
        partial.discard()
        raise
    finally:
        if sys.platform != "win32":
            partial.close()


def warn_of_size(package: Package, size: int, progress: Progress) -> None:
    """Warn of a size that the lock has wrong; the sha256 decided."""
    if package.size not in (None, size):
        progress.warn(f"{package.path}: the lock says {package.size} bytes, the file with its sha256 has {size}")
