"""Say which Python packages an environment has, beside those of conda packages, and which files are theirs.

PyPA's *Recording installed projects*: a folder `<name>-<version>.dist-info` stands for each, with the files in `RECORD`
and who installed it in `INSTALLER`.
"""

from __future__ import annotations

import csv
import json
import os
import posixpath
import re
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from pixi_mirror.disk.files import explain_errors, read_bytes
from pixi_mirror.environments.place_wheels import INSTALLER, NOTE
from pixi_mirror.environments.prefix import PrefixPython
from pixi_mirror.environments.wheel_archive import PackedWheel

_OURS = frozenset({INSTALLER, "uv", "uv-pixi"})
"""pixi and pixi-unpack install by uv."""
_DIST_INFO = ".dist-info"


class InstalledWheel(NamedTuple):
    """A Python package that is installed."""

    name: str
    """Normalised."""
    version: str
    folder: str
    """Its `.dist-info`, relative to the prefix."""
    installer: str
    sha256: str | None
    """Of the wheel; None: whoever installed it did not note that."""
    is_editable: bool
    files: tuple[str, ...]
    """Relative to the prefix; those outside of it are left out."""

    @property
    def is_ours(self) -> bool:
        """Whether it came from a pack or a lock, as far as can be told, so that the next one may replace or remove it.

        What its owner develops in place is theirs, whoever installed it.
        """
        return self.installer in _OURS and not self.is_editable

    def is_made_of(self, wheel: PackedWheel) -> bool:
        """Whether it was installed from this wheel, as far as its notes tell."""
        return (self.name, self.version) == (wheel.name, wheel.version) and self.sha256 in (None, wheel.sha256)


def installed_wheels(prefix: Path, python: PrefixPython) -> list[InstalledWheel]:
    """Return the Python packages of an environment, by folder; those of conda packages, too.

    Raises:
        MachineError: they cannot be read.
    """
    folder = prefix / python.site_packages
    # A link in its place would lead elsewhere, maybe outside.
    if os.path.realpath(folder) != str(folder):
        return []
    with explain_errors("read", folder):
        try:
            names = sorted(os.listdir(folder))
        except (FileNotFoundError, NotADirectoryError):
            return []
        return [_read(prefix, python.site_packages, name) for name in names if name.endswith(_DIST_INFO)]


def _read(prefix: Path, site_packages: str, name: str) -> InstalledWheel:
    folder = prefix / site_packages / name
    project, _, version = name[: -len(_DIST_INFO)].partition("-")
    sha256 = _document(folder / NOTE).get("sha256")
    return InstalledWheel(
        name=re.sub(r"[-_.]+", "-", project).lower(),
        version=version,
        folder=f"{site_packages}/{name}",
        installer=_text(folder / "INSTALLER").strip(),
        sha256=sha256 if isinstance(sha256, str) else None,
        is_editable="dir_info" in _document(folder / "direct_url.json"),
        files=tuple(_recorded(_text(folder / "RECORD"), site_packages)),
    )


def _recorded(text: str, site_packages: str) -> list[str]:
    rows = csv.reader(text.splitlines())
    found = []
    with suppress(csv.Error):
        for row in rows:
            if row and row[0] and not os.path.isabs(row[0]):
                path = posixpath.normpath(f"{site_packages}/{row[0]}")
                found += [] if path.startswith("../") else [path]
    return found


def _text(path: Path) -> str:
    with suppress(OSError):
        return read_bytes(path).decode("utf-8", errors="replace")
    return ""


def _document(path: Path) -> dict[str, Any]:
    with suppress(ValueError, RecursionError):
        found = json.loads(_text(path))
        return found if isinstance(found, dict) else {}
    return {}
