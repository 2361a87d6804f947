"""One response: status, headers, and a body that is read piece by piece. No exception of `requests` leaves it."""

from collections.abc import Callable

import requests
import urllib3

from pixi_mirror.http.failures import Failure, explain_exception
from pixi_mirror.http.origins import Origin
from pixi_mirror.model.network import Network
from pixi_mirror.model.values import Url

EXCEPTIONS = (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError)
"""What sending a request or reading a body can raise."""

_MOST_DRAINED = 1 << 16
# A buffer for the bytes is made before each read. It is as large as what one read may bring, and a TLS record brings
# 16 KiB. With a larger one 700 MB over https took twice as long; with a smaller one http did.
_PIECE = {"http": 1 << 19, "https": 1 << 14}


class HttpResponse:
    """Status, headers and body of a response; the caller closes it."""

    def __init__(
        self, response: requests.Response, network: Network, *, url: Url, origin: Origin, proxied: bool
    ) -> None:
        self.status: int = response.status_code
        self.url = url
        self.origin = origin
        self._response = response
        # urllib3 before 2.2 has no `read1`.
        self._read_next: Callable[..., bytes] = getattr(response.raw, "read1", response.raw.read)
        self._network = network
        self._piece = _PIECE[origin.scheme]
        self._proxied = proxied

    def header(self, name: str) -> str | None:
        """The value of a header; several values are joined by `, `. None: it was not sent."""
        return self._response.headers.get(name)

    def read(self, most: int | None) -> bytes | Failure:
        """Read the next bytes of the body as soon as there are any; no bytes: the body has ended.

        Args:
            most: read at most so many bytes; None: as many as come at once.
        """
        try:
            # Not urllib3's `read`: it returns only when the whole piece is there, and a slow server keeps it for ever.
            return self._read_next(self._piece if most is None else min(self._piece, most), decode_content=False)
        except EXCEPTIONS as error:
            return explain_exception(error, self._network, origin=self.origin, proxied=self._proxied)

    def read_whole(self, most: int) -> bytes | Failure:
        """Read a small body to its end; a failure if it is longer than `most` bytes."""
        data = bytearray()
        while chunk := self.read(most + 1 - len(data)):
            if isinstance(chunk, Failure):
                return chunk
            data += chunk
            if len(data) > most:
                return Failure(reason=f"the answer is longer than {most} bytes")
        return bytes(data)

    def drain(self) -> None:
        """Read a short body to its end and close, so that the connection can be used again."""
        length = self.header("Content-Length") or ""
        if length.isdecimal() and int(length) <= _MOST_DRAINED:
            rest = int(length)
            # An empty body is read, too: only a read gives the connection back.
            while isinstance(chunk := self.read(max(rest, 1)), bytes) and chunk:
                rest -= len(chunk)
        self.close()

    def close(self) -> None:
        """Give the connection back if the body was read to its end; else end the connection."""
        self._response.close()
