"""Run `pixi list` for several environments and platforms at a time."""

import json
import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TypeAlias

from pixi_mirror.errors import WorkspaceError
from pixi_mirror.model.values import Json
from pixi_mirror.pixi.run import WITHOUT_PIXI, PixiProgram, reason_of

EnvironmentPlatform: TypeAlias = tuple[str, str]
"""An environment and a platform of it, as pixi names them."""

Rows: TypeAlias = Sequence[Mapping[str, Json]]


def list_packages(
    pixi: PixiProgram, manifest: Path, places: Sequence[EnvironmentPlatform], *, cwd: Path
) -> Mapping[EnvironmentPlatform, Rows]:
    """Ask pixi for the packages of each place of a workspace, from its lock as it is; one process for each core.

    Raises:
        WorkspaceError: pixi refuses one of them, or answers something else.
    """
    from pixi_mirror.threads import ThreadPool

    ask = partial(_rows, pixi, manifest, cwd=cwd)
    pool = ThreadPool(min(os.cpu_count() or 1, len(places)) or 1)
    try:
        return dict(zip(places, pool.map(ask, places), strict=True))
    finally:
        # A user who interrupts does not wait for those that are under way.
        pool.shutdown(wait=False, cancel_futures=True)


def _rows(pixi: PixiProgram, manifest: Path, place: EnvironmentPlatform, *, cwd: Path) -> Rows:
    environment, platform = place
    output = pixi.run(
        (
            "list", "--json", "--frozen", "--environment", environment, "--platform", platform,
            "--manifest-path", str(manifest),
        ),
        cwd=cwd,
    )  # fmt: skip
    called = f"environment {environment!r} on {platform!r} of {manifest}"
    if output.status != 0:
        raise WorkspaceError(f"pixi cannot list {called}: {reason_of(output.stderr, status=output.status)}.")
    try:
        rows = json.loads(output.stdout)
    except (ValueError, RecursionError):
        rows = None
    if not isinstance(rows, list) or not all(isinstance(row, dict) and _is_row(row) for row in rows):
        raise WorkspaceError(
            f"what {pixi.program} lists for {called} is not what pixi-mirror reads: a JSON list of packages with name, "
            f"kind and url was expected. {WITHOUT_PIXI}"
        )
    return rows


def _is_row(row: Mapping[str, Json]) -> bool:
    return all(isinstance(row.get(key), str) for key in ("name", "kind", "url"))


def refuse_stale(pixi: PixiProgram, manifest: Path, place: EnvironmentPlatform | None, *, cwd: Path) -> None:
    """Have pixi check that the lock fits the manifest. It checks the whole workspace, whatever the place.

    Raises:
        WorkspaceError: it does not.
    """
    named = () if place is None else ("--environment", place[0], "--platform", place[1])
    output = pixi.run(("list", "--json", "--locked", *named, "--manifest-path", str(manifest)), cwd=cwd)
    if output.status != 0:
        raise WorkspaceError(
            f"{manifest} and its lock: {reason_of(output.stderr, status=output.status)}. Run `pixi lock`, or mirror "
            "the lock as it stands, without --locked."
        )
