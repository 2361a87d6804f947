"""The door of this folder: opens the rooms that speak HTTP when the first fetch needs them."""

import threading
from typing import TYPE_CHECKING

from pixi_mirror.http.responses import Document, Memory
from pixi_mirror.http.sink import Sink
from pixi_mirror.model.network import Network
from pixi_mirror.model.values import Url
from pixi_mirror.progress import Progress

if TYPE_CHECKING:
    from pixi_mirror.http.attempts import Attempts


class Fetcher:
    """Fetches URLs over connections that it keeps; `download` and `read` may be called from many threads.

    `connections` is how many are kept to a host; `first_back_off_s` the longest wait before a second attempt, which
    doubles with each further one. Nothing that speaks HTTP is imported before the first of them.
    """

    def __init__(
        self, network: Network, progress: Progress, *, connections: int, first_back_off_s: float = 0.5
    ) -> None:
        self._network = network
        self._progress = progress
        self._connections = connections
        self._first_back_off_s = first_back_off_s
        self._attempts: Attempts | None = None
        self._stopped = threading.Event()
        self._lock = threading.Lock()

    def download(self, url: Url, sink: Sink, *, limit: int | None) -> None:
        """Write the whole body behind `url` to the sink; what the sink raises is raised unchanged.

        A sink that holds a part and its validator is gone on from where it stands. `limit` is the most bytes that
        the whole may have; None: any number. `file://` URLs are read from this machine.

        Raises:
            FetchError: it could not be fetched, after as many attempts as make sense.
            WrongBytesError: it is longer than `limit`; it was cut there.
            MachineError: a local file, or the file with the certificates to trust, cannot be read.
        """
        if url.raw[:5].lower() == "file:":
            from pixi_mirror.http.local import copy_local

            copy_local(url, sink, limit=limit)
        else:
            self._ready().download(url, sink, limit=limit)

    def read(self, url: Url, *, accept: str, limit: int) -> Document:
        """The whole small document behind `url`, by the same rules as a download.

        `accept` is the value of the `Accept` header; `limit` the most bytes that the document may have, both as it is
        sent (with gzip, where the server has it) and decoded.

        A host (with scheme and port) that all attempts at something have ended at without a connection (refused, no
        such name, time-out, TLS) is asked for no document again: it fails at once for the same reason, so that many
        pages of an index that is out of reach take no longer than one.

        Raises:
            FetchError: it could not be fetched, after as many attempts as make sense; see its `lasting`.
            WrongBytesError: it is longer than `limit`.
            MachineError: a local file, or the file with the certificates to trust, cannot be read.
        """
        if url.raw[:5].lower() == "file:":
            from pixi_mirror.http.local import copy_local

            sink = Memory()
            copy_local(url, sink, limit=limit)
            return Document(data=bytes(sink.data), url=url, content_type=None)
        return self._ready().read(url, accept=accept, limit=limit)

    def close(self) -> None:
        """End every connection; fetches under way end soon with a FetchError."""
        self._stopped.set()
        with self._lock:
            attempts, self._attempts = self._attempts, None
        if attempts is not None:
            attempts.close()

    def _ready(self) -> "Attempts":
        with self._lock:
            if self._attempts is None:
                from pixi_mirror.http.attempts import Attempts

                self._attempts = Attempts(
                    self._network,
                    self._progress,
                    connections=self._connections,
                    first_back_off_s=self._first_back_off_s,
                    stopped=self._stopped,
                )
            return self._attempts
