"""Where the bytes of a response go: the protocol `Sink`, and a sink in memory for small documents."""

from dataclasses import dataclass, field
from typing import Protocol

from pixi_mirror.model.values import Url


class Sink(Protocol):
    """Takes the bytes of one download. The caller keeps it across attempts and runs.

    `Fetcher.download` lets every exception of these methods pass unchanged.
    """

    @property
    def offset(self) -> int:
        """How many bytes the sink holds already."""

    @property
    def validator(self) -> str | None:
        """The strong ETag or the Last-Modified of what the sink holds; None: it cannot be resumed."""

    def begin(self, offset: int, validator: str | None) -> None:
        """Prepare for the bytes from `offset` on (0: drop what is held), and remember the validator."""

    def write(self, chunk: bytes | memoryview) -> None:
        """Take the next bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedDocument:
    """A small document that was fetched whole, such as a page of an index."""

    data: bytes = field(repr=False)
    """The body after decoding of its `Content-Encoding`."""
    url: Url
    """Where it came from in the end. Relative links in it start from here.

    It is the URL after redirects. Below a target of `[mirrors]` it is the same URL below the key, as upstream has it.
    It has no user. A token that was sent to upstream as `/t/TOKEN/` is in it. For an `s3://` URL it is the signed URL.
    """
    content_type: str | None
    """The header as the server sent it; None: there was none."""


class MemorySink:
    """A sink that holds a document in memory. Each attempt starts it again from its beginning."""

    def __init__(self) -> None:
        self.data = bytearray()

    @property
    def offset(self) -> int:
        """How many bytes the sink holds."""
        return len(self.data)

    @property
    def validator(self) -> str | None:
        """None: a document is never resumed."""
        return None

    def begin(self, offset: int, validator: str | None) -> None:  # noqa: ARG002 - as `Sink` has it
        """Drop what is held from `offset` on."""
        del self.data[offset:]

    def write(self, chunk: bytes | memoryview) -> None:
        """Take the next bytes."""
        self.data += chunk
