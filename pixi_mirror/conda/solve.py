"""Have py-rattler solve environments from a mirror alone, or resolve specs upstream, in a process of its own."""

import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from pixi_mirror.conda.index_files import REPODATA
from pixi_mirror.conda.repodata import repodata
from pixi_mirror.conda.virtual_packages import VirtualPackage, assumed_virtual_packages, read_virtual_package
from pixi_mirror.errors import ProgramError
from pixi_mirror.model.packages import Cell, Package
from pixi_mirror.model.values import Json, MirrorPath, mask_secrets
from pixi_mirror.process import Output, run_program, scratch_directory

_SOLVING_S = 3600.0
_CANNOT_SOLVE = (
    "solving needs py-rattler, which is not installed for this Python. Install it beside pixi-mirror, for example with "
    "`pip install py-rattler`, or from conda-forge."
)


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
    strict: tuple[str, ...] | None
    """The same under strict channel priority, where the first channel that has a name is the only one for it. None: the
    environment has one channel, so there is no priority."""


def solve_environments(
    mirror: Path, requests: Iterable[SolveRequest], packages: Mapping[MirrorPath, Package]
) -> tuple[Solution, ...]:
    """Solve each environment from the `repodata.json` of the mirror's channels: exactly, and by names alone.

    A package that a lock names by its URL or path is in no channel. The solver gets its record as the only one of its
    name, as in pixi.

    Raises:
        ProgramError: py-rattler is not there, or failed.
        MachineError: no temporary file can be written.
    """
    requested = list(requests)

    def rows(folder: Path) -> list[Json]:
        return [
            _row(mirror, request.cell, packages, given=folder.resolve() / f"given-{number}")
            for number, request in enumerate(requested)
        ]

    done = ask_rattler("solve", rows, environ=_environ(), timeout_s=_SOLVING_S, if_absent=_CANNOT_SOLVE)
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
            strict=None if answer["strict"] is None else tuple(answer["strict"]),
        )
        for each, answer in zip(requested, answers, strict=True)
    )


def _environ() -> Mapping[str, str]:
    """Nothing of the user's: no proxy, no credentials, no settings; Windows starts no program without its root."""
    return {"SYSTEMROOT": "C:\\Windows"} if os.name == "nt" else {}


def _row(mirror: Path, cell: Cell, packages: Mapping[MirrorPath, Package], *, given: Path) -> Json:
    installed = [
        packages[path]
        for path in sorted({*cell.packages} - {*cell.build_packages})
        if path in packages and packages[path].kind == "conda"
    ]
    listed = [package for package in installed if _is_listed(package)]
    others = [package for package in installed if not _is_listed(package)]
    if others:
        _write_channel(given, others)
    return {
        "subdir": cell.subdir,
        "channels": [str((mirror / (channel.path or "")).resolve()) for channel in cell.channels],
        # Old locks name another channel than their packages come from.
        "homes": sorted({str(mirror.resolve() / "/".join(package.path.split("/")[:-2])) for package in listed}),
        "root": str(mirror.resolve()),
        "given": str(given) if others else None,
        "given_paths": {_file_name(package): package.path for package in others},
        "virtual_packages": _virtual_packages(cell, installed),
        "packages": [
            {
                "path": package.path,
                "name": package.name,
                "version": package.version,
                "build": package.build,
                "sha256": package.sha256,
            }
            for package in installed
        ],
    }


def _is_listed(package: Package) -> bool:
    """Whether a `repodata.json` of the mirror lists the package."""
    return package.path.split("/")[-2:-1] == [package.subdir]


def _file_name(package: Package) -> str:
    return package.path.rpartition("/")[2]


def _write_channel(directory: Path, packages: Iterable[Package]) -> None:
    """Write the indexes of a channel that lists some packages; the packages themselves are not in it."""
    records: dict[str, dict[str, Mapping[str, Json]]] = {"noarch": {}}
    for package in packages:
        record = dict(package.record) if package.sha256 is None else {**package.record, "sha256": package.sha256}
        records.setdefault(package.subdir or "noarch", {})[_file_name(package)] = record
    for subdir, listed in records.items():
        (directory / subdir).mkdir(parents=True)
        (directory / subdir / REPODATA).write_bytes(repodata(subdir, listed))


