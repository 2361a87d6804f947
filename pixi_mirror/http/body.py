"""Pour the body of an answer into a sink: ranges, lengths, the bound, encodings, and the least speed."""

import re
import time
from dataclasses import dataclass

from pixi_mirror.errors import WrongBytesError
from pixi_mirror.http.client import Answer
from pixi_mirror.http.errors import FROM_ZERO, Again, Trouble, broken
from pixi_mirror.http.gzip import Gunzip
from pixi_mirror.http.sink import Sink
from pixi_mirror.model.network import Network

_STRONG_ETAG = re.compile(r'"[\x21\x23-\x7e]*"')
_DATE = re.compile(r"[A-Za-z0-9 ,:+-]{10,64}")
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)")
# RFC 9110 8.4.1.3: a recipient should consider "x-gzip" to be equivalent to "gzip".
_GZIP = frozenset({"gzip", "x-gzip"})
_LENGTH = re.compile(r"\d{1,18}")


@dataclass(slots=True, kw_only=True)
class Transfer:
    """One fetch across its attempts."""

    sink: Sink
    limit: int | None
    """Most bytes that the whole may have, as it is sent and decoded."""
    accept: str | None = None
    """The media types of a document, which may be sent with gzip; None: any bytes, as they are stored."""
    total: int | None = None
    """Bytes of the whole, as the last useful answer said."""
    may_resume: bool = True
    """False once an answer to `Range` was of no use: a second attempt at resuming could go on for ever."""

    @property
    def resumes_at(self) -> int | None:
        """From where to ask for the rest; None: for the whole."""
        offset, validator = self.sink.offset, self.sink.validator
        usable = offset > 0 and validator is not None and _is_validator(validator)
        fits = self.limit is None or offset <= self.limit
        return offset if self.may_resume and usable and fits else None

    @property
    def headers(self) -> dict[str, str]:
        """RFC 9110 13.1.5: `If-Range` makes the server send the whole if it is not the same any more."""
        headers = {} if self.accept is None else {"Accept": self.accept, "Accept-Encoding": "gzip"}
        offset, validator = self.resumes_at, self.sink.validator
        if offset is None or validator is None:
            return headers
        return {**headers, "Range": f"bytes={offset}-", "If-Range": validator}


def receive(answer: Answer, transfer: Transfer, network: Network) -> Trouble | Again | None:
    """Write the body to the sink; None when all of it has been written."""
    if answer.status in {200, 206} and (trouble := _wrongly_encoded(answer, transfer)) is not None:
        return trouble
    start = transfer.resumes_at
    if answer.status == 200:  # noqa: PLR2004 - a status
        return _whole(answer, transfer, network)
    if start is None:
        return Trouble(reason=f"the server answered a request for the whole with status {answer.status}")
    return _rest(answer, transfer, network, start)


def _whole(answer: Answer, transfer: Transfer, network: Network) -> Trouble | None:
    size = _length(answer)
    transfer.total = size
    if (trouble := _too_long(size, transfer)) is not None:
        return trouble
    transfer.sink.begin(0, _validator(answer))
    return _pour(answer, transfer, network, size)


def _rest(answer: Answer, transfer: Transfer, network: Network, start: int) -> Trouble | Again | None:
    found = _CONTENT_RANGE.fullmatch((answer.header("Content-Range") or "").strip())
    if answer.status != 206 or found is None or not _is_same(answer, transfer):  # noqa: PLR2004 - a status
        return FROM_ZERO
    total = None if found[3] == "*" else int(found[3])
    size, length = int(found[2]) + 1 - start, _length(answer)
    known = transfer.total if transfer.total is not None else total
    consistent = int(found[1]) == start and size > 0 and length in {None, size} and total in {None, known}
    if not consistent or (known is not None and start + size != known):
        return FROM_ZERO
    if (trouble := _too_long(start + size, transfer)) is not None:
        return trouble
    transfer.total = known
    transfer.sink.begin(start, transfer.sink.validator)
    return _pour(answer, transfer, network, size)


