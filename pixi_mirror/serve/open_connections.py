"""Keep the connections that are open: how many there may be, which of them rest, and when all are done."""

import socket
import threading
import time
from contextlib import suppress

_WELCOME_S = 5.0


class OpenConnections:
    """The open connections; many threads may use it."""

    def __init__(self, most: int) -> None:
        """Begin with none; there may be `most` at a time."""
        self._most = most
        self._changed = threading.Condition()
        self._open: set[socket.socket] = set()
        self._resting: dict[socket.socket, float] = {}
        """Those without a request under way, in the order in which they came to rest: when, if need be, each may be
        ended, by the monotonic clock in seconds."""
        self._is_closing = False

    @property
    def is_closing(self) -> bool:
        """Whether nobody may send a further request."""
        return self._is_closing

    def has_room(self, *, within_s: float) -> bool:
        """Whether another connection may be opened; where there is no room, that of whoever rests longest is ended."""
        with self._changed:
            if len(self._open) >= self._most:
                now_s = time.monotonic()
                longest = next((each for each, from_s in self._resting.items() if from_s <= now_s), None)
                if longest is not None:
                    self._end(longest)
            return self._changed.wait_for(lambda: len(self._open) < self._most, within_s)

    def enter(self, connection: socket.socket) -> None:
        """Count a new connection."""
        with self._changed:
            self._open.add(connection)

    def leave(self, connection: socket.socket) -> None:
        """Forget a connection that is closed."""
        with self._changed:
            self._open.discard(connection)
            self._resting.pop(connection, None)
            self._changed.notify_all()

    def rest(self, connection: socket.socket, *, is_new: bool) -> bool:
        """Let a connection wait for a request, unless it is to be closed, which it is told so."""
        with self._changed:
            if not self._is_closing:
                # Whoever has only just come will ask in a moment, and would not know that it may ask again.
                self._resting[connection] = time.monotonic() + (_WELCOME_S if is_new else 0.0)
            return not self._is_closing

    def wake(self, connection: socket.socket) -> None:
        """A request has begun: it will be answered."""
        with self._changed:
            self._resting.pop(connection, None)

    def finish(self, *, within_s: float) -> bool:
        """End what rests, and wait for what does not; whether all are done."""
        until_s = time.monotonic() + within_s
        with self._changed:
            self._is_closing = True
            for connection in tuple(self._resting):
                self._end(connection)
        # In short steps, for a signal has to get through to us.
        while (left_s := until_s - time.monotonic()) > 0:
            with self._changed:
                if self._changed.wait_for(lambda: not self._open, min(left_s, 0.5)):
                    return True
        with self._changed:
            return not self._open

    def cut(self) -> None:
        """End all connections, those with a request under way, too."""
        with self._changed:
            for connection in self._open:
                self._end(connection, how=socket.SHUT_RDWR)

    def _end(self, connection: socket.socket, how: int = socket.SHUT_RD) -> None:
        """Let a thread that waits for the other side go on, to find that the connection has ended."""
        self._resting.pop(connection, None)
        with suppress(OSError):
            # Of the class below: that of TLS would tear down what the other thread is using.
            socket.socket.shutdown(connection, how)
