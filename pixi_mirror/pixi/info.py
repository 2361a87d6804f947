"""Run `pixi info`: the manifest of a workspace, its environments and platforms, and where pixi's cache is."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from pixi_mirror.errors import WorkspaceError
from pixi_mirror.model.values import Json
from pixi_mirror.pixi.run import WITHOUT_PIXI, PixiProgram, empty_directory, installed_pixi, reason_of

_LOCKED_NAMES = {"macos": "osx", "windows": "win"}
_LEAST = (0, 68)
"""The first version that lists packages of lock version 7."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedPlatform:
    """A platform as the manifest calls it."""

    name: str
    subdir: str
    virtual_packages: frozenset[str]
    """Only those that the manifest names, as the lock spells them (`__cuda=12`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkspaceInfo:
    """What pixi says of a workspace."""

    manifest: Path
    environments: Mapping[str, tuple[NamedPlatform, ...]]


def read_workspace_info(pixi: PixiProgram, *, manifest: Path | None, cwd: Path) -> WorkspaceInfo | None:
    """Ask pixi for the workspace of a manifest, or for the one of `cwd`; None: there is none, or it does not load.

    Raises:
        WorkspaceError: pixi is too old, fails, or answers something else.
    """
    named = () if manifest is None else ("--manifest-path", str(manifest))
    output = pixi.run(("info", "--json", *named), cwd=cwd)
    if output.status != 0:
        reason = reason_of(output.stderr, status=output.status)
        raise WorkspaceError(f"{pixi.program} failed at `pixi info --json`: {reason}. {WITHOUT_PIXI}")
    try:
        answer = json.loads(output.stdout)
        _refuse_old(answer["version"], pixi)
        project = answer["project_info"]
        if project is None:
            return None
        return WorkspaceInfo(
            manifest=Path(project["manifest_path"]),
            environments=MappingProxyType(
                {each["name"]: tuple(map(_platform, each["platforms"])) for each in answer["environments_info"]}
            ),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise WorkspaceError(
            f"what {pixi.program} answers to `pixi info --json` is not what pixi-mirror reads. Is it pixi? "
            f"{WITHOUT_PIXI}"
        ) from None


def _refuse_old(version: str, pixi: PixiProgram) -> None:
    """A version that is not spelled in numbers is a build of somebody's own, and is not refused."""
    found = re.match(r"(\d+)\.(\d+)", version)
    if found and (int(found[1]), int(found[2])) < _LEAST:
        least = ".".join(map(str, _LEAST))
        raise WorkspaceError(
            f"{pixi.program} is pixi {version}, and pixi-mirror needs {least} or newer, which lists what it has to "
            f"know of a package. Run `pixi self-update`. {WITHOUT_PIXI}"
        )


def _platform(raw: Json) -> NamedPlatform:
    """A platform is a name below pixi 0.71, and an object from there on."""
    if isinstance(raw, str):
        return NamedPlatform(name=raw, subdir=raw, virtual_packages=frozenset())
    return NamedPlatform(
        name=str(raw["name"]),
        subdir=str(raw["subdir"]),
        virtual_packages=frozenset(map(_as_locked, raw["virtual_packages"])),
    )


def _as_locked(virtual_package: str) -> str:
    """`macos=13.5` of a manifest is `__osx=13.5` in a lock, `cuda=12` is `__cuda=12`."""
    if virtual_package.startswith("__"):
        return virtual_package
    name, equals, version = virtual_package.partition("=")
    return f"__{_LOCKED_NAMES.get(name, name)}{equals}{version}"


def explain_load_failure(pixi: PixiProgram, manifest: Path, *, cwd: Path) -> str:
    """Ask pixi why a workspace does not load: `info` does not say it, `list` does."""
    output = pixi.run(("list", "--json", "--frozen", "--manifest-path", str(manifest)), cwd=cwd)
    if output.status == 0:
        return "it does not say why"
    return reason_of(output.stderr, status=output.status)


def read_cache_directory(environ: Mapping[str, str]) -> Path | None:
    """Ask pixi for the root of its cache, as its configuration has it; None: there is no pixi, or it does not say."""
    pixi = installed_pixi(environ)
    if pixi is None:
        return None
    try:
        with empty_directory() as empty:
            output = pixi.run(("info", "--json"), cwd=empty)
        found = json.loads(output.stdout)["cache_dir"] if output.status == 0 else None
    except (WorkspaceError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return Path(found) if isinstance(found, str) and found else None
