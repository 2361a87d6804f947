"""What the tests of fetch have in common: a sink in memory, a report that remembers, a network."""

import threading

from pixi_mirror.errors import PixiMirrorError
from pixi_mirror.http.fetcher import Fetcher
from pixi_mirror.model.network import Network
from pixi_mirror.model.values import Url

BODY = bytes(range(256)) * 200
PATIENT = {"retries": 2, "connect_timeout_s": 30.0, "idle_timeout_s": 30.0}
"""Nothing in a test that is not about time-outs may depend on them, however busy the machine is."""


class Held:
    """A sink in memory; `log` has what was begun."""

    def __init__(self, data=b"", validator=None):
        self.data = bytearray(data)
        self.validator = validator
        self.log = []
        self.received = 0

    @property
    def offset(self):
        return len(self.data)

    def begin(self, offset, validator):
        assert offset <= len(self.data)
        self.log.append(offset)
        del self.data[offset:]
        self.validator = validator

    def write(self, chunk):
        self.received += len(chunk)
        self.data += chunk


class Heard:
    """A report that remembers every sentence."""

    def __init__(self):
        self.warnings = []
        self.notes = []
        self.lock = threading.Lock()

    def note(self, message):
        with self.lock:
            self.notes.append(message)

    def warn(self, message):
        with self.lock:
            self.warnings.append(message)

    def begin(self, task, *, files, size):
        """Nothing that fetch does is counted here."""

    def advance(self, *, files=0, size=0):
        """Nothing that fetch does is counted here."""


class Fetching:
    """A fetcher with what it said; every failure is kept."""

    def __init__(self, **network):
        self.heard = Heard()
        self.fetcher = Fetcher(Network(**{**PATIENT, **network}), self.heard, connections=8, first_back_off_s=0.01)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.fetcher.close()

    def get(self, url, *, sink=None, limit=None):
        """The bytes behind a URL."""
        sink = Held() if sink is None else sink
        self.fetcher.download(Url(url), sink, limit=limit)
        return bytes(sink.data)

    def failure(self, url, *, sink=None, limit=None):
        """The error that a URL leads to."""
        try:
            self.get(url, sink=sink, limit=limit)
        except PixiMirrorError as error:
            return error
        raise AssertionError("it was fetched")
