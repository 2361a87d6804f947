"""The interface by which the parts of the program report progress, and how numbers read to people."""

from typing import Protocol

_STEP = 1000.0


class Progress(Protocol):
    """Is informed of progress. The command line implements it with a bar or with lines, and tests implement it too.

    All methods may be called from any thread, return at once and never raise.
    """

    def note(self, message: str) -> None:
        """Show a sentence that is worth knowing."""

    def warn(self, message: str) -> None:
        """Show a sentence that a person should act on; the run goes on."""

    def begin(self, task: str, *, files: int, size: int, unknown: int = 0) -> None:
        """Show that a task begins.

        Args:
            task: its name.
            files: how many files it will handle.
            size: their bytes in all, as far as they are known.
            unknown: of how many files the size is not known.
        """

    def advance(self, *, files: int = 0, size: int = 0) -> None:
        """Show that `files` more files and `size` more bytes of the task are done; a negative size takes bytes back."""


class NoProgress:
    """Progress that is not shown."""

    def note(self, message: str) -> None:
        """Ignore it."""

    def warn(self, message: str) -> None:
        """Ignore it."""

    def begin(self, task: str, *, files: int, size: int, unknown: int = 0) -> None:
        """Ignore it."""

    def advance(self, *, files: int = 0, size: int = 0) -> None:
        """Ignore it."""


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """`1 file`, `2 files`."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def format_size(size: int) -> str:
    """A number of bytes for people, with a decimal unit as pixi and conda have it: `1.5 MB` are 1,500,000 bytes."""
    if abs(size) < _STEP:
        return f"{size} B"
    value = size / _STEP
    for unit in ("kB", "MB", "GB"):
        if abs(value) < _STEP:
            return f"{value:.1f} {unit}"
        value /= _STEP
    return f"{value:.1f} TB"
