"""Hold every open connection, so that one that answers too slowly, or all of them, can be ended."""

import contextlib
import socket
import threading
import time
import weakref
from collections.abc import Iterator


class SlowAnswerError(TimeoutError):
    """The headers of an answer took too long in all; stays within this folder."""


class Sockets:
    """The open sockets of one client. A time-out is for each read alone: a server that drips its headers defeats it."""

    def __init__(self, *, answer_timeout_s: float) -> None:
        self._answer_timeout_s = answer_timeout_s
        self._open: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        self._deadlines: dict[socket.socket, float] = {}
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._watch: threading.Thread | None = None

    def hold(self, connection: socket.socket) -> None:
        """Remember an open connection."""
        with self._lock:
            self._open.add(connection)
        if self._stopped.is_set():
            _end(connection)

    @contextlib.contextmanager
    def answering(self, connection: socket.socket) -> Iterator[None]:
        """End the connection unless the block is left within the time that an answer may take.

        Raises:
            SlowAnswerError: it was ended.
        """
        deadline = time.monotonic() + self._answer_timeout_s
        with self._lock:
            self._deadlines[connection] = deadline
            if self._watch is None:
                self._watch = threading.Thread(target=self._watching, name="pixi-mirror-answers", daemon=True)
                self._watch.start()
        try:
            yield
        finally:
            with self._lock:
                ended = self._deadlines.pop(connection, None) is None
            if ended:
                raise SlowAnswerError

    def end_all(self) -> None:
        """End every connection, whatever it is doing, and every one made later."""
        self._stopped.set()
        with self._lock:
            connections = list(self._open)
        for connection in connections:
            _end(connection)
        if self._watch is not None:
            self._watch.join()

    def _watching(self) -> None:
        while not self._stopped.wait(self._answer_timeout_s / 8):
            now = time.monotonic()
            with self._lock:
                late = [connection for connection, deadline in self._deadlines.items() if deadline < now]
                for connection in late:
                    del self._deadlines[connection]
            for connection in late:
                _end(connection)


def _end(connection: socket.socket) -> None:
    # Wakes the thread that reads it; the descriptor itself is that thread's to close.
    # Not `SSLSocket.shutdown`: it drops TLS first, and that thread would read ciphertext as if it were the body.
    with contextlib.suppress(OSError):
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
