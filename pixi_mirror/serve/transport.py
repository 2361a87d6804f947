"""Listen on a port, and handle each connection in a thread of its own; a stop lets running downloads finish."""

import errno
import os
import socket
import socketserver
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from pixi_mirror.errors import MachineError
from pixi_mirror.serve.access.control import AccessControl
from pixi_mirror.serve.access_log import WrongBytes
from pixi_mirror.serve.app import App
from pixi_mirror.serve.connection import Connection, Log, TimeLimits
from pixi_mirror.serve.files import FetchAbsent, MirrorFiles
from pixi_mirror.serve.open_connections import OpenConnections
from pixi_mirror.serve.pages import Pages
from pixi_mirror.serve.uploads.endpoint import UploadEndpoint
from pixi_mirror.threads import start_thread

MOST_CONNECTIONS = 512
"""Further ones wait in the kernel's queue until one ends."""
FINISH_S = 60.0

_QUEUE = 1024
_POLL_S = 0.1
_WAIT_FOR_THREAD_S = 10.0
_WAIT_FOR_LAST_THREAD_S = 1.0
_SPARE_DESCRIPTORS = 64
_ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - what the URL shows for them; nothing is bound here
_NO_THREAD = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Tls(NamedTuple):
    """A server's certificate and its key, as PEM files."""

    certificate: Path
    """With the intermediate certificates."""
    key: Path | None
    """None: it stands in the same file."""


class Server:
    """A mirror on a port while the context is open; at its end, running downloads are finished."""

    def __init__(
        self,
        root: Path,
        *,
        host: str,
        port: int,
        tls: Tls | None = None,
        log: Log = lambda _: None,
        report: Callable[[WrongBytes], None] = lambda _: None,
        fetch_absent: FetchAbsent | None = None,
        access: AccessControl | None = None,
        uploads: UploadEndpoint | None = None,
        allowed_hosts: frozenset[str] | None = None,
        finish_s: float = FINISH_S,
        limits: TimeLimits = TimeLimits(),  # noqa: B008 - it cannot be changed
    ) -> None:
        """Bind the port; no request is answered yet.

        Args:
            root: Of the mirror.
            host: Address or name of this machine to listen on.
            port: 0: any that is free.
            tls: None: plain http.
            log: Called for each request.
            report: Called for each file that has other bytes than the inventory's.
            fetch_absent: Fetches what the mirror pins and does not have; None: such files are missing.
            access: None: everybody may read everything.
            uploads: Takes uploads; None: the mirror can only be read.
            allowed_hosts: Names to answer to besides `localhost` and addresses; None: any name.
            finish_s: How long running downloads may go on after the end, in seconds.
            limits: How long a client may take.

        Raises:
            MachineError: the mirror's records or the certificate cannot be read, or the port cannot be bound.
        """
        files = MirrorFiles(root, fetch_absent, report=report)
        self._connections = OpenConnections(_most_connections())
        self._finish_s = finish_s
        context = None if tls is None else _load_certificate(tls)
        self._listener = _listen(host, port, self._connections, context)
        bound = self._listener.server_address[1]
        shown = _ANY_ADDRESS.get(host, host)
        shown = f"[{shown}]" if ":" in shown else shown
        self._url = f"{'http' if tls is None else 'https'}://{shown}:{bound}"
        app = App(
            files=files,
            access=access,
            uploads=uploads,
            pages=Pages(root, self._url, has_users=access is not None),
            hosts=allowed_hosts,
        )
        self._listener.handle_connection = lambda connection, client: Connection(
            connection, client, app=app, connections=self._connections, log=log, limits=limits
        ).handle_requests()
        self._thread = threading.Thread(target=self._listener.serve_forever, args=(_POLL_S,), daemon=True)

    @property
    def url(self) -> str:
        """The URL for clients on this machine, without trailing slash."""
        return self._url

    def wait(self) -> None:
        """Wait until an exception is raised, as the handler of a signal does."""
        while self._thread.is_alive():
            self._thread.join(1.0)

    def __enter__(self) -> Self:
        try:
            self._thread.start()
        except RuntimeError as error:
            self._listener.server_close()
            raise MachineError(
                "this machine gives the server no thread; end other programs, or raise the limit (ulimit -u)."
            ) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown()
        self._listener.server_close()
        if not self._connections.finish(within_s=self._finish_s):
            self._connections.cut()