def _pour(answer: Answer, transfer: Transfer, network: Network, expected: int | None) -> Trouble | None:
    remaining, held, sink = expected, transfer.sink.offset, transfer.sink
    pace, gunzip = _Pace(network), Gunzip(sink) if _encoding(answer) in _GZIP else None
    while remaining is None or remaining > 0:
        pace.starts()
        chunk = answer.read(remaining)
        if isinstance(chunk, Trouble):
            return chunk
        if not chunk:
            break
        held += len(chunk)
        if (trouble := _too_long(held, transfer) or pace.trouble(len(chunk))) is not None:
            return trouble
        if gunzip is None:
            sink.write(chunk)
        elif (trouble := gunzip.write(chunk, limit=transfer.limit) or _too_long(sink.offset, transfer)) is not None:
            return trouble
        if remaining is not None:
            remaining -= len(chunk)
    if remaining:
        return broken(f"the body ended {remaining} bytes too early")
    if expected == 0:
        # Only a read gives the connection back.
        answer.read(1)
    return None if gunzip is None else gunzip.end()


class _Pace:
    """Speed over windows of the idle time-out; the time that the sink takes does not count."""

    def __init__(self, network: Network) -> None:
        self._window_s = network.idle_timeout_s
        self._least = network.least_speed * network.idle_timeout_s
        self._started = self._waited = 0.0
        self._bytes = 0

    def starts(self) -> None:
        """Start waiting for a piece."""
        self._started = time.monotonic()

    def trouble(self, size: int) -> Trouble | None:
        """What is wrong with the speed once a piece of `size` bytes has arrived."""
        self._waited += time.monotonic() - self._started
        self._bytes += size
        if self._waited < self._window_s:
            return None
        slow = self._bytes < self._least * self._waited / self._window_s
        trouble = broken(f"only {self._bytes} bytes arrived in {self._waited:.0f} s") if slow else None
        self._waited, self._bytes = 0.0, 0
        return trouble


def _too_long(size: int | None, transfer: Transfer) -> Trouble | None:
    if size is None or transfer.limit is None or size <= transfer.limit:
        return None
    return Trouble(
        reason=f"the body is longer than the {transfer.limit} bytes that it may have",
        advice="It is not the file that was recorded; find out who put another in its place."
        if transfer.accept is None
        else "It is not the kind of document that was asked for; find out what answers there.",
        error=WrongBytesError,
    )


def _encoding(answer: Answer) -> str:
    return (answer.header("Content-Encoding") or "").strip().lower() or "identity"


def _wrongly_encoded(answer: Answer, transfer: Transfer) -> Trouble | None:
    encoding = _encoding(answer)
    if encoding == "identity" or (transfer.accept is not None and encoding in _GZIP):
        return None
    asked = "it was asked not to" if transfer.accept is None else "it was asked for none but gzip"
    return Trouble(
        reason=f"the server encoded the body ({encoding!r}) although {asked}",
        advice="A proxy or server on the way changes files; it must deliver them as they are stored.",
    )


def _is_same(answer: Answer, transfer: Transfer) -> bool:
    """Whether a 206 is of the file that the sink holds the start of, as far as it says."""
    held = transfer.sink.validator or ""
    said = answer.header("ETag" if held.startswith('"') else "Last-Modified")
    return said is None or said.strip() == held


def _validator(answer: Answer) -> str | None:
    """What names these very bytes: a strong ETag, else the date; RFC 9110 8.8.1: a weak ETag does not."""
    for name in ("ETag", "Last-Modified"):
        value = (answer.header(name) or "").strip()
        if _is_validator(value):
            return value
    return None


def _is_validator(value: str) -> bool:
    return bool(_STRONG_ETAG.fullmatch(value) or _DATE.fullmatch(value))


def _length(answer: Answer) -> int | None:
    value = (answer.header("Content-Length") or "").strip()
    framed = "chunked" in (answer.header("Transfer-Encoding") or "").lower()
    return int(value) if _LENGTH.fullmatch(value) and not framed else None
