"""Say what the mirror holds, for whom, and what is out of date."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from pixi_mirror.errors import MachineError, WorkspaceError
from pixi_mirror.git.package import repository_path, repository_url
from pixi_mirror.lockfile.interface import WorkspaceSource
from pixi_mirror.lockfile.source import LockSource
from pixi_mirror.mirror.checkout import (
    CheckoutSource,
    UnbuildableCommit,
    checkout_sources,
    known_versions,
    missing_requirements,
    outside_sources,
    unbuildable_commits,
)
from pixi_mirror.mirror.dates import Dates, read_dates
from pixi_mirror.mirror.indexes import stale_indexes
from pixi_mirror.mirror.pins import recorded_pins
from pixi_mirror.mirror.plan import Plan, plan_changes, wanted_channels
from pixi_mirror.mirror.prune import files_of_generations
from pixi_mirror.mirror.subscriptions import known_sources
from pixi_mirror.mirror.tree import Tree, open_mirror
from pixi_mirror.model.packages import Cell, Channel, Inventory, Package, PackageFile, Snapshot, home_channels
from pixi_mirror.model.sources import SourceDirectory
from pixi_mirror.model.values import MirrorPath
from pixi_mirror.pypi.index_urls import IndexUrl, index_of

Freshness: TypeAlias = Literal["current", "changed", "missing", "unreadable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentSummary:
    """One environment of a lock, and what the mirror holds of it."""

    environment: str
    platforms: tuple[str, ...]
    """Those that it is mirrored for."""
    files: int
    size: int
    """Bytes; a file that several platforms want counts once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionStatus:
    """One subscription and how its lock is now."""

    workspace: str
    lock: str | None
    """The path of its lock; None: this machine does not know it."""
    environments: tuple[str, ...]
    platforms: tuple[str, ...]
    contents: tuple[EnvironmentSummary, ...]
    state: Freshness
    refused: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSummary:
    """One channel, PyPI index, page of links or git repository, and what the mirror holds of it."""

    url: str
    path: str | None
    """None: it can have no place in a mirror."""
    files: int
    size: int
    subdirs: tuple[str, ...] = ()
    """Of a channel: those that it has here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sdist:
    """A Python source archive that clients have to build, and cannot without a network."""

    path: MirrorPath
    build_requires: tuple[str, ...]
    """What of its build requirements the mirror does not have, as it names them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What the mirror holds."""

    mirror: Path
    subscriptions: tuple[SubscriptionStatus, ...]
    channels: tuple[SourceSummary, ...]
    indexes: tuple[SourceSummary, ...]
    repositories: tuple[SourceSummary, ...]
    """Of git; a file is one commit with its history."""
    sdists: tuple[Sdist, ...]
    checkout: tuple[CheckoutSource, ...]
    """Source directories of the workspaces' own."""
    unbuildable: tuple[UnbuildableCommit, ...]
    """What is built from commits of git and will not build offline."""
    outside: tuple[SourceDirectory, ...]
    """Source directories that belong to no workspace."""
    plan: Plan
    waiting: tuple[MirrorPath, ...]
    """Of the surplus: what no index lists any more, until prune removes it."""
    kept: tuple[MirrorPath, ...]
    """Of the surplus: what prune leaves there, since a generation that has a name lists it."""
    stale_indexes: tuple[MirrorPath, ...]
    files: int
    size: int
    dates: Dates
    is_moved: bool
    """Whether it was updated last in another directory or on another machine, where its locks may have stayed."""
    has_staged: bool
    """Whether something waits here that imports have brought."""
    is_closed: bool
    """Whether dates, locks and history are for its owner alone, and this user is another one."""

    @property
    def has_locks(self) -> bool:
        """Whether an update could read a lock here."""
        return any(subscription.state in ("current", "changed") for subscription in self.subscriptions)

    @property
    def is_current(self) -> bool:
        """Whether an update would find nothing to do, as far as that can be known here."""
        difference = self.plan.difference
        fresh = all(
            each.state == "current" or (each.state == "missing" and (self.is_moved or each.lock is None))
            for each in self.subscriptions
        )
        return fresh and not (difference.missing or difference.changed or self.stale_indexes)


