"""One request, one answer: the only room that holds `requests`, and the last that sees its exceptions."""

import contextlib
import logging
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter

from pixi_mirror import __version__
from pixi_mirror.errors import MachineError
from pixi_mirror.http.errors import UNCONNECTED, Trouble, explained
from pixi_mirror.http.origins import Origin, is_listed, proxy
from pixi_mirror.http.sockets import Sockets
from pixi_mirror.model.network import Network
from pixi_mirror.model.values import Url
from pixi_mirror.progress import Progress

_MOST_DRAINED = 1 << 16
# Room for the bytes is made before each read: as much as one may bring, and a TLS record brings 16 KiB. With more,
# 700 MB over https took twice as long; with less, http did.
_PIECE = {"http": 1 << 19, "https": 1 << 14}
_FAILURES = (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError)


class Client:
    """Sends requests over kept connections; for many threads.

    The adapter is used without a session: no cookies, no netrc, no environment, no redirects, and a third of the
    time of a request saved.
    """

    def __init__(self, network: Network, progress: Progress, *, connections: int) -> None:
        # Its log holds URLs with their secrets, some at the level of warnings; no handler shall have them.
        logging.getLogger("urllib3").setLevel(logging.CRITICAL + 1)
        self._network = network
        self._progress = progress
        self._sockets = Sockets(answer_timeout_s=2 * network.idle_timeout_s)
        self._adapter = _Adapter(self._sockets, connections)
        self._ca = _checked_ca(network.ca_file)
        self._unchecked: set[str] = set()
        self._lock = threading.Lock()

    def ask(self, url: Url, place: Origin, headers: Mapping[str, str]) -> "Answer | Trouble":
        """Send one GET for `url`, which lies at `place`, and read the headers of the answer."""
        way = proxy(place, self._network.proxies)
        try:
            request = requests.PreparedRequest()
            request.prepare(
                method="GET",
                url=url.raw,
                headers={
                    "User-Agent": f"pixi-mirror/{__version__}",
                    "Accept": "*/*",
                    "Accept-Encoding": "identity",
                    **headers,
                },
            )
            response = self._adapter.send(
                request,
                stream=True,
                timeout=(self._network.connect_timeout_s, self._network.idle_timeout_s),
                verify=self._verification(place),
                proxies={place.scheme: way} if way else None,
            )
        except _FAILURES as error:
            return explained(error, self._network, place=place, proxied=way is not None)
        return Answer(response, self._network, url=url, place=place, proxied=way is not None)

    def close(self) -> None:
        """End every connection, in use or not."""
        self._sockets.end_all()
        self._adapter.close()

    def _verification(self, place: Origin) -> bool | str:
        if place.scheme == "https" and (not self._network.verify_tls or is_listed(place, self._network.insecure_hosts)):
            self._warn_unchecked(place)
            return False
        return self._ca

    def _warn_unchecked(self, place: Origin) -> None:
        with self._lock:
            if place.authority in self._unchecked:
                return
            self._unchecked.add(place.authority)
            # Ours below says it once and names the host; theirs would come with every request.
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        self._progress.warn(
            f"The TLS certificate of {place} is not checked, as asked: anybody may answer in its place."
        )


class Answer:
    """Status, headers and body of an answer; `close` when done with it."""

    def __init__(
        self, response: requests.Response, network: Network, *, url: Url, place: Origin, proxied: bool
    ) -> None:
        self.status: int = response.status_code
        self.url = url
        self._response = response
        # urllib3 before 2.2 has no `read1`.
        self._next: Callable[..., bytes] = getattr(response.raw, "read1", response.raw.read)
        self._network = network
        self._place = place
        self._piece = _PIECE[place.scheme]
        self._proxied = proxied

    def header(self, name: str) -> str | None:
        """A header's value; the values of several joined by `, `."""
        return self._response.headers.get(name)

    def read(self, most: int | None) -> bytes | Trouble:
        """The next bytes of the body as soon as there are any, `most` of them if that is given; none at its end."""
        try:
            # Not urllib3's `read`: it returns with all of a piece only, and a dripping server keeps it for ever.
            return self._next(self._piece if most is None else min(self._piece, most), decode_content=False)
        except _FAILURES as error:
            return explained(error, self._network, place=self._place, proxied=self._proxied)

    def drain(self) -> None:
        """Read a short body to its end, so that the connection can be used again, and close."""
        length = self.header("Content-Length") or ""
        if length.isdecimal() and int(length) <= _MOST_DRAINED:
            rest = int(length)
            # Of an empty body too: only a read gives the connection back.
            while isinstance(chunk := self.read(max(rest, 1)), bytes) and chunk:
                rest -= len(chunk)
        self.close()

    def close(self) -> None:
        """Give the connection back if the body was read to its end, else end it."""
        self._response.close()


class _Adapter(HTTPAdapter):
    """Keeps as many connections to a host as there are threads, all of them known to `Sockets`."""

    def __init__(self, sockets: Sockets, connections: int) -> None:
        self._pools = _pools(sockets)
        super().__init__(pool_connections=32, pool_maxsize=max(1, connections))

    def init_poolmanager(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - passed on as they are
        """Make the pools with our connections."""
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - passed on as they are
        """Make the pools behind a proxy with our connections."""
        manager = super().proxy_manager_for(*args, **options)
        manager.pool_classes_by_scheme = self._pools
        return manager


def _pools(sockets: Sockets) -> dict[str, type[urllib3.HTTPConnectionPool]]:
    class PlainConnection(urllib3.connection.HTTPConnection):
        def connect(self) -> None:
            with _connecting():
                super().connect()
            sockets.hold(_open(self.sock))

        def getresponse(self) -> Any:  # noqa: ANN401 - another class in each major version of urllib3
            with sockets.answering(_open(self.sock)):
                return super().getresponse()

    class TlsConnection(urllib3.connection.HTTPSConnection):
        def connect(self) -> None:
            with _connecting():
                super().connect()
            sockets.hold(_open(self.sock))

        def getresponse(self) -> Any:  # noqa: ANN401 - another class in each major version of urllib3
            with sockets.answering(_open(self.sock)):
                return super().getresponse()

    class PlainPool(urllib3.HTTPConnectionPool):
        ConnectionCls = PlainConnection

    class TlsPool(urllib3.HTTPSConnectionPool):
        ConnectionCls = TlsConnection

    return {"http": PlainPool, "https": TlsPool}


@contextlib.contextmanager
def _connecting() -> Iterator[None]:
    """Mark what is raised while a connection is made: no class of exception tells it from what comes after."""
    try:
        yield
    except Exception as error:
        error.add_note(UNCONNECTED)
        raise


def _open(connection: socket.socket | None) -> socket.socket:
    if connection is None:
        raise ConnectionError
    return connection


def _checked_ca(ca_file: Path | None) -> bool | str:
    """What `requests` wants to hear about certificates to trust.

    Raises:
        MachineError: the file cannot be read or holds no certificate.
    """
    if ca_file is None:
        return True
    try:
        ssl.create_default_context(cafile=str(ca_file))
    except OSError as error:
        problem = "it holds no certificate in PEM form" if isinstance(error, ssl.SSLError) else str(error.strerror)
    else:
        return str(ca_file)
    raise MachineError(f"The certificates to trust cannot be read from {ca_file}: {problem}. Name another file.")
