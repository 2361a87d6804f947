"""Show progress on stderr: a bar on a terminal, plain lines elsewhere; nothing of it is a result."""

import threading
import time
from contextlib import suppress
from typing import Any, TextIO

from pixi_mirror.commands.messages import marked
from pixi_mirror.commands.text import files_of, plain
from pixi_mirror.progress import Progress, format_size
from pixi_mirror.threads import start_thread

_HEARTBEAT_S = 20.0
"""Without a terminal there is a line at least every 30 s."""


def reporter(progress: str, stream: TextIO, *, verbose: bool) -> Progress:
    """Make the progress output for `--progress`."""
    if progress == "auto":
        progress = "bar" if stream.isatty() else "plain"
    if progress == "none":
        return Notes(stream, verbose=verbose)
    return Bar(stream, verbose=verbose) if progress == "bar" else Plain(stream, verbose=verbose)


class Notes:
    """Notes and warnings, without progress."""

    def __init__(self, stream: TextIO, *, verbose: bool) -> None:
        self._stream = stream
        self.verbose = verbose
        self._lock = threading.RLock()

    def note(self, message: str) -> None:
        """Print it."""
        self._print(plain(message))

    def warn(self, message: str) -> None:
        """Print it."""
        self._print(marked("warning", message, self._stream))

    def _print(self, line: str) -> None:
        # A closed terminal, a full disk or a closed stream (ValueError) is no reason to stop.
        with self._lock, suppress(OSError, ValueError):
            print(line, file=self._stream, flush=True)

    def begin(self, task: str, *, files: int, size: int, unknown: int = 0) -> None:
        """Do nothing."""

    def advance(self, *, files: int = 0, size: int = 0) -> None:
        """Do nothing."""


class Quiet(Notes):
    """Warnings alone."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream, verbose=False)

    def note(self, message: str) -> None:
        """Do nothing."""


class Plain(Notes):
    """A line when a task begins, and one at least every 30 s while it runs, even if nothing moves."""

    def __init__(self, stream: TextIO, *, verbose: bool, heartbeat_s: float = _HEARTBEAT_S) -> None:
        super().__init__(stream, verbose=verbose)
        self._heartbeat_s = heartbeat_s
        self._task = ""
        self._files = self._of_files = self._size = 0
        self._of_all = ""
        self._beating = False

    def begin(self, task: str, *, files: int, size: int, unknown: int = 0) -> None:
        """Print what begins."""
        with self._lock:
            self._task, self._files, self._of_files, self._size = task, 0, files, 0
            self._of_all = "" if unknown else f" of {format_size(size)}"
            self._print(f"{task} {files_of(files, size, unknown=unknown)}")
            if not self._beating:
                self._beating = start_thread(self._beat)

    def advance(self, *, files: int = 0, size: int = 0) -> None:
        """Count it."""
        with self._lock:
            self._files += files
            self._size += size

    def _beat(self) -> None:
        while True:
            time.sleep(self._heartbeat_s)
            with self._lock:
                if self._files < self._of_files:
                    done = f"{format_size(self._size)}{self._of_all}"
                    self._print(f"{self._task}: {self._files} of {self._of_files} files, {done}")


class Bar(Notes):
    """One bar of bytes at a time, on a terminal."""

    def __init__(self, stream: TextIO, *, verbose: bool) -> None:
        super().__init__(stream, verbose=verbose)
        self._bar: Any = None
        self._files = self._of_files = 0

    def begin(self, task: str, *, files: int, size: int, unknown: int = 0) -> None:  # noqa: ARG002 - shows what is known
        """Draw it."""
        from tqdm import tqdm

        with self._lock:
            self._close()
            self._files, self._of_files = 0, files
            self._bar = tqdm(
                total=size or None, desc=task, unit="B", unit_scale=True, file=self._stream, leave=False, miniters=1
            )
            self._bar.set_postfix_str(f"0/{files} files", refresh=False)

    def advance(self, *, files: int = 0, size: int = 0) -> None:
        """Move it, and take it away at the end."""
        with self._lock:
            if self._bar is None:
                return
            self._files += files
            if files:
                self._bar.set_postfix_str(f"{self._files}/{self._of_files} files", refresh=False)
            self._bar.update(size)
            if self._files >= self._of_files:
                self._close()

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _print(self, line: str) -> None:
        with self._lock:
            if self._bar is None:
                super()._print(line)
            else:
                self._bar.write(line, file=self._stream)
