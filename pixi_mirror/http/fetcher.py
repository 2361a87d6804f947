"""Fetch files and small documents by URL. The rest of the package uses this module of the folder."""

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from pixi_mirror.http.sinks import FetchedDocument, MemorySink, Sink
from pixi_mirror.model.network import Network
from pixi_mirror.model.values import Url
from pixi_mirror.progress import Progress

if TYPE_CHECKING:
    from pixi_mirror.http.attempts import Attempts


class Fetcher:
    """Fetches URLs over connections that it keeps open. `download` and `read` may be called from many threads.

    requests and all that it needs are imported at the first fetch, since many runs fetch nothing.
    """

    def __init__(
        self,
        network: Network,
        progress: Progress,
        *,
        connections: int,
        first_back_off_s: float = 0.5,
        download_git: Callable[[Url, Sink], None] | None = None,
    ) -> None:
        """Prepare; no connection is made yet.

        Args:
            network: mirrors, proxies, credentials, timeouts.
            progress: gets a note for each attempt that is repeated, and warnings.
            connections: how many connections to one host are kept.
            first_back_off_s: the longest wait before a second attempt, in seconds; it doubles with each further one.
            download_git: downloads `git+` URLs; None: there are none.
        """
        self._network = network
        self._progress = progress
        self._connections = connections
        self._first_back_off_s = first_back_off_s
        self._download_git = download_git
        self._attempts: Attempts | None = None
        self._stopped = threading.Event()
        self._lock = threading.Lock()

    def download(self, url: Url, sink: Sink, *, limit: int | None) -> None:
        """Write the whole body behind `url` to the sink; an exception of the sink passes unchanged.

        If the sink holds a part and its validator, only the rest is requested.

        Args:
            url: http, https, `s3://`, or `file://`, which is read from this machine.
            sink: takes the bytes.
            limit: the most bytes that the whole may have; None: any number.

        Raises:
            FetchError: it could not be fetched, after as many attempts as make sense.
            WrongBytesError: it is longer than `limit`; it was cut there.
            MachineError: a local file, or the file with the certificates to trust, cannot be read.
        """
        if url.raw[:5].lower() == "file:":
            from pixi_mirror.http.local import copy_local

            copy_local(url, sink, limit=limit)
        elif self._download_git is not None and url.raw.startswith("git+"):
            self._download_git(url, sink)
        else:
            self._open().download(url, sink, limit=limit)

    def read(self, url: Url, *, accept: str, limit: int) -> FetchedDocument:
        """Read the whole small document behind `url`, by the same rules as a download.

        An origin to which all attempts at something could not connect (refused, unknown name, timeout, TLS) gets no
        further request for a document: each fails at once for the same reason. So many pages of an index that cannot
        be reached take no longer than one.

        Args:
            url: as for a download.
            accept: the value of the `Accept` header.
            limit: the most bytes that the document may have, both as it is sent (perhaps with gzip) and decoded.

        Raises:
            FetchError: it could not be fetched, after as many attempts as make sense; see its `lasting`.
            WrongBytesError: it is longer than `limit`.
            MachineError: a local file, or the file with the certificates to trust, cannot be read.
        """
        if url.raw[:5].lower() == "file:":
            from pixi_mirror.http.local import copy_local

            sink = MemorySink()
            copy_local(url, sink, limit=limit)
            return FetchedDocument(data=bytes(sink.data), url=url, content_type=None)
        return self._open().read(url, accept=accept, limit=limit)

    def close(self) -> None:
        """End every connection; fetches that are running end soon with a FetchError."""
        self._stopped.set()
        with self._lock:
            attempts, self._attempts = self._attempts, None
        if attempts is not None:
            attempts.close()

    def _open(self) -> "Attempts":
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
