"""Compare what the subscriptions want with what the tree holds: the one plan that dry runs print and runs follow."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from pixi_mirror.errors import MachineError, UnmirrorableError
from pixi_mirror.mirror.changes import PackageChange, package_changes
from pixi_mirror.mirror.compare import TreeDifference, compare
from pixi_mirror.mirror.hosted_pins import hidden_projects
from pixi_mirror.mirror.merge import merge
from pixi_mirror.mirror.pins import RenewedPins
from pixi_mirror.mirror.tree import Tree
from pixi_mirror.model.advisories import AdvisoryDatabase
from pixi_mirror.model.hosted import hosted_channels
from pixi_mirror.model.packages import Channel, Inventory, Layout, Listing, Package, PackageFile, Snapshot, Target
from pixi_mirror.model.policy import PolicyRecord
from pixi_mirror.model.values import MirrorPath, Sha256
from pixi_mirror.pypi.index import repeated_file_names
from pixi_mirror.pypi.index_urls import indexes_without_place
from pixi_mirror.pypi.simple import SIMPLE


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a mirror should hold, and how it differs from that."""

    layout: Layout
    pins: RenewedPins
    packages: Mapping[MirrorPath, Package]
    """The wanted packages, one a path, with the hashes that an earlier fetch pinned."""
    targets: Mapping[MirrorPath, tuple[Target, ...]]
    disagreements: tuple[str, ...]
    """One sentence for each file about whose record the locks disagree."""
    page_warnings: tuple[str, ...]
    """One sentence for each index that can have no place, and for each file name that has several hashes."""
    held: Mapping[MirrorPath, Sha256 | None]
    """Every file of the recorded tree that exists, as `Tree.held` gives it."""
    difference: TreeDifference
    """Of packages. Surplus packages are those in the tree that no subscription wants."""
    kept: Mapping[MirrorPath, Package]
    """Surplus packages that indexes list until they are pruned."""
    gone: frozenset[MirrorPath]
    """Surplus packages of the recorded tree that do not exist any more."""
    deferred: frozenset[MirrorPath]
    """Wanted packages that are absent and come only when a client asks for them. They are not missing."""
    advisories: Mapping[MirrorPath, AdvisoryDatabase]
    """The databases of advisories that the mirror is to carry; no subscription wants them, and they are no surplus."""
    policy: PolicyRecord | None
    """What the packages must keep."""
    changes: tuple[PackageChange, ...]
    """What becomes of the packages that differ from what was recorded, by name and version."""

    @property
    def to_bring(self) -> tuple[Package, ...]:
        """Missing and changed packages, those of noarch first."""
        wanted = [self.packages[path] for path in (*self.difference.missing, *self.difference.changed)]
        return tuple(sorted(wanted, key=lambda package: (package.subdir != "noarch", package.path)))

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the user should know of it: of the locks, of their disagreements, of the index pages."""
        return (*self.pins.warnings, *self.disagreements, *self.page_warnings)

    @property
    def size(self) -> int:
        """Known bytes to bring."""
        return sum(package.size or 0 for package in self.to_bring)

    @property
    def unknown_sizes(self) -> int:
        """Number of packages to bring whose size is not known."""
        return sum(package.size is None for package in self.to_bring)

    @property
    def deferred_size(self) -> int:
        """Known bytes of the deferred packages."""
        return sum(self.packages[path].size or 0 for path in self.deferred)


def plan_changes(
    tree: Tree,
    pins: RenewedPins,
    *,
    layout: Layout,
    held: Mapping[MirrorPath, Sha256 | None] | None = None,
    defer: bool | None = None,
    advisories: Mapping[MirrorPath, AdvisoryDatabase] | None = None,
) -> Plan:
    """Compare what the pins want with what the tree holds.

    Args:
        tree: the mirror.
        pins: what its subscriptions want.
        layout: of the mirror.
        held: what the tree holds, as `Tree.held` gives it; None: it is looked up here.
        defer: True: absent packages are deferred, except those that the update itself has to read. False: none is.
            None: those that were deferred stay so.
        advisories: the databases of advisories that it is to carry; None: those that it has.

    Raises:
        UnmirrorableError: two locks want different bytes at one path.
    """
    merged = merge(pins.snapshots, layout=layout, names=pins.lock_names)
    held = tree.held() if held is None else held
    stored = tree.inventory.stored
    packages = {path: pinned(package, stored.get(path)) for path, package in merged.packages.items()}
    absent = [package for path, package in merged.packages.items() if path not in stored or path not in held]
    deferred = _deferred(tree, pins, absent, defer=defer)
    packages |= {path: sized(merged.packages[path], tree.inventory.listings.get(path)) for path in deferred}
    wanted = {path: package.sha256 for path, package in packages.items() if path not in deferred}
    advisories = tree.inventory.advisories if advisories is None else advisories
    difference = compare(wanted, {path: held[path] for path in stored if path in held and path not in advisories})
    gone = frozenset(path for path in stored.keys() - advisories.keys() if path not in held and path not in packages)
    kept = _kept(tree, tuple(path for path in difference.surplus if held[path] == stored[path].sha256))
    new = (*difference.missing, *difference.changed, *deferred - tree.inventory.deferred)
    return Plan(
        layout=layout,
        pins=pins,
        packages=packages,
        targets=merged.targets,
        disagreements=merged.disagreements,
        page_warnings=_page_warnings((*packages.values(), *kept.values())),
        held=held,
        difference=difference,
        kept=kept,
        gone=gone,
        deferred=deferred,
        advisories=advisories,
        policy=tree.inventory.policy,
        changes=package_changes(
            [packages[path] for path in new],
            [package for path, package in kept.items() if path not in tree.inventory.kept],
            stored,
        ),
    )


def _deferred(tree: Tree, pins: RenewedPins, absent: Iterable[Package], *, defer: bool | None) -> frozenset[MirrorPath]:
    if defer is None:
        return tree.inventory.deferred.intersection(package.path for package in absent)
    if not defer:
        return frozenset()
    requests = [request for snapshot in pins.snapshots for request in snapshot.requests]
    reads_sdists = any(request.with_build_requirements for request in requests)
    return frozenset(
        package.path
        for package in absent
        if not (reads_sdists and _is_sdist(package))
        # The index of its channel is made with it.
        and package.kind != "attestations"
        # Only the mirror knows the hash of a file that was brought once and that no lock gives a hash.
        and not (package.sha256 is None and package.path in tree.inventory.tree)
    )


def _is_sdist(package: Package) -> bool:
    return package.kind == "pypi" and not package.path.lower().endswith(".whl")


def _page_warnings(packages: tuple[Package, ...]) -> tuple[str, ...]:
    lost = (
        f"the index {url} can have no place in a mirror, so its files are in {SIMPLE}/ alone"
        for url in indexes_without_place(packages)
    )
    return (*lost, *repeated_file_names(packages), *hidden_projects(packages))


def undeferrable_error(plan: Plan) -> UnmirrorableError | None:
    """The error that names the deferred packages whose hash is unknown; None: every hash is known.

    A package that comes later must be known by its hash now.
    """
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
    """The package with the size that upstream's index page gives, where its lock has none."""
    if package.size is not None or listing is None or listing.size is None:
        return package
    return replace(package, size=listing.size)


