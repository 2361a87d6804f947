"""Write the body of a response to a sink: ranges, lengths, the size limit, encodings, and the least speed."""

import re
import time
from dataclasses import dataclass

from pixi_mirror.archives.compression import Decompressor
from pixi_mirror.errors import WrongBytesError
from pixi_mirror.http.failures import FROM_ZERO, Failure, Restart, transport_failure
from pixi_mirror.http.responses import HttpResponse
from pixi_mirror.http.sinks import Sink
from pixi_mirror.model.network import Network

_STRONG_ETAG = re.compile(r'"[\x21\x23-\x7e]*"')
_DATE = re.compile(r"[A-Za-z0-9 ,:+-]{10,64}")
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)")
# RFC 9110 8.4.1.3: "x-gzip" means the same as "gzip".
_GZIP = frozenset({"gzip", "x-gzip"})
_LENGTH = re.compile(r"\d{1,18}")


@dataclass(slots=True, kw_only=True)
class Transfer:
    """One fetch with all of its attempts."""

    sink: Sink
    limit: int | None
    """The most bytes that the whole may have, as it is sent and decoded; None: any number."""
    accept: str | None = None
    """The `Accept` header of a document, which may be sent with gzip; None: it is a file, sent as it is stored."""
    total: int | None = None
    """Bytes of the whole, as the last useful response said; None: it did not."""
    may_resume: bool = True
    """False once a response to `Range` was of no use: else it could be requested for ever."""

    @property
    def resumes_at(self) -> int | None:
        """The offset of the first byte to request; None: the whole is requested."""
        offset, validator = self.sink.offset, self.sink.validator
        usable = offset > 0 and validator is not None and _is_validator(validator)
        fits = self.limit is None or offset <= self.limit
        return offset if self.may_resume and usable and fits else None

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the next request.

        RFC 9110 13.1.5: with `If-Range` the server sends the whole if it has changed.
        """
        headers = {} if self.accept is None else {"Accept": self.accept, "Accept-Encoding": "gzip"}
        offset, validator = self.resumes_at, self.sink.validator
        if offset is None or validator is None:
            return headers
        return {**headers, "Range": f"bytes={offset}-", "If-Range": validator}


def receive(response: HttpResponse, transfer: Transfer, network: Network) -> Failure | Restart | None:
    """Write the body to the sink; None: all of it was written."""
    if response.status in {200, 206} and (failure := _refuse_encoding(response, transfer)) is not None:
        return failure
    start = transfer.resumes_at
    if response.status == 200:  # noqa: PLR2004 - a status
        return _whole(response, transfer, network)
    if start is None:
        return Failure(reason=f"the server answered a request for the whole with status {response.status}")
    return _rest(response, transfer, network, start)


def _whole(response: HttpResponse, transfer: Transfer, network: Network) -> Failure | None:
    size = _length(response)
    transfer.total = size
    if (failure := _refuse_length(size, transfer)) is not None:
        return failure
    transfer.sink.begin(0, _validator(response))
    return _copy(response, transfer, network, size)


def _rest(response: HttpResponse, transfer: Transfer, network: Network, start: int) -> Failure | Restart | None:
    found = _CONTENT_RANGE.fullmatch((response.header("Content-Range") or "").strip())
    if response.status != 206 or found is None or not _is_same(response, transfer):  # noqa: PLR2004 - a status
        return FROM_ZERO
    total = None if found[3] == "*" else int(found[3])
    size, length = int(found[2]) + 1 - start, _length(response)
    known = transfer.total if transfer.total is not None else total
    consistent = int(found[1]) == start and size > 0 and length in {None, size} and total in {None, known}
    if not consistent or (known is not None and start + size != known):
        return FROM_ZERO
    if (failure := _refuse_length(start + size, transfer)) is not None:
        return failure
    transfer.total = known
    transfer.sink.begin(start, transfer.sink.validator)
    return _copy(response, transfer, network, size)


def _copy(response: HttpResponse, transfer: Transfer, network: Network, expected: int | None) -> Failure | None:
    remaining, held = expected, transfer.sink.offset
    speed, gunzip = _SpeedCheck(network), Decompressor("gzip") if _encoding(response) in _GZIP else None
    while remaining is None or remaining > 0:
        speed.start()
        chunk = response.read(remaining)
        if isinstance(chunk, Failure):
            return chunk
        if not chunk:
            break
        held += len(chunk)
        if (failure := _refuse_length(held, transfer) or speed.arrived(len(chunk))) is not None:
            return failure
        if (failure := _write(chunk, gunzip, transfer)) is not None:
            return failure
        if remaining is not None:
            remaining -= len(chunk)
    if remaining:
        return transport_failure(f"the body ended {remaining} bytes too early")
    if expected == 0:
        # Only a read gives the connection back to the pool.
        response.read(1)
    if gunzip is not None and not gunzip.is_complete:
        return transport_failure("its compressed body ended too early")
    return None


def _write(chunk: bytes, gunzip: Decompressor | None, transfer: Transfer) -> Failure | None:
    """Write the next bytes, decoded if they have `Content-Encoding: gzip`, until the sink has more than it may have."""
    pieces = iter([chunk]) if gunzip is None else gunzip.feed(chunk)
    while True:
        try:
            piece = next(pieces, None)
        except ValueError:
            return transport_failure("its compressed body is damaged")
        if piece is None:
            return None
        transfer.sink.write(piece)
        if gunzip is not None and (failure := _refuse_length(transfer.sink.offset, transfer)) is not None:
            return failure


class _SpeedCheck:
    """Measures the speed over windows of the idle timeout. The time that the sink takes does not count."""

    def __init__(self, network: Network) -> None:
        self._window_s = network.idle_timeout_s
        self._least = network.least_speed * network.idle_timeout_s
        self._started = self._waited = 0.0
        self._bytes = 0

    def start(self) -> None:
        """Begin to wait for the next bytes."""
        self._started = time.monotonic()

    def arrived(self, size: int) -> Failure | None:
        """Count `size` bytes that have arrived; a failure if they came too slowly."""
        self._waited += time.monotonic() - self._started
        self._bytes += size
        if self._waited < self._window_s:
            return None
        slow = self._bytes < self._least * self._waited / self._window_s
        failure = transport_failure(f"only {self._bytes} bytes arrived in {self._waited:.0f} s") if slow else None
        self._waited, self._bytes = 0.0, 0
        return failure


def _refuse_length(size: int | None, transfer: Transfer) -> Failure | None:
    if size is None or transfer.limit is None or size <= transfer.limit:
        return None
    return Failure(
        reason=f"the body is longer than the {transfer.limit} bytes that it may have",
        advice="It is not the file that was recorded; find out who put another in its place."
        if transfer.accept is None
        else "It is not the kind of document that was asked for; find out what answers there.",
        error=WrongBytesError,
    )


def _encoding(response: HttpResponse) -> str:
    return (response.header("Content-Encoding") or "").strip().lower() or "identity"


def _refuse_encoding(response: HttpResponse, transfer: Transfer) -> Failure | None:
    encoding = _encoding(response)
    if encoding == "identity" or (transfer.accept is not None and encoding in _GZIP):
        return None
    requested = "it was asked not to" if transfer.accept is None else "it was asked for none but gzip"
    return Failure(
        reason=f"the server encoded the body ({encoding!r}) although {requested}",
        advice="A proxy or server on the way changes files; it must deliver them as they are stored.",
    )


def _is_same(response: HttpResponse, transfer: Transfer) -> bool:
    """Whether a 206 is of the file whose beginning the sink holds, as far as its headers say."""
    held = transfer.sink.validator or ""
    found = response.header("ETag" if held.startswith('"') else "Last-Modified")
    return found is None or found.strip() == held


def _validator(response: HttpResponse) -> str | None:
    """What identifies these bytes: a strong ETag, else the date. RFC 9110 8.8.1: a weak ETag does not."""
    for name in ("ETag", "Last-Modified"):
        value = (response.header(name) or "").strip()
        if _is_validator(value):
            return value
    return None


def _is_validator(value: str) -> bool:
    return bool(_STRONG_ETAG.fullmatch(value) or _DATE.fullmatch(value))


def _length(response: HttpResponse) -> int | None:
    value = (response.header("Content-Length") or "").strip()
    framed = "chunked" in (response.header("Transfer-Encoding") or "").lower()
    return int(value) if _LENGTH.fullmatch(value) and not framed else None
