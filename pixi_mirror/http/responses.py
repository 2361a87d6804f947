"""A small document fetched whole into memory, such as a page of an index: the noun, and the sink that gathers it."""

from dataclasses import dataclass, field

from pixi_mirror.model.values import Url


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """What stood behind a URL."""

    data: bytes = field(repr=False)
    """Decoded: no `Content-Encoding` is left."""
    url: Url
    """Where it came from in the end, after `[mirrors]` and redirects: what relative links within it start from.

    Without user; a token that was sent as `/t/TOKEN/` is in it. Of an `s3://` URL that of the request for the object.
    """
    content_type: str | None
    """The header as it was sent; None: there was none."""


class Memory:
    """A sink that holds a document; each attempt starts it anew."""

    def __init__(self) -> None:
        self.data = bytearray()

    @property
    def offset(self) -> int:
        """How many bytes it holds."""
        return len(self.data)

    @property
    def validator(self) -> str | None:
        """None: it is never resumed."""
        return None

    def begin(self, offset: int, validator: str | None) -> None:  # noqa: ARG002 - as `Sink` has it
        """Drop what is held from `offset` on."""
        del self.data[offset:]

    def write(self, chunk: bytes | memoryview) -> None:
        """Take the next bytes."""
        self.data += chunk
