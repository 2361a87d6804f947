"""Answer the requests of one connection, one after the other, and tell the log."""

import socket
import ssl
import time
from collections.abc import Callable
from http import HTTPStatus

from pixi_mirror.serve.access.control import AccessControl
from pixi_mirror.serve.access_log import Access
from pixi_mirror.serve.app import Response, refusal_response, respond, text_response
from pixi_mirror.serve.conditions import http_date
from pixi_mirror.serve.files import MirrorFiles, Unobtainable
from pixi_mirror.serve.homepage import HomePage
from pixi_mirror.serve.open_connections import OpenConnections
from pixi_mirror.serve.request import HttpRequest, RequestRefused, parse_request
from pixi_mirror.serve.targets import masked
from pixi_mirror.serve.wire import TimeLimits, TruncatedFile, Wire

Log = Callable[[Access], None]

_LONGEST_SHOWN = 2048
_NO_BODY = (HTTPStatus.NOT_MODIFIED, HTTPStatus.NO_CONTENT)


class Connection:
    """One connection from its first byte to its last."""

    def __init__(
        self,
        connection: socket.socket,
        client: str,
        *,
        shelf: MirrorFiles,
        crowd: OpenConnections,
        log: Log,
        patience: TimeLimits,
        gate: AccessControl | None = None,
        front: HomePage | None = None,
    ) -> None:
        self._connection = connection
        self._client = client
        self._shelf = shelf
        self._crowd = crowd
        self._log = log
        self._patience = patience
        self._gate = gate
        self._front = front

    def hold(self) -> None:
        """Answer until either side has enough; no error of the network or of a client leaves."""
        wire = Wire(self._connection, self._patience)
        has_more = False
        try:
            if isinstance(self._connection, ssl.SSLSocket):
                self._connection.settimeout(self._patience.head_s)
                self._connection.do_handshake()
            goes_on, is_new = True, True
            while goes_on and self._crowd.rest(self._connection, is_new=is_new) and wire.await_request():
                self._crowd.wake(self._connection)
                goes_on, has_more = self._answered(wire)
                is_new = False
        except (OSError, ValueError):
            pass  # the client has gone, or is none: a socket that was closed meanwhile is a ValueError
        finally:
            wire.close(has_more=has_more)

    def _answered(self, wire: Wire) -> tuple[bool, bool]:
        """Answer one request; whether another may follow, and whether there is something that was not read."""
        request: HttpRequest | None = None
        asked: tuple[str, str] | None = None
        began_s, began = time.time(), time.perf_counter()
        try:
            request = parse_request(wire.head())
            asked = request.method, request.target
            answer = self._decided(request)
        except RequestRefused as refused:
            asked = refused.asked
            answer = refusal_response(refused)
        goes_on = request is not None and request.may_go_on and not self._crowd.is_closing
        sent = 0

        def count(more: int) -> None:
            nonlocal sent
            sent += more

        try:
            with_body = asked is None or asked[0] != "HEAD"
            wire.send(_head(answer, goes_on=goes_on), answer, with_body=with_body, count=count)
        except (OSError, TruncatedFile):
            goes_on = False
        finally:
            answer.close()
            agent = request.fields.get("user-agent") if request else None
            self._log(
                Access(
                    time_s=began_s,
                    client=self._client,
                    method=asked[0] if asked else None,
                    path=masked(asked[1])[:_LONGEST_SHOWN] if asked else None,
                    status=answer.status,
                    sent=sent,
                    seconds=time.perf_counter() - began,
                    user_agent=agent,
                )
            )
        return goes_on, request is None

    def _decided(self, request: HttpRequest) -> Response:
        try:
            return respond(request, self._shelf, self._gate, self._front)
        except RequestRefused as refused:
            return refusal_response(refused)
        except Unobtainable as missing:
            return text_response(missing.status, f"{missing.reason}\n".encode(), {"Cache-Control": "no-store"})
        except OSError:
            return text_response(500, b"the file cannot be read\n", {"Cache-Control": "no-store"})


def _head(answer: Response, *, goes_on: bool) -> bytes:
    lines = [
        f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}",
        f"Date: {http_date(time.time())}",
        "Server: pixi-mirror",
        *(f"{name}: {value}" for name, value in answer.fields.items()),
        "X-Content-Type-Options: nosniff",
    ]
    if answer.status not in _NO_BODY:
        lines.append(f"Content-Length: {answer.length}")
    lines.append(f"Connection: {'keep-alive' if goes_on else 'close'}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
