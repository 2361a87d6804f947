"""A scripted upstream: an HTTP server on loopback that behaves well, or exactly as badly as a test asks.

    with Upstream(root=directory) as upstream:            # serves a directory tree
        upstream.put("/a.conda", data)                    # and single paths
        upstream.script("/a.conda", truncate(100), ok())  # first answer, second answer; the last one repeats
        fetch(upstream.url + "/a.conda")
        assert [request.range for request in upstream.requests] == [None, "bytes=100-"]

* Without a script a path is served with `ETag`, `Last-Modified`, `Range` with `If-Range`, and `If-None-Match`.
* A script is a list of steps, consumed one a request; the last one repeats. `"*"` scripts every path without its own.
* A step is any `Callable[[Reply], None]`: the functions below make the usual ones, a test may write its own.
* `/t/TOKEN/...` is looked up without the token; `upstream.requests` has the path as it came, `.token` and `.bare`.
* A request in absolute form (`GET http://host/path`) is one to a proxy: it is served from here, `.host` says for whom.
* Another loopback address: `Upstream(address="127.0.0.2")`; TLS: `Upstream(tls=(certificate_pem, key_pem))`.
* `close()` (or leaving the `with`) ends at once, with stalled clients too.
"""

import base64
import contextlib
import email.utils
import gzip
import hashlib
import re
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import unquote

_PIECE = 1 << 18
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")
_TOKEN = re.compile(r"/t/([^/]+)(/.*)")
_ABSOLUTE = re.compile(r"https?://[^/?#]*(.*)", re.IGNORECASE)
_EPOCH = 1_700_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What stands at a path."""

    data: bytes
    etag: str | None
    last_modified: str | None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request as it arrived."""

    method: str
    path: str
    """As it was sent, token and query included; of an absolute form the path alone."""
    headers: Mapping[str, str]
    """Names in lower case."""
    proxied: bool
    """It came in absolute form or as CONNECT."""
    time: float
    """Of the monotonic clock."""
    client: tuple[str, int]
    """Address and port; the same port means the same connection."""

    @property
    def bare(self) -> str:
        """The path without token and query, percent-decoded: under which scripts and files are looked up."""
        path = self.path.partition("?")[0]
        found = _TOKEN.fullmatch(path)
        return unquote(found[2] if found else path)

    @property
    def token(self) -> str | None:
        """Of `/t/TOKEN/...`."""
        found = _TOKEN.fullmatch(self.path.partition("?")[0])
        return found[1] if found else None

    @property
    def range(self) -> str | None:
        """The `Range` header."""
        return self.headers.get("range")

    @property
    def if_range(self) -> str | None:
        """The `If-Range` header."""
        return self.headers.get("if-range")

    @property
    def authorization(self) -> str | None:
        """The `Authorization` header."""
        return self.headers.get("authorization")

    @property
    def proxy_authorization(self) -> str | None:
        """The `Proxy-Authorization` header."""
        return self.headers.get("proxy-authorization")

    @property
    def cookie(self) -> str | None:
        """The `Cookie` header."""
        return self.headers.get("cookie")

    @property
    def host(self) -> str | None:
        """The `Host` header."""
        return self.headers.get("host")


