"""Compare what the subscriptions want with what the tree holds: the one plan that dry runs print and runs follow."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from pixi_mirror.mirror.renewal import Renewal, locks_by_name
from pixi_mirror.model import Channel, Derived, Layout, MirrorPath, Package, Sha256, Snapshot, Stored, Target
from pixi_mirror.plan import Difference, compare, merge
from pixi_mirror.tree import Tree


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

    @property
    def to_bring(self) -> tuple[Package, ...]:
        """Missing and changed packages, those of noarch first."""
        wanted = [self.packages[path] for path in (*self.difference.missing, *self.difference.changed)]
        return tuple(sorted(wanted, key=lambda package: (package.subdir != "noarch", package.path)))

    @property
    def size(self) -> int:
        """Known bytes to bring."""
        return sum(package.size or 0 for package in self.to_bring)


def planned(
    tree: Tree, renewal: Renewal, *, layout: Layout, held: Mapping[MirrorPath, Sha256 | None] | None = None
) -> Plan:
    """The plan for a mirror whose subscriptions are those of `renewal`.

    `held` is what the tree holds as somebody has looked at it; None: as its recorded identities tell.

    Raises:
        UnmirrorableError: two locks want different bytes at one path.
    """
    names = locks_by_name(renewal.snapshots, renewal.locks)
    merged = merge(renewal.snapshots, layout=layout, names=names)
    held = tree.held() if held is None else held
    stored = {path: content for path, content in tree.inventory.tree.items() if isinstance(content, Stored)}
    packages = {path: pinned(package, stored.get(path)) for path, package in merged.packages.items()}
    wanted = {path: package.sha256 for path, package in packages.items()}
    difference = compare(wanted, {path: held[path] for path in stored if path in held})
    gone = frozenset(path for path in stored if path not in held and path not in wanted)
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
    )


def pinned(package: Package, stored: Stored | None) -> Package:
    """The package with what its lock does not say, its hash or its size, as it was at the first fetch."""
    if stored is None or None not in (package.sha256, package.size):
        return package
    size = stored.size if None in (package.sha256, package.size) else package.size
    return replace(package, sha256=package.sha256 or stored.sha256, size=size)


def _kept(tree: Tree, surplus: tuple[MirrorPath, ...]) -> Mapping[MirrorPath, Package]:
    """What indexes said last of surplus that is whole; a file that was unlisted stays so."""
    if not surplus:
        return {}
    old = tree.inventory
    last = {**merge(old.snapshots, layout=old.layout, names={}).packages, **old.kept}
    kept = {path: last[path] for path in surplus if path in last and path not in tree.state.unlisted}
    return {path: pinned(package, _stored(tree, path)) for path, package in kept.items()}


def _stored(tree: Tree, path: MirrorPath) -> Stored | None:
    content = tree.inventory.tree.get(path)
    return content if isinstance(content, Stored) else None


def wanted_channels(snapshots: tuple[Snapshot, ...]) -> tuple[tuple[Channel, str], ...]:
    """Every channel that a subscribed environment names, with each subdir asked of it."""
    found = {(channel, cell.subdir) for snapshot in snapshots for cell in snapshot.cells for channel in cell.channels}
    return tuple(sorted(found, key=lambda pair: (pair[0].path or "", pair[0].url, pair[1])))


def unsettled(tree: Tree) -> bool:
    """Whether there are PyPI files about which upstream could not be asked so far."""
    return any(not listing.is_settled for listing in tree.inventory.listings.values())


def standing_indexes(tree: Tree) -> tuple[MirrorPath, ...]:
    """Index files that the tree has."""
    return tuple(path for path, content in tree.inventory.tree.items() if isinstance(content, Derived))
