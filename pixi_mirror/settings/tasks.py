"""Which tasks a workspace defines, read from its manifest."""

import tomllib
from pathlib import Path

from pixi_mirror.errors import MachineError
from pixi_mirror.model.values import Json
from pixi_mirror.settings.text import file_text


def manifest_with_task(workspace: Path, task: str) -> Path | None:
    """The manifest of a workspace that defines a task for its default environment; None: none does.

    A manifest that cannot be read defines nothing: saying what is wrong with it is pixi's affair.
    """
    for name, keys in (("pixi.toml", ()), ("pyproject.toml", ("tool", "pixi"))):
        try:
            table: Json = tomllib.loads(file_text(workspace / name) or "")
        except (MachineError, ValueError, RecursionError):
            continue
        for key in (*keys, "tasks"):
            table = table.get(key, {}) if isinstance(table, dict) else {}
        if isinstance(table, dict) and task in table:
            return (workspace / name).absolute()
    return None
