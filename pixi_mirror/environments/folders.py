"""Make the folders of an environment that is being made; nothing is ever made through a link."""

from __future__ import annotations

import os
import stat
from pathlib import Path


class NewFolders:
    """Folders below a root that nobody else writes to."""

    def __init__(self, root: Path) -> None:
        """`root` is there, and is no link."""
        self._root = root
        self._made: dict[str, str] = {"": str(root)}
        """Relative path -> path on this disk."""

    def make(self, relative: str) -> str:
        """Return a folder, which is made if it is not there.

        Raises:
            FileExistsError: there is something else, be it a link to a folder.
            OSError: it cannot be made.
        """
        found = self._made.get(relative)
        if found is not None:
            return found
        above, _, name = relative.rpartition("/")
        path = f"{self.make(above)}{os.sep}{name}"
        try:
            os.mkdir(path)
        except FileExistsError:
            if not stat.S_ISDIR(os.lstat(path).st_mode):
                raise
        self._made[relative] = path
        return path

    def file(self, relative: str) -> str:
        """Return where a file goes, on this disk, now that its folder is there.

        Raises:
            FileExistsError: there is something else in the place of a folder, be it a link to one.
            OSError: a folder cannot be made.
        """
        folder, _, name = relative.rpartition("/")
        return f"{self.make(folder)}{os.sep}{name}"

    def clear(self, relative: str) -> str:
        """Return where a file goes, now that no other file or link is there.

        Raises:
            IsADirectoryError: a folder is there.
            OSError: as `file`, or what is there cannot be removed.
        """
        path = self.file(relative)
        try:
            status = os.lstat(path)
        except FileNotFoundError:
            return path
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(21, "a folder is there", path)
        os.unlink(path)
        return path
