"""One fetch from its first attempt to its last: mirrors, waiting in between, and the error in the end."""

import threading
from dataclasses import dataclass, replace

from pixi_mirror.errors import FetchError, WrongBytesError
from pixi_mirror.http.body import Transfer, receive
from pixi_mirror.http.client import Answer, Client
from pixi_mirror.http.errors import Again, Trouble
from pixi_mirror.http.mirrors import Mirrors
from pixi_mirror.http.origins import Origin
from pixi_mirror.http.redirects import Exchange, stopped_trouble
from pixi_mirror.http.responses import Document, Memory
from pixi_mirror.http.retry import Patience, back_off_s
from pixi_mirror.http.sink import Sink
from pixi_mirror.model.network import Network
from pixi_mirror.model.values import Url
from pixi_mirror.progress import Progress


@dataclass(frozen=True, slots=True)
class _Outcome:
    result: Answer | Trouble
    asked: Url


class Attempts:
    """Makes as many attempts at fetching something as make sense; for many threads."""

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
        self._progress = progress
        self._stopped = stopped
        self._first_back_off_s = first_back_off_s
        self._mirrors = Mirrors(network.mirrors)
        self._given_up: dict[Origin, Trouble] = {}
        """Places that no connection came about to, at the last of all attempts: documents are not asked for there."""
        self._client = Client(network, progress, connections=connections)
        self._exchange = Exchange(network, progress, self._client, Patience(), stopped)

    def download(self, url: Url, sink: Sink, *, limit: int | None) -> None:
        """As `Fetcher.download`, for http and https."""
        self._bring(url, Transfer(sink=sink, limit=limit))

    def read(self, url: Url, *, accept: str, limit: int) -> Document:
        """As `Fetcher.read`, for http and https."""
        sink = Memory()
        transfer = Transfer(sink=sink, limit=limit, accept=accept)
        answer = self._bring(url, transfer)
        return Document(data=bytes(sink.data), url=answer.url, content_type=answer.header("Content-Type"))

    def close(self) -> None:
        """End every connection."""
        self._client.close()

    def _bring(self, url: Url, transfer: Transfer) -> Answer:
        """Fill the sink of the transfer; the answer whose body did it, closed."""
        attempt, unreached = 0, dict[Origin, Trouble]()
        while True:
            attempt += 1
            self._stopped.wait(back_off_s(attempt, first_s=self._first_back_off_s))
            outcome = self._attempt(url, transfer)
            if isinstance(outcome.result, Answer):
                return outcome.result
            trouble = stopped_trouble() if self._stopped.is_set() else outcome.result
            # Of several targets of [mirrors], each that was tried since anything last answered.
            unreached = {**unreached, trouble.unreached: trouble} if trouble.unreached else {}
            if not trouble.passing or attempt > self._network.retries:
                self._given_up.update({place: replace(seen, passing=False) for place, seen in unreached.items()})
                raise _error(trouble, _message(url, outcome.asked, trouble, attempts=attempt))
            self._progress.note(f"{url}: {trouble.reason}; it is tried again.")

    def _attempt(self, url: Url, transfer: Transfer) -> _Outcome:
        chosen = self._mirrors.chosen(url)
        result = self._exchanged(chosen.url, transfer)
        if isinstance(result, Again):
            transfer.may_resume, transfer.total = False, None
            result = self._exchanged(chosen.url, transfer)
        if isinstance(result, Again):
            result = Trouble(reason="the server answers a request for the whole with a part")
        if isinstance(result, Trouble) and result.upstream_failed and not self._stopped.is_set():
            self._mirrors.blame(chosen.target)
        return _Outcome(result, chosen.url)

    def _exchanged(self, url: Url, transfer: Transfer) -> Answer | Trouble | Again:
        if self._stopped.is_set():
            return stopped_trouble()
        given_up = {} if transfer.accept is None else self._given_up
        answer = self._exchange.ask(url, transfer.headers, given_up=given_up)
        if isinstance(answer, Trouble):
            return answer
        try:
            result = receive(answer, transfer, self._network)
        finally:
            answer.close()
        # A body without a length ends where the connection does: `close` may have ended it.
        cut = result is None and transfer.total is None and self._stopped.is_set()
        return stopped_trouble() if cut else result or answer


def _error(trouble: Trouble, message: str) -> FetchError | WrongBytesError:
    return FetchError(message, lasting=trouble.lasting) if trouble.error is FetchError else trouble.error(message)


def _message(url: Url, asked: Url, trouble: Trouble, *, attempts: int) -> str:
    place = "" if asked == url else f" (asked for at {asked}, because of [mirrors])"
    times = f", at the last of {attempts} attempts" if attempts > 1 else ""
    return f"{url} could not be fetched{place}: {trouble.reason}{times}. {trouble.advice}".rstrip()
