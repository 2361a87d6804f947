"""Read a whole lock: its environments, its platforms, and the packages that they refer to; pure."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeAlias

from pixi_mirror.conda.names import SUBDIRS
from pixi_mirror.errors import WorkspaceError
from pixi_mirror.lockfile.entries import Entry, Lock, LockedEnvironment, LockedPlatform
from pixi_mirror.lockfile.fields import Malformed, channel_url, mapping, number, optional_text, sequence, text, texts
from pixi_mirror.lockfile.old_versions import read_old_lock
from pixi_mirror.lockfile.package_index import Key, PackageIndex, index_packages
from pixi_mirror.lockfile.versions import VERSIONS, LockVersion
from pixi_mirror.lockfile.yaml_reader import cut_off, load_yaml
from pixi_mirror.model.values import Json

_CONDA_WORKSPACES = 6
"""The version of pixi.lock whose shape a `conda.lock` of version 1 has."""
_Platforms: TypeAlias = Mapping[str, LockedPlatform]


def read_lock(data: bytes, *, name: str) -> Lock:
    """Read a `pixi.lock` of one of the versions in `VERSIONS`, or a `conda.lock` of conda-workspaces.

    Args:
        data: the file.
        name: how messages name the lock.

    Raises:
        WorkspaceError: it is damaged, refers to what it does not hold, or has a version that cannot be read; the
            message names the line, or environment, platform and entry.
    """
    document = load_yaml(data, name=name)
    if not isinstance(document, dict) or "version" not in document:
        raise WorkspaceError(
            f"{name} is no pixi.lock: it has no `version`.{cut_off(data)} Check the path, or write the lock with "
            "`pixi lock`."
        )
    try:
        found = number(document["version"], "version")
        version = VERSIONS[_CONDA_WORKSPACES] if _is_conda_workspaces(document, found) else _version(found, name)
        if not version.is_read_here:
            return read_old_lock(data, version=version.number, name=name)
        return _lock(document, version)
    except Malformed as error:
        raise WorkspaceError(
            f"{name} is damaged: {error}.{cut_off(data)} Such locks mostly come of a line-wise git merge; restore the "
            "file from version control or write it anew with `pixi lock`."
        ) from None


def _is_conda_workspaces(document: dict[str, Json], version: int) -> bool:
    """Whether it is a `conda.lock` of conda-workspaces, which counts versions of its own.

    A pixi.lock of version 1 has `package` and `metadata` instead.
    """
    return version == 1 and "environments" in document and "packages" in document


def _version(number: int, name: str) -> LockVersion:
    version = VERSIONS.get(number)
    if version is not None:
        return version
    if number < min(VERSIONS):
        raise WorkspaceError(f"{name} has the lock format version {number}, which never was. Check the file.")
    raise WorkspaceError(
        f"{name} has the lock format version {number}; this pixi-mirror reads {min(VERSIONS)} to {max(VERSIONS)}. Use "
        "a newer pixi-mirror."
    )


def _lock(document: dict[str, Json], version: LockVersion) -> Lock:
    for key in ("environments", "packages"):
        if key not in document:
            raise Malformed(f"it has no `{key}`")
    raw_environments = mapping(document["environments"], "environments")
    index = index_packages(document["packages"], version)
    named = _named_platforms(document) if version.lists_platforms else None
    used: dict[str, LockedPlatform] = {}
    environments = {}
    for environment, raw in raw_environments.items():
        try:
            environments[environment] = _environment(mapping(raw, "it"), index, lambda key: _platform(key, named, used))
        except Malformed as error:
            raise Malformed(f"environment {environment}: {error}") from None
    return Lock(
        version=version.number,
        platforms=MappingProxyType(used if named is None else dict(named)),
        environments=MappingProxyType(environments),
        newest_timestamp=index.newest_timestamp,
    )


def _named_platforms(document: dict[str, Json]) -> _Platforms:
    found: dict[str, LockedPlatform] = {}
    for item in sequence(document.get("platforms"), "platforms"):
        raw = mapping(item, "an entry of platforms")
        name = text(raw.get("name"), "the name of a platform")
        subdir = optional_text(raw.get("subdir"), f"subdir of the platform {name}") or name
        if name in found:
            raise Malformed(f"the platform {name} is listed twice")
        if subdir not in SUBDIRS:
            raise Malformed(f"the platform {name} has the unknown subdir {subdir!r}")
        virtual_packages = texts(raw.get("virtual-packages"), f"virtual-packages of the platform {name}")
        found[name] = LockedPlatform(name=name, subdir=subdir, virtual_packages=virtual_packages)
    return found


def _platform(key: str, named: _Platforms | None, used: dict[str, LockedPlatform]) -> None:
    """Check the platform of an environment: a listed one or, where none are listed, any subdir, which is noted."""
    if named is not None:
        if key not in named:
            raise Malformed(f"platform {key} is not listed under platforms")
    elif key not in SUBDIRS:
        raise Malformed(f"platform {key} is unknown")
    else:
        used.setdefault(key, LockedPlatform(name=key, subdir=key, virtual_packages=()))


def _environment(raw: dict[str, Json], index: PackageIndex, admit_platform: Callable[[str], None]) -> LockedEnvironment:
    packages: dict[str, tuple[Entry, ...]] = {}
    build_packages: dict[str, tuple[Entry, ...]] = {}
    for key in ("channels", "packages"):
        if key not in raw:
            raise Malformed(f"it has no `{key}`")
    for platform, references in mapping(raw["packages"], "packages").items():
        admit_platform(platform)
        try:
            found = dict(index.find(item, platform) for item in sequence(references, "its list of packages"))
            packages[platform] = tuple(found.values())
            build_packages[platform] = _closure(index, found, platform)
        except Malformed as error:
            raise Malformed(f"platform {platform}: {error}") from None
    return LockedEnvironment(
        channels=tuple(channel_url(item) for item in sequence(raw["channels"], "channels")),
        indexes=texts(raw.get("indexes"), "indexes"),
        find_links=tuple(_find_link(item) for item in sequence(raw.get("find-links"), "find-links")),
        packages=MappingProxyType(packages),
        build_packages=MappingProxyType(build_packages),
    )


def _closure(index: PackageIndex, installed: dict[Key, Entry], platform: str) -> tuple[Entry, ...]:
    """Return the entries that are needed to build `installed`, and to build these in turn; each entry once."""
    seen = dict(installed)
    waiting = [key for key in installed if key in index.needs]
    for wanted in waiting:  # the loop adds to it, and `seen` ends cycles
        for reference in index.needs[wanted]:
            try:
                key, entry = index.find(reference, platform)
            except Malformed as error:
                raise Malformed(f"to build {wanted[1]}: {error}") from None
            if key not in seen:
                seen[key] = entry
                if key in index.needs:
                    waiting.append(key)
    return tuple(entry for key, entry in seen.items() if key not in installed)


def _find_link(item: Json) -> str:
    found = mapping(item, "an entry of find-links")
    return text(found.get("url") or found.get("path"), "an entry of find-links")
