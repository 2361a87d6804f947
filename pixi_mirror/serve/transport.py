"""Listen on a port and give each connection a thread: as many as there is room for, and none is cut when we stop."""

import errno
import os
import socket
import socketserver
import ssl
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from pixi_mirror.errors import MachineError
from pixi_mirror.serve.access.control import AccessControl
from pixi_mirror.serve.connection import Connection, Log
from pixi_mirror.serve.files import FetchAbsent, MirrorFiles
from pixi_mirror.serve.homepage import HomePage
from pixi_mirror.serve.open_connections import OpenConnections
from pixi_mirror.serve.wire import TimeLimits

MOST_CONNECTIONS = 512
"""Further ones wait in the kernel's queue until one ends."""
FINISH_S = 60.0

_QUEUE = 1024
_POLL_S = 0.1
_SPARE_DESCRIPTORS = 64
_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - to tell where to ask, not to bind


class Tls(NamedTuple):
    """What a server proves itself with, as PEM files."""

    certificate: Path
    """And those of the authorities in between."""
    key: Path | None
    """None: it stands in the same file."""


class Server:
    """A mirror on a port, while the context is open: at its end, downloads under way are finished."""

    def __init__(
        self,
        root: Path,
        *,
        host: str,
        port: int,
        tls: Tls | None = None,
        log: Log = lambda _: None,
        absent: FetchAbsent | None = None,
        gate: AccessControl | None = None,
        finish_s: float = FINISH_S,
        patience: TimeLimits = TimeLimits(),  # noqa: B008 - it cannot be changed
    ) -> None:
        """Bind the port (0: any that is free); nobody is answered yet.

        Raises:
            MachineError: the mirror's records or the certificate cannot be read, or the port cannot be had.
        """
        self._shelf = MirrorFiles(root, absent)
        self._crowd = OpenConnections(_most_connections())
        self._finish_s = finish_s
        context = None if tls is None else _context(tls)
        self._listener = _listener(host, port, self._crowd, context)
        bound = self._listener.server_address[1]
        shown = _ANYWHERE.get(host, host)
        shown = f"[{shown}]" if ":" in shown else shown
        self._url = f"{'http' if tls is None else 'https'}://{shown}:{bound}"
        front = HomePage(root, self._url)
        self._listener.hold = lambda connection, client: Connection(
            connection, client, shelf=self._shelf, crowd=self._crowd, log=log, patience=patience, gate=gate, front=front
        ).hold()
        self._thread = threading.Thread(target=self._listener.serve_forever, args=(_POLL_S,), daemon=True)

    @property
    def url(self) -> str:
        """Where to ask from this machine, without trailing slash."""
        return self._url

    def wait(self) -> None:
        """Stay here until something is raised, as the handler of a signal does."""
        while self._thread.is_alive():
            self._thread.join(1.0)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown()
        self._listener.server_close()
        if not self._crowd.finish(within_s=self._finish_s):
            self._crowd.cut()


class _Listener(socketserver.TCPServer):
    request_queue_size = _QUEUE
    # On Windows it would let two programs have the same port.
    allow_reuse_address = os.name == "posix"

    def __init__(
        self, family: int, address: tuple[Any, ...], crowd: OpenConnections, context: ssl.SSLContext | None
    ) -> None:
        self.address_family = family
        self.crowd = crowd
        self.context = context
        self.hold: Any = None
        super().__init__(address, socketserver.BaseRequestHandler)

    def server_bind(self) -> None:
        if self.address_family == socket.AF_INET6:
            with suppress(OSError):
                self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        super().server_bind()

    def get_request(self) -> tuple[socket.socket, Any]:
        """The next connection; OSError is what tells socketserver that there is none."""
        if not self.crowd.has_room(within_s=_POLL_S):
            raise OSError(errno.EAGAIN, "all connections are taken")
        try:
            connection, client = super().get_request()
        except OSError:
            time.sleep(_POLL_S / 10)  # no descriptors left, for example: it would be tried again at once
            raise
        return connection, client

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - socketserver's
        """Hold the conversation in a thread of its own."""
        connection: socket.socket = request
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.context is not None:
                connection = self.context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        except OSError:
            request.close()
            return
        self.crowd.enter(connection)
        try:
            threading.Thread(target=self._talk, args=(connection, client_address), daemon=True).start()
        except RuntimeError:  # the system has no thread left
            self.crowd.leave(connection)
            connection.close()

    def _talk(self, connection: socket.socket, client: tuple[Any, ...]) -> None:
        try:
            self.hold(connection, str(client[0]))
        finally:
            self.crowd.leave(connection)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401
        """A connection that could not be begun is nobody's business but its client's."""


def _listener(host: str, port: int, crowd: OpenConnections, context: ssl.SSLContext | None) -> _Listener:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        # A name like localhost has several addresses, and some clients know only the older kind.
        family, _, _, _, address = min(found, key=lambda each: each[0] != socket.AF_INET)
        return _Listener(family, address, crowd, context)
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


def _context(tls: Tls) -> ssl.SSLContext:
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
    """As many as are wanted, if the system lets this process have a socket and a file for each."""
    try:
        import resource
    except ImportError:
        return MOST_CONNECTIONS
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return MOST_CONNECTIONS
    return max(8, min(MOST_CONNECTIONS, (soft - _SPARE_DESCRIPTORS) // 2))
