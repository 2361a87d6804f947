"""Obtain many files at once: threads that download and hash, and others that wait for the disk."""

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from pixi_mirror.cache.download import Verified, admit, downloaded, explain_size
from pixi_mirror.cache.store import Store
from pixi_mirror.errors import DiskFullError, PixiMirrorError
from pixi_mirror.fetch import Fetcher
from pixi_mirror.model import Package, Sha256
from pixi_mirror.report import Report

_SYNCING = 4
"""Threads that fsync, so that those that hash never wait for the disk."""

_UNSYNCED = 32
"""Files that may wait to be synced; each is open."""

_POLL_S = 0.5
"""How often the waiting main thread looks up; a signal must reach it on every system."""


@dataclass(frozen=True, slots=True)
class Obtained:
    """A package whose verified bytes stand in the store."""

    package: Package
    path: Path
    sha256: Sha256
    size: int


@dataclass(frozen=True, slots=True)
class Failed:
    """A package that could not be had."""

    package: Package
    error: PixiMirrorError


Outcome: TypeAlias = Obtained | Failed

_Group: TypeAlias = list[Package]
"""Packages with the same bytes: fetched once, whatever their URLs."""


class Batch:
    """One batch of packages on its way into the store."""

    def __init__(self, store: Store, fetcher: Fetcher, report: Report, *, jobs: int) -> None:
        self._store = store
        self._fetcher = fetcher
        self._report = report
        self._jobs = jobs
        self._groups: queue.SimpleQueue[_Group] = queue.SimpleQueue()
        self._verified: queue.Queue[tuple[_Group, Verified] | None] = queue.Queue(_UNSYNCED)
        self._outcomes: queue.SimpleQueue[Outcome | BaseException | None] = queue.SimpleQueue()
        self._stopped = threading.Event()

    def obtain(self, packages: Iterable[Package], *, suspect: frozenset[Sha256] = frozenset()) -> Iterator[Outcome]:
        """Each package's outcome, as they come; all are tried, but for those left when the disk is full.

        A file of the store whose sha256 is `suspect` is hashed before it is believed.
        """
        groups = _grouped(packages)
        for group in groups:
            self._groups.put(group)
        fetching = self._started(min(self._jobs, len(groups)), lambda: self._fetch(suspect))
        syncing = self._started(min(_SYNCING, len(groups)), self._sync)
        self._started(1, lambda: self._finish(fetching, syncing))
        try:
            while (outcome := self._next()) is not None:
                yield outcome
            self._fetcher.close()  # not when stopped: it would wait for servers that have stalled
        finally:
            self._stopped.set()

    def _started(self, number: int, work: Callable[[], None]) -> list[threading.Thread]:
        # Daemons: after Ctrl-C nothing may wait for a server that has stalled.
        threads = [threading.Thread(target=self._guarded, args=(work,), daemon=True) for _ in range(number)]
        for thread in threads:
            thread.start()
        return threads

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that asked
            self._outcomes.put(error)

    def _finish(self, fetching: list[threading.Thread], syncing: list[threading.Thread]) -> None:
        for thread in fetching:
            thread.join()
        for _ in syncing:
            self._verified.put(None)
        for thread in syncing:
            thread.join()
        self._outcomes.put(None)

    def _next(self) -> Outcome | None:
        while True:
            try:
                outcome = self._outcomes.get(timeout=_POLL_S)
            except queue.Empty:
                continue
            if isinstance(outcome, BaseException):
                raise outcome
            return outcome

    def _fetch(self, suspect: frozenset[Sha256]) -> None:
        while not self._stopped.is_set():
            try:
                group = self._groups.get_nowait()
            except queue.Empty:
                return
            self._fetch_group(group, suspect)

    def _fetch_group(self, group: _Group, suspect: frozenset[Sha256]) -> None:
        failures = []
        for package in group:
            try:
                self._bring(package, group, suspect)
            except PixiMirrorError as error:
                failures.append(Failed(package, error))
                if isinstance(error, DiskFullError):
                    self._stopped.set()
            else:
                return
        self._fail(failures)

    def _bring(self, package: Package, group: _Group, suspect: frozenset[Sha256]) -> None:
        if self._delivered_from_store(group, suspect):
            return
        verified = downloaded(package, self._store, self._fetcher, self._report)
        if verified is not None:
            self._verified.put((group, verified))
        else:  # another process was quicker
            self._delivered_from_store(group, frozenset())

    def _delivered_from_store(self, group: _Group, suspect: frozenset[Sha256]) -> bool:
        sha256 = group[0].sha256
        size = None if sha256 is None else self._store.verified(sha256, suspect=sha256 in suspect)
        if sha256 is None or size is None:
            return False
        self._report.advance(size=size)
        self._deliver(group, sha256, size)
        return True

    def _sync(self) -> None:
        while (task := self._verified.get()) is not None:
            group, verified = task
            try:
                admit(verified, self._store)
            except PixiMirrorError as error:
                self._fail(Failed(package, error) for package in group)
            else:
                self._deliver(group, verified.sha256, verified.size)

    def _deliver(self, group: _Group, sha256: Sha256, size: int) -> None:
        for package in group:
            explain_size(package, size, self._report)
            self._report.advance(files=1)
            self._outcomes.put(Obtained(package, self._store.path(sha256), sha256, size))

    def _fail(self, failures: Iterable[Failed]) -> None:
        for failure in failures:
            self._report.advance(files=1)
            self._outcomes.put(failure)


def _grouped(packages: Iterable[Package]) -> list[_Group]:
    """Packages by their bytes, the largest first, so that no giant is left for the end."""
    groups: dict[str, _Group] = {}
    for package in packages:
        groups.setdefault(package.sha256 or package.path, []).append(package)
    return sorted(groups.values(), key=lambda group: (-(group[0].size or 0), group[0].path))
