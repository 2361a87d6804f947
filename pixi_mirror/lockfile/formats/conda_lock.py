"""Read `conda-lock.yml` of conda-lock: conda packages and Python packages, by platform and category."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from types import MappingProxyType

from packaging.utils import canonicalize_name
from packaging.version import Version

from pixi_mirror.errors import WorkspaceError
from pixi_mirror.lockfile.entries import CondaBinary, Entry, Lock, LockedEnvironment, PypiEntry
from pixi_mirror.lockfile.fields import (
    Malformed,
    channel_url,
    mapping,
    number,
    optional_text,
    sequence,
    shortened,
    text,
    texts,
)
from pixi_mirror.lockfile.formats.choices import choice_environment, locked_platforms
from pixi_mirror.lockfile.formats.conda_locations import channels_of, from_location
from pixi_mirror.lockfile.yaml_reader import load_yaml
from pixi_mirror.model.values import Json, admit_md5, admit_sha256

_COMMAND = "conda-lock lock"
_ADVICE = f"write it anew with `{_COMMAND}`"
_VERSIONS = (1, 2)
_MAIN = "main"
_PYTHON_URL = re.compile(r"(?:https?://[^/\s]+|file://[^/\s]*|git\+[a-z]+://[^/\s]+)/\S+", re.IGNORECASE)
_SHOWN = 5
"""Names in a note."""


def read_conda_lock(data: bytes, *, name: str) -> Lock:
    """Read a `conda-lock.yml` of version 1, or of version 2, which has several categories in one entry.

    Args:
        data: the file.
        name: how messages name the lock.

    Raises:
        WorkspaceError: it is damaged, or of a version that cannot be read.
    """
    document = load_yaml(data, name=name, command=_COMMAND)
    if not isinstance(document, dict) or "version" not in document or "package" not in document:
        raise WorkspaceError(f"{name} is no conda-lock.yml: it has no `version` and `package`. Check the path.")
    try:
        version = number(document["version"], "version")
        if version in _VERSIONS:
            return _lock(document, version)
    except Malformed as error:
        raise WorkspaceError(f"{name} is damaged: {error}. Restore it from version control, or {_ADVICE}.") from None
    raise WorkspaceError(
        f"{name} has the version {version} of conda-lock's format; this pixi-mirror reads 1 and 2. Use a newer "
        "pixi-mirror."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Locked:
    """One entry under `package`."""

    entry: Entry
    platform: str
    categories: tuple[str, ...]
    needs: frozenset[str]
    """Names of the conda packages that it depends on."""


def _lock(document: dict[str, Json], version: int) -> Lock:
    metadata = mapping(document.get("metadata"), "metadata")
    listed = texts(metadata.get("platforms"), "metadata.platforms")
    locked = [_locked(mapping(raw, "an entry of package")) for raw in sequence(document["package"], "package")]
    platforms = tuple(dict.fromkeys((*listed, *(each.platform for each in locked))))
    categories = sorted({category for each in locked for category in each.categories} - {_MAIN})
    priorities = [channel_url(item) for item in sequence(metadata.get("channels"), "metadata.channels")]
    environments = {"default": _environment(locked, platforms, {_MAIN}, priorities)}
    for category in categories:
        chosen = {_MAIN, category}
        environments[choice_environment("category", category)] = _environment(locked, platforms, chosen, priorities)
    return Lock(
        version=version,
        platforms=locked_platforms(platforms),
        environments=MappingProxyType(environments),
        newest_timestamp=0,
        notes=tuple(_lacking(locked, categories)),
    )


def _environment(
    locked: Iterable[_Locked], platforms: Iterable[str], categories: set[str], priorities: list[str]
) -> LockedEnvironment:
    chosen = [each for each in locked if not categories.isdisjoint(each.categories)]
    packages = {platform: tuple(each.entry for each in chosen if each.platform == platform) for platform in platforms}
    return LockedEnvironment(
        channels=channels_of((each.entry for each in chosen), priorities),
        indexes=(),
        find_links=(),
        packages=MappingProxyType(packages),
        build_packages=MappingProxyType({}),
    )


def _locked(raw: dict[str, Json]) -> _Locked:
    name = text(raw.get("name"), "the name of a package")
    platform = text(raw.get("platform"), f"the platform of {name}")
    try:
        return _Locked(
            entry=_entry(raw, name),
            platform=platform,
            categories=_categories(raw),
            needs=frozenset(mapping(raw.get("dependencies"), "dependencies")),
        )
    except ValueError as error:
        raise Malformed(f"the package {shortened(name)}: {error}") from None


def _categories(raw: dict[str, Json]) -> tuple[str, ...]:
    if "categories" in raw:
        return texts(raw["categories"], "categories") or (_MAIN,)
    return (optional_text(raw.get("category"), "category") or _MAIN,)


def _entry(raw: dict[str, Json], name: str) -> CondaBinary | PypiEntry:
    location = text(raw.get("url"), "url")
    hashes = mapping(raw.get("hash"), "hash")
    digests = {kind: digest for kind in ("sha256", "md5") if (digest := optional_text(hashes.get(kind), kind))}
    match optional_text(raw.get("manager"), "manager"):
        case "conda":
            depends = mapping(raw.get("dependencies"), "dependencies")
            found = from_location(location, digests | {"depends": [_spec(*each) for each in depends.items()]})
            if found.record["name"] != name:
                raise Malformed("its URL is that of another package")
            return found
        case "pip":
            if not _PYTHON_URL.fullmatch(location):
                raise Malformed("its URL is not that of a file by http, https or file, or of a git repository")
            version = optional_text(raw.get("version"), "version")
            if version is not None:
                Version(version)
            return PypiEntry(
                name=canonicalize_name(name, validate=True),
                version=version,
                location=location,
                sha256=admit_sha256(digests["sha256"]) if "sha256" in digests else None,
                md5=admit_md5(digests["md5"]) if "md5" in digests else None,
                index=None,
                requires_dist=(),
                requires_python=None,
                editable=False,
            )
    raise Malformed("its manager is neither conda nor pip")


def _spec(name: str, version: Json) -> str:
    spec = optional_text(version, f"the dependency {shortened(name)}") or ""
    return name if spec in ("", "*") else f"{name} {spec}"


def _lacking(locked: list[_Locked], categories: Iterable[str]) -> Iterable[str]:
    """What an environment lacks, because conda-lock files a package under the last category alone that names it."""
    everything = {(each.platform, _name(each.entry)) for each in locked}
    for category in (_MAIN, *categories):
        chosen = [each for each in locked if not {_MAIN, category}.isdisjoint(each.categories)]
        have = {(each.platform, _name(each.entry)) for each in chosen}
        needed = {(each.platform, need) for each in chosen for need in each.needs}
        names = sorted({name for _, name in (needed & everything) - have})
        if names:
            shown = ", ".join(names[:_SHOWN]) + (" and more" if len(names) > _SHOWN else "")
            yield (
                f"the category {category} lacks {shown}, which its packages need: conda-lock files a package under one "
                "category alone. --all-environments brings it."
            )


def _name(entry: Entry) -> str:
    return str(entry.record["name"]) if isinstance(entry, CondaBinary) else entry.name
