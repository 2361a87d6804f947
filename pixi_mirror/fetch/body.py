"""Pour the body of an answer into a sink: ranges, lengths, the bound, and the least speed."""

import re
import time
from dataclasses import dataclass

from pixi_mirror.errors import WrongBytesError
from pixi_mirror.fetch.client import Answer
from pixi_mirror.fetch.interface import Sink
from pixi_mirror.fetch.trouble import FROM_ZERO, Again, Trouble, broken
from pixi_mirror.model import Network

_STRONG_ETAG = re.compile(r'"[\x21\x23-\x7e]*"')
_DATE = re.compile(r"[A-Za-z0-9 ,:+-]{10,64}")
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)")
_LENGTH = re.compile(r"\d{1,18}")


@dataclass(slots=True, kw_only=True)
class Transfer:
    """One download across its attempts."""

    sink: Sink
    limit: int | None
    """Most bytes that the whole may have."""
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
        offset, validator = self.resumes_at, self.sink.validator
        if offset is None or validator is None:
            return {}
        return {"Range": f"bytes={offset}-", "If-Range": validator}


def receive(answer: Answer, transfer: Transfer, network: Network) -> Trouble | Again | None:
    """Write the body to the sink; None when all of it has been written."""
    encoding = (answer.header("Content-Encoding") or "identity").strip().lower()
    if encoding != "identity" and answer.status in {200, 206}:
        return Trouble(
            reason=f"the server encoded the body ({encoding!r}) although it was asked not to",
            advice="A proxy or server on the way changes files; it must deliver them as they are stored.",
        )
    start = transfer.resumes_at
    if answer.status == 200:  # noqa: PLR2004 - a status
        return _whole(answer, transfer, network)
    if start is None:
        return Trouble(reason=f"the server answered a request for the whole with status {answer.status}")
    return _rest(answer, transfer, network, start)


def _whole(answer: Answer, transfer: Transfer, network: Network) -> Trouble | None:
    size = _length(answer)
    transfer.total = size
    if (trouble := _too_long(size, transfer.limit)) is not None:
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
    if (trouble := _too_long(start + size, transfer.limit)) is not None:
        return trouble
    transfer.total = known
    transfer.sink.begin(start, transfer.sink.validator)
    return _pour(answer, transfer, network, size)


def _pour(answer: Answer, transfer: Transfer, network: Network, expected: int | None) -> Trouble | None:
    remaining, held, sink = expected, transfer.sink.offset, transfer.sink
    pace = _Pace(network)
    while remaining is None or remaining > 0:
        pace.starts()
        chunk = answer.read(remaining)
        if isinstance(chunk, Trouble):
            return chunk
        if not chunk:
            break
        held += len(chunk)
        if (trouble := _too_long(held, transfer.limit) or pace.trouble(len(chunk))) is not None:
            return trouble
        sink.write(chunk)
        if remaining is not None:
            remaining -= len(chunk)
    if remaining:
        return broken(f"the body ended {remaining} bytes too early")
    if expected == 0:
        # Only a read gives the connection back.
        answer.read(1)
    return None


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


def _too_long(size: int | None, limit: int | None) -> Trouble | None:
    if size is None or limit is None or size <= limit:
        return None
    return Trouble(
        reason=f"the body is longer than the {limit} bytes that it may have",
        advice="It is not the file that was recorded; find out who put another in its place.",
        error=WrongBytesError,
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
