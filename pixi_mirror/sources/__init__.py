"""Who says what is wanted: one room a source, all giving the same answers."""

from pixi_mirror.sources.interface import Answer, Lacking, Source
from pixi_mirror.sources.lock import LockSource

__all__ = ["Answer", "Lacking", "LockSource", "Source"]