class _Listener(socketserver.TCPServer):
    request_queue_size = _QUEUE
    # On Windows it would let two programs bind the same port.
    allow_reuse_address = os.name == "posix"

    def __init__(
        self, family: int, address: tuple[Any, ...], connections: OpenConnections, context: ssl.SSLContext | None
    ) -> None:
        self.address_family = family
        self.connections = connections
        self.context = context
        self.handle_connection: Any = None
        super().__init__(address, socketserver.BaseRequestHandler)

    def server_bind(self) -> None:
        if self.address_family == socket.AF_INET6:
            with suppress(OSError):
                self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        super().server_bind()

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept the next connection; OSError is how socketserver learns that there is none."""
        if not self.connections.wait_for_place(timeout_s=_POLL_S):
            raise OSError(errno.EAGAIN, "all connections are in use")
        try:
            connection, client = super().get_request()
        except OSError:
            time.sleep(_POLL_S / 10)  # if there are no descriptors left, socketserver would try again at once
            raise
        return connection, client

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - socketserver's
        """Handle the connection in a thread of its own."""
        connection: socket.socket = request
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.context is not None:
                connection = self.context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        except OSError:
            request.close()
            return
        if not self._start_thread(connection, client_address):
            with suppress(OSError):
                socket.socket.send(connection, b"" if self.context else _NO_THREAD)
            connection.close()

    def _start_thread(self, connection: socket.socket, client: tuple[Any, ...]) -> bool:
        """Start the thread of a connection; where the system gives none, wait until another connection has ended."""
        began_s = time.monotonic()
        while True:
            self.connections.add(connection)
            if start_thread(partial(self._handle, connection, client)):
                return True
            self.connections.remove(connection)
            # If no connection is open, the thread of the last one may still be about to end.
            most_s = _WAIT_FOR_THREAD_S if self.connections.lower_limit() else _WAIT_FOR_LAST_THREAD_S
            if time.monotonic() > began_s + most_s:
                return False
            time.sleep(_POLL_S / 10)
            self.connections.wait_for_place(timeout_s=_POLL_S)

    def _handle(self, connection: socket.socket, client: tuple[Any, ...]) -> None:
        try:
            self.handle_connection(connection, str(client[0]))
        finally:
            self.connections.remove(connection)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401
        """Ignore an error before the connection's thread began: only its client has to know."""


def _listen(host: str, port: int, connections: OpenConnections, context: ssl.SSLContext | None) -> _Listener:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        # A name like localhost has several addresses, and some clients try only IPv4.
        family, _, _, _, address = min(found, key=lambda each: each[0] != socket.AF_INET)
        return _Listener(family, address, connections, context)
    except (OSError, UnicodeError) as error:
        raise MachineError(_not_bound(host, port, error)) from error


def _not_bound(host: str, port: int, error: OSError | UnicodeError) -> str:
    where = f"port {port} of {host}"
    match error:
        case OSError(errno=errno.EADDRINUSE):
            return f"{where} is in use by another program; choose another with --port, or 0 for any that is free."
        case socket.gaierror() | UnicodeError():
            return f"{host!r} is no address or name of this machine; choose another with --host, such as 127.0.0.1."
        case OSError(errno=errno.EADDRNOTAVAIL):
            return f"{host} is no address of this machine; choose another with --host, such as 127.0.0.1."
        case OSError(errno=errno.EACCES | errno.EPERM):
            return f"{where} is not yours to open: {error.strerror}; choose one above 1023 with --port."
    return f"{where} cannot be opened: {getattr(error, 'strerror', None) or error}; choose another."


def _load_certificate(tls: Tls) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    files = f"{tls.certificate}" if tls.key is None else f"{tls.certificate} and {tls.key}"

    def no_password() -> str:
        raise MachineError(f"the key of {files} is encrypted; give one that is not, readable by you alone.")

    try:
        context.load_cert_chain(tls.certificate, tls.key, no_password)
    except FileNotFoundError as error:
        missing = next((each for each in (tls.certificate, tls.key) if each and not each.exists()), tls.certificate)
        raise MachineError(f"there is no file {missing}, which is to be the certificate or its key.") from error
    except OSError as error:  # ssl.SSLError is one
        reason = getattr(error, "reason", None) or error.strerror or str(error)
        raise MachineError(
            f"{files} cannot be used as certificate and key: {reason}. They are PEM files and belong together."
        ) from error
    return context


def _most_connections() -> int:
    """As many as `MOST_CONNECTIONS`, if this process may have a socket and a file for each."""
    try:
        import resource
    except ImportError:
        return MOST_CONNECTIONS
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return MOST_CONNECTIONS
    return max(8, min(MOST_CONNECTIONS, (soft - _SPARE_DESCRIPTORS) // 2))
