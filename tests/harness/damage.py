"""Damage files on purpose, though packages in a mirror and files of the cache are read-only."""

from pathlib import Path


def writable(path: Path) -> Path:
    """The same file, which its owner may write from now on."""
    path.chmod(path.stat().st_mode | 0o200)
    return path