class Reply:
    """What a step has in hand: the request, what stands at its path, and the means to answer."""

    def __init__(self, handler: "_Handler", request: Request, content: Content | None) -> None:
        self.request = request
        self.content = content
        self.upstream = handler.server.upstream
        self._handler = handler

    @property
    def data(self) -> bytes:
        """The bytes at the path, none if there is nothing."""
        return self.content.data if self.content else b""

    @property
    def describing(self) -> dict[str, str]:
        """The headers that describe the content, without its length."""
        if self.content is None:
            return {}
        headers = dict(self.content.headers)
        if self.content.etag:
            headers["ETag"] = self.content.etag
        if self.content.last_modified:
            headers["Last-Modified"] = self.content.last_modified
        return headers

    def head(self, status: int, headers: Mapping[str, str]) -> None:
        """Send the status line and the headers."""
        self._handler.send_response(status)
        for name, value in headers.items():
            self._handler.send_header(name, value)
        self._handler.end_headers()

    def send(self, data: bytes) -> None:
        """Send a part of the body; nothing for HEAD."""
        if self.request.method != "HEAD":
            view = memoryview(data)
            for start in range(0, len(view), _PIECE):
                self._handler.wfile.write(view[start : start + _PIECE])

    def send_raw(self, data: bytes) -> None:
        """Send bytes as they are, without status line and headers."""
        self._handler.wfile.write(data)

    def answer(self, status: int, data: bytes, headers: Mapping[str, str]) -> None:
        """Send status, headers, the right length and the body."""
        self.head(status, {**headers, "Content-Length": str(len(data))})
        self.send(data)

    def cut(self) -> None:
        """Close the connection after what has been sent."""
        self._handler.close_connection = True

    def reset(self) -> None:
        """End the connection with RST."""
        self._handler.wfile.flush()
        self._handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.cut()

    def pause(self, seconds: float | None) -> bool:
        """Send what is buffered and wait, forever with None; False when the upstream is being closed."""
        self._handler.wfile.flush()
        return not self.upstream.closing.wait(seconds)

    def behave(self) -> None:
        """Answer as a good server does."""
        _behave(self)


Step = Callable[[Reply], None]


