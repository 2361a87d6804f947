"""Compare what the subscriptions want with what the tree holds: the one plan that dry runs print and runs follow."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from pixi_mirror.errors import UnmirrorableError
from pixi_mirror.mirror.compare import Difference, compare, merge
from pixi_mirror.mirror.subscriptions import Renewal, locks_by_name
from pixi_mirror.mirror.tree import Tree
from pixi_mirror.model.packages import Channel, Derived, Layout, Listing, Package, Snapshot, Stored, Target
from pixi_mirror.model.values import MirrorPath, Sha256


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a mirror is to hold, and how it differs from that."""

    layout: Layout
    renewal: Renewal
    packages: Mapping[MirrorPath, Package]
    """Wanted, settled, with the hashes that an earlier fetch pinned."""
    targets: Mapping[MirrorPath, tuple[Target, ...]]
    disagreements: tuple[str, ...]
    held: Mapping[MirrorPath, Sha256 | None]
    """Every file of the tree that is there."""
    difference: Difference
    """Of packages; surplus are those in the tree that nobody wants."""
    kept: Mapping[MirrorPath, Package]
    """The surplus that indexes list until it is pruned."""
    gone: frozenset[MirrorPath]
    """Surplus of the recorded tree that is not there any more."""
    deferred: frozenset[MirrorPath]
    """Wanted, not there, and to be brought only when somebody asks for it: neither missing nor a difference."""

    @property
    def to_bring(self) -> tuple[Package, ...]:
        """Missing and changed packages, those of noarch first."""
        wanted = [self.packages[path] for path in (*self.difference.missing, *self.difference.changed)]
        return tuple(sorted(wanted, key=lambda package: (package.subdir != "noarch", package.path)))

    @property
    def size(self) -> int:
        """Known bytes to bring."""
        return sum(package.size or 0 for package in self.to_bring)

    @property
    def deferred_size(self) -> int:
        """Known bytes of what is deferred."""
        return sum(self.packages[path].size or 0 for path in self.deferred)


def planned(
    tree: Tree,
    renewal: Renewal,
    *,
    layout: Layout,
    held: Mapping[MirrorPath, Sha256 | None] | None = None,
    defer: bool | None = None,
) -> Plan:
    """The plan for a mirror whose subscriptions are those of `renewal`.

    `held` is what the tree holds as somebody has looked at it; None: as its recorded identities tell. With `defer`
    what is not there is deferred, but for what has to be looked into; without, nothing is; None: what was stays so.

    Raises:
        UnmirrorableError: two locks want different bytes at one path.
    """
    names = locks_by_name(renewal.snapshots, renewal.locks)
    merged = merge(renewal.snapshots, layout=layout, names=names)
    held = tree.held() if held is None else held
    stored = tree.inventory.stored
    packages = {path: pinned(package, stored.get(path)) for path, package in merged.packages.items()}
    absent = [package for path, package in merged.packages.items() if path not in stored or path not in held]
    deferred = _deferred(tree, renewal, absent, defer=defer)
    packages |= {path: sized(merged.packages[path], tree.inventory.listings.get(path)) for path in deferred}
    wanted = {path: package.sha256 for path, package in packages.items() if path not in deferred}
    difference = compare(wanted, {path: held[path] for path in stored if path in held})
    gone = frozenset(path for path in stored if path not in held and path not in packages)
    return Plan(
        layout=layout,
        renewal=renewal,
        packages=packages,
        targets=merged.targets,
        disagreements=merged.disagreements,
        held=held,
        difference=difference,
        kept=_kept(tree, tuple(path for path in difference.surplus if held[path] == stored[path].sha256)),
        gone=gone,
        deferred=deferred,
    )


def _deferred(tree: Tree, renewal: Renewal, absent: Iterable[Package], *, defer: bool | None) -> frozenset[MirrorPath]:
    if defer is None:
        return tree.inventory.deferred.intersection(package.path for package in absent)
    if not defer:
        return frozenset()
    requests = [request for snapshot in renewal.snapshots for request in snapshot.requests]
    reads_sdists = any(request.with_build_requirements for request in requests)
    return frozenset(
        package.path
        for package in absent
        if not (reads_sdists and _is_sdist(package))
        # Of a file that had been brought, the mirror itself is all that knows the hash.
        and not (package.sha256 is None and package.path in tree.inventory.tree)
    )


def _is_sdist(package: Package) -> bool:
    return package.kind == "pypi" and not package.path.lower().endswith(".whl")


def undeferrable(plan: Plan) -> UnmirrorableError | None:
    """Why not all that is deferred can be: what comes later has to be known by its hash now. None: it can."""
    lines = [f"{path}: its lock has no sha256" for path in sorted(plan.deferred) if plan.packages[path].sha256 is None]
    if not lines:
        return None
    return UnmirrorableError(
        "\n".join(
            [
                f"{len(lines)} of the locked packages cannot be deferred, since nobody could tell later whether they "
                "are the right ones; nothing was changed. Run the same command without --defer, which brings them:",
                *(f"  {line}" for line in lines),
            ]
        ),
        items=lines,
    )


def sized(package: Package, listing: Listing | None) -> Package:
    """The package with the size that upstream's page tells, where its lock has none."""
    if package.size is not None or listing is None or listing.size is None:
        return package
    return replace(package, size=listing.size)


def pinned(package: Package, stored: Stored | None) -> Package:
    """The package with what its lock does not say, its hash or its size, as it was at the first fetch."""
    if stored is None or None not in (package.sha256, package.size):
        return package
    return replace(package, sha256=package.sha256 or stored.sha256, size=stored.size)


def _kept(tree: Tree, surplus: tuple[MirrorPath, ...]) -> Mapping[MirrorPath, Package]:
    """What indexes said last of surplus that is whole; a file that was unlisted stays so."""
    if not surplus:
        return {}
    old = tree.inventory
    last = {**merge(old.snapshots, layout=old.layout, names={}).packages, **old.kept}
    kept = {path: last[path] for path in surplus if path in last and path not in tree.state.unlisted}
    return {path: pinned(package, old.stored_at(path)) for path, package in kept.items()}


def wanted_channels(snapshots: tuple[Snapshot, ...]) -> tuple[tuple[Channel, str], ...]:
    """Every channel that a subscribed environment names, with each subdir asked of it."""
    found = {(channel, cell.subdir) for snapshot in snapshots for cell in snapshot.cells for channel in cell.channels}
    return tuple(sorted(found, key=lambda pair: (pair[0].path or "", pair[0].url, pair[1])))


def unsettled(tree: Tree) -> bool:
    """Whether there are PyPI files about which upstream could not be asked so far."""
    return any(not listing.is_settled for listing in tree.inventory.listings.values())


def is_ignorant(tree: Tree, plan: Plan) -> bool:
    """Whether there are deferred PyPI files about which upstream has never been asked."""
    return any(plan.packages[path].kind == "pypi" and path not in tree.inventory.listings for path in plan.deferred)


def standing_indexes(tree: Tree) -> tuple[MirrorPath, ...]:
    """Index files that the tree has."""
    return tuple(path for path, content in tree.inventory.tree.items() if isinstance(content, Derived))
