"""Ask `pixi info` where pixi keeps what it has fetched."""

import json
from collections.abc import Mapping
from pathlib import Path

from pixi_mirror.errors import WorkspaceError
from pixi_mirror.pixi.run import empty_directory, installed_pixi


def told_cache(environ: Mapping[str, str]) -> Path | None:
    """The root of pixi's cache, as its configuration has it; None: there is no pixi, or it does not say."""
    pixi = installed_pixi(environ)
    if pixi is None:
        return None
    try:
        with empty_directory() as empty:
            output = pixi.ask(("info", "--json"), cwd=empty)
        told = json.loads(output.stdout)["cache_dir"] if output.status == 0 else None
    except (WorkspaceError, ValueError, KeyError, TypeError):
        return None
    return Path(told) if isinstance(told, str) and told else None
