"""Serve packages from memory on loopback, and record the requests: the demo's upstream."""

import threading
from collections.abc import Mapping
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote, urlsplit

from pixi_mirror.errors import MachineError
from pixi_mirror.pypi.simple import V1_JSON


class Upstream:
    """A server of `path -> bytes` on 127.0.0.1, running while the context is open."""

    def __init__(self, content: Mapping[str, bytes]) -> None:
        """Take what to serve: path without leading slash -> bytes; the mapping may grow while it serves.

        Raises:
            MachineError: no port of 127.0.0.1 can be opened.
        """
        self._requests: list[str] = []
        handler = partial(_Handler, content, self._requests)
        try:
            self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        except OSError as error:
            raise MachineError(f"127.0.0.1 gives no port to serve on: {error}. Is loopback up?") from error
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        """Where it is, without trailing slash."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def requests(self) -> tuple[str, ...]:
        """The paths requested so far, in order."""
        return tuple(self._requests)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, content: Mapping[str, bytes], requests: list[str], *args: Any) -> None:  # noqa: ANN401 - socketserver's
        self._content = content
        self._requests = requests
        super().__init__(*args)

    def do_GET(self) -> None:
        self._respond(body=True)

    def do_HEAD(self) -> None:
        self._respond(body=False)

    def _respond(self, *, body: bool) -> None:
        path = unquote(urlsplit(self.path).path).lstrip("/")
        self._requests.append(path)
        data = self._content.get(path)
        self.send_response(404 if data is None else 200)
        self.send_header("Content-Type", V1_JSON if path.endswith("/") else "application/octet-stream")
        self.send_header("Content-Length", str(len(data or b"")))
        self.end_headers()
        if body and data:
            self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Print nothing: the demo has its own output."""
