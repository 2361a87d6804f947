"""Read the heads of requests from a connection and send answers over it, with limits to everybody's patience."""

import errno
import os
import select
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from pixi_mirror.serve.app import Response
from pixi_mirror.serve.files import piece_of
from pixi_mirror.serve.ranges import Span
from pixi_mirror.serve.request import LONGEST_HEAD, RequestRefused

_PIECE = 1 << 18
_SMALL = 1 << 16
"""Bytes that are sent together with the head."""
_MOST_AT_ONCE = 1 << 30
_LINGER_S = 1.0
_ENDS = (b"\r\n\r\n", b"\n\n", b"\n\r\n")
# RFC 9112, 2.2: "a recipient MAY recognize a single LF as a line terminator".


class TimeLimits(NamedTuple):
    """How long a client may take."""

    idle_s: float = 30.0
    """To begin with a request."""
    head_s: float = 20.0
    """To send the whole head of one, whatever it sends meanwhile."""
    stall_s: float = 60.0
    """To take any of what is sent to it."""


class TruncatedFile(Exception):
    """A file has fewer bytes than it was announced with: only closing the connection tells so."""


class Wire:
    """One connection."""

    def __init__(self, connection: socket.socket, patience: TimeLimits) -> None:
        self._connection = connection
        self._patience = patience
        self._read = bytearray()

    def await_request(self) -> bool:
        """Wait for the first byte of a request; whether one came."""
        # RFC 9112, 2.2: "ignore at least one empty line (CRLF) received prior to the request-line".
        while not self._read.lstrip(b"\r\n"):
            self._read.clear()
            self._connection.settimeout(self._patience.idle_s)
            try:
                piece = self._connection.recv(_PIECE)
            except TimeoutError:
                return False
            if not piece:
                return False
            self._read += piece
        return True

    def head(self) -> bytes:
        """The head of the request that has begun, the empty line included.

        Raises:
            Refused: it is too long, or takes too long.
            OSError: the connection has ended.
        """
        until_s = time.monotonic() + self._patience.head_s
        del self._read[: len(self._read) - len(self._read.lstrip(b"\r\n"))]
        while (end := self._end_of_head()) is None:
            if len(self._read) > LONGEST_HEAD:
                raise RequestRefused(431 if b"\n" in self._read else 414, "the head of the request is too long")
            left_s = until_s - time.monotonic()
            if left_s <= 0:
                raise RequestRefused(408, "the request took too long")
            self._connection.settimeout(left_s)
            try:
                piece = self._connection.recv(_SMALL)
            except TimeoutError:
                continue
            if not piece:
                raise ConnectionResetError(errno.ECONNRESET, "the client has gone")
            self._read += piece
        if end > LONGEST_HEAD:
            raise RequestRefused(431, "the head of the request is too long")
        head = bytes(self._read[:end])
        del self._read[:end]
        return head

    def _end_of_head(self) -> int | None:
        found = [at + len(end) for end in _ENDS if (at := self._read.find(end)) >= 0]
        return min(found, default=None)

    def send(self, head: bytes, answer: Response, *, with_body: bool, count: Callable[[int], None]) -> None:
        """Send an answer; `count` is told how many bytes of the body have gone.

        Raises:
            OSError: the client has gone, or takes nothing any more.
            Truncated: the file is shorter than it was.
        """
        self._connection.settimeout(self._patience.stall_s)
        waiting = bytearray(head)
        unsaid = 0
        for part in answer.body if with_body else ():
            if isinstance(part, Span) and part.length > _SMALL:
                self._connection.sendall(waiting)
                count(unsaid)
                waiting.clear()
                unsaid = 0
                self._send_span(answer, part, count)
                continue
            waiting += self._small(answer, part) if isinstance(part, Span) else part
            unsaid += part.length if isinstance(part, Span) else len(part)
        self._connection.sendall(waiting)
        count(unsaid)

    @staticmethod
    def _small(answer: Response, span: Span) -> bytes:
        data = piece_of(_descriptor(answer), span.length, span.start)
        if len(data) != span.length:
            raise TruncatedFile
        return data

    def _send_span(self, answer: Response, span: Span, count: Callable[[int], None]) -> None:
        if hasattr(os, "sendfile") and not isinstance(self._connection, ssl.SSLSocket):
            self._send_by_kernel(_descriptor(answer), span, count)
            return
        at = span.start
        while at < span.stop:
            piece = piece_of(_descriptor(answer), min(_PIECE, span.stop - at), at)
            if not piece:
                raise TruncatedFile
            self._connection.sendall(piece)
            at += len(piece)
            count(len(piece))

    def _send_by_kernel(self, descriptor: int, span: Span, count: Callable[[int], None]) -> None:
        target = self._connection.fileno()
        writable = select.poll()
        writable.register(target, select.POLLOUT)
        at = span.start
        while at < span.stop:
            try:
                sent = os.sendfile(target, descriptor, at, min(_MOST_AT_ONCE, span.stop - at))
            except BlockingIOError:
                if not writable.poll(self._patience.stall_s * 1000):
                    raise TimeoutError(errno.ETIMEDOUT, "the client takes nothing") from None
                continue
            if sent == 0:
                raise TruncatedFile
            at += sent
            count(sent)

    def close(self, *, has_more: bool) -> None:
        """End the connection; with `has_more` after having let the client read what it was told.

        Where something that came was not read, closing would throw away what is still under way to the client.
        """
        with suppress(OSError):
            if has_more:
                self._connection.settimeout(_LINGER_S)
                socket.socket.shutdown(self._connection, socket.SHUT_WR)
                until_s = time.monotonic() + _LINGER_S
                while time.monotonic() < until_s and socket.socket.recv(self._connection, _PIECE):
                    pass
        with suppress(OSError):
            self._connection.close()


def _descriptor(answer: Response) -> int:
    if answer.opened is None:
        raise TruncatedFile
    return answer.opened.descriptor
