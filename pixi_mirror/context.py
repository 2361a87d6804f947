"""The interface between the command line and the verbs: settings, places, and where progress is shown."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pixi_mirror.model.indexes import SidecarMaker
from pixi_mirror.model.network import Settings
from pixi_mirror.progress import Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What the command line gives to a verb. Settings and cache are read only when they are needed."""

    cache_directory: Callable[[], Path]
    settings: Callable[[Path | None], Settings]
    """Gives the settings of a workspace, by its directory; None: of the workspace of the user's directory."""
    progress: Progress
    environ: Mapping[str, str]
    """Environment variables; pixi is found by them and runs with them."""
    directory: Callable[[], Path]
    """Gives the user's current directory."""
    sidecar_maker: Callable[[Iterable[str]], SidecarMaker]
    """Gives the maker of sidecars, from the paths of the mirrored locks."""
    lock_timeout_s: float = 0.0
