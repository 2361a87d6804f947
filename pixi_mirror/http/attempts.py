"""Fetch one URL with as many attempts as make sense: mirrors, waiting in between, and the error in the end."""

import threading
from collections import Counter
from dataclasses import dataclass, replace

from pixi_mirror.errors import FetchError, WrongBytesError
from pixi_mirror.http.body import Transfer, receive
from pixi_mirror.http.client import HttpClient
from pixi_mirror.http.failures import Failure, Restart, stopped_failure
from pixi_mirror.http.mirrors import MirroredUrl, MirrorTable
from pixi_mirror.http.origins import Origin, origin_of
from pixi_mirror.http.redirects import RedirectFollower
from pixi_mirror.http.responses import HttpResponse
from pixi_mirror.http.retry import HostPauses, back_off_s
from pixi_mirror.http.sinks import FetchedDocument, MemorySink, Sink
from pixi_mirror.model.network import Network
from pixi_mirror.model.values import Url
from pixi_mirror.progress import Progress


@dataclass(frozen=True, slots=True)
class _AttemptResult:
    result: HttpResponse | Failure
    choice: MirroredUrl
    """The URL that was requested, after `[mirrors]`."""


_SHUT = Failure(
    reason="[mirrors] in pixi's configuration names no target for it, so that it is not asked for",
    advice="Give its key in [mirrors] a target, or remove the key.",
)


class _RetryNotes:
    """Says which requests are tried again, and not hundreds of times the same of one host that is down."""

    _NAMED = 3

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._counts: Counter[tuple[Origin | None, str]] = Counter()
        self._lock = threading.Lock()

    def tell(self, url: Url, failure: Failure) -> None:
        """Note that a request is tried again; after three of a host for the same reason that there are more, once."""
        with self._lock:
            self._counts[origin_of(url), failure.reason] += 1
            number = self._counts[origin_of(url), failure.reason]
        if number <= self._NAMED:
            self._progress.note(f"{url}: {failure.reason}; it is tried again.")
        elif number == self._NAMED + 1:
            self._progress.note(f"more requests of {origin_of(url)} fail so and are tried again; they are not named.")


class Attempts:
    """Fetches http, https and `s3://` URLs, each with several attempts. Many threads use one object."""

    def __init__(
        self,
        network: Network,
        progress: Progress,
        *,
        connections: int,
        first_back_off_s: float,
        stopped: threading.Event,
    ) -> None:
        self._network = network
        self._notes = _RetryNotes(progress)
        self._stopped = stopped
        self._first_back_off_s = first_back_off_s
        self._mirrors = MirrorTable(network.mirrors)
        self._given_up: dict[Origin, Failure] = {}
        """Origins to which the last of all attempts could not connect: no document is requested from them again."""
        self._client = HttpClient(network, progress, connections=connections)
        self._follower = RedirectFollower(network, progress, self._client, HostPauses(), stopped)

    def download(self, url: Url, sink: Sink, *, limit: int | None) -> None:
        """Do what `Fetcher.download` does."""
        self._fetch(url, Transfer(sink=sink, limit=limit))

    def read(self, url: Url, *, accept: str, limit: int) -> FetchedDocument:
        """Do what `Fetcher.read` does."""
        sink = MemorySink()
        response, choice = self._fetch(url, Transfer(sink=sink, limit=limit, accept=accept))
        return FetchedDocument(
            data=bytes(sink.data), url=choice.canonical(response.url), content_type=response.header("Content-Type")
        )

    def close(self) -> None:
        """End every connection."""
        self._client.close()

    def _fetch(self, url: Url, transfer: Transfer) -> tuple[HttpResponse, MirroredUrl]:
        """Fill the sink of the transfer; the closed response whose body was the last, and what was requested for it.

        Raises:
            FetchError: every attempt failed, or the first failed in a way that another cannot mend.
            WrongBytesError: the body is longer than the transfer allows.
        """
        attempt, unreached = 0, dict[Origin, Failure]()
        while True:
            attempt += 1
            self._stopped.wait(back_off_s(attempt, first_s=self._first_back_off_s))
            done = self._attempt(url, transfer)
            if isinstance(done.result, HttpResponse):
                return done.result, done.choice
            failure = stopped_failure() if self._stopped.is_set() else done.result
            # With several targets of [mirrors]: every one that was tried since the last response.
            unreached = {**unreached, failure.unreached: failure} if failure.unreached else {}
            if not failure.retry or attempt > self._network.retries:
                self._given_up.update({origin: replace(seen, retry=False) for origin, seen in unreached.items()})
                raise _error(failure, _message(url, done.choice.url, failure, attempts=attempt))
            self._notes.tell(url, failure)

    def _attempt(self, url: Url, transfer: Transfer) -> _AttemptResult:
        choice = self._mirrors.choose(url)
        if choice is None:
            return _AttemptResult(_SHUT, MirroredUrl(url=url, key=None, target=None))
        result = self._request(choice.url, transfer)
        if isinstance(result, Restart):
            transfer.may_resume, transfer.total = False, None
            result = self._request(choice.url, transfer)
        if isinstance(result, Restart):
            result = Failure(reason="the server answers a request for the whole with a part")
        if isinstance(result, Failure) and result.next_mirror and not self._stopped.is_set():
            self._mirrors.count_failure(choice.target)
        return _AttemptResult(result, choice)

    def _request(self, url: Url, transfer: Transfer) -> HttpResponse | Failure | Restart:
        if self._stopped.is_set():
            return stopped_failure()
        given_up = {} if transfer.accept is None else self._given_up
        response = self._follower.get(url, transfer.headers, given_up=given_up)
        if isinstance(response, Failure):
            return response
        try:
            result = receive(response, transfer, self._network)
        finally:
            response.close()
        # A body without a length ends where the connection ends, and `close` may have ended it.
        cut = result is None and transfer.total is None and self._stopped.is_set()
        return stopped_failure() if cut else result or response


def _error(failure: Failure, message: str) -> FetchError | WrongBytesError:
    return FetchError(message, lasting=failure.lasting) if failure.error is FetchError else failure.error(message)


def _message(url: Url, requested: Url, failure: Failure, *, attempts: int) -> str:
    place = "" if requested == url else f" (asked for at {requested}, because of [mirrors])"
    times = f", at the last of {attempts} attempts" if attempts > 1 else ""
    return f"{url} could not be fetched{place}: {failure.reason}{times}. {failure.advice}".rstrip()
