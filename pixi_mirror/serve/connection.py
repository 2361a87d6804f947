"""Handle one connection: read its requests, write the responses, log each; with time limits for every step."""

import errno
import os
import select
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from typing import NamedTuple

from pixi_mirror.serve.access_log import Access
from pixi_mirror.serve.app import App
from pixi_mirror.serve.files import FileUnavailable, read_piece
from pixi_mirror.serve.negotiation import http_date
from pixi_mirror.serve.open_connections import OpenConnections
from pixi_mirror.serve.ranges import Span
from pixi_mirror.serve.request import LONGEST_HEAD, HttpRequest, RequestRefused, masked, parse_request
from pixi_mirror.serve.request_body import BodyLimits, SocketBody
from pixi_mirror.serve.responses import NO_STORE, Response, refusal_response, text_response

Log = Callable[[Access], None]

_LONGEST_LOGGED_PATH = 2048
_PHRASES = {status.value: status.phrase for status in HTTPStatus}
_NO_BODY = (HTTPStatus.NOT_MODIFIED, HTTPStatus.NO_CONTENT)
_PIECE = 1 << 18
_SMALL = 1 << 16
"""Bytes that are sent together with the head."""
_MOST_AT_ONCE = 1 << 30
_LINGER_S = 1.0
_HEAD_ENDS = (b"\r\n\r\n", b"\n\n", b"\n\r\n")
# RFC 9112, 2.2: "a recipient MAY recognize a single LF as a line terminator".


class TimeLimits(NamedTuple):
    """How long a client may take."""

    idle_s: float = 30.0
    """Until it begins a request."""
    head_s: float = 20.0
    """Until the whole head of a request is there."""
    stall_s: float = 60.0
    """During which it takes none of the bytes that are sent."""
    body: BodyLimits = BodyLimits()


class TruncatedFile(Exception):
    """A file has fewer bytes than its Content-Length; only closing the connection can show that to the client."""