def status(mirror: Path, *, environ: Mapping[str, str], remember: bool = False) -> Status:
    """Say what the mirror holds, by its records and a look at each file.

    A file is hashed only if its identity is not the recorded one, as in a copy of a mirror.

    Args:
        mirror: its directory.
        environ: environment variables; pixi is found by them.
        remember: whether the new identities of such files are recorded, so that the next look need not hash them.

    Raises:
        MachineError: there is no mirror, or it cannot be read.
    """
    tree = open_mirror(mirror)
    sources = known_sources(tree, environ)
    pins = recorded_pins(tree.inventory, tree.state.locks, sources=sources)
    plan = plan_changes(tree, pins, layout=tree.inventory.layout)
    if remember:
        tree.remember_identities()
    stored = tree.inventory.stored
    kept = _kept(tree, plan)
    held = [package for path, package in plan.packages.items() if path in stored]
    listed = (*plan.packages.values(), *plan.kept.values())
    return Status(
        mirror=mirror,
        subscriptions=tuple(
            _subscription(snapshot, tree.state.locks, sources, stored)
            for snapshot in tree.inventory.snapshots
            if snapshot.hosted is None
        ),
        channels=_channels(tree.inventory.snapshots, listed, stored),
        indexes=_indexes(tree.inventory, listed, stored),
        repositories=_repositories(listed, stored),
        sdists=_sdists(tree.inventory, plan.packages, stored),
        checkout=checkout_sources(tree.inventory.snapshots, held),
        unbuildable=unbuildable_commits(tree.inventory.snapshots, held),
        outside=outside_sources(tree.inventory.snapshots),
        plan=plan,
        waiting=tuple(path for path in plan.difference.surplus if path in tree.state.unlisted and path not in kept),
        kept=tuple(path for path in plan.difference.surplus if path in kept),
        stale_indexes=stale_indexes(tree, plan),
        files=len(stored),
        size=sum(content.size for content in stored.values()),
        dates=read_dates(mirror),
        is_moved=tree.is_moved,
        has_staged=os.path.isdir(tree.staged.folder),
        is_closed=tree.is_closed,
    )


def _kept(tree: Tree, plan: Plan) -> frozenset[MirrorPath]:
    """What a generation that has a name lists of the surplus; nothing where this user cannot read the history."""
    surplus = plan.difference.surplus
    if not surplus:
        return frozenset()
    try:
        files = files_of_generations(tree)
    except MachineError:
        return frozenset()
    return frozenset(path for path in surplus if (path, tree.inventory.stored_at(path)) in files)


def _subscription(
    snapshot: Snapshot,
    locks: Mapping[str, str],
    sources: Mapping[str, WorkspaceSource],
    stored: Mapping[MirrorPath, PackageFile],
) -> SubscriptionStatus:
    return SubscriptionStatus(
        workspace=snapshot.workspace,
        lock=locks.get(snapshot.id),
        environments=tuple(dict.fromkeys(cell.environment for cell in snapshot.cells)),
        platforms=tuple(sorted({cell.platform for cell in snapshot.cells})),
        contents=environments_of(snapshot, stored),
        state=_freshness(snapshot, sources.get(snapshot.id)),
        refused=tuple(refusal.entry for refusal in snapshot.refused),
    )


def environments_of(snapshot: Snapshot, stored: Mapping[MirrorPath, PackageFile]) -> tuple[EnvironmentSummary, ...]:
    """The environments of a subscription, in its order, with their own platforms and sizes."""
    cells: dict[str, list[Cell]] = {}
    for cell in snapshot.cells:
        cells.setdefault(cell.environment, []).append(cell)
    found = []
    for environment, of in cells.items():
        paths = {path for cell in of for path in cell.packages if path in stored}
        found.append(
            EnvironmentSummary(
                environment=environment,
                platforms=tuple(sorted({cell.platform for cell in of})),
                files=len(paths),
                size=sum(stored[path].size for path in paths),
            )
        )
    return tuple(found)


