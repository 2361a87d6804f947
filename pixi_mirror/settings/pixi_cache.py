"""Where pixi keeps its cache, as far as that can be known without pixi."""

from collections.abc import Mapping
from pathlib import Path


def named_pixi_cache(*, environ: Mapping[str, str]) -> Path | None:
    """The root of the cache as the environment names it, which outweighs pixi's configuration; None: it does not."""
    told = environ.get("PIXI_CACHE_DIR") or environ.get("RATTLER_CACHE_DIR")
    return Path(told) if told else None


def usual_pixi_cache() -> Path:
    """The root of the cache if nothing is configured."""
    import platformdirs

    folder = platformdirs.user_cache_path()
    own = folder / ".pixi"
    return own if own.is_dir() else folder / "rattler" / "cache"