def listed(inventory: Inventory, packages: Mapping[MirrorPath, Package]) -> list[Package]:
    """Those of the wanted packages that are here or deferred, as indexes list them: pinned, or with upstream's size."""
    tree, listings = inventory.tree, inventory.listings
    return [
        pinned(package, inventory.stored_at(path)) if path in tree else sized(package, listings.get(path))
        for path, package in packages.items()
        if path in tree or path in inventory.deferred
    ]


def pinned(package: Package, stored: PackageFile | None) -> Package:
    """The package with the hash and the size of its first fetch, where its lock has none."""
    if stored is None or None not in (package.sha256, package.size):
        return package
    return replace(package, sha256=package.sha256 or stored.sha256, size=stored.size)


def _kept(tree: Tree, surplus: tuple[MirrorPath, ...]) -> Mapping[MirrorPath, Package]:
    """The records that indexes showed last for intact surplus packages; an unlisted file stays unlisted."""
    if not surplus:
        return {}
    old = tree.inventory
    last = {**merge(old.snapshots, layout=old.layout, names={}).packages, **old.kept}
    kept = {path: last[path] for path in surplus if path in last and path not in tree.state.unlisted}
    return {path: pinned(package, old.stored_at(path)) for path, package in kept.items()}


def wanted_channels(snapshots: tuple[Snapshot, ...]) -> tuple[tuple[Channel, str], ...]:
    """Every channel that a subscribed environment names, with each subdir that it uses, and those that are hosted."""
    found = {(channel, cell.subdir) for snapshot in snapshots for cell in snapshot.cells for channel in cell.channels}
    found.update((channel, "noarch") for channel in hosted_channels(snapshots))
    return tuple(sorted(found, key=lambda pair: (pair[0].path or "", pair[0].url, pair[1])))


def has_unsettled_listings(tree: Tree) -> bool:
    """Whether upstream could not yet be asked about some PyPI file."""
    return any(not listing.is_settled for listing in tree.inventory.listings.values())


def lacks_listings(tree: Tree, plan: Plan) -> bool:
    """Whether upstream has never been asked about some deferred PyPI file."""
    return any(plan.packages[path].kind == "pypi" and path not in tree.inventory.listings for path in plan.deferred)


def recorded_indexes(tree: Tree) -> tuple[MirrorPath, ...]:
    """The generated files of the recorded tree: index files and sidecars."""
    return tuple(tree.inventory.generated)


def choose_layout(tree: Tree, *, flat: bool) -> Layout:
    """The layout of a mirror, which keeps the one that it was begun with.

    Raises:
        MachineError: it is to become flat, and was begun otherwise.
    """
    layout = tree.inventory.layout
    if flat and layout == "channels" and tree.inventory.tree:
        raise MachineError(
            f"{tree.root} holds one directory per channel already, so it cannot become flat. "
            "Name another directory for the flat mirror."
        )
    return "flat" if flat else layout