def _freshness(snapshot: Snapshot, source: WorkspaceSource | None) -> Freshness:
    if source is None:
        return "missing"
    try:
        os.stat(source.location)
    except (FileNotFoundError, NotADirectoryError):
        return "missing"
    except OSError:
        return "unreadable"
    try:
        if source.digest() == snapshot.source_sha256:
            return "current"
        lock_format = None if source.reading is None else source.reading.format
        LockSource(source.location, lock_format=lock_format).refuse_damage()
    except WorkspaceError:
        return "unreadable"
    return "changed"


def _channels(
    snapshots: Iterable[Snapshot], packages: Iterable[Package], stored: Mapping[MirrorPath, PackageFile]
) -> tuple[SourceSummary, ...]:
    named: dict[Channel, list[int]] = {
        channel: [] for snapshot in snapshots for cell in snapshot.cells for channel in cell.channels
    }
    packages = tuple(packages)
    homes = home_channels(packages)
    # A channel may bring in others (CEP 42), and old locks name another one than their packages come from.
    by_url = {channel.url: sizes for channel, sizes in named.items()}
    for channel in homes:
        by_url.setdefault(channel.url, named.setdefault(channel, []))
    subdirs = {channel.url: {"noarch", *found} for channel, found in homes.items()}
    for channel, subdir in wanted_channels(tuple(snapshots)):
        subdirs.setdefault(channel.url, {"noarch"}).add(subdir)
    for package in packages:
        channel_url = package.url.stripped.rsplit("/", 2)[0]
        if package.path in stored and channel_url in by_url:
            by_url[channel_url].append(stored[package.path].size)
    return tuple(
        SourceSummary(
            url=channel.url,
            path=channel.path or ".",
            files=len(sizes),
            size=sum(sizes),
            subdirs=tuple(sorted(subdirs.get(channel.url, ()))),
        )
        for channel, sizes in sorted(named.items(), key=lambda pair: (pair[0].path or "", pair[0].url))
    )


def _indexes(
    inventory: Inventory, packages: Iterable[Package], stored: Mapping[MirrorPath, PackageFile]
) -> tuple[SourceSummary, ...]:
    sizes: dict[IndexUrl, list[int]] = {}
    for package in packages:
        if package.kind == "pypi" and package.path in stored:
            index = index_of(package, inventory.listings.get(package.path))
            if index is not None:
                sizes.setdefault(index, []).append(stored[package.path].size)
    return tuple(
        SourceSummary(url=index.url, path=index.path, files=len(found), size=sum(found))
        for index, found in sorted(sizes.items())
    )


def _repositories(packages: Iterable[Package], stored: Mapping[MirrorPath, PackageFile]) -> tuple[SourceSummary, ...]:
    sizes: dict[tuple[str, str], list[int]] = {}
    for package in packages:
        if package.kind == "git" and package.path in stored:
            found = sizes.setdefault((repository_path(package), repository_url(package)), [])
            found.append(stored[package.path].size)
    return tuple(
        SourceSummary(url=url, path=path, files=len(found), size=sum(found))
        for (path, url), found in sorted(sizes.items())
    )


def _sdists(
    inventory: Inventory, packages: Mapping[MirrorPath, Package], stored: Mapping[MirrorPath, PackageFile]
) -> tuple[Sdist, ...]:
    """Wanted sdists for which the mirror lacks a project, or a version of it, that building them needs."""
    versions = known_versions(package for path, package in packages.items() if path in stored)
    found = []
    for path, listing in inventory.listings.items():
        needs = listing.build_requires if path in packages else None
        lacking = missing_requirements(needs or (), versions)
        if lacking:
            found.append(Sdist(path=path, build_requires=lacking))
    return tuple(found)
