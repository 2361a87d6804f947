"""What the one who wants bytes brings along: the `Sink`."""

from typing import Protocol


class Sink(Protocol):
    """Where the bytes of one download go; kept by the caller across attempts and runs.

    What a method raises leaves `Fetcher.download` unchanged.
    """

    @property
    def offset(self) -> int:
        """How many bytes it holds already."""

    @property
    def validator(self) -> str | None:
        """The strong ETag or Last-Modified of what it holds; None: it cannot be resumed."""

    def begin(self, offset: int, validator: str | None) -> None:
        """Hear that the bytes from `offset` on follow (0: drop what is held), and remember the validator."""

    def write(self, chunk: bytes | memoryview) -> None:
        """Take the next bytes."""
