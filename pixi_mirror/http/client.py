"""Send one request over kept connections, with `requests`."""

import contextlib
import logging
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import requests
import urllib3
from requests.adapters import HTTPAdapter

from pixi_mirror import __version__
from pixi_mirror.errors import MachineError
from pixi_mirror.http.failures import UNCONNECTED, Failure, explain_exception
from pixi_mirror.http.origins import Origin, is_listed, proxy_for
from pixi_mirror.http.responses import EXCEPTIONS, HttpResponse
from pixi_mirror.http.sockets import OpenSockets
from pixi_mirror.model.network import Network
from pixi_mirror.model.values import Url
from pixi_mirror.progress import Progress


class HttpClient:
    """Sends requests over kept connections. Many threads use one object.

    It uses the adapter without a session: there are no cookies, no netrc, no environment and no redirects, and a
    request takes two thirds of the time.
    """

    def __init__(self, network: Network, progress: Progress, *, connections: int) -> None:
        # Its log records hold URLs with their secrets, some at the level of warnings: no handler may get them.
        logging.getLogger("urllib3").setLevel(logging.CRITICAL + 1)
        self._network = network
        self._progress = progress
        self._sockets = OpenSockets(response_timeout_s=2 * network.idle_timeout_s)
        self._adapter = _Adapter(self._sockets, connections)
        self._ca = _ca_file(network.ca_file)
        self._unverified: set[str] = set()
        self._lock = threading.Lock()

    def send(
        self,
        url: Url,
        origin: Origin,
        headers: Mapping[str, str],
        *,
        method: str = "GET",
        body: bytes | BinaryIO | None = None,
    ) -> HttpResponse | Failure:
        """Send one request and read the headers of the response.

        Args:
            url: an http or https URL without user.
            origin: the origin of `url`.
            headers: sent besides ours, and in place of ours.
            method: of HTTP.
            body: is sent with its length; a file is read piece by piece. None: there is none.
        """
        proxy = proxy_for(origin, self._network.proxies)
        try:
            request = requests.PreparedRequest()
            request.prepare(
                method=method,
                url=url.raw,
                data=body,
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
                verify=self._verification(origin),
                proxies={origin.scheme: proxy} if proxy else None,
            )
        except EXCEPTIONS as error:
            return explain_exception(error, self._network, origin=origin, proxied=proxy is not None)
        return HttpResponse(response, self._network, url=url, origin=origin, proxied=proxy is not None)

    def send_form(
        self, url: Url, origin: Origin, headers: Mapping[str, str], form: str | None
    ) -> HttpResponse | Failure:
        """Send a form as POST, as token services have it; `form` is encoded; None: there is none, and it is a GET."""
        if form is None:
            return self.send(url, origin, headers)
        headers = {**headers, "Content-Type": "application/x-www-form-urlencoded"}
        return self.send(url, origin, headers, method="POST", body=form.encode())

    def close(self) -> None:
        """End every connection, in use or not."""
        self._sockets.end_all()
        self._adapter.close()

    def _verification(self, origin: Origin) -> bool | str:
        """What requests takes as `verify`: False, True for its own certificates, or the path of the user's."""
        network = self._network
        if origin.scheme == "https" and (not network.verify_tls or is_listed(origin, network.insecure_hosts)):
            self._warn_unverified(origin)
            return False
        return self._ca

    def _warn_unverified(self, origin: Origin) -> None:
        with self._lock:
            if origin.authority in self._unverified:
                return
            self._unverified.add(origin.authority)
            # Our warning below comes once and names the host; urllib3's would come with every request.
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        self._progress.warn(
            f"The TLS certificate of {origin} is not checked, as asked: anybody may answer in its place."
        )


class _Adapter(HTTPAdapter):
    """Keeps as many connections to a host as there are threads, `OpenSockets` knows all of them."""

    def __init__(self, sockets: OpenSockets, connections: int) -> None:
        self._pools = _pools(sockets)
        super().__init__(pool_connections=32, pool_maxsize=max(1, connections))

    def init_poolmanager(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - passed on as they are
        """Make pools of our own connections."""
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - passed on as they are
        """Make pools of our own connections through a proxy."""
        manager = super().proxy_manager_for(*args, **options)
        manager.pool_classes_by_scheme = self._pools
        return manager


def _pools(sockets: OpenSockets) -> dict[str, type[urllib3.HTTPConnectionPool]]:
    class PlainConnection(urllib3.connection.HTTPConnection):
        def connect(self) -> None:
            with _connecting():
                super().connect()
            sockets.add(_connected(self.sock))

        def getresponse(self) -> Any:  # noqa: ANN401 - another class in each major version of urllib3
            with sockets.deadline(_connected(self.sock)):
                return super().getresponse()

    class TlsConnection(PlainConnection, urllib3.connection.HTTPSConnection):
        pass

    class PlainPool(urllib3.HTTPConnectionPool):
        ConnectionCls = PlainConnection

    class TlsPool(urllib3.HTTPSConnectionPool):
        ConnectionCls = TlsConnection

    return {"http": PlainPool, "https": TlsPool}


@contextlib.contextmanager
def _connecting() -> Iterator[None]:
    """Add a note to what is raised while a connection is made: its class does not tell it from later exceptions."""
    try:
        yield
    except Exception as error:
        error.add_note(UNCONNECTED)
        raise


def _connected(connection: socket.socket | None) -> socket.socket:
    if connection is None:
        raise ConnectionError
    return connection


def _ca_file(ca_file: Path | None) -> bool | str:
    """What requests takes as `verify`: the path of the certificates to trust, or True for its own.

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
