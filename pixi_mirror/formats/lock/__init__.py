"""Read `pixi.lock` of every format version as one set of values; pure, but for a temporary file with old versions."""

from pixi_mirror.formats.lock.entries import (
    CondaBinary,
    CondaSource,
    Entry,
    Lock,
    LockedEnvironment,
    Platform,
    PypiEntry,
)
from pixi_mirror.formats.lock.read import read_lock

__all__ = ["CondaBinary", "CondaSource", "Entry", "Lock", "LockedEnvironment", "Platform", "PypiEntry", "read_lock"]