def _behave(reply: Reply) -> None:
    if reply.content is None:
        reply.answer(404, b"not found\n", {"Content-Type": "text/plain"})
        return
    headers = {**reply.describing, "Accept-Ranges": "bytes"}
    if reply.content.etag and reply.request.headers.get("if-none-match") == reply.content.etag:
        reply.head(304, headers)
        return
    part = _part(reply)
    size = len(reply.data)
    if part is None:
        reply.answer(200, reply.data, headers)
    elif not part:
        reply.answer(416, b"", {**headers, "Content-Range": f"bytes */{size}"})
    else:
        headers["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{size}"
        reply.answer(206, reply.data[part.start : part.stop], headers)


def _part(reply: Reply) -> range | None:
    """The bytes asked for: all of them is None, none of them is an empty range."""
    found = _RANGE.fullmatch(reply.request.range or "")
    guard = reply.request.if_range
    content = reply.content
    if not found or content is None or (guard is not None and guard not in {content.etag, content.last_modified}):
        return None
    size = len(content.data)
    stop = min(int(found[2]) + 1, size) if found[2] else size
    return range(int(found[1]), stop)


def ok() -> Step:
    """Behave: 200, 206, 304, 404, 416 as they are due."""
    return Reply.behave


def answer(data: bytes, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Step:
    """Answer with these bytes, whatever stands at the path."""
    return lambda reply: reply.answer(status, data, headers or {})


def status(code: int, headers: Mapping[str, str] | None = None) -> Step:
    """Answer with a status and a short body."""
    return answer(b"scripted status\n", status=code, headers=headers)


def redirect(to: str, *, code: int = 302, headers: Mapping[str, str] | None = None) -> Step:
    """Send elsewhere."""
    return status(code, {**(headers or {}), "Location": to})


def truncate(at: int) -> Step:
    """Promise what is due (the whole, or the range asked for) and close after `at` bytes of it."""

    def step(reply: Reply) -> None:
        _promise(reply, at)
        reply.cut()

    return step


def reset(at: int) -> Step:
    """Promise what is due and end the connection with RST after `at` bytes of it."""

    def step(reply: Reply) -> None:
        _promise(reply, at)
        # Else RST overtakes the bytes and the client has none of them.
        reply.pause(0.05)
        reply.reset()

    return step


def stall(at: int) -> Step:
    """Promise what is due and fall silent after `at` bytes of it, until the upstream is closed."""

    def step(reply: Reply) -> None:
        _promise(reply, at)
        reply.pause(None)
        reply.cut()

    return step


def stall_before_headers() -> Step:
    """Read the request and fall silent."""

    def step(reply: Reply) -> None:
        reply.pause(None)
        reply.cut()

    return step


def close_before_headers() -> Step:
    """Read the request and close."""
    return Reply.cut


def drip(*, pieces_per_second: float, piece: int = 1) -> Step:
    """Promise what is due and send it a few bytes at a time."""

    def step(reply: Reply) -> None:
        rest = _promise(reply, 0)
        for start in range(0, len(rest), piece):
            reply.send(rest[start : start + piece])
            if not reply.pause(1 / pieces_per_second):
                break
        reply.cut()

    return step


def drip_headers(*, pieces_per_second: float) -> Step:
    """Send an endless header, byte by byte."""

    def step(reply: Reply) -> None:
        reply.send_raw(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        while reply.pause(1 / pieces_per_second):
            reply.send_raw(b"a")
        reply.cut()

    return step


def endless() -> Step:
    """Send zeros without a length, forever."""

    def step(reply: Reply) -> None:
        reply.head(200, {"Connection": "close"})
        while reply.pause(0):
            reply.send(bytes(_PIECE))
        reply.cut()

    return step


def garbage(data: bytes = b"\x00\xff this is no HTTP\r\n\r\n") -> Step:
    """Send something that is not HTTP, and close."""

    def step(reply: Reply) -> None:
        reply.send_raw(data)
        reply.cut()

    return step


def html200() -> Step:
    """Answer 200 with a page, as captive portals do."""
    return answer(b"<!doctype html><p>Please log in", headers={"Content-Type": "text/html"})


def wrong_length(by: int) -> Step:
    """Promise `by` bytes more (or less, if negative) than are sent; all bytes are sent, then the connection closes."""

    def step(reply: Reply) -> None:
        reply.head(200, {**reply.describing, "Content-Length": str(len(reply.data) + by)})
        reply.send(reply.data)
        reply.cut()

    return step


def no_length() -> Step:
    """Send the body without a length; its end is the end of the connection."""

    def step(reply: Reply) -> None:
        reply.head(200, {**reply.describing, "Connection": "close"})
        reply.send(reply.data)
        reply.cut()

    return step


def chunked(*, cut_after: int | None = None) -> Step:
    """Send the body in chunks of 1000 bytes; close without the last chunk after `cut_after` of them."""

    def step(reply: Reply) -> None:
        reply.head(200, {**reply.describing, "Transfer-Encoding": "chunked"})
        pieces = [reply.data[start : start + 1000] for start in range(0, len(reply.data), 1000)]
        for piece in pieces[:cut_after]:
            reply.send(b"%x\r\n%s\r\n" % (len(piece), piece))
        if cut_after is None:
            reply.send(b"0\r\n\r\n")
        else:
            reply.cut()

    return step


def gzip_encoded() -> Step:
    """Answer 200 with `Content-Encoding: gzip`, asked or not."""

    def step(reply: Reply) -> None:
        reply.answer(200, gzip.compress(reply.data, mtime=0), {**reply.describing, "Content-Encoding": "gzip"})

    return step


def range_ignored() -> Step:
    """Answer 200 with everything, whatever range was asked for."""
    return lambda reply: reply.answer(200, reply.data, reply.describing)


def range_wrong(*, shift: int = 1, total: int | None = None) -> Step:
    """Answer 206 with a range that starts `shift` bytes off, or with a wrong total; behave without a range."""

    def step(reply: Reply) -> None:
        part = _part(reply)
        if not part:
            reply.behave()
            return
        start = part.start + shift
        header = f"bytes {start}-{part.stop - 1}/{len(reply.data) if total is None else total}"
        reply.answer(206, reply.data[start : part.stop], {**reply.describing, "Content-Range": header})

    return step


def if_range_ignored() -> Step:
    """Answer 206 with the range asked for, though it be of another file than `If-Range` names."""

    def step(reply: Reply) -> None:
        found = _RANGE.fullmatch(reply.request.range or "")
        if not found:
            reply.behave()
            return
        start, size = int(found[1]), len(reply.data)
        header = f"bytes {start}-{size - 1}/{size}"
        reply.answer(206, reply.data[start:], {**reply.describing, "Content-Range": header})

    return step


def range_not_satisfiable() -> Step:
    """Answer 416 to every range; behave without a range."""

    def step(reply: Reply) -> None:
        if reply.request.range:
            reply.answer(416, b"", {"Content-Range": f"bytes */{len(reply.data)}"})
        else:
            reply.behave()

    return step


def etag_change_midway(at: int, *, replacement: bytes) -> Step:
    """Close after `at` bytes; from then on `replacement` stands at the path, under another ETag."""

    def step(reply: Reply) -> None:
        _promise(reply, at)
        reply.upstream.put(reply.request.bare, replacement)
        reply.cut()

    return step


def demand_basic(username: str, password: str, then: Step | None = None) -> Step:
    """401 unless `Authorization: Basic` is right."""
    expected = "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()
    return _demand(lambda request: request.authorization == expected, then)


def demand_bearer(token: str, then: Step | None = None) -> Step:
    """401 unless `Authorization: Bearer` is right."""
    return _demand(lambda request: request.authorization == f"Bearer {token}", then)


def demand_token(token: str, then: Step | None = None) -> Step:
    """401 unless the path starts with `/t/TOKEN/`."""
    return _demand(lambda request: request.token == token, then)


def _demand(right: Callable[[Request], bool], then: Step | None) -> Step:
    def step(reply: Reply) -> None:
        if right(reply.request):
            (then or ok())(reply)
        else:
            reply.answer(401, b"who are you?\n", {"WWW-Authenticate": "Basic"})

    return step


def _promise(reply: Reply, at: int) -> bytes:
    """Send the headers that are due and `at` bytes of the body; the rest of it is returned."""
    part = _part(reply)
    if part:
        body = reply.data[part.start : part.stop]
        reply.head(
            206,
            {
                **reply.describing,
                "Content-Length": str(len(body)),
                "Content-Range": f"bytes {part.start}-{part.stop - 1}/{len(reply.data)}",
            },
        )
    else:
        body = reply.data
        reply.head(200, {**reply.describing, "Content-Length": str(len(body))})
    reply.send(body[:at])
    return body[at:]


class Upstream:
    """A server on loopback with a program per path; everything that it was asked stands in `requests`."""

    def __init__(
        self,
        *,
        root: Path | None = None,
        address: str = "127.0.0.1",
        tls: tuple[Path, Path] | None = None,
    ) -> None:
        self.closing = threading.Event()
        self._root = root
        self._lock = threading.Lock()
        self._contents: dict[str, Content] = {}
        self._scripts: dict[str, list[Step]] = {}
        self._requests: list[Request] = []
        self._server = _Server((address, 0), self)
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            # The handshake happens in the thread of the connection: a client that stalls in it stops nobody else.
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._scheme = "https" if tls else "http"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    @property
    def authority(self) -> str:
        """`address:port`."""
        address, port = self._server.server_address[:2]
        return f"{address!s}:{port}"

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """`scheme://address:port`, no trailing slash."""
        return f"{self._scheme}://{self.authority}"

    def put(
        self,
        path: str,
        data: bytes,
        *,
        etag: str | None = "",
        last_modified: str | None = "",
        headers: Mapping[str, str] | None = None,
    ) -> str:
        """Place bytes at a path and return its URL; etag and date are made up unless given, None is without."""
        content = Content(
            data=data,
            etag=f'"{hashlib.sha256(data).hexdigest()[:16]}"' if etag == "" else etag,
            last_modified=email.utils.formatdate(_EPOCH, usegmt=True) if last_modified == "" else last_modified,
            headers=headers or {},
        )
        with self._lock:
            self._contents[path] = content
        return self.url + path

    def script(self, path: str, *steps: Step) -> str:
        """Replace the program of a path (`"*"`: of all paths without one) and return its URL."""
        with self._lock:
            self._scripts[path] = list(steps)
        return self.url + path

    @property
    def requests(self) -> list[Request]:
        """Everything asked so far, in the order of arrival."""
        with self._lock:
            return list(self._requests)

    def requests_to(self, path: str) -> list[Request]:
        """Everything asked of one path, whatever its token or query."""
        return [request for request in self.requests if request.bare == path]

    def forget_requests(self) -> None:
        """Empty `requests`."""
        with self._lock:
            self._requests.clear()

    def content(self, path: str) -> Content | None:
        """What stands at a path: what was put there, else the file of the tree."""
        with self._lock:
            if path in self._contents:
                return self._contents[path]
        if self._root is None:
            return None
        file = self._root.joinpath(*path.strip("/").split("/"))
        if ".." in file.parts or not file.is_file():
            return None
        data = file.read_bytes()
        date = email.utils.formatdate(int(file.stat().st_mtime), usegmt=True)
        return Content(data=data, etag=f'"{hashlib.sha256(data).hexdigest()[:16]}"', last_modified=date)

    def _next_step(self, request: Request) -> Step:
        with self._lock:
            self._requests.append(request)
            steps = self._scripts.get(request.bare) or self._scripts.get("*") or []
            if len(steps) > 1:
                return steps.pop(0)
            return steps[0] if steps else Reply.behave

    def close(self) -> None:
        """Stop listening and end every connection, at once."""
        self.closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.end_connections()
        self._server.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "_Server"
    # One packet for status line and headers, and none held back waiting for an acknowledgement.
    wbufsize = 1 << 16
    disable_nagle_algorithm = True

    def _serve(self) -> None:
        absolute = _ABSOLUTE.fullmatch(self.path)
        request = Request(
            method=self.command,
            path=(absolute[1] or "/") if absolute else self.path,
            headers={name.lower(): value for name, value in self.headers.items()},
            proxied=absolute is not None or self.command == "CONNECT",
            time=time.monotonic(),
            client=(self.client_address[0], self.client_address[1]),
        )
        step = self.server.upstream._next_step(request)
        step(Reply(self, request, self.server.upstream.content(request.bare)))
        self.wfile.flush()

    do_GET = do_HEAD = do_CONNECT = _serve  # noqa: N815 - the names that http.server calls

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Say nothing: `requests` has it all."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], upstream: Upstream) -> None:
        self.upstream = upstream
        self._open: set[socket.socket] = set()
        self._threads_running: set[threading.Thread] = set()
        self._guard = threading.Lock()
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        """Bind without looking up the host's name: that may ask a name server."""
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = self.server_address[:2]

    @contextlib.contextmanager
    def _tracked(self, connection: socket.socket) -> Iterator[None]:
        with self._guard:
            self._open.add(connection)
            self._threads_running.add(threading.current_thread())
        try:
            yield
        finally:
            with self._guard:
                self._open.discard(connection)
                self._threads_running.discard(threading.current_thread())

    def process_request_thread(self, request: socket.socket, client_address: object) -> None:  # type: ignore[override]
        """Serve one connection; a client that goes away in the middle is no error."""
        with self._tracked(request):
            try:
                with contextlib.suppress(OSError):
                    self.finish_request(request, client_address)  # type: ignore[arg-type]
            finally:
                # After `reset` an orderly shutdown would send FIN first.
                linger = request.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8)
                if struct.unpack("ii", linger)[0]:
                    request.close()
                else:
                    self.shutdown_request(request)

    def end_connections(self) -> None:
        """Shut every open connection and wait for its thread."""
        with self._guard:
            connections, threads = list(self._open), list(self._threads_running)
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join(5)
