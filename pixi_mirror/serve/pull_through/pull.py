"""Bring deferred files when they are first asked for: verified and kept before the first byte is sent.

All who ask for a file wait for one download of it into the shared cache. From there it is put into the mirror, with
whatever else has come meanwhile, unless another process is writing it: then it is shown from the cache, and put into
the mirror when it is asked for again.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from pixi_mirror.cache.batch import ObtainedPackage, obtain
from pixi_mirror.context import Context
from pixi_mirror.errors import BusyError, DiskFullError, FetchError, MachineError, PixiMirrorError, WrongBytesError
from pixi_mirror.mirror.upstream import Upstream, open_upstream
from pixi_mirror.model.packages import Package
from pixi_mirror.model.values import MirrorPath
from pixi_mirror.serve.access_log import moment
from pixi_mirror.serve.files import Unobtainable
from pixi_mirror.serve.pull_through.pins import PinnedPackages
from pixi_mirror.serve.pull_through.record import Recorder

_REMEMBERED_S = 5.0
"""How long a failure is told to whoever asks, before upstream is asked again."""


class UpstreamFetch(NamedTuple):
    """One file that was fetched from upstream, or could not be."""

    time_s: float
    """When it was asked for, in seconds since 1970."""
    path: MirrorPath
    upstream: str
    """Its URL, stripped of secrets."""
    status: int
    """What those are told who wait for it."""
    size: int
    """Bytes; 0: there are none."""
    seconds: float
    error: str | None
    """None: it was fetched."""

    @property
    def line(self) -> str:
        """One line of JSON, ASCII alone, without its end."""
        told = {
            "time": moment(self.time_s),
            "fetch": self.upstream,
            "path": self.path,
            "status": self.status,
            "bytes": self.size,
        }
        return json.dumps({**told, "seconds": round(self.seconds, 6), "error": self.error})


@dataclass(slots=True)
class _Download:
    """One file on its way, and who waits for it."""

    landed: threading.Event = field(default_factory=threading.Event)
    where: Path | None = None
    """None: it could not be had."""
    refused: Unobtainable | None = None
    forgotten_at_s: float = 0.0
    """When a failure does not count any more, by the monotonic clock."""


class PullThrough:
    """Asked by a server for files that it does not have; many threads may ask."""

    def __init__(self, root: Path, context: Context, *, tell: Callable[[UpstreamFetch], None]) -> None:
        self._root = root
        self._context = context
        self._tell = tell
        self._pins = PinnedPackages(root)
        self._keeper = Recorder(root, context, self._pins)
        self._lock = threading.Lock()
        self._flights: dict[MirrorPath, _Download] = {}
        self._supplied: tuple[Mapping[MirrorPath, Package], Upstream, threading.Semaphore] | None = None

    def __call__(self, path: MirrorPath) -> Path | None:
        """Where a file is now that the mirror pins and did not have; None: it pins no such file.

        Raises:
            Unobtainable: it could not be brought.
        """
        package = self._pins.packages.get(path)
        if package is None:
            return None
        flight, is_first = self._flight(path)
        if is_first:
            self._fly(flight, package)
        flight.landed.wait()
        if flight.refused is not None:
            raise Unobtainable(flight.refused.status, flight.refused.reason)
        return flight.where

    def _flight(self, path: MirrorPath) -> tuple[_Download, bool]:
        with self._lock:
            now_s = time.monotonic()
            for gone in [each for each, flight in self._flights.items() if 0 < flight.forgotten_at_s <= now_s]:
                del self._flights[gone]
            known = self._flights.get(path)
            if known is not None:
                return known, False
            self._flights[path] = _Download()
            return self._flights[path], True

    def _fly(self, flight: _Download, package: Package) -> None:
        try:
            flight.where = self._pulled(package)
        except Unobtainable as refused:
            flight.refused = refused
        except BaseException:
            flight.refused = Unobtainable(500, "the file could not be brought")
            raise
        finally:
            with self._lock:
                if flight.refused is None:
                    del self._flights[package.path]  # whoever comes now finds it in the mirror, or in the cache
                else:
                    flight.forgotten_at_s = time.monotonic() + _REMEMBERED_S
            flight.landed.set()

    def _pulled(self, package: Package) -> Path:
        began_s, began = time.time(), time.monotonic()

        def told(status: int, size: int, error: str | None) -> None:
            seconds = time.monotonic() - began
            self._tell(UpstreamFetch(began_s, package.path, package.url.stripped, status, size, seconds, error))

        try:
            supply, gate = self._supply()
            with supply.store.used():
                with gate:
                    obtained, is_new = self._obtained(package, supply)
                if is_new:
                    told(200, obtained.size, None)
                return self._keeper.kept(obtained, supply.store)
        except PixiMirrorError as error:
            refused = _refused(error)
            told(refused.status, 0, str(error))
            raise refused from error

    def _obtained(self, package: Package, supply: Upstream) -> tuple[ObtainedPackage, bool]:
        if package.sha256 is None:
            raise MachineError(f"{package.path} has no hash")
        return obtain(package, package.sha256, supply.store, supply.fetcher, self._context.progress)

    def _supply(self) -> tuple[Upstream, threading.Semaphore]:
        """What can fetch what is pinned now: made anew when that changes, for it depends on hosts and settings."""
        packages = self._pins.packages
        with self._lock:
            if self._supplied is None or self._supplied[0] is not packages:
                supply = open_upstream(self._context, packages.values(), self._keeper.tree)
                self._supplied = packages, supply, threading.Semaphore(supply.jobs)
            return self._supplied[1:]


def _refused(error: PixiMirrorError) -> Unobtainable:
    """What is told to a client; the whole reason stands in the log, for it may name what is nobody's business."""
    match error:
        case WrongBytesError():
            return Unobtainable(502, "upstream sends other bytes than are pinned; nothing of them was kept")
        case FetchError(lasting=True):
            return Unobtainable(502, "upstream does not give the file that is pinned")
        case FetchError():
            return Unobtainable(504, "upstream cannot be asked now; come again")
        case DiskFullError():
            return Unobtainable(507, "there is no room for the file")
        case BusyError():
            return Unobtainable(503, "the cache is being pruned; come again")
    return Unobtainable(500, "the file could not be brought")
