"""Threads where the machine gives some: work goes on with those that there are, and without any in the calling thread.

A machine limits the threads of a user (`ulimit -u`, the pids of a container). Python then raises RuntimeError while a
thread is started. An executor of the standard library would lose the task, or run it twice. The self-extracting file
has this module, too, so it runs on Python 3.9.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:  # a run with nothing to do starts no thread, and must not pay for it
    from concurrent.futures import Future
    from typing import Self

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def start_thread(work: Callable[[], None], *, name: str | None = None) -> bool:
    """Start a daemon thread; whether the machine gave one."""
    try:
        threading.Thread(target=work, name=name, daemon=True).start()
    except RuntimeError:
        return False
    return True


def share_out(
    items: Iterable[_Item], size_of: Callable[[_Item], int], *, size: int, most: int = 32
) -> Iterator[list[_Item]]:
    """Yield the items in their order, several at a time: handing one over takes time, too.

    Args:
        items: what is to be shared out.
        size_of: says how much an item is.
        size: a share ends with the item that makes it as large as this.
        most: items of a share.
    """
    share: list[_Item] = []
    so_far = 0
    for item in items:
        share.append(item)
        so_far += size_of(item)
        if so_far >= size or len(share) >= most:
            yield share
            share, so_far = [], 0
    if share:
        yield share


def in_threads(work: Callable[[_Item], _Result], items: Iterable[_Item], most: int) -> list[_Result]:
    """The results of `work` for each item, in the order of the items; the first exception in that order passes.

    Args:
        work: called in several threads at once.
        items: what it is called with.
        most: threads at a time.
    """
    with ThreadPool(most) as pool:
        return list(pool.map(work, items))


class ThreadPool:
    """A few threads that do what is submitted, in its order; a thread is started only when a task would wait."""

    def __init__(self, threads: int) -> None:
        """Start nothing yet.

        Args:
            threads: the most that there are at a time; at least one is tried.
        """
        self._most = max(1, threads)
        self._started: list[threading.Thread] = []
        self._tasks: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = queue.SimpleQueue()
        self._idle = threading.Semaphore(0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()

    def submit(self, function: Callable[..., _Result], *arguments: Any) -> Future[_Result]:  # noqa: ANN401 - as the standard library's
        """Have the function called with the arguments, at once in this thread if the machine gives no other."""
        from concurrent.futures import Future

        future: Future[_Result] = Future()

        def call() -> _Result:
            return function(*arguments)

        if not self._idle.acquire(blocking=False) and len(self._started) < self._most:
            self._start()
        if self._started:
            self._tasks.put((future, call))
        else:
            _settle(future, call)
        return future

    def map(self, function: Callable[[_Item], _Result], items: Iterable[_Item]) -> Iterator[_Result]:
        """Yield what the function gives for each item, in the order of the items; all are submitted at once.

        Raises:
            Exception: what the function raised for the item whose turn it is.
        """
        waiting = deque(self.submit(function, item) for item in items)

        def results() -> Iterator[_Result]:
            try:
                while waiting:
                    yield waiting.popleft().result()
            finally:
                for future in waiting:
                    future.cancel()

        return results()

    def shutdown(self, *, wait: bool = True, cancel_futures: bool = False) -> None:
        """Let the threads end when all is done, and wait for that.

        Args:
            wait: False: do not wait.
            cancel_futures: drop what has not begun.
        """
        if cancel_futures:
            while True:
                try:
                    task = self._tasks.get_nowait()
                except queue.Empty:
                    break
                if task is not None:
                    task[0].cancel()
        for _ in self._started:
            self._tasks.put(None)
        if wait:
            for thread in self._started:
                thread.join()

    def _start(self) -> None:
        thread = threading.Thread(target=self._work, daemon=True)
        try:
            thread.start()
        except RuntimeError:
            self._most = len(self._started)  # it will not give more to the next task either
            return
        self._started.append(thread)

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            _settle(*task)
            del task  # a result that nobody wants needs no memory
            self._idle.release()


def _settle(future: Future[Any], call: Callable[[], Any]) -> None:
    """Call, and give the future what came of it, unless it was cancelled before."""
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = call()
    except BaseException as error:  # noqa: BLE001 - whoever asks for the result gets it
        future.set_exception(error)
    else:
        future.set_result(result)
