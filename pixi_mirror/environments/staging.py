"""Build an environment beside its place, and put it there in one step or leave everything as it was.

The place is the directory that an environment is used from. Beside it, for as long as a run takes, stands one folder of
ours, which only one run at a time may use; what a killed run has left in it is cleared, and what it was about to
replace is put back, by the next.
"""

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pixi_mirror.disk.directories import make_directory, refuse_foreign, remove_leftover
from pixi_mirror.disk.files import explain_errors, fresh_name
from pixi_mirror.disk.lock import lock_file
from pixi_mirror.errors import MachineError

RECORDS = "conda-meta"
"""The folder by which everybody knows a conda environment."""

_LOCK = "lock"
_NEW = "new"
_REPLACED = "replaced"
_PATIENCE_S = 1.0
"""A child that a killed run was about to start holds the lock until it has become another program."""


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

    def begin(self) -> None:
        """Start from what stands in the place, if anything does: its files are linked, so that none of them is written.

        Raises:
            MachineError: it cannot be read, or nothing can be written here.
        """
        with explain_errors("prepare an environment", self.new):
            if os.path.lexists(self.place):
                _clone(self.place, self.new)
            else:
                self.new.mkdir()

    def finish(self) -> None:
        """Put the new environment into its place.

        Raises:
            MachineError: it cannot be put there; what stood there still does.
        """
        replaced = self.folder.parent / _REPLACED
        with explain_errors("put the environment into its place,", self.place):
            if not os.path.lexists(self.place):
                os.rename(self.new, self.place)
                return
            os.rename(self.place, replaced)
            try:
                os.rename(self.new, self.place)
            except BaseException:
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
        with lock_file(beside / _LOCK, timeout_s=_PATIENCE_S, what=f"the environment {place}"):
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


def _clone(source: Path, target: Path) -> None:
    """Make the same tree of other folders and the same files; only the records are copies, for they are written to."""
    target.mkdir()
    with os.scandir(source) as entries:
        for entry in entries:
            copy = target / entry.name
            if entry.is_symlink():
                os.symlink(os.readlink(entry.path), copy)
            elif entry.is_dir():
                if entry.name == RECORDS:
                    shutil.copytree(entry.path, copy, symlinks=True)
                else:
                    _clone(Path(entry.path), copy)
            elif entry.is_file():
                _link(Path(entry.path), copy)
    shutil.copymode(source, target)


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target, follow_symlinks=False)
    except (OSError, NotImplementedError):  # no links on this filesystem, too many, or not of another user's file
        shutil.copy2(source, target, follow_symlinks=False)
