"""Kill pixi-mirror, or fail it, at one chosen call that changes a disk; runs on every system that runs Python.

    python kill.py [--call KIND] [--at K] [--error ENOSPC] [--below DIR] -- <pixi-mirror's arguments>
    python kill.py --count -- <pixi-mirror's arguments>
    python kill.py --list FILE -- <pixi-mirror's arguments>

The call number K of that kind (of any kind without `--call`) is not made: the process gets SIGKILL, or the call raises
the OSError. `--count` prints, once the run has ended, how many calls of each kind it made; `--list` writes them in
order, one `kind number path` a line. What it cannot see are calls made by extension modules; with several threads
"the K-th call" is not always the same one, so use `--jobs 1`.
"""

import argparse
import builtins
import collections
import errno
import io
import os
import shutil  # noqa: F401 - it looks at os.supports_dir_fd when imported, and must see the true functions there
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

EVERY = 0
"""As the number of a point: every call of that kind."""
KILLED = -getattr(signal, "SIGKILL", -9)
"""The status of a child that was killed."""
_PATH_CALLS = (
    "rename",
    "replace",
    "link",
    "symlink",
    "unlink",
    "remove",
    "mkdir",
    "rmdir",
    "truncate",
    "utime",
    "chmod",
)
_DESCRIPTOR_CALLS = (
    "fsync",
    "fdatasync",
    "ftruncate",
    "posix_fallocate",
    "write",
    "pwrite",
    "writev",
    "sendfile",
    "copy_file_range",
)
_WRITING_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One call of a run."""

    kind: str
    """The name of the function of `os`; opening for writing is `open`, and writing by whatever means `write`."""
    number: int
    """Counted from 1 among the calls of its kind."""
    path: str = ""
    """What it was made on, as far as known; for people."""


class Injector:
    """Counts the calls that change a disk, and stops the run at one of them."""

    def __init__(self, point: Point | None, *, error: str | None, below: str | None) -> None:
        self.calls: list[Point] = []
        self._point = point
        self._error = error
        self._below = below and os.path.abspath(below)
        self._numbers: collections.Counter[str] = collections.Counter()
        self._paths: dict[int, str] = {}
        self._lock = threading.Lock()

    def hear(self, kind: str, path: object) -> None:
        """Take note of a call that is about to be made, and do not return if it is the chosen one."""
        name = self._name(path)
        if self._below and not (name + os.sep).startswith(self._below + os.sep):
            return
        with self._lock:
            self._numbers[kind] += 1
            self.calls.append(Point(kind=kind, number=self._numbers[kind], path=name))
            number = self._numbers[kind] if self._point and self._point.kind == kind else None
            if self._point and self._point.kind == "any":
                number = len(self.calls)
        if self._point and number is not None and self._point.number in (number, EVERY):
            self._stop(name)

    def opened(self, descriptor: int, path: object) -> None:
        """Remember what a descriptor stands for."""
        if not isinstance(path, int):
            self._paths[descriptor] = self._name(path)

    def _seen_from(self, descriptor: int | None, path: Any) -> Any:
        folder = None if descriptor is None or isinstance(path, int) else self._paths.get(descriptor)
        return path if folder is None else os.path.join(folder, os.fsdecode(path))

    def _name(self, path: object) -> str:
        if isinstance(path, int):
            return self._paths.get(path, "")
        try:
            return os.path.abspath(os.fsdecode(path))  # type: ignore[arg-type]
        except TypeError:
            return ""

    def _stop(self, name: str) -> None:
        if self._error:
            code = getattr(errno, self._error)
            raise OSError(code, os.strerror(code), name)
        if hasattr(signal, "SIGKILL"):
            os.kill(os.getpid(), signal.SIGKILL)
        os._exit(9)

    def install(self) -> None:
        """Stand in for the functions; to be done before anything of pixi-mirror is imported."""
        for kind in (*_PATH_CALLS, *_DESCRIPTOR_CALLS):
            if hasattr(os, kind):
                self._replace(os, kind, _KINDS.get(kind, kind), lambda *_a, **_k: True)
        self._replace(os, "open", "open", lambda _path, flags, *_a, **_k: bool(flags & _WRITING_FLAGS))
        builtins.open = io.open = self._opener(io.open)  # type: ignore[assignment]

    def _replace(self, module: object, name: str, kind: str, counts: Callable[..., bool]) -> None:
        true = getattr(module, name)

        def stand_in(*args: Any, **kwargs: Any) -> Any:
            # The target is what changes; of `rename` and its like the second argument.
            path = args[1] if name in _TARGET_IS_SECOND and len(args) > 1 else next(iter(args), "")
            path = self._seen_from(kwargs.get("dst_dir_fd", kwargs.get("dir_fd")), path)
            if counts(*args, **kwargs):
                self.hear(kind, path)
            answer = true(*args, **kwargs)
            if name == "open":
                self.opened(answer, path)
            return answer

        setattr(module, name, stand_in)
        for support in (os.supports_dir_fd, os.supports_fd, os.supports_follow_symlinks):
            if true in support:
                support.add(stand_in)

    def _opener(self, true: Callable[..., Any]) -> Callable[..., Any]:
        def stand_in(file: Any, mode: str = "r", buffering: int = -1, *args: Any, **kwargs: Any) -> Any:
            if not set(mode) & set("wax+"):
                return true(file, mode, buffering, *args, **kwargs)
            raw_mode = mode.replace("b", "").replace("t", "")
            names = ("encoding", "errors", "newline", "closefd", "opener")
            options = dict(zip(names, args, strict=False)) | kwargs
            opener = options.pop("opener", None)
            if not isinstance(file, int) and not opener:  # an opener is heard by itself
                self.hear("open", file)
            raw = _CountedFile(file, raw_mode, options.pop("closefd", True), opener)
            raw.injector = self
            if not opener:
                self.opened(raw.fileno(), file)
            if buffering == 0:
                return raw
            size = buffering if buffering > 1 else io.DEFAULT_BUFFER_SIZE
            buffer = io.BufferedRandom(raw, size) if "+" in mode else io.BufferedWriter(raw, size)
            return buffer if "b" in mode else io.TextIOWrapper(buffer, line_buffering=buffering == 1, **options)

        return stand_in


class _CountedFile(io.FileIO):
    injector: Injector

    def write(self, data: Any) -> int:
        self.injector.hear("write", self.fileno())
        return super().write(data)

    def truncate(self, size: int | None = None) -> int:
        self.injector.hear("truncate", self.fileno())
        return super().truncate(size)


_KINDS = {
    "remove": "unlink",
    "ftruncate": "truncate",
    "posix_fallocate": "truncate",
    "fdatasync": "fsync",
    "pwrite": "write",
    "writev": "write",
    "sendfile": "write",
    "copy_file_range": "write",
}
"""Functions that do the same thing, by the name that they are counted under."""
_TARGET_IS_SECOND = frozenset({"rename", "replace", "link", "symlink", "copy_file_range"})


def listed(calls: list[Point], record: Path) -> None:
    """Write the calls that were heard to a file, one a line; what is written now is no part of them."""
    text = "".join(f"{call.kind} {call.number} {call.path}\n" for call in [*calls])
    record.write_text(text, encoding="utf-8")


def taken(record: Path) -> list[Point]:
    """The calls of such a file, which is gone then."""
    parts = [line.split(" ", 2) for line in record.read_text(encoding="utf-8").splitlines()]
    record.unlink()
    return [Point(kind=kind, number=int(number), path=path) for kind, number, path in parts]


def main() -> int:
    """Run pixi-mirror as the command line says."""
    parser = argparse.ArgumentParser(prog="kill.py", description=__doc__, allow_abbrev=False)
    parser.add_argument("--call", default="any")
    parser.add_argument("--at", type=int)
    parser.add_argument("--error", choices=sorted(errno.errorcode.values()))
    parser.add_argument("--below")
    parser.add_argument("--count", action="store_true")
    parser.add_argument("--list")
    parser.add_argument(
        "--program", default="pixi_mirror.commands.program", help="the module whose run(args), or main(args), is run"
    )
    parser.add_argument("args", nargs="*")
    options = parser.parse_args()
    point = Point(kind=options.call, number=options.at) if options.at is not None else None
    injector = Injector(point, error=options.error, below=options.below)
    injector.install()
    import importlib

    try:
        module = importlib.import_module(options.program)
        status = getattr(module, "run", module.main)(options.args)
    except SystemExit as stop:
        status = stop.code
    calls = list(injector.calls)
    if options.list:
        listed(calls, Path(options.list))
    if options.count:
        for kind, number in sorted(collections.Counter(call.kind for call in calls).items()):
            print(kind, number)
    return status


if __name__ == "__main__":
    # Its own folder would hide installed modules of the same names as its neighbours.
    sys.path.pop(0)
    sys.exit(main())
