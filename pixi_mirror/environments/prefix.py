"""Describe the environment that is being made: where it is now, where it will be used, and its Python."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple

_SERIES = re.compile(r"\d+\.\d+")


class PrefixPython(NamedTuple):
    """The Python of an environment, as its conda record describes it. All paths are relative to the prefix."""

    series: str
    """Such as `3.12`."""
    site_packages: str
    """The folder of its packages."""
    program: str
    """What commands of conda packages are started by."""
    commands: str
    """The folder of commands."""


class Prefix(NamedTuple):
    """An environment that is being made."""

    here: Path
    """Where its files are now. Nobody else writes there."""
    path: str
    """Where it will be used; absolute."""
    subdir: str
    """The platform that it is for, such as `linux-64`."""
    python: PrefixPython | None
    """None: it has none."""

    @property
    def is_windows(self) -> bool:
        """Whether it is for Windows, wherever it is made."""
        return self.subdir.startswith("win-")

    def in_place(self, relative: str) -> str:
        """Return the path that a file will have, as the shells of its platform write it."""
        return f"{self.path}\\{relative}" if self.is_windows and os.sep == "\\" else f"{self.path}/{relative}"


def python_of(version: str, site_packages: str | None, *, subdir: str) -> PrefixPython:
    """Return the Python that a conda record describes by its version and, since 3.13, the folder of its packages.

    Raises:
        ValueError: the version is none, or the folder is not inside the environment.
    """
    found = _SERIES.match(version)
    if found is None:
        raise ValueError(f"{version!r} is no version of Python")
    series, is_windows = found[0], subdir.startswith("win-")
    folder = site_packages or ("Lib/site-packages" if is_windows else f"lib/python{series}/site-packages")
    if folder.startswith("/") or "\\" in folder or ":" in folder or {"", ".", ".."} & set(folder.split("/")):
        raise ValueError(f"{folder!r} is no folder inside an environment")
    if is_windows:
        return PrefixPython(series, folder, "python.exe", "Scripts")
    return PrefixPython(series, folder, f"bin/python{series}", "bin")
