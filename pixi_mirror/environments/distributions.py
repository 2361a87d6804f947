"""Tell which Python packages an environment has, and remove one by its own list of files.

PyPA's *Recording installed projects*: a folder `<name>-<version>.dist-info` stands for each, with the files in `RECORD`
and who installed it in `INSTALLER`.
"""

import csv
import json
import os
import posixpath
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import canonicalize_name

from pixi_mirror.disk.files import explain_errors, read_bytes
from pixi_mirror.model.values import Json

INSTALLER = "pixi-mirror"
NOTE = "pixi-mirror.json"
"""What we leave beside `RECORD`: the sha256 of the wheel."""

_OURS = frozenset({INSTALLER, "uv", "uv-pixi"})
"""pixi and pixi-unpack install by uv."""
_DIST_INFO = ".dist-info"
_MINOR = re.compile(r"\d+\.\d+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Python:
    """The Python of an environment."""

    series: str
    """Such as `3.12`."""
    site_packages: str
    """The folder of its packages, a relative POSIX path from the prefix."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """A Python package that is installed."""

    name: str
    """Normalised."""
    version: str
    folder: str
    """The name of its `.dist-info`."""
    installer: str
    sha256: str | None
    """Of the wheel; None: whoever installed it did not note that."""
    is_editable: bool

    @property
    def is_ours(self) -> bool:
        """Whether it came from a pack or a lock, as far as can be told, so that the next one may replace or remove it.

        What its owner develops in place is theirs, whoever installed it.
        """
        return self.installer in _OURS and not self.is_editable


def python_of(version: str, site_packages: str | None, *, subdir: str) -> Python:
    """The Python that a conda record describes by its version and, since 3.13, the folder of its packages.

    Raises:
        ValueError: the version is none, or the folder is not inside the environment.
    """
    series = _MINOR.match(version)
    if series is None:
        raise ValueError(f"{version!r} is no version of Python")
    usual = "Lib/site-packages" if subdir.startswith("win-") else f"lib/python{series[0]}/site-packages"
    folder = site_packages or usual
    parts = folder.split("/")
    if folder.startswith("/") or "\\" in folder or ":" in folder or {"", ".", ".."} & set(parts):
        raise ValueError(f"{folder!r} is no folder inside an environment")
    return Python(series=series[0], site_packages=folder)


def distributions(prefix: Path, python: Python) -> tuple[Distribution, ...]:
    """The Python packages that are installed, by name; of conda packages, too.

    Raises:
        MachineError: they cannot be read.
    """
    folder = prefix / python.site_packages
    with explain_errors("read", folder):
        try:
            names = sorted(os.listdir(folder))
        except (FileNotFoundError, NotADirectoryError):
            return ()
        return tuple(_distribution(folder / name) for name in names if name.endswith(_DIST_INFO))


def _distribution(folder: Path) -> Distribution:
    name, _, version = folder.name.removesuffix(_DIST_INFO).partition("-")
    sha256 = _document(folder / NOTE).get("sha256")
    return Distribution(
        name=canonicalize_name(name),
        version=version,
        folder=folder.name,
        installer=_text(folder / "INSTALLER").strip(),
        sha256=sha256 if isinstance(sha256, str) else None,
        is_editable="dir_info" in _document(folder / "direct_url.json"),
    )


def _text(path: Path) -> str:
    with suppress(OSError):
        return read_bytes(path).decode("utf-8", errors="replace")
    return ""


def _document(path: Path) -> Mapping[str, Json]:
    with suppress(ValueError, RecursionError):
        found = json.loads(_text(path))
        return found if isinstance(found, dict) else {}
    return {}


def remove(distribution: Distribution, *, prefix: Path, python: Python) -> None:
    """Remove the files of a Python package, what Python compiled of them, and the folders that are empty then.

    Whatever its list names outside of the environment stays.

    Raises:
        MachineError: a file cannot be removed.
    """
    root = os.path.realpath(prefix)
    site = prefix / python.site_packages
    with explain_errors("remove a Python package from", site):
        emptied = set()
        for path in _listed(site, distribution):
            folder = os.path.realpath(path.parent)
            if os.path.commonpath([root, folder]) != root:
                continue
            with suppress(FileNotFoundError, NotADirectoryError, IsADirectoryError):
                os.unlink(path)
            emptied |= {path.parent, *_without_compiled(path)}
        _remove_empty(emptied, prefix)


def _listed(site: Path, distribution: Distribution) -> Iterator[Path]:
    text = _text(site / distribution.folder / "RECORD")
    for row in csv.reader(text.splitlines()):
        if row and row[0] and not os.path.isabs(row[0]):
            yield Path(posixpath.normpath((site / row[0]).as_posix()))
    yield site / distribution.folder / "RECORD"


def _without_compiled(path: Path) -> Iterator[Path]:
    """Remove what Python compiled of a source; the folders that this was in."""
    if path.suffix == ".py":
        folder = path.parent / "__pycache__"
        for compiled in folder.glob(f"{path.stem}.*.pyc"):
            compiled.unlink()
        yield folder


def _remove_empty(folders: set[Path], prefix: Path) -> None:
    for folder in sorted(folders, key=lambda each: len(each.parts), reverse=True):
        each = folder
        with suppress(OSError):  # one that is not empty stays
            while each != prefix and prefix in each.parents and each.name != "site-packages":
                each.rmdir()
                each = each.parent
