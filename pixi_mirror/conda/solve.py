"""Solve environments again from a mirror alone, with py-rattler in a process of its own."""

import json
import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from pixi_mirror.errors import MachineError, ProgramError
from pixi_mirror.model.packages import Cell, Package
from pixi_mirror.model.values import Json, MirrorPath
from pixi_mirror.process import run

_TIMEOUT_S = 3600.0

# What pixi assumes, or newer, for locks without virtual packages. `__cuda` is there only if a package requires it.
_ASSUMED: Mapping[str, tuple[str, ...]] = {
    "linux": ("__unix=0", "__linux=6.12", "__glibc=2.43"),
    "osx": ("__unix=0", "__osx=26.0"),
    "win": ("__win=10.0",),
    "emscripten": ("__unix=0",),
}
_CUDA = "__cuda=13.9"


@dataclass(frozen=True, slots=True, kw_only=True)
class SolveRequest:
    """One environment on one platform that is to be solved."""

    workspace: str
    cell: Cell


@dataclass(frozen=True, slots=True, kw_only=True)
class Solution:
    """The result of one request."""

    workspace: str
    environment: str
    platform: str
    problem: str | None
    """Why the locked set does not come of the exact specs; None: it does."""
    otherwise: tuple[str, ...]
    """What a solve of the names alone would take instead; no fault, since a mirror holds what several locks want."""


def solve_environments(
    mirror: Path, requests: Iterable[SolveRequest], packages: Mapping[MirrorPath, Package]
) -> tuple[Solution, ...]:
    """Solve each environment from the `repodata.json` of the mirror's channels: exactly, and by names alone.

    Raises:
        ProgramError: py-rattler is not there, or failed.
        MachineError: no temporary file can be written.
    """
    if find_spec("rattler") is None:
        raise ProgramError(
            "solving needs py-rattler, which is not installed for this Python. Install the extra `rattler`, for "
            "example with `pip install pixi-mirror[rattler]`."
        )
    requested = list(requests)
    rows = [_row(mirror, request.cell, packages) for request in requested]
    try:
        with TemporaryDirectory(prefix="pixi-mirror-") as name:
            request_file = Path(name, "requests.json")
            request_file.write_text(json.dumps(rows), encoding="utf-8")
            command = [sys.executable, str(Path(__file__).with_name("solve_child.py")), str(request_file)]
            done = run(command, cwd=Path(name), environ=_environ(), timeout_s=_TIMEOUT_S)
    except OSError as error:
        raise MachineError(f"a temporary directory cannot be used: {error.strerror}.") from error
    if done.status != 0:
        raise ProgramError(f"py-rattler ended with status {done.status} and said: {done.last_words}")
    answers = json.loads(done.stdout)
    return tuple(
        Solution(
            workspace=each.workspace,
            environment=each.cell.environment,
            platform=each.cell.platform,
            problem=answer["problem"],
            otherwise=tuple(answer["otherwise"]),
        )
        for each, answer in zip(requested, answers, strict=True)
    )


def _environ() -> Mapping[str, str]:
    """Nothing of the user's: no proxy, no credentials, no settings; Windows starts no program without its root."""
    return {"SYSTEMROOT": "C:\\Windows"} if os.name == "nt" else {}


def _row(mirror: Path, cell: Cell, packages: Mapping[MirrorPath, Package]) -> Json:
    installed = [packages[path] for path in sorted({*cell.packages} - {*cell.build_packages}) if path in packages]
    listed = [package for package in installed if package.path.split("/")[-2:-1] == [package.subdir]]
    return {
        "subdir": cell.subdir,
        "channels": [str((mirror / (channel.path or "")).resolve()) for channel in cell.channels],
        # Old locks name another channel than their packages come from.
        "homes": sorted({str(mirror.resolve() / "/".join(package.path.split("/")[:-2])) for package in listed}),
        "root": str(mirror.resolve()),
        "virtual_packages": list(cell.virtual_packages) or _assumed(cell, installed),
        "packages": [
            {
                "path": package.path,
                "name": package.name,
                "version": package.version,
                "build": package.build,
                "sha256": package.sha256,
            }
            for package in installed
            if package.kind == "conda"
        ],
    }


def _assumed(cell: Cell, packages: Iterable[Package]) -> list[str]:
    assumed = [*_ASSUMED.get(cell.subdir.partition("-")[0], ()), "__archspec=1"]
    needs_cuda = any(
        spec.split()[0].startswith("__cuda") for package in packages for spec in package.record.get("depends") or ()
    )
    return [*assumed, *([_CUDA] if needs_cuda else [])]
