"""The real pixi as the source: it says which workspace, which targets and which rows; the lock completes them.

It alone asks pixi and knows its JSON, which is a view: purls, flags, channels and whatever builds source packages stand
in the lock only. So the lock is what is mirrored, and what pixi lists has to agree with it, package by package.
"""

from pixi_mirror.sources.pixi.discovery import Here, candidates, lock_of, manifest_of, workspace_here
from pixi_mirror.sources.pixi.source import PixiSource

__all__ = ["Here", "PixiSource", "candidates", "lock_of", "manifest_of", "workspace_here"]
