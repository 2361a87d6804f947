"""Resolve match specs on channels upstream to packages, with py-rattler in a process of its own."""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from pixi_mirror.conda.virtual_packages import assumed_virtual_packages
from pixi_mirror.errors import MachineError, ProgramError
from pixi_mirror.model.values import Json
from pixi_mirror.process import run_program

_TIMEOUT_S = 1800.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CondaResolutionRequest:
    """What is to be installed together in one environment on one platform."""

    specs: tuple[str, ...]
    """Match specs."""
    channels: tuple[str, ...]
    """URLs, in the order of their priority; at least one."""
    subdir: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedPackage:
    """One package of the environment."""

    url: str
    channel: str
    """Which of the requested channels it is from."""
    record: Mapping[str, Json]
    """As it belongs in `repodata.json`."""


def resolve_conda_packages(request: CondaResolutionRequest, environ: Mapping[str, str]) -> tuple[ResolvedPackage, ...]:
    """Resolve specs to packages under strict channel priority, dependencies included.

    Args:
        request: what is to be resolved.
        environ: the user's environment variables; py-rattler finds credentials and proxies by them.

    Raises:
        ProgramError: py-rattler is not there, finds no such packages, or failed.
        MachineError: no temporary file can be written.
    """
    if find_spec("rattler") is None:
        raise ProgramError(
            "resolving build backends needs py-rattler, which is not installed for this Python. Install the extra "
            "`rattler`, for example with `pip install pixi-mirror[rattler]`, or leave --with-build-requirements out."
        )
    virtual = assumed_virtual_packages(request.subdir, with_cuda=False)
    question = {
        "specs": request.specs,
        "channels": request.channels,
        "subdir": request.subdir,
        "virtual_packages": [package.text for package in virtual],
    }
    try:
        with TemporaryDirectory(prefix="pixi-mirror-") as name:
            file = Path(name, "request.json")
            file.write_text(json.dumps(question), encoding="utf-8")
            command = [sys.executable, str(Path(__file__).with_name("resolve_child.py")), str(file)]
            done = run_program(command, cwd=Path(name), environ=environ, timeout_s=_TIMEOUT_S)
    except OSError as error:
        raise MachineError(f"a temporary directory cannot be used: {error.strerror}.") from error
    if done.status != 0:
        raise ProgramError(
            f"what building needs ({', '.join(request.specs)}) was not found for {request.subdir}: {done.last_words}"
        )
    return tuple(ResolvedPackage(**row) for row in json.loads(done.stdout))
