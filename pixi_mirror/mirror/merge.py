"""Merge what several subscriptions want, and say where their locks disagree; pure."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import NamedTuple

from pixi_mirror.conda.repodata import to_milliseconds
from pixi_mirror.errors import UnmirrorableError
from pixi_mirror.mirror.hosted_pins import in_hosted_folders
from pixi_mirror.model.attestations import attested_path, with_attestations
from pixi_mirror.model.packages import Layout, Package, Snapshot, Target
from pixi_mirror.model.values import Json, MirrorPath, canonical


@dataclass(frozen=True, slots=True, kw_only=True)
class MergedPins:
    """What all subscriptions want together, sorted by path."""

    packages: Mapping[MirrorPath, Package]
    targets: Mapping[MirrorPath, tuple[Target, ...]]
    disagreements: tuple[str, ...]
    """One sentence for each file about whose record the locks disagree."""


class _Claim(NamedTuple):
    package: Package
    snapshot: Snapshot


def merge(snapshots: Iterable[Snapshot], *, layout: Layout, names: Mapping[str, str]) -> MergedPins:
    """Merge the packages of all snapshots, so that there is one package a path.

    Of several records of one file, that of the lock with the highest package timestamp stands, then the one whose
    canonical form has the greater sha256. Keys that it lacks come from the other records, purls and the indexes of a
    PyPI file from all.

    Args:
        snapshots: in any order.
        layout: of the mirror.
        names: how to call a subscription in a message: id -> lock.

    Raises:
        UnmirrorableError: two locks want different bytes at one path, two channels have one directory, or, in the flat
            layout, two channels disagree about a file. All of them are named.
    """
    snapshots = tuple(sorted(snapshots, key=lambda snapshot: snapshot.id))
    claims: dict[MirrorPath, list[_Claim]] = {}
    for snapshot in snapshots:
        for package in with_attestations(snapshot.wanted):
            claims.setdefault(package.path, []).append(_Claim(package, snapshot))
    targets = _targets(snapshots)
    for path in (path for path, found in claims.items() if found[0].package.kind == "attestations"):
        targets[path] = targets.get(attested_path(path), [])
    conflicts = [line for path in sorted(claims) for line in _conflicts(path, claims[path], layout, names)]
    conflicts += _shared_directories(snapshots)
    conflicts += in_hosted_folders(snapshots)
    if conflicts:
        raise UnmirrorableError(
            "\n".join(["the locks contradict each other about what a file is; nothing was changed:", *conflicts]),
            items=conflicts,
        )
    packages = {path: _merge_claims(claims[path]) for path in sorted(claims)}
    return MergedPins(
        packages=packages,
        targets={path: tuple(found) for path, found in sorted(targets.items())},
        disagreements=tuple(
            line for path, package in packages.items() for line in _disagreements(package, claims[path], names)
        ),
    )


def _targets(snapshots: Iterable[Snapshot]) -> dict[MirrorPath, list[Target]]:
    """For whom each path is wanted, sorted by name, each target once."""
    wanted: dict[tuple[str, str, str], set[MirrorPath]] = {}
    for snapshot in snapshots:
        tools = [tool.path for tool in snapshot.tools]
        for cell in snapshot.cells:
            wanted.setdefault((snapshot.workspace, cell.environment, cell.platform), set()).update(cell.packages, tools)
    targets: dict[MirrorPath, list[Target]] = {}
    for (workspace, environment, platform), paths in sorted(wanted.items()):
        target = Target(workspace=workspace, environment=environment, platform=platform)
        for path in paths:
            targets.setdefault(path, []).append(target)
    return targets


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
    return first.url.stripped != other.url.stripped and bool(contradictions(first.record, other.record))


def _name(claim: _Claim, names: Mapping[str, str]) -> str:
    return names.get(claim.snapshot.id, claim.snapshot.workspace)


def _rank(claim: _Claim) -> tuple[int, str]:
    return (claim.snapshot.newest_timestamp, hashlib.sha256(canonical(dict(claim.package.record))).hexdigest())


def _merge_claims(claims: list[_Claim]) -> Package:
    if len(claims) == 1:
        return claims[0].package
    ranked = [claim.package for claim in sorted(claims, key=_rank, reverse=True)]
    return replace(
        ranked[0],
        record=MappingProxyType(_merge_records([package.record for package in ranked])),
        sha256=next((package.sha256 for package in ranked if package.sha256), None),
        md5=next((package.md5 for package in ranked if package.md5), None),
        size=next((package.size for package in ranked if package.size is not None), None),
    )


_UNITED = ("purls", "indexes", "find-links", "references")
"""Lists of which one lock may know a part, and another lock another part."""

_EMPTY_IF_ABSENT = frozenset(
    {"constrains", "depends", "extra_depends", "features", "flags", "noarch", "track_features"}
)
"""Keys that a lock leaves out only where they are empty. A lock without one of them says that it is empty."""

_OF_SUBDIR = frozenset({"arch", "platform"})
"""What the subdir says already. Old locks spell it in another way (`aarch64` in `osx-arm64`)."""


def _merge_records(records: list[Mapping[str, Json]]) -> dict[str, Json]:
    """The first record, with what it does not say taken from the next one that says it."""
    merged = dict(records[0])
    for record in records[1:]:
        for key, value in record.items():
            if key not in _EMPTY_IF_ABSENT:
                merged.setdefault(key, value)
    for key in _UNITED:
        known = [record[key] for record in records if record.get(key) is not None]
        if known:
            merged[key] = list(dict.fromkeys(value for values in known for value in values))
    return merged


def contradictions(one: Mapping[str, Json], other: Mapping[str, Json]) -> frozenset[str]:
    """The keys about which two records of one file contradict each other.

    A record does not contradict what it does not say: version 6 of the lock has no `run_exports`, for example. Two
    spellings of the same spec, and a timestamp in seconds and in milliseconds, are no contradiction either.
    """
    differing = [
        key
        for key in one.keys() | other.keys()
        if one.get(key) != other.get(key)
        and (key in _EMPTY_IF_ABSENT or (key in one and key in other))
        and key not in _UNITED
        and key not in _OF_SUBDIR
    ]
    if not differing:
        return frozenset()
    from pixi_mirror.conda.matchspec_spelling import normal_record

    first, second = (
        normal_record(_in_milliseconds({key: record.get(key) for key in differing})) for record in (one, other)
    )
    return frozenset(key for key in differing if first.get(key) != second.get(key))


def _in_milliseconds(record: Mapping[str, Json]) -> Mapping[str, Json]:
    timestamp = record.get("timestamp")
    return record if timestamp is None else {**record, "timestamp": to_milliseconds(timestamp)}


def _disagreements(merged: Package, claims: list[_Claim], names: Mapping[str, str]) -> Iterable[str]:
    if len(claims) == 1:
        return
    differing: dict[str, set[str]] = {}
    for claim in claims:
        if keys := contradictions(merged.record, claim.package.record):
            differing.setdefault(_name(claim, names), set()).update(keys)
    if differing:
        winner = _name(max(claims, key=_rank), names)
        others = "; ".join(f"{name} differs in {', '.join(sorted(keys))}" for name, keys in sorted(differing.items()))
        yield f"{merged.path}: the record of {winner} stands, whose packages are the newest ({others})"
