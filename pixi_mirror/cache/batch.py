"""Obtain many files at once: threads that download and hash, and others that wait for the disk."""

import os
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from pixi_mirror.cache.download import VerifiedDownload, admit_download, download, warn_of_size
from pixi_mirror.cache.partial import note_path
from pixi_mirror.cache.store import Store
from pixi_mirror.errors import DiskFullError, FetchError, MachineError, PixiMirrorError
from pixi_mirror.http.fetcher import Fetcher
from pixi_mirror.model.packages import Package
from pixi_mirror.model.values import Sha256
from pixi_mirror.progress import Progress
from pixi_mirror.threads import start_thread

_SYNCING = 4
"""Threads that fsync, so that those that hash never wait for the disk."""

_UNSYNCED = 32
"""Files that may wait to be synced; each is open."""

_POLL_S = 0.05
"""How often the waiting main thread looks up: for signals, and whether to download more at a time."""

_BUSY = 0.8
"""Seconds of processor time a second from which on more threads would not help."""


@dataclass(frozen=True, slots=True)
class ObtainedPackage:
    """A package whose verified bytes are in the store."""

    package: Package
    path: Path
    sha256: Sha256
    size: int


@dataclass(frozen=True, slots=True)
class FailedPackage:
    """A package that could not be had."""

    package: Package
    error: PixiMirrorError


Outcome: TypeAlias = ObtainedPackage | FailedPackage


@dataclass(frozen=True, slots=True)
class _WorkerEnd:
    """A thread has ended."""

    kind: Literal["fetching", "syncing"]


_Group: TypeAlias = list[Package]
"""Packages with the same bytes: fetched once, whatever their URLs."""


