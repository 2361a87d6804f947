"""Read the body of a request from its connection: by length or in chunks, with limits of time (RFC 9112, 6 and 7)."""

import errno
import re
import socket
import time
from collections.abc import Callable
from typing import NamedTuple, Protocol

from pixi_mirror.serve.request import BodyFraming, RequestRefused

_PIECE = 1 << 18
_LONGEST_LINE = 4096
"""Bytes of the line before a chunk, which may have extensions."""
_LONGEST_TRAILER = 16 * 1024
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n]*)?")
_GO_ON = b"HTTP/1.1 100 Continue\r\n\r\n"


class BodyLimits(NamedTuple):
    """How long a client may take for a body."""

    stall_s: float = 30.0
    """During which nothing comes."""
    grace_s: float = 60.0
    """After which it must have come at the least rate, from its beginning on."""
    least_rate: float = 16 * 1024.0
    """Bytes per second."""
    drain_s: float = 60.0
    """During which the rest of a refused body is read, so that the client gets to read the response."""


class RequestBody(Protocol):
    """A body that comes in pieces."""

    @property
    def framing(self) -> BodyFraming:
        """How its end is found."""

    def read(self) -> bytes:
        """The next bytes, as many as have come; empty: the body has ended.

        Raises:
            RequestRefused: it is malformed or comes too slowly.
            OSError: the connection has ended.
        """


class SocketBody:
    """The body of one request on a connection."""

    def __init__(
        self,
        connection: socket.socket,
        buffer: bytearray,
        framing: BodyFraming,
        *,
        limits: BodyLimits,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """Read nothing yet.

        Args:
            connection: Of the client.
            buffer: Bytes of the connection that were read already; those behind the body stay in it.
            framing: Of the body.
            limits: How long the client may take.
            now_s: A clock that never goes back, in seconds.
        """
        self.framing = framing
        self._socket = connection
        self._buffer = buffer
        self._limits = limits
        self._now_s = now_s
        self._began_s: float | None = None
        self._received = 0
        self._left = framing.length or 0
        """Bytes of the body, or of the chunk that has begun."""
        self._is_first_chunk = True
        self.is_done = framing.length == 0

    @property
    def is_awaited(self) -> bool:
        """Whether the client sends nothing of the body before it is told to."""
        return self.framing.waits and self._began_s is None and not self.is_done

    def read(self) -> bytes:
        """The next bytes, as many as have come; empty: the body has ended."""
        if self._began_s is None:
            if self.is_awaited:
                self._socket.settimeout(self._limits.stall_s)
                self._socket.sendall(_GO_ON)
            self._began_s = self._now_s()
        if self.framing.length is None and not self._left and not self.is_done:
            self._begin_chunk()
        if self.is_done:
            return b""
        if not self._buffer:
            self._receive()
        piece = bytes(self._buffer[: self._left])
        del self._buffer[: len(piece)]
        self._left -= len(piece)
        if not self._left and self.framing.length is not None:
            self.is_done = True
        return piece

    def drain(self) -> None:
        """Read the rest and forget it, for as long as a refused body may take.

        Raises:
            RequestRefused, OSError: as `read`.
        """
        until_s = self._now_s() + self._limits.drain_s
        while not self.is_awaited and self._now_s() < until_s and self.read():
            pass

    def _begin_chunk(self) -> None:
        if not self._is_first_chunk and self._line(_LONGEST_LINE):
            raise RequestRefused(400, "a chunk of the body is longer than it says")
        self._is_first_chunk = False
        found = _CHUNK.fullmatch(self._line(_LONGEST_LINE))
        if found is None:
            raise RequestRefused(400, "a chunk of the body is malformed")
        self._left = int(found[1], 16)
        if not self._left:
            left = _LONGEST_TRAILER
            while line := self._line(left):
                left -= len(line)
            self.is_done = True

    def _line(self, longest: int) -> bytes:
        """The next line, without its end, which RFC 9112, 7.1 says is CRLF."""
        while (end := self._buffer.find(b"\r\n")) < 0 and len(self._buffer) <= longest:
            self._receive()
        if not 0 <= end <= longest:
            raise RequestRefused(400, "a line between the chunks of the body is too long")
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        return line

    def _receive(self) -> None:
        passed_s = self._now_s() - (self._began_s or 0.0)
        if passed_s > self._limits.grace_s and self._received < passed_s * self._limits.least_rate:
            raise RequestRefused(408, "the body comes too slowly")
        self._socket.settimeout(self._limits.stall_s)
        try:
            piece = self._socket.recv(_PIECE)
        except TimeoutError:
            raise RequestRefused(408, "the body has stopped coming") from None
        if not piece:
            raise ConnectionResetError(errno.ECONNRESET, "the client has left")
        self._received += len(piece)
        self._buffer += piece
