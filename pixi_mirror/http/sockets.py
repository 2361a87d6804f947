"""Know every open connection, so that one whose response comes too slowly, or all of them, can be ended."""

import contextlib
import socket
import threading
import time
import weakref
from collections.abc import Iterator


class SlowResponseError(TimeoutError):
    """The headers of a response took too long in all. It never leaves this folder."""


class OpenSockets:
    """The open sockets of one client, with a deadline for each response.

    The timeout of requests is for each single read, so a server that sends its headers byte by byte never meets it.
    """

    def __init__(self, *, response_timeout_s: float) -> None:
        self._response_timeout_s = response_timeout_s
        self._open: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        self._deadlines: dict[socket.socket, float] = {}
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._watcher: threading.Thread | None = None

    def add(self, connection: socket.socket) -> None:
        """Remember an open connection; end it if all were ended."""
        with self._lock:
            self._open.add(connection)
        if self._stopped.is_set():
            _end(connection)

    @contextlib.contextmanager
    def deadline(self, connection: socket.socket) -> Iterator[None]:
        """End the connection unless the block ends within the time that the headers of a response may take.

        Raises:
            SlowResponseError: the connection was ended.
        """
        deadline = time.monotonic() + self._response_timeout_s
        with self._lock:
            self._deadlines[connection] = deadline
            if self._watcher is None:
                watcher = threading.Thread(target=self._end_late, name="pixi-mirror-responses", daemon=True)
                with contextlib.suppress(RuntimeError):  # without a thread a slow response ends by its timeouts alone
                    watcher.start()
                    self._watcher = watcher
        try:
            yield
        finally:
            with self._lock:
                ended = self._deadlines.pop(connection, None) is None
            if ended:
                raise SlowResponseError

    def end_all(self) -> None:
        """End every connection, in use or not, and every one that is added later."""
        self._stopped.set()
        with self._lock:
            connections = list(self._open)
        for connection in connections:
            _end(connection)
        if self._watcher is not None:
            self._watcher.join()

    def _end_late(self) -> None:
        while not self._stopped.wait(self._response_timeout_s / 8):
            now = time.monotonic()
            with self._lock:
                late = [connection for connection, deadline in self._deadlines.items() if deadline < now]
                for connection in late:
                    del self._deadlines[connection]
            for connection in late:
                _end(connection)


def _end(connection: socket.socket) -> None:
    # This wakes the thread that reads from it, and that thread closes the descriptor.
    # Not `SSLSocket.shutdown`: it removes TLS first, and that thread would read ciphertext as the body.
    with contextlib.suppress(OSError):
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