class Connection:
    """One connection from its first byte to its last."""

    def __init__(
        self,
        connection: socket.socket,
        client: str,
        *,
        app: App,
        connections: OpenConnections,
        log: Log,
        limits: TimeLimits,
    ) -> None:
        self._socket = connection
        self._client = client
        self._app = app
        self._connections = connections
        self._log = log
        self._limits = limits
        self._buffer = bytearray()
        """Bytes that were read and not parsed."""

    def handle_requests(self) -> None:
        """Respond until either side ends the connection; no error of the network or of a client leaves here."""
        has_unread = False
        try:
            if isinstance(self._socket, ssl.SSLSocket):
                self._socket.settimeout(self._limits.head_s)
                self._socket.do_handshake()
            goes_on, is_new = True, True
            while goes_on and self._connections.set_idle(self._socket, is_new=is_new) and self._await_request():
                self._connections.set_busy(self._socket)
                goes_on, has_unread = self._handle_request()
                is_new = False
        except (OSError, ValueError):
            pass  # the client has left, or speaks another protocol; a socket that was closed raises ValueError
        finally:
            self._close(has_unread=has_unread)

    def _handle_request(self) -> tuple[bool, bool]:
        """Respond to one request; whether another may follow, and whether the client sent what was not read."""
        request: HttpRequest | None = None
        body: SocketBody | None = None
        request_line: tuple[str, str] | None = None
        began_s, began = time.time(), time.perf_counter()
        try:
            takes_uploads = self._app.uploads is not None
            request = parse_request(self._read_head(), client=self._client, takes_uploads=takes_uploads)
            request_line = request.method, request.target
            if request.framing is not None:
                body = SocketBody(self._socket, self._buffer, request.framing, limits=self._limits.body)
            response = self._respond(request, body)
        except RequestRefused as refused:
            request_line = refused.request_line
            response = refusal_response(refused)
        is_read = request is not None and (body is None or body.is_done)
        goes_on = request is not None and is_read and request.keeps_alive and not self._connections.is_closing
        sent = 0

        def count(more: int) -> None:
            nonlocal sent
            sent += more

        try:
            with_body = request_line is None or request_line[0] != "HEAD"
            self._send(_head(response, goes_on=goes_on), response, with_body=with_body, count=count)
        except (OSError, TruncatedFile):
            goes_on = False
        finally:
            response.close()
            self._log(
                Access(
                    time_s=began_s,
                    client=request.client if request else self._client,
                    method=request_line[0] if request_line else None,
                    path=masked(request_line[1])[:_LONGEST_LOGGED_PATH] if request_line else None,
                    status=response.status,
                    sent=sent,
                    seconds=time.perf_counter() - began,
                    user_agent=request.fields.get("user-agent") if request else None,
                )
            )
        if body is not None and not is_read:
            self._let_it_read(body)
        return goes_on, not is_read

    def _let_it_read(self, body: SocketBody) -> None:
        """Read the rest of a refused body: many clients send it to its end before they read the response."""
        with suppress(OSError, ValueError, RequestRefused):
            body.drain()

    def _respond(self, request: HttpRequest, body: SocketBody | None) -> Response:
        try:
            return self._app.respond(request, partial(self._connections.waiting_for_upstream, self._socket), body)
        except RequestRefused as refused:
            return refusal_response(refused)
        except FileUnavailable as missing:
            retry = {} if missing.retry_after_s is None else {"Retry-After": str(missing.retry_after_s)}
            return text_response(missing.status, f"{missing.reason}\n".encode(), {**NO_STORE, **retry})
        except OSError:
            return text_response(500, b"the file cannot be read\n", NO_STORE)

    def _await_request(self) -> bool:
        """Wait for the first byte of a request; whether one came."""
        # RFC 9112, 2.2: "ignore at least one empty line (CRLF) received prior to the request-line".
        while not self._buffer.lstrip(b"\r\n"):
            self._buffer.clear()
            self._socket.settimeout(self._limits.idle_s)
            try:
                piece = self._socket.recv(_PIECE)
            except TimeoutError:
                return False
            if not piece:
                return False
            self._buffer += piece
        return True

    def _read_head(self) -> bytes:
        """Read the head of the request that has begun, up to and including the empty line.

        Raises:
            RequestRefused: it is too long, or takes too long.
            OSError: the connection has ended.
        """
        until_s = time.monotonic() + self._limits.head_s
        del self._buffer[: len(self._buffer) - len(self._buffer.lstrip(b"\r\n"))]
        while (end := self._end_of_head()) is None:
            if len(self._buffer) > LONGEST_HEAD:
                raise RequestRefused(431 if b"\n" in self._buffer else 414, "the head of the request is too long")
            left_s = until_s - time.monotonic()
            if left_s <= 0:
                raise RequestRefused(408, "the request took too long")
            self._socket.settimeout(left_s)
            try:
                piece = self._socket.recv(_SMALL)
            except TimeoutError:
                continue
            if not piece:
                raise ConnectionResetError(errno.ECONNRESET, "the client has left")
            self._buffer += piece
        if end > LONGEST_HEAD:
            raise RequestRefused(431, "the head of the request is too long")
        head = bytes(self._buffer[:end])
        del self._buffer[:end]
        return head

    def _end_of_head(self) -> int | None:
        found = [at + len(end) for end in _HEAD_ENDS if (at := self._buffer.find(end)) >= 0]
        return min(found, default=None)

    def _send(self, head: bytes, response: Response, *, with_body: bool, count: Callable[[int], None]) -> None:
        """Send a response; `count` gets the number of body bytes that were sent.

        Raises:
            OSError: the client has left, or takes no more bytes.
            TruncatedFile: the file is shorter than it was.
        """
        self._socket.settimeout(self._limits.stall_s)
        pending = bytearray(head)
        uncounted = 0
        for part in response.body if with_body else ():
            if isinstance(part, Span) and part.length > _SMALL:
                self._socket.sendall(pending)
                count(uncounted)
                pending.clear()
                uncounted = 0
                self._send_span(_descriptor(response), part, count)
                continue
            pending += _read_span(response, part) if isinstance(part, Span) else part
            uncounted += part.length if isinstance(part, Span) else len(part)
        self._socket.sendall(pending)
        count(uncounted)

    def _send_span(self, descriptor: int, span: Span, count: Callable[[int], None]) -> None:
        if hasattr(os, "sendfile") and not isinstance(self._socket, ssl.SSLSocket):
            self._send_by_kernel(descriptor, span, count)
            return
        at = span.start
        while at < span.stop:
            piece = read_piece(descriptor, min(_PIECE, span.stop - at), at)
            if not piece:
                raise TruncatedFile
            self._socket.sendall(piece)
            at += len(piece)
            count(len(piece))

    def _send_by_kernel(self, descriptor: int, span: Span, count: Callable[[int], None]) -> None:
        target = self._socket.fileno()
        writable = select.poll()
        writable.register(target, select.POLLOUT)
        at = span.start
        while at < span.stop:
            try:
                sent = os.sendfile(target, descriptor, at, min(_MOST_AT_ONCE, span.stop - at))
            except BlockingIOError:
                if not writable.poll(self._limits.stall_s * 1000):
                    raise TimeoutError(errno.ETIMEDOUT, "the client takes no more bytes") from None
                continue
            if sent == 0:
                raise TruncatedFile
            at += sent
            count(sent)

    def _close(self, *, has_unread: bool) -> None:
        """Close the connection.

        Args:
            has_unread: Whether the client may have sent bytes that nobody read. Closing at once would then reset the
                connection, and the client might lose the response; so it gets a second to read it.
        """
        with suppress(OSError):
            if has_unread:
                self._socket.settimeout(_LINGER_S)
                socket.socket.shutdown(self._socket, socket.SHUT_WR)
                until_s = time.monotonic() + _LINGER_S
                while time.monotonic() < until_s and socket.socket.recv(self._socket, _PIECE):
                    pass
        with suppress(OSError):
            self._socket.close()


def _head(response: Response, *, goes_on: bool) -> bytes:
    lines = [
        f"HTTP/1.1 {response.status} {response.reason or _PHRASES.get(response.status, '')}",
        f"Date: {http_date(time.time())}",
        "Server: pixi-mirror",
        *(f"{name}: {value}" for name, value in response.fields.items()),
        "X-Content-Type-Options: nosniff",
    ]
    if response.status not in _NO_BODY:
        lines.append(f"Content-Length: {response.length}")
    lines.append(f"Connection: {'keep-alive' if goes_on else 'close'}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def _read_span(response: Response, span: Span) -> bytes:
    data = read_piece(_descriptor(response), span.length, span.start)
    if len(data) != span.length:
        raise TruncatedFile
    return data


def _descriptor(response: Response) -> int:
    if response.file is None:
        raise TruncatedFile
    return response.file.descriptor
