"""How the rooms below the command line tell what they are doing, without knowing who listens."""

from typing import Protocol


class Progress(Protocol):
    """Hears of progress; implemented by the command line (bar, plain lines) and by tests.

    All methods may be called from any thread, return at once and never raise.
    """

    def note(self, message: str) -> None:
        """Hear something worth knowing, in one sentence."""

    def warn(self, message: str) -> None:
        """Hear something that a person should act on, in one sentence; the run goes on."""

    def begin(self, task: str, *, files: int, size: int) -> None:
        """Hear that a task starts which will handle `files` files of `size` bytes in all, as far as known."""

    def advance(self, *, files: int = 0, size: int = 0) -> None:
        """Hear that `files` more files and `size` more bytes of the running task are done (negative: taken back)."""


class NoProgress:
    """A report that nobody reads."""

    def note(self, message: str) -> None:
        """Ignore it."""

    def warn(self, message: str) -> None:
        """Ignore it."""

    def begin(self, task: str, *, files: int, size: int) -> None:
        """Ignore it."""

    def advance(self, *, files: int = 0, size: int = 0) -> None:
        """Ignore it."""
