"""Give the platforms of a lock the names that the manifest has for them; they are matched as in pixi; pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from pixi_mirror.lockfile.entries import Lock, LockedPlatform
from pixi_mirror.pixi.info import NamedPlatform, WorkspaceInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class RenamedLock:
    """A lock whose platforms have the names of the manifest."""

    lock: Lock
    aliases: Mapping[str, Mapping[str, str]]
    """Environment -> name in the lock (`p1`) -> name in the manifest, where the two differ."""


def with_manifest_names(lock: Lock, workspace: WorkspaceInfo) -> RenamedLock:
    """The lock with the manifest's names; a platform that the manifest does not have keeps its own."""
    platforms: dict[str, LockedPlatform] = {}
    environments = {}
    aliases: dict[str, Mapping[str, str]] = {}
    for name, environment in lock.environments.items():
        locked = [lock.platforms[key] for key in environment.packages]
        names = _names(locked, workspace.environments.get(name, ()))
        aliases[name] = {old: new for old, new in names.items() if old != new}
        platforms |= {names[each.name]: replace(each, name=names[each.name]) for each in locked}
        environments[name] = replace(
            environment,
            packages=MappingProxyType({names[key]: entries for key, entries in environment.packages.items()}),
            build_packages=MappingProxyType(
                {names[key]: entries for key, entries in environment.build_packages.items()}
            ),
        )
    return RenamedLock(
        lock=replace(lock, platforms=MappingProxyType(platforms), environments=MappingProxyType(environments)),
        aliases=MappingProxyType(aliases),
    )


def _names(locked: Sequence[LockedPlatform], named: Sequence[NamedPlatform]) -> Mapping[str, str]:
    """Name in the lock -> name in the manifest, or again that in the lock."""
    known = {each.name: each for each in named}
    same = {each.name for each in locked if each.name in known and known[each.name].subdir == each.subdir}
    names = {each.name: each.name for each in locked}
    left = [each for each in named if each.name not in names]
    for each in locked:
        found = None if each.name in same else _same_as(each, left)
        if found is not None:
            left.remove(found)
            names[each.name] = found.name
    return names


def _same_as(locked: LockedPlatform, named: Sequence[NamedPlatform]) -> NamedPlatform | None:
    """The one platform with the subdir and the customised virtual packages of a locked one.

    A lock below version 7 has no virtual packages: then the subdir alone decides.
    """
    virtual = frozenset(locked.virtual_packages)
    fitting = [
        each for each in named if each.subdir == locked.subdir and (not virtual or each.virtual_packages <= virtual)
    ]
    most = max((len(each.virtual_packages) for each in fitting), default=0)
    closest = [each for each in fitting if not virtual or len(each.virtual_packages) == most]
    return closest[0] if len(closest) == 1 else None
