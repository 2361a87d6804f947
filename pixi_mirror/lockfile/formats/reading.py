"""Read a lock of any format, by the name of the format."""

from collections.abc import Callable
from pathlib import Path

from pixi_mirror.lockfile.entries import CondaBinary, Entry, Lock, PypiEntry
from pixi_mirror.paths import is_local, local_path, local_url
from pixi_mirror.pypi.names import form_of


def read_any_lock(data: bytes, *, lock_format: str, name: str) -> Lock:
    """Read a lock.

    Args:
        data: the file.
        lock_format: one of `FORMATS` but for requirements files, which index pages complete.
        name: how messages name the lock.

    Raises:
        WorkspaceError: it is damaged, or of a version that cannot be read.
    """
    return _reader(lock_format)(data, name)


def _reader(lock_format: str) -> Callable[[bytes, str], Lock]:
    """What reads a format; its module is imported only for a lock of that format."""
    match lock_format:
        case "pylock":
            from pixi_mirror.lockfile.formats.pylock import read_pylock

            return lambda data, name: read_pylock(data, name=name)
        case "uv":
            from pixi_mirror.lockfile.formats.uv import read_uv_lock

            return lambda data, name: read_uv_lock(data, name=name)
        case "explicit":
            from pixi_mirror.lockfile.formats.explicit import read_explicit

            return lambda data, name: read_explicit(data, name=name)
        case "conda-lock":
            from pixi_mirror.lockfile.formats.conda_lock import read_conda_lock

            return lambda data, name: read_conda_lock(data, name=name)
        case "prefix":
            from pixi_mirror.lockfile.formats.prefix import read_prefix

            return lambda data, name: read_prefix(data, name=name)
        case _:
            from pixi_mirror.lockfile.reader import read_lock

            return lambda data, name: read_lock(data, name=name)


def local_archives(lock: Lock, *, directory: Path) -> list[Path]:
    """The archives of this machine that a lock names without a sha256, in order.

    Args:
        lock: the lock.
        directory: what its relative paths start at.
    """
    base = directory.as_uri() + "/"
    found = {
        local_path(local_url(entry.location, base))
        for environment in lock.environments.values()
        for entries in environment.packages.values()
        for entry in entries
        if _is_unhashed_archive(entry)
    }
    return sorted(found)


def _is_unhashed_archive(entry: Entry) -> bool:
    match entry:
        case PypiEntry(location=location, sha256=None):
            return form_of(location) in ("local wheel", "local sdist")
        case CondaBinary(location=location, record=record):
            return is_local(location) and record.get("sha256") is None
        case _:
            return False
