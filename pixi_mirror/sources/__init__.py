"""Who says what is wanted: one room a source, all giving the same answers."""

from pixi_mirror.sources.interface import Answer, Lacking, Source
from pixi_mirror.sources.lock import LockSource
from pixi_mirror.sources.pixi import Here, PixiSource, candidates, lock_of, manifest_of, workspace_here

__all__ = [
    "Answer",
    "Here",
    "Lacking",
    "LockSource",
    "PixiSource",
    "Source",
    "candidates",
    "lock_of",
    "manifest_of",
    "workspace_here",
]
