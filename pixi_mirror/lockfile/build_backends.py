"""Read from the manifest of a conda source package which build backend pixi takes for it, and from which channels."""

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pixi_mirror.model.values import Json

_ANY = "*"
_DEFAULTS = {"recipe.yaml": "pixi-build-rattler-build", "package.xml": "pixi-build-ros"}
"""A file that says without a manifest how a directory is built -> the backend that pixi takes for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildBackend:
    """What has to be installed to build a source package."""

    specs: tuple[str, ...]
    """Match specs: the backend, then what its manifest adds to it."""
    channels: tuple[str, ...]
    """Names and URLs, as the manifest has them; empty: those of the workspace."""


def read_build_backend(
    directory: Path, workspace: Path, *, read: Callable[[Path], bytes | None]
) -> BuildBackend | None:
    """Return the backend of a source directory; None: nothing there says it in a way that is known.

    Args:
        directory: the directory, or a manifest or recipe in it.
        workspace: the directory of the workspace, from whose manifest a backend may inherit its version.
        read: gives the bytes of a file of this machine, None for one that cannot be read.
    """
    folder = directory if directory.suffix not in (".toml", ".yaml", ".xml") else directory.parent
    build = _table(_manifest(folder, read), "package", "build")
    if build is not None:
        return _backend(build, _table(_manifest(workspace, read), "workspace", "dependencies") or {})
    name = next((name for file, name in _DEFAULTS.items() if read(folder / file) is not None), None)
    return None if name is None else BuildBackend(specs=(name,), channels=())


def _manifest(folder: Path, read: Callable[[Path], bytes | None]) -> Mapping[str, Json]:
    """What pixi reads of a folder: `pixi.toml`, else the table `tool.pixi` of `pyproject.toml`."""
    for name, keys in (("pixi.toml", ()), ("pyproject.toml", ("tool", "pixi"))):
        try:
            document = tomllib.loads((read(folder / name) or b"").decode())
        except (ValueError, RecursionError):
            continue
        if found := _table(document, *keys):
            return found
    return {}


def _table(document: Json, *keys: str) -> Mapping[str, Json] | None:
    for key in keys:
        document = document.get(key) if isinstance(document, dict) else None
    return document if isinstance(document, dict) else None


def _backend(build: Mapping[str, Json], inherited: Mapping[str, Json]) -> BuildBackend | None:
    backend = build.get("backend")
    if not isinstance(backend, dict) or not isinstance(name := backend.get("name"), str):
        return None
    more = backend.get("additional-dependencies") or build.get("additional-dependencies") or {}
    channels = backend.get("channels") or build.get("channels") or []
    is_known = isinstance(more, dict) and isinstance(channels, list) and all(isinstance(each, str) for each in channels)
    if not is_known:
        return None
    wanted = {name: inherited.get(name) if backend.get("workspace") is True else backend, **more}
    specs = [_spec(each, spec) for each, spec in wanted.items()]
    if None in specs:
        return None
    return BuildBackend(specs=tuple(spec for spec in specs if spec is not None), channels=tuple(channels))


def _spec(name: str, spec: Json) -> str | None:
    """The match spec of one dependency of a manifest; None: it is built itself, or cannot be read."""
    table = {"version": spec} if isinstance(spec, str) else spec
    if not isinstance(table, dict) or not table.keys().isdisjoint({"path", "git", "url"}):
        return None
    version, build = table.get("version", _ANY), table.get("build")
    if not isinstance(version, str) or not isinstance(build, str | None):
        return None
    if build is not None:
        return f'{name}[version="{version}",build="{build}"]'
    # In a manifest `1.2` is a version that begins so, and `*` is any.
    return name if version == _ANY else f'{name}[version="{version}"]'
