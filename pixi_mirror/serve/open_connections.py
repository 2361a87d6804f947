"""Count the open connections: how many there may be, which are idle, which wait for upstream, and when all are done."""

import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from pixi_mirror.serve.files import FileUnavailable

_GREETING_S = 5.0
"""How long a new connection may be idle before it can be ended to make place for another one."""
_RETRY_AFTER_S = 5
_GONE = getattr(select, "POLLRDHUP", 0) | getattr(select, "POLLHUP", 0) | getattr(select, "POLLERR", 0)


class OpenConnections:
    """The open connections; many threads may use it."""

    def __init__(self, most: int) -> None:
        """Begin with none; there may be `most` at a time, and half of them may wait for upstream."""
        self._most = self._limit = most
        self._changed = threading.Condition()
        self._open: set[socket.socket] = set()
        self._idle: dict[socket.socket, float] = {}
        """Those without a request under way, in the order in which they became idle: from when on each may be ended,
        by the monotonic clock in seconds."""
        self._waiting: dict[object, socket.socket] = {}
        """Those that wait for upstream, each under a key of its own."""
        self._is_closing = False

    @property
    def is_closing(self) -> bool:
        """Whether no client may send a further request."""
        return self._is_closing

    def wait_for_place(self, *, timeout_s: float) -> bool:
        """Wait until another connection may be opened; if there are too many, the one idle longest is ended."""
        with self._changed:
            if len(self._open) >= self._limit:
                self._end_longest_idle()
            return self._changed.wait_for(lambda: len(self._open) < self._limit, timeout_s)

    def lower_limit(self) -> bool:
        """Allow no more connections than are open, because the system gives no more threads; whether any is open.

        Each connection that is added later raises the limit by one, up to what it was at first.
        """
        with self._changed:
            self._limit = max(1, len(self._open))
            return bool(self._open)

    def add(self, connection: socket.socket) -> None:
        """Count a new connection."""
        with self._changed:
            self._open.add(connection)
            self._limit = min(self._most, self._limit + 1)

    def remove(self, connection: socket.socket) -> None:
        """Forget a connection that is closed."""
        with self._changed:
            self._open.discard(connection)
            self._idle.pop(connection, None)
            self._changed.notify_all()

    def set_idle(self, connection: socket.socket, *, is_new: bool) -> bool:
        """Let a connection wait for a request; whether it may, and need not be closed."""
        with self._changed:
            if not self._is_closing:
                # A new client sends its request in a moment, and does not know that it could try again.
                self._idle[connection] = time.monotonic() + (_GREETING_S if is_new else 0.0)
            return not self._is_closing

    def set_busy(self, connection: socket.socket) -> None:
        """Note that a request has begun; it will be answered."""
        with self._changed:
            self._idle.pop(connection, None)

    @contextmanager
    def waiting_for_upstream(self, connection: socket.socket) -> Iterator[Callable[[], bool]]:
        """Count a connection as waiting for upstream; the function that it gives says whether the client has left.

        Raises:
            FileUnavailable: half of the connections wait for upstream already.
        """
        key = object()
        with self._changed:
            if len(self._waiting) >= max(1, self._most // 2):
                # The threads of clients that have left notice it in a moment; their places are free now.
                self._waiting = {each: one for each, one in self._waiting.items() if not has_left(one)}
            if len(self._waiting) >= max(1, self._most // 2):
                raise FileUnavailable(
                    503, "too many clients wait for upstream; come again", retry_after_s=_RETRY_AFTER_S
                )
            self._waiting[key] = connection
        try:
            yield lambda: has_left(connection)
        finally:
            with self._changed:
                self._waiting.pop(key, None)

    def finish(self, *, within_s: float) -> bool:
        """End the idle connections, and wait for the others; whether all are done."""
        until_s = time.monotonic() + within_s
        with self._changed:
            self._is_closing = True
            for connection in tuple(self._idle):
                self._end(connection)
        # In short steps, because a signal must be able to interrupt the wait.
        while (left_s := until_s - time.monotonic()) > 0:
            with self._changed:
                if self._changed.wait_for(lambda: not self._open, min(left_s, 0.5)):
                    return True
        with self._changed:
            return not self._open

    def cut(self) -> None:
        """End all connections, also those with a request under way."""
        with self._changed:
            for connection in self._open:
                self._end(connection, how=socket.SHUT_RDWR)

    def _end_longest_idle(self) -> None:
        now_s = time.monotonic()
        longest = next((each for each, from_s in self._idle.items() if from_s <= now_s), None)
        if longest is not None:
            self._end(longest)

    def _end(self, connection: socket.socket, how: int = socket.SHUT_RD) -> None:
        """Make the thread that reads from the connection find that it has ended."""
        self._idle.pop(connection, None)
        with suppress(OSError):
            # The method of the base class: that of a TLS socket would change what the other thread is using.
            socket.socket.shutdown(connection, how)


def has_left(connection: socket.socket) -> bool:
    """Whether the other side has closed a connection, without reading from it; False where the system cannot tell."""
    try:
        if hasattr(select, "poll"):
            poll = select.poll()
            poll.register(connection, _GONE)
            return bool(poll.poll(0))
        readable, _, _ = select.select([connection], [], [], 0)
        return bool(readable) and socket.socket.recv(connection, 1, socket.MSG_PEEK) == b""
    except (OSError, ValueError):  # it was closed meanwhile
        return True
