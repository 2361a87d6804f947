"""Fetch deferred files at their first request: verified and stored before the first byte is sent.

All clients that request a file wait for one download of it into the shared cache. From there it is put into the mirror,
together with what else has come meanwhile. While another process writes the mirror, the file is served from the cache,
and is put into the mirror at a later request.

Downloads run in threads of their own, a few for each origin: a slow host delays only its own files. A client that has
left waits no longer, and a download that nobody waits for any more is not begun.
"""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from pixi_mirror.cache.batch import ObtainedPackage, obtain
from pixi_mirror.context import Context
from pixi_mirror.errors import BusyError, DiskFullError, FetchError, MachineError, PixiMirrorError, WrongBytesError
from pixi_mirror.mirror.upstream import UpstreamConnection, open_upstream
from pixi_mirror.model.packages import Package
from pixi_mirror.model.values import MirrorPath
from pixi_mirror.serve.access_log import timestamp
from pixi_mirror.serve.files import FileUnavailable, WaitForUpstream
from pixi_mirror.serve.pull_through.record import PinnedPackages, Recorder
from pixi_mirror.threads import start_thread

_FAILURE_LASTS_S = 5.0
"""How long clients get the same failure before upstream is asked again."""
_POLL_S = 0.1
"""How often a waiting thread looks whether its client has left."""
_RETRY_AFTER_S = 5
_CLIENT_LEFT = 499
"""In the log, as nginx has it; nobody receives it."""


class UpstreamFetch(NamedTuple):
    """The log entry of one file that was fetched from upstream, or could not be."""

    time_s: float
    """When the download began, in seconds since 1970."""
    path: MirrorPath
    upstream: str
    """Its URL, stripped of secrets."""
    status: int
    """Of the response to those who wait for it."""
    size: int
    """Bytes; 0 after a failure."""
    seconds: float
    error: str | None
    """None: it was fetched."""

    @property
    def line(self) -> str:
        """One line of JSON, ASCII alone, without its end."""
        entry = {
            "time": timestamp(self.time_s),
            "fetch": self.upstream,
            "path": self.path,
            "status": self.status,
            "bytes": self.size,
        }
        return json.dumps({**entry, "seconds": round(self.seconds, 6), "error": self.error})


@dataclass(slots=True)
class _Download:
    """A file that is fetched, or is to be."""

    package: Package
    clients: int = 0
    """Those that wait for it."""
    done: threading.Event = field(default_factory=threading.Event)
    where: Path | None = None
    """None: it is not done, or has failed."""
    failure: FileUnavailable | None = None
    forget_at_s: float = 0.0
    """When a failure no longer counts, by the monotonic clock; 0: it has not failed."""


@dataclass(slots=True)
class _Origin:
    """The downloads from one scheme, host and port."""

    pending: deque[_Download] = field(default_factory=deque)
    threads: int = 0


