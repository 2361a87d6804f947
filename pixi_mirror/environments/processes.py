"""Do the parts of a long piece of work in several processes at a time; none of them outlives the one that forked it.

Threads of Python take turns, so that work which is mostly Python takes one core, however many threads there are. Only
Linux forks here: macOS ends processes that use its libraries after a fork, and Windows has no fork.

This module uses the standard library alone and runs on Python 3.9: the unpacker of self-extracting packs contains it.
"""

from __future__ import annotations

import gc
import os
import pickle
import signal
import struct
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, NoReturn

from pixi_mirror.disk.files import fresh_name
from pixi_mirror.errors import MachineError

CAN_FORK = sys.platform == "linux"

_NUMBER = struct.Struct("!I")
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP) if CAN_FORK else ()
"""Signals that end a run. None comes between a fork and the note of it, or a process would be forgotten."""
_FAILED = 3
"""The status of a process whose last record says why it gave up."""


class _Child(NamedTuple):
    pid: int
    records: BinaryIO
    """What it did, one pickle after the other: a number, and what came of it."""


class Processes:
    """This process, and others that work beside it for one call of `each`."""

    def __init__(self, jobs: int, scratch: Path) -> None:
        """Prepare.

        Args:
            jobs: how many processes work at a time, this one among them.
            scratch: a private folder on a disk; files in it have no name for longer than it takes to open them.
        """
        self._jobs = jobs
        self._scratch = scratch
        self._parent: int | None = None
        """In a forked process: who forked it."""
        self._children: list[_Child] = []
        self._done: dict[int, Any] = {}
        self._failures: dict[int, BaseException] = {}

    def check(self) -> None:
        """Return at once; end a forked process whose parent has ended. Call it between the steps of what takes long.

        Such a process still holds the locks of its parent, so that the next run waits until it has ended.
        """
        if self._parent is not None and os.getppid() != self._parent:
            os._exit(1)

    def each(self, function: Callable[[int], Any], count: int, advance: Callable[[], None]) -> list[Any]:
        """Return what the function gives for each number below `count`, in the order of the numbers.

        Args:
            function: what to do; it writes files. What it returns or raises is pickled.
            count: how many numbers there are; the first ones are begun first.
            advance: is called, in this process, once for each number that is done.

        Raises:
            Exception: of the failures that are known when all have stopped, that of the lowest number.
            MachineError: one of the processes was ended from outside.
        """
        reported = 0
        with self._open_unnamed() as tasks:
            tasks.write(b"".join(_NUMBER.pack(number) for number in range(count)))
            tasks.seek(0)
            try:
                gc.freeze()  # a collection would copy each page of memory that is shared now
                with suppress(OSError):  # fewer processes take longer, and do the same
                    for _ in range(min(self._jobs, count) - 1):
                        self._fork(function, tasks)
                for number in _taken(tasks):
                    self._do(function, number)
                    if self._failures or self._has_failed():
                        break
                    # Whoever else has begun a number may be at work on it still.
                    while reported < tasks.tell() // _NUMBER.size - self._jobs:
                        reported += 1
                        advance()
                else:
                    self._wait()
            finally:
                gc.unfreeze()
                tasks.truncate(0)
                self._end()
        if self._failures:
            raise self._failures[min(self._failures)]
        for _ in range(count - reported):
            advance()
        return [self._done[number] for number in range(count)]

    def _open_unnamed(self) -> BinaryIO:
        path = self._scratch / fresh_name()
        file = open(path, "x+b", buffering=0)  # noqa: SIM115 - the caller closes it
        path.unlink()
        return file

    def _do(self, function: Callable[[int], Any], number: int) -> None:
        try:
            self._done[number] = function(number)
        except Exception as error:  # noqa: BLE001 - it is raised when all have stopped
            self._failures[number] = error

    def _fork(self, function: Callable[[int], Any], tasks: BinaryIO) -> None:
        records, parent = self._open_unnamed(), os.getpid()
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
        try:
            with warnings.catch_warnings():
                # Other threads may show progress; a forked process prints nothing, and needs none of their locks.
                warnings.simplefilter("ignore", DeprecationWarning)
                pid = os.fork()
            if not pid:
                self._parent = parent
                self._be_child(function, tasks, records, before)
            self._children.append(_Child(pid, records))
        except OSError:
            records.close()
            raise
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _be_child(self, function: Callable[[int], Any], tasks: BinaryIO, records: BinaryIO, mask: set[Any]) -> NoReturn:
        """Work until nothing is left, and end without any of what an interpreter does at its end."""
        status = 1
        try:
            gc.disable()
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends it to the parent, too
            for ending in (signal.SIGTERM, signal.SIGHUP):
                signal.signal(ending, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            with open(records.fileno(), "wb", closefd=False) as file:
                for number in _taken(tasks):
                    self._do(function, number)
                    failure = self._failures.get(number)
                    pickle.dump((number, self._done.pop(number) if failure is None else failure), file)
                    if failure is not None:
                        break
            status = _FAILED if self._failures else 0
        finally:
            os._exit(status)

    def _has_failed(self) -> bool:
        """Whether another process has ended before its time."""
        for child in self._children:
            ended = os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if ended is not None and ended.si_status:
                return True
        return False

    def _wait(self) -> None:
        for child in self._children:
            os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)

    def _end(self) -> None:
        """Let no other process live, and take note of what each has done."""
        for child in self._children:
            with suppress(ProcessLookupError):
                os.kill(child.pid, signal.SIGKILL)
        killed = False
        for child in self._children:
            status = os.waitstatus_to_exitcode(os.waitpid(child.pid, 0)[1])
            killed |= status not in (0, _FAILED)
            self._take_records(child)
        self._children.clear()
        if killed and not self._failures and sys.exc_info()[0] is None:
            raise MachineError("a process of this run was ended from outside. Run the same command again.")

    def _take_records(self, child: _Child) -> None:
        with child.records as records:
            records.seek(0)
            with open(records.fileno(), "rb", closefd=False) as file, suppress(EOFError, pickle.UnpicklingError):
                while True:
                    number, what = pickle.load(file)  # noqa: S301 - a file without a name, which we wrote
                    (self._failures if isinstance(what, BaseException) else self._done)[number] = what


def _taken(tasks: BinaryIO) -> Iterator[int]:
    """Yield numbers that nobody else gets: processes that were forked have one position in the file."""
    while len(found := os.read(tasks.fileno(), _NUMBER.size)) == _NUMBER.size:
        yield _NUMBER.unpack(found)[0]
