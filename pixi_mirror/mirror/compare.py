"""Pure functions that decide: what several subscriptions want together, and how that differs from what is held."""

import hashlib
import posixpath
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import accumulate
from types import MappingProxyType

from pixi_mirror.errors import UnmirrorableError
from pixi_mirror.model.packages import Layout, Package, Snapshot, Target
from pixi_mirror.model.values import Json, MirrorPath, Sha256, canonical


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeDifference:
    """How what is held differs from what is wanted; each tuple is sorted."""

    missing: tuple[MirrorPath, ...]
    """Wanted and not held."""
    changed: tuple[MirrorPath, ...]
    """Held with another content than is wanted."""
    surplus: tuple[MirrorPath, ...]
    """Held and not wanted."""


def compare(wanted: Mapping[MirrorPath, Sha256 | None], held: Mapping[MirrorPath, Sha256 | None]) -> TreeDifference:
    """The difference between two witnesses, path -> sha256 of the bytes or of the recipe.

    A wanted None is content with any bytes; a held None is content that nobody may want.
    """
    missing = [path for path in wanted if path not in held]
    changed = [path for path in wanted if path in held and not _suffices(held[path], wanted[path])]
    surplus = [path for path in held if path not in wanted]
    return TreeDifference(
        missing=tuple(sorted(missing)), changed=tuple(sorted(changed)), surplus=tuple(sorted(surplus))
    )


def twin(paths: Iterable[str]) -> tuple[str, str] | None:
    """The first two of these paths, or of the folders above them, that differ in the case of letters alone, if any."""
    names: dict[str, str] = {}
    for path in sorted(paths):
        for name in accumulate(path.split("/"), posixpath.join):
            other = names.setdefault(unicodedata.normalize("NFC", name).casefold(), name)
            if other != name:
                return other, name
    return None


def _suffices(held: Sha256 | None, wanted: Sha256 | None) -> bool:
    return held is not None and wanted in (None, held)


@dataclass(frozen=True, slots=True, kw_only=True)
class MergedPins:
    """What all subscriptions want together, sorted by path."""

    packages: Mapping[MirrorPath, Package]
    targets: Mapping[MirrorPath, tuple[Target, ...]]
    disagreements: tuple[str, ...]
    """One sentence for each file about whose record the locks disagree."""


@dataclass(frozen=True, slots=True)
class _Claim:
    package: Package
    snapshot: Snapshot


def merge(snapshots: Iterable[Snapshot], *, layout: Layout, names: Mapping[str, str]) -> MergedPins:
    """One package a path, settled where snapshots disagree about its record.

    Of several records the one from the lock with the highest package timestamp stands, then the one whose canonical
    form has the greater sha256; purls, and the indexes of a PyPI file, are united. `names` says how to call a
    subscription (id -> lock).

    Raises:
        UnmirrorableError: two locks want different bytes at one path, two channels have one directory, or, in the flat
            layout, two channels disagree about a file. All of them are named.
    """
    snapshots = tuple(sorted(snapshots, key=lambda snapshot: snapshot.id))
    claims: dict[MirrorPath, list[_Claim]] = {}
    targets: dict[MirrorPath, set[Target]] = {}
    for snapshot in snapshots:
        for package in snapshot.wanted:
            claims.setdefault(package.path, []).append(_Claim(package, snapshot))
        for cell in snapshot.cells:
            target = Target(workspace=snapshot.workspace, environment=cell.environment, platform=cell.platform)
            for path in (*cell.packages, *(tool.path for tool in snapshot.tools)):
                targets.setdefault(path, set()).add(target)
    conflicts = [line for path in sorted(claims) for line in _conflicts(path, claims[path], layout, names)]
    conflicts += _shared_directories(snapshots)
    if conflicts:
        raise UnmirrorableError(
            "\n".join(["the locks contradict each other about what a file is; nothing was changed:", *conflicts]),
            items=conflicts,
        )
    packages = {path: _settled(claims[path]) for path in sorted(claims)}
    return MergedPins(
        packages=packages,
        targets={path: tuple(sorted(found, key=_by_name)) for path, found in sorted(targets.items())},
        disagreements=tuple(
            line for path, package in packages.items() for line in _disagreements(package, claims[path], names)
        ),
    )