class PullThrough:
    """Fetches files that a server does not have; many threads may use it."""

    def __init__(self, root: Path, context: Context, *, log: Callable[[UpstreamFetch], None]) -> None:
        self._root = root
        self._context = context
        self._log = log
        self._pins = PinnedPackages(root)
        self._recorder = Recorder(root, context, self._pins)
        self._lock = threading.Lock()
        self._downloads: dict[MirrorPath, _Download] = {}
        self._origins: dict[str, _Origin] = {}
        self._opened: tuple[Mapping[MirrorPath, Package], UpstreamConnection] | None = None
        self._opening = threading.Lock()

    def __call__(self, path: MirrorPath, wait: WaitForUpstream) -> Path | None:
        """Fetch a file that the mirror pins and does not have, and say where it is; None: it pins no such file.

        Raises:
            FileUnavailable: it cannot be had now, too many clients wait, or this client has left.
        """
        package = self._pins.packages.get(path)
        if package is None:
            return None
        try:
            jobs = self._upstream().jobs
        except PixiMirrorError as error:
            raise _unavailable(error) from error
        failed = self._recent_failure(path)
        if failed is None:
            with wait() as has_left:
                download = self._join(package, jobs)
                try:
                    while not download.done.wait(_POLL_S):
                        if has_left():
                            raise FileUnavailable(_CLIENT_LEFT, "the client has left")
                finally:
                    with self._lock:
                        download.clients -= 1
            failed = download.failure
        if failed is not None:
            raise FileUnavailable(failed.status, failed.reason, retry_after_s=failed.retry_after_s)
        return download.where

    def _recent_failure(self, path: MirrorPath) -> FileUnavailable | None:
        with self._lock:
            now_s = time.monotonic()
            for old in [each for each, one in self._downloads.items() if 0 < one.forget_at_s <= now_s]:
                del self._downloads[old]
            known = self._downloads.get(path)
            return None if known is None else known.failure

    def _join(self, package: Package, jobs: int) -> _Download:
        """The download of a package, for one more client; it is begun, or queued, if there is none yet.

        Raises:
            FileUnavailable: the machine gives no thread for it.
        """
        with self._lock:
            download = self._downloads.get(package.path)
            if download is None:
                download = self._downloads[package.path] = _Download(package)
                name = _origin_of(package)
                origin = self._origins.setdefault(name, _Origin())
                origin.pending.append(download)
                if origin.threads < jobs and not self._start_thread(name, origin) and not origin.threads:
                    del self._downloads[package.path], self._origins[name]
                    raise FileUnavailable(503, "this machine is busy; come again", retry_after_s=_RETRY_AFTER_S)
            download.clients += 1
            return download

    def _start_thread(self, name: str, origin: _Origin) -> bool:
        """Start one more thread for an origin; whether the system gave one. The lock is held."""
        if not start_thread(partial(self._download_all, name)):
            return False
        origin.threads += 1
        return True

    def _download_all(self, name: str) -> None:
        while (download := self._next_download(name)) is not None:
            try:
                self._download(download)
            except BaseException as error:  # noqa: BLE001 - it is shown, and the next downloads need this thread
                shown = (type(error), error, error.__traceback__, threading.current_thread())
                threading.excepthook(threading.ExceptHookArgs(shown))

    def _next_download(self, name: str) -> _Download | None:
        """The next download from an origin that a client waits for; None: there is none, and this thread ends."""
        with self._lock:
            origin = self._origins[name]
            while origin.pending:
                download = origin.pending.popleft()
                if download.clients:
                    return download
                del self._downloads[download.package.path]
            origin.threads -= 1
            if not origin.threads:
                del self._origins[name]
            return None

    def _download(self, download: _Download) -> None:
        path = download.package.path
        try:
            download.where = self._fetch_and_record(download.package)
        except FileUnavailable as failure:
            download.failure = failure
        except BaseException:
            download.failure = FileUnavailable(500, "the file could not be fetched")
            raise
        finally:
            with self._lock:
                if download.failure is None:
                    del self._downloads[path]  # the next client finds the file in the mirror, or in the cache
                else:
                    download.forget_at_s = time.monotonic() + _FAILURE_LASTS_S
            download.done.set()

    def _fetch_and_record(self, package: Package) -> Path:
        began_s, began = time.time(), time.monotonic()

        def log(status: int, size: int, error: str | None) -> None:
            seconds = time.monotonic() - began
            self._log(UpstreamFetch(began_s, package.path, package.url.stripped, status, size, seconds, error))

        try:
            upstream = self._upstream()
            with upstream.store.used():
                obtained, is_new = self._obtain(package, upstream)
                if is_new:
                    log(200, obtained.size, None)
                return self._recorder.record(obtained, upstream.store)
        except PixiMirrorError as error:
            failure = _unavailable(error)
            log(failure.status, 0, str(error))
            raise failure from error

    def _obtain(self, package: Package, upstream: UpstreamConnection) -> tuple[ObtainedPackage, bool]:
        if package.sha256 is None:
            raise MachineError(f"{package.path} has no hash")
        return obtain(package, package.sha256, upstream.store, upstream.fetcher, self._context.progress)

    def _upstream(self) -> UpstreamConnection:
        """What fetches the pinned packages; it depends on their hosts and the settings, so it is made anew with them.

        Raises:
            MachineError: a settings file does not parse.
        """
        packages = self._pins.packages
        with self._opening:
            if self._opened is None or self._opened[0] is not packages:
                self._opened = packages, open_upstream(self._context, packages.values(), self._recorder.tree)
            return self._opened[1]


def _origin_of(package: Package) -> str:
    parts = urlsplit(package.url.stripped)
    return f"{parts.scheme}://{parts.netloc}"


def _unavailable(error: PixiMirrorError) -> FileUnavailable:
    """What a client gets for an error; the message stands in the log alone, because it may name local files."""
    match error:
        case WrongBytesError():
            return FileUnavailable(502, "upstream sends other bytes than are pinned; nothing of them was stored")
        case FetchError(lasting=True):
            return FileUnavailable(502, "upstream does not give the file that is pinned")
        case FetchError():
            return FileUnavailable(504, "upstream does not answer now; come again")
        case DiskFullError():
            return FileUnavailable(507, "the disk has no space for the file")
        case BusyError():
            return FileUnavailable(503, "the cache is being pruned; come again", retry_after_s=_RETRY_AFTER_S)
    return FileUnavailable(500, "the file could not be fetched")
