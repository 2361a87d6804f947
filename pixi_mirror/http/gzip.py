"""Decode a body with `Content-Encoding: gzip` while it arrives, in bounded memory whatever it unfolds to."""

import zlib

from pixi_mirror.http.failures import Failure, transport_failure
from pixi_mirror.http.sinks import Sink

_GZIP = 16 + zlib.MAX_WBITS
# At the end of a member zlib copies what follows: with small pieces, many tiny members cost little.
_PIECE = 1 << 14
_MOST_AT_ONCE = 1 << 16


class Gunzip:
    """Decodes the body of one response into a sink. RFC 1952 2.2: it may have several members, one after another."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._member = zlib.decompressobj(_GZIP)
        self._ends_well = True

    def write(self, chunk: bytes, *, limit: int | None) -> Failure | None:
        """Decode the next bytes and pass them on, until the sink holds more than `limit`."""
        try:
            for start in range(0, len(chunk), _PIECE):
                self._decode(chunk[start : start + _PIECE], limit)
        except zlib.error:
            return transport_failure("its compressed body is damaged")
        return None

    def end(self) -> Failure | None:
        """What is wrong if this was all; no bytes at all are an empty body."""
        return None if self._ends_well else transport_failure("its compressed body ended too early")

    def _decode(self, rest: bytes, limit: int | None) -> None:
        while rest and (limit is None or self._sink.offset <= limit):
            if self._member.eof:
                self._member = zlib.decompressobj(_GZIP)
            self._sink.write(self._member.decompress(rest, _MOST_AT_ONCE))
            self._ends_well = self._member.eof
            rest = self._member.unused_data if self._member.eof else self._member.unconsumed_tail
