"""Take over into a new environment what its owner added to the one that it replaces."""

from __future__ import annotations

import os
import posixpath
import re
import shutil
import stat
from collections.abc import Iterable
from pathlib import Path

from pixi_mirror.environments.conda_meta import InstalledConda
from pixi_mirror.environments.conda_plan import RECORDS
from pixi_mirror.environments.folders import NewFolders
from pixi_mirror.environments.installed_wheels import InstalledWheel
from pixi_mirror.errors import MachineError

_BYTECODE = re.compile(r"((?:.*/)?)__pycache__/([^/]+?)\.[^/]+\.pyc")


def owned_paths(conda: Iterable[InstalledConda], wheels: Iterable[InstalledWheel]) -> set[str]:
    """Return the paths in an environment that belong to its packages, or to what is written for every environment."""
    found = {f"{RECORDS}/history"}
    for package in conda:
        found |= {package.record, *package.files}
    for wheel in wheels:
        found |= {*wheel.files, *(f"{wheel.folder}/{name}" for name in ("RECORD", "INSTALLER"))}
    return found


def take_over(old: Path, new: Path, owned: set[str]) -> list[str]:
    """Link or copy into the new environment what is in the old one and not owned.

    What Python compiled of owned files is left behind. A file of the owner gives way to one of a package; the paths of
    such files are returned.

    Raises:
        MachineError: where the owner has a folder, a package has a file or a link, or the other way round.
        OSError: something cannot be read or written.
    """
    taking = _TakingOver(old, new, owned)
    taking.folder("")
    taking.finish()
    return taking.lost


class _TakingOver:
    def __init__(self, old: Path, new: Path, owned: set[str]) -> None:
        self._old, self._new, self._owned = old, new, owned
        self._folders = NewFolders(new)
        self._above = {""}
        for path in owned:
            folder = posixpath.dirname(path)
            while folder not in self._above:
                self._above.add(folder)
                folder = posixpath.dirname(folder)
        self._modes: dict[str, int] = {}
        self.lost: list[str] = []

    def folder(self, relative: str) -> None:
        """Take over what is in a folder."""
        with os.scandir(self._old / relative) as entries:
            found = sorted(entries, key=lambda each: each.name)
        if not found and relative not in self._above:
            self._make(relative)
        for entry in found:
            path = f"{relative}/{entry.name}" if relative else entry.name
            if entry.is_dir(follow_symlinks=False):
                self.folder(path)
            elif path not in self._owned and not self._is_stale(path):
                self._take(entry, path)

    def finish(self) -> None:
        """Give the folders that were made for this the modes of the old ones, now that all is in them."""
        for path in sorted(self._modes, reverse=True):
            os.chmod(self._new / path, self._modes[path])

    def _is_stale(self, path: str) -> bool:
        found = _BYTECODE.fullmatch(path)
        return found is not None and f"{found[1]}{found[2]}.py" in self._owned

    def _take(self, entry: os.DirEntry[str], path: str) -> None:
        self._make(posixpath.dirname(path))
        target = self._new / path
        if os.path.lexists(target):
            if stat.S_ISDIR(os.lstat(target).st_mode):
                raise _in_the_way(self._old / path, path)
            self.lost.append(path)
        elif entry.is_symlink():
            os.symlink(os.readlink(entry.path), target)
        else:
            _link_or_copy(entry, target)

    def _make(self, relative: str) -> None:
        """Make a folder and those above it; a package may have something else there."""
        missing = []
        above = relative
        while above and not os.path.lexists(self._new / above):
            missing.append(above)
            above = posixpath.dirname(above)
        try:
            self._folders.make(relative)
        except FileExistsError:
            raise _in_the_way(self._old / relative, relative) from None
        self._modes.update((each, stat.S_IMODE(os.lstat(self._old / each).st_mode)) for each in missing)


def _link_or_copy(entry: os.DirEntry[str], target: Path) -> None:
    try:
        os.link(entry.path, target, follow_symlinks=False)
    except (OSError, NotImplementedError):
        # No links on this filesystem, or not of another user's file. Sockets and the like mean nothing in a copy.
        if entry.is_file(follow_symlinks=False):
            shutil.copy2(entry.path, target, follow_symlinks=False)


def _in_the_way(path: Path, relative: str) -> MachineError:
    return MachineError(
        f"{path} is yours, and the pack brings something of another kind at {relative}: a folder where there is a "
        "file, or a file or a link where there is a folder. Move yours away and run the same command again; nothing "
        "was changed."
    )
