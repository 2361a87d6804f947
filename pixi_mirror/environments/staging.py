"""Build an environment beside its place, and put it there in one step or leave everything as it was.

The place is the directory that an environment is used from. Beside it, for as long as a run takes, stands one folder of
ours, which only one run at a time may use; what a killed run has left in it is cleared, and what it was about to
replace is put back, by the next.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pixi_mirror.disk.directories import make_directory, refuse_foreign, remove_leftover
from pixi_mirror.disk.files import explain_errors, fresh_name, write_synced
from pixi_mirror.disk.lock import lock_file
from pixi_mirror.environments.conda_plan import RECORDS
from pixi_mirror.errors import MachineError

_LOCK = "lock"
_NEW = "new"
_REPLACED = "replaced"
_LOCK_TIMEOUT_S = 1.0
"""A child that a killed run was about to start holds the lock until it has become another program."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptFile:
    """The script that activates an environment, beside which other files of the user may lie."""

    path: Path
    content: bytes
    temporary: str
    """The name that it is written under at first. Only one run at a time uses it, and the next one clears it."""

    @contextmanager
    def in_place(self, is_done: Callable[[], bool]) -> Iterator[None]:
        """Have the script in its place, and what stood there again if the block fails and `is_done` says no.

        Raises:
            OSError: it cannot be written.
        """
        temporary = self.path.with_name(self.temporary)
        before = self.path.with_name(f"{self.temporary}.before")
        for leftover in (temporary, before):
            leftover.unlink(missing_ok=True)
        with suppress(FileNotFoundError, NotADirectoryError):
            _link(self.path, before)
        try:
            write_synced(self.path, self.content, temporary=temporary)
            try:
                yield
            except BaseException:
                if not is_done():  # a signal may come when it is
                    self._undo(before)
                raise
        finally:
            with suppress(OSError):  # the next run clears it
                before.unlink()

    def _undo(self, before: Path) -> None:
        if os.path.lexists(before):
            os.replace(before, self.path)
        else:
            self.path.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Staging:
    """Where an environment is built, and where it belongs."""

    folder: Path
    """Beside the place; only this run knows its name, and other rooms may use every name in it but one."""
    place: Path
    """Where the environment belongs, with no link in its last component."""

    @property
    def new(self) -> Path:
        """The environment that is being built."""
        return self.folder / _NEW

    def finish(self, script: ScriptFile, *, is_new: bool) -> None:
        """Put the script that activates the environment into its place, and the new environment, if there is one.

        The script comes first, so that no environment is ever without one. A failure undoes both.

        Raises:
            MachineError: one cannot be put there; what stood there still does.
        """
        with explain_errors("write", script.path):
            if not is_new:
                with script.in_place(lambda: True):
                    return
            with explain_errors("put the environment into its place,", self.place):
                identity = os.stat(self.new)
            with (
                script.in_place(lambda: self._is_there(identity)),
                explain_errors("put the environment into its place,", self.place),
            ):
                self._put_into_place(identity)

    def _is_there(self, identity: os.stat_result) -> bool:
        with suppress(FileNotFoundError):
            return os.path.samestat(os.stat(self.place), identity)
        return False

    def _put_into_place(self, identity: os.stat_result) -> None:
        if not os.path.lexists(self.place):
            os.rename(self.new, self.place)
        elif not exchange(self.new, self.place):
            replaced = self.folder.parent / _REPLACED
            os.rename(self.place, replaced)
            try:
                os.rename(self.new, self.place)
            except BaseException:
                if not self._is_there(identity):
                    os.rename(replaced, self.place)
                raise


@contextmanager
def staging(place: Path) -> Iterator[Staging]:
    """The folder beside a place, empty at first and gone afterwards.

    Raises:
        BusyError: another process is building an environment for the same place.
        MachineError: no folder can be made there, or what stands in the place is no environment.
    """
    beside = place.parent / f".{place.name}.unpacking"
    with _made(place.parent, beside):
        with explain_errors("make", beside):
            with suppress(FileExistsError):
                beside.mkdir(mode=0o700)
            refuse_foreign(beside)
        with lock_file(beside / _LOCK, timeout_s=_LOCK_TIMEOUT_S, what=f"the environment {place}"):
            try:
                _recover(beside, place)
                _refuse_other(place)
                # A program that a killed run has started may still be writing under the name that it was given.
                folder = beside / fresh_name()
                with explain_errors("make", folder):
                    folder.mkdir()
                yield Staging(folder=folder, place=place)
            finally:
                _clear_up(beside)


@contextmanager
def _made(directory: Path, beside: Path) -> Iterator[None]:
    """Make a directory, and have it gone again, with all that were made for it, if nothing has come into it."""
    new = [each for each in (directory, *directory.parents) if not os.path.lexists(each)]
    with explain_errors("make", beside):
        make_directory(directory)
    try:
        yield
    finally:
        with suppress(OSError):  # there is something in it
            for each in new:
                each.rmdir()


def _clear_up(beside: Path) -> None:
    """Remove our folder, even if somebody is impatient; what cannot be removed is cleared by the next run."""
    try:
        remove_leftover(beside)
    except OSError:
        pass
    except BaseException:
        with suppress(OSError):
            remove_leftover(beside)
        raise


def _recover(beside: Path, place: Path) -> None:
    """Undo what a killed run has begun."""
    replaced = beside / _REPLACED
    with explain_errors("put back", place):
        if os.path.lexists(replaced) and not os.path.lexists(place):
            os.rename(replaced, place)
    for each in beside.iterdir():
        if each.name != _LOCK:
            with suppress(OSError):
                remove_leftover(each)


def _refuse_other(place: Path) -> None:
    """Refuse to turn something else into an environment."""
    with explain_errors("read", place):
        if not os.path.lexists(place):
            return
        if not stat.S_ISDIR(os.lstat(place).st_mode):
            raise MachineError(f"{place} is no directory, so no environment can be there. Choose another name with -e.")
        if os.listdir(place) and not (place / RECORDS).is_dir():
            raise MachineError(
                f"{place} is a directory with something else in it: an environment has a folder {RECORDS}. Empty it, "
                "or choose another name with -e or another directory with -o."
            )


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target, follow_symlinks=False)
    except FileNotFoundError:
        raise
    except (OSError, NotImplementedError):  # no links on this filesystem, or not of another user's file
        shutil.copy2(source, target, follow_symlinks=False)


_CURRENT_FOLDER = -100
_LINUX_EXCHANGE, _MAC_SWAP = 2, 2
_CANNOT = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP)


def exchange(one: Path, other: Path) -> bool:
    """Give each of two directories the name of the other at once; False: the system or the filesystem cannot.

    Raises:
        OSError: it refuses.
    """
    try:
        import ctypes
    except ImportError:  # a Python that was built without it
        return False
    paths = os.fsencode(one), os.fsencode(other)
    library = ctypes.CDLL(None, use_errno=True) if sys.platform != "win32" else None
    if sys.platform == "linux" and hasattr(library, "renameat2"):
        failed = library.renameat2(_CURRENT_FOLDER, paths[0], _CURRENT_FOLDER, paths[1], _LINUX_EXCHANGE)  # type: ignore[union-attr]
    elif sys.platform == "darwin" and hasattr(library, "renamex_np"):
        failed = library.renamex_np(paths[0], paths[1], _MAC_SWAP)
    else:
        return False
    if not failed:
        return True
    number = ctypes.get_errno()
    if number in _CANNOT:
        return False
    raise OSError(number, os.strerror(number), str(one), None, str(other))
