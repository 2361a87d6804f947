"""What the command line hands down to the work of a verb: where things are, and who hears of progress."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pixi_mirror.model.indexes import SidecarMaker
from pixi_mirror.model.network import Settings
from pixi_mirror.progress import Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What the command line hands down; the settings and the cache are looked up only when they are needed."""

    cache_directory: Callable[[], Path]
    settings: Callable[[Path | None], Settings]
    """Of a workspace by its directory; None: of the one that the user stands in."""
    progress: Progress
    environ: Mapping[str, str]
    """The environment variables that pixi is found by and run with."""
    directory: Callable[[], Path]
    """Where the user stands."""
    sidecar_maker: Callable[[Iterable[str]], SidecarMaker]
    """Makes what stands beside indexes, given the paths of the locks that are mirrored."""
    lock_timeout_s: float = 0.0