def _by_name(target: Target) -> tuple[str, str, str]:
    return (target.workspace, target.environment, target.platform)


def _conflicts(path: MirrorPath, claims: list[_Claim], layout: Layout, names: Mapping[str, str]) -> Iterable[str]:
    if len(claims) == 1:
        return
    first = claims[0]
    for other in claims[1:]:
        promised, also = first.package.sha256, other.package.sha256
        if promised and also and promised != also:
            yield (
                f"  {path}: {_name(first, names)} wants sha256 {promised}, {_name(other, names)} wants {also}. "
                "Re-solve one of them, or mirror them into different directories."
            )
        elif layout == "flat" and _channels_disagree(first.package, other.package):
            yield (
                f"  {path}: {first.package.url} and {other.package.url} differ in their records, and a flat mirror "
                "can hold only one. Mirror without --flat."
            )


def _shared_directories(snapshots: Iterable[Snapshot]) -> Iterable[str]:
    """Channels are never merged, so two URLs (http and https, say) must not lead to one directory."""
    urls: dict[MirrorPath, set[str]] = {}
    for snapshot in snapshots:
        for channel in {channel for cell in snapshot.cells for channel in cell.channels}:
            if channel.path is not None:
                urls.setdefault(channel.path, set()).add(channel.url)
    for path, found in sorted(urls.items()):
        if len(found) > 1:
            both = " and ".join(sorted(found))
            yield f"  {path}: the channels {both} have the same directory; lock only one of them."


def _channels_disagree(first: Package, other: Package) -> bool:
    return first.url.stripped != other.url.stripped and _own(first) != _own(other)


def _name(claim: _Claim, names: Mapping[str, str]) -> str:
    return names.get(claim.snapshot.id, claim.snapshot.workspace)


def _rank(claim: _Claim) -> tuple[int, str]:
    return (claim.snapshot.newest_timestamp, hashlib.sha256(canonical(dict(claim.package.record))).hexdigest())


def _settled(claims: list[_Claim]) -> Package:
    if len(claims) == 1:
        return claims[0].package
    winner = max(claims, key=_rank).package
    record = _united(winner.record, [claim.package.record for claim in sorted(claims, key=_rank, reverse=True)])
    return replace(
        winner,
        record=MappingProxyType(record),
        sha256=winner.sha256 or next((c.package.sha256 for c in claims if c.package.sha256), None),
    )


_UNITED = ("purls", "indexes", "find-links")
"""What one lock knows in addition to another, with no disagreement."""


def _united(record: Mapping[str, Json], records: Iterable[Mapping[str, Json]]) -> dict[str, Json]:
    """The record with the purls and indexes of all; a record without the key knows nothing about them."""
    merged = dict(record)
    for key in _UNITED:
        known = [found[key] for found in (record, *records) if found.get(key) is not None]
        if known:
            merged[key] = list(dict.fromkeys(value for values in known for value in values))
    return merged


def _own(package: Package) -> dict[str, Json]:
    return {key: value for key, value in package.record.items() if key not in _UNITED}


def _disagreements(settled: Package, claims: list[_Claim], names: Mapping[str, str]) -> Iterable[str]:
    standing = _own(settled)
    losers: dict[str, set[str]] = {}
    for claim in claims:
        record = _own(claim.package)
        for key in record.keys() | standing.keys():
            if record.get(key) != standing.get(key):
                losers.setdefault(_name(claim, names), set()).add(key)
    if losers:
        winner = _name(max(claims, key=_rank), names)
        differing = "; ".join(f"{name} differs in {', '.join(sorted(keys))}" for name, keys in sorted(losers.items()))
        yield f"{settled.path}: the record of {winner} stands, whose packages are the newest ({differing})"