def _virtual_packages(cell: Cell, packages: Iterable[Package]) -> list[str]:
    if cell.virtual_packages:
        return [read_virtual_package(text).text for text in cell.virtual_packages]
    with_cuda = any(
        spec.lstrip().startswith("__cuda") for package in packages for spec in package.record.get("depends") or ()
    )
    return [package.text for package in assumed_virtual_packages(cell.subdir, with_cuda=with_cuda)]


_RESOLVING_S = 1800.0
_CANNOT_RESOLVE = (
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
    done = _ask_for_packages(request, virtual, environ, if_absent=_CANNOT_RESOLVE)
    if done.status != 0:
        raise ProgramError(
            f"what building needs ({', '.join(request.specs)}) was not found for {request.subdir}: "
            f"{mask_secrets(done.last_words)}"
        )
    return tuple(ResolvedPackage(**row) for row in json.loads(done.stdout))


NEEDS_SOLVER = (
    "a lock is made by pixi, or by py-rattler, and neither is here. Install pixi (https://pixi.sh), or py-rattler "
    "beside pixi-mirror, for example with `pip install py-rattler`."
)
"""What to say where nothing can solve."""


def solve_specs(
    request: CondaResolutionRequest, virtual_packages: Sequence[VirtualPackage]
) -> tuple[ResolvedPackage, ...]:
    """Solve an environment under strict channel priority, from channels on this machine alone.

    Args:
        request: what is to be solved; the channels are `file:` URLs.
        virtual_packages: what the solver takes for given.

    Raises:
        ValueError: there is no solution; the text is the solver's reason, in one line.
        ProgramError: py-rattler is not there, or died.
        MachineError: no temporary file can be written.
    """
    done = _ask_for_packages(request, virtual_packages, _environ(), if_absent=NEEDS_SOLVER, alone=True)
    if done.status == 1:
        raise ValueError(done.last_words)
    if done.status != 0:
        raise ProgramError(f"py-rattler ended with status {done.status} and said: {done.last_words}")
    return tuple(ResolvedPackage(**row) for row in json.loads(done.stdout))


def _ask_for_packages(
    request: CondaResolutionRequest,
    virtual_packages: Sequence[VirtualPackage],
    environ: Mapping[str, str],
    *,
    if_absent: str,
    alone: bool = False,
) -> Output:
    """Ask for the packages of an environment; `alone`: from these channels, and none that they bring in (CEP 42)."""
    details = {
        "alone": alone,
        "specs": request.specs,
        "channels": request.channels,
        "subdir": request.subdir,
        "virtual_packages": [package.text for package in virtual_packages],
    }
    return ask_rattler("resolve", lambda _: details, environ=environ, timeout_s=_RESOLVING_S, if_absent=if_absent)


def ask_rattler(
    question: Literal["solve", "resolve"],
    details: Callable[[Path], Json],
    *,
    environ: Mapping[str, str],
    timeout_s: float,
    if_absent: str,
) -> Output:
    """Run `rattler_child.py`, and give its output, whatever its exit status; after success that is JSON.

    Args:
        question: what is to be done.
        details: what it is to be done with, as `rattler_child.py` takes it. It gets a folder that it can write to and
            that vanishes with the process.
        environ: all environment variables of the process.
        timeout_s: the longest time that it may run, in seconds.
        if_absent: what to say if py-rattler is not installed.

    Raises:
        ProgramError: py-rattler is not there, cannot be started, or did not end in time.
        MachineError: no temporary file can be written.
    """
    if find_spec("rattler") is None:
        raise ProgramError(if_absent)
    with scratch_directory() as folder:
        file = folder / "question.json"
        file.write_text(json.dumps([question, details(folder)]), encoding="utf-8")
        command = [sys.executable, str(Path(__file__).with_name("rattler_child.py")), str(file)]
        return run_program(command, cwd=folder, environ=environ, timeout_s=timeout_s)
