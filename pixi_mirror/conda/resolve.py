"""Resolve match specs on channels upstream to packages, with py-rattler in a process of its own."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from pixi_mirror.conda.ask_rattler import ask_rattler
from pixi_mirror.conda.virtual_packages import assumed_virtual_packages
from pixi_mirror.errors import ProgramError
from pixi_mirror.model.values import Json, mask_secrets

_TIMEOUT_S = 1800.0
_ABSENT = (
    "resolving build backends needs py-rattler, which is not installed for this Python. Install it beside pixi-mirror: "
    "`pip install py-rattler`, or py-rattler from conda-forge; or leave --with-build-requirements out."
)


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
    virtual = assumed_virtual_packages(request.subdir, with_cuda=False)
    details = {
        "specs": request.specs,
        "channels": request.channels,
        "subdir": request.subdir,
        "virtual_packages": [package.text for package in virtual],
    }
    done = ask_rattler("resolve", lambda _: details, environ=environ, timeout_s=_TIMEOUT_S, if_absent=_ABSENT)
    if done.status != 0:
        raise ProgramError(
            f"what building needs ({', '.join(request.specs)}) was not found for {request.subdir}: "
            f"{mask_secrets(done.last_words)}"
        )
    return tuple(ResolvedPackage(**row) for row in json.loads(done.stdout))
