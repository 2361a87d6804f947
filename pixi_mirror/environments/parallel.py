"""Do several things at a time in threads, and stop all of them when one fails or the run is interrupted."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from threading import Event
from typing import TypeVar

from pixi_mirror.threads import ThreadPool

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class Stopped(Exception):
    """Another thread has failed, so this one does not go on."""


class Threads:
    """Some threads for one run."""

    def __init__(self, jobs: int) -> None:
        """`jobs` is how many things are done at a time."""
        self._jobs = max(1, jobs)
        self._stop = Event()

    def check(self) -> None:
        """Return at once, unless another thread has failed. Call it between the steps of what takes long.

        Raises:
            Stopped: one has.
        """
        if self._stop.is_set():
            raise Stopped

    def each(self, function: Callable[[_Item], _Result], items: Iterable[_Item]) -> Iterator[_Result]:
        """Yield what the function gives for each item, in the order of the items.

        Raises:
            Exception: the first failure, in the order of the items; nothing runs any more then.
        """

        def run(item: _Item) -> _Result:
            try:
                self.check()
                return function(item)
            except BaseException:
                self._stop.set()
                raise

        pool = ThreadPool(self._jobs)
        futures: deque[Future[_Result]] = deque(pool.submit(run, item) for item in items)
        try:
            while futures:
                try:
                    result = futures[0].result()
                except Stopped:
                    # Who failed comes later in the order.
                    raise _first_failure(futures) from None
                futures.popleft()  # what was given needs no memory
                yield result
        finally:
            if futures:  # one has failed, or nobody wants the rest
                self._stop.set()
            for future in futures:
                future.cancel()
            pool.shutdown()


def _first_failure(futures: Iterable[Future[_Result]]) -> BaseException:
    failures = [failure for future in futures if (failure := future.exception()) is not None]
    return next((failure for failure in failures if not isinstance(failure, Stopped)), failures[0])