class Batch:
    """One batch of packages on its way into the store.

    It begins with as many downloads as the machine has cores and adds one at a time, up to `jobs`, while they leave the
    processor idle: beyond that, threads only fight for the interpreter (eight took a third longer than two where the
    server was as fast as this machine).
    """

    def __init__(self, store: Store, fetcher: Fetcher, progress: Progress, *, jobs: int) -> None:
        self._store = store
        self._fetcher = fetcher
        self._progress = progress
        self._jobs = jobs
        self._groups: queue.SimpleQueue[_Group] = queue.SimpleQueue()
        self._verified: queue.Queue[tuple[_Group, VerifiedDownload] | None] = queue.Queue(_UNSYNCED)
        self._outcomes: queue.SimpleQueue[Outcome | BaseException | _WorkerEnd] = queue.SimpleQueue()
        self._stopped = threading.Event()
        self._suspect: frozenset[Sha256] = frozenset()
        self._fetching = self._syncing = 0
        self._looked_at = (0.0, 0.0)

    def obtain(self, packages: Iterable[Package], *, suspect: frozenset[Sha256] = frozenset()) -> Iterator[Outcome]:
        """Fetch packages and yield the outcome of each, in any order. All are tried, unless the disk is full.

        A file of the store whose sha256 is `suspect` is hashed before it is believed.

        Raises:
            MachineError: the machine gives no thread for it.
        """
        groups = _grouped(packages)
        for group in groups:
            self._groups.put(group)
        self._suspect = suspect
        syncing, fetching = min(_SYNCING, len(groups)), min(self._jobs, len(groups), os.cpu_count() or 1)
        # One of each first: a machine may give no more than two threads.
        for number in range(max(syncing, fetching)):
            if number < syncing:
                self._syncing += self._start(self._sync, "syncing")
            if number < fetching:
                self._start_fetching()
        if groups and not (self._fetching and self._syncing):
            self._stopped.set()
            for _ in range(self._syncing):
                self._verified.put(None)
            raise MachineError(
                "this machine gives no threads to fetch with. Nothing was fetched: end other programs, or raise the "
                "limit (ulimit -u, or the number of processes of the container)."
            )
        try:
            while self._fetching or self._syncing:
                outcome = self._next()
                if isinstance(outcome, _WorkerEnd):
                    self._note_end(outcome)
                elif outcome is not None:
                    yield outcome
                self._grow()
            self._fetcher.close()  # not when stopped: it would wait for servers that have stalled
        finally:
            self._stopped.set()

    def _start_fetching(self) -> None:
        self._fetching += self._start(self._fetch, "fetching")

    def _start(self, work: Callable[[], None], kind: Literal["fetching", "syncing"]) -> bool:
        """Start a thread; whether the machine gave one. Those that there are go on without it."""

        def guarded() -> None:
            try:
                work()
            except BaseException as error:  # noqa: BLE001 - raised again in the calling thread
                self._outcomes.put(error)
            self._outcomes.put(_WorkerEnd(kind))

        # A daemon: after Ctrl-C nothing may wait for a server that has stalled.
        return start_thread(guarded)

    def _next(self) -> "Outcome | _WorkerEnd | None":
        try:
            outcome = self._outcomes.get(timeout=_POLL_S)
        except queue.Empty:
            return None
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    def _note_end(self, ended: "_WorkerEnd") -> None:
        if ended.kind == "syncing":
            self._syncing -= 1
            return
        self._fetching -= 1
        if not self._fetching:
            for _ in range(self._syncing):
                self._verified.put(None)

    def _grow(self) -> None:
        """Start one more download if there are some left and the processor was idle since the last look."""
        then, used_then = self._looked_at
        now = time.monotonic()
        if now - then < _POLL_S or self._fetching >= self._jobs or self._groups.empty() or not self._fetching:
            return
        used = time.process_time()
        self._looked_at = (now, used)
        if used - used_then < _BUSY * (now - then):
            self._start_fetching()

    def _fetch(self) -> None:
        while not self._stopped.is_set():
            try:
                group = self._groups.get_nowait()
            except queue.Empty:
                return
            self._fetch_group(group)

    def _fetch_group(self, group: _Group) -> None:
        failures = []
        for package in group:
            try:
                self._bring(package, group)
            except PixiMirrorError as error:
                failures.append(FailedPackage(package, error))
                if isinstance(error, DiskFullError):
                    self._stopped.set()
            else:
                return
        self._fail(failures)

    def _bring(self, package: Package, group: _Group) -> None:
        if self._delivered_from_store(group, self._suspect):
            return
        verified = download(package, self._store, self._fetcher, self._progress)
        if verified is not None:
            self._verified.put((group, verified))
        elif not self._delivered_from_store(group, frozenset()):  # another process was quicker
            raise _gone_again(package)

    def _delivered_from_store(self, group: _Group, suspect: frozenset[Sha256]) -> bool:
        sha256 = group[0].sha256
        size = None if sha256 is None else self._store.verified(sha256, suspect=sha256 in suspect)
        if sha256 is None or size is None:
            return False
        with suppress(OSError):  # left by a run that was killed right after it had named the file
            note_path(self._store.partial / sha256).unlink()
        self._progress.advance(size=size)
        self._deliver(group, sha256, size)
        return True

    def _sync(self) -> None:
        while (task := self._verified.get()) is not None:
            group, verified = task
            try:
                admit_download(verified, self._store)
            except PixiMirrorError as error:
                self._fail(FailedPackage(package, error) for package in group)
            else:
                self._deliver(group, verified.sha256, verified.size)

    def _deliver(self, group: _Group, sha256: Sha256, size: int) -> None:
        for package in group:
            warn_of_size(package, size, self._progress)
            self._progress.advance(files=1)
            self._outcomes.put(ObtainedPackage(package, self._store.path(sha256), sha256, size))

    def _fail(self, failures: Iterable[FailedPackage]) -> None:
        for failure in failures:
            self._progress.advance(files=1)
            self._outcomes.put(failure)


def _grouped(packages: Iterable[Package]) -> list[_Group]:
    """Packages by their bytes, the largest first, so that no giant is left for the end."""
    groups: dict[str, _Group] = {}
    for package in packages:
        groups.setdefault(package.sha256 or package.path, []).append(package)
    return sorted(groups.values(), key=lambda group: (-(group[0].size or 0), group[0].path))


def obtain(
    package: Package, sha256: Sha256, store: Store, fetcher: Fetcher, progress: Progress
) -> tuple[ObtainedPackage, bool]:
    """The package's verified bytes in the store, and whether they were fetched for it; `store` is in use.

    Raises:
        FetchError: they could not be had.
        WrongBytesError: they are not what was promised; nothing of them is kept.
        MachineError: the disk refuses.
    """
    size = store.verified(sha256, suspect=False)
    if size is not None:
        return ObtainedPackage(package, store.path(sha256), sha256, size), False
    verified = download(package, store, fetcher, progress)
    if verified is not None:
        admit_download(verified, store)
        return ObtainedPackage(package, store.path(sha256), verified.sha256, verified.size), True
    size = store.verified(sha256, suspect=False)  # another process was quicker
    if size is None:
        raise _gone_again(package)
    return ObtainedPackage(package, store.path(sha256), sha256, size), False


def _gone_again(package: Package) -> FetchError:
    return FetchError(f"{package.url}: another process fetched it, and it is gone again; ask once more.")
