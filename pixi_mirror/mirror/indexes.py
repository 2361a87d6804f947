"""Say which index files a mirror should have, and which of them are stale.

An index file is made from the pins alone. So its recipe, the digest of what it is made from, tells whether it is stale.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path

from pixi_mirror.conda.index import CondaIndex
from pixi_mirror.git.index import GitIndex
from pixi_mirror.mirror.compare import compare
from pixi_mirror.mirror.merge import merge
from pixi_mirror.mirror.plan import Plan, listed, pinned, recorded_indexes, sized, wanted_channels
from pixi_mirror.mirror.tree import Tree
from pixi_mirror.model.hosted import hosted_indexes
from pixi_mirror.model.indexes import Contents, Index, IndexFile
from pixi_mirror.model.packages import Inventory, Listing, Package, PackageFile
from pixi_mirror.model.values import MirrorPath, Sha256, canonical, sha256_of
from pixi_mirror.pypi.index import PypiIndex
from pixi_mirror.pypi.mapping_index import MappingIndex

INDEXES: tuple[Index, ...] = (CondaIndex(), PypiIndex(), MappingIndex(), GitIndex())
"""Every kind of index; a new kind is added here."""


def index_contents(
    tree: Tree,
    plan: Plan,
    packages: Mapping[MirrorPath, Package],
    listings: Mapping[MirrorPath, Listing] | None = None,
    relations: Mapping[MirrorPath, Mapping[str, str]] | None = None,
) -> Contents:
    """What indexes list: the `packages`, and the surplus ones that are not pruned yet.

    Args:
        tree: the mirror.
        plan: for its channels and its surplus packages.
        packages: the wanted packages to list.
        listings: what is known of PyPI files; None: as it is recorded.
        relations: what is known of relations between channels; None: as it is recorded.
    """
    return Contents(
        packages=(*packages.values(), *plan.kept.values()),
        channels=wanted_channels(plan.pins.snapshots),
        listings=tree.inventory.listings if listings is None else listings,
        standing=recorded_indexes(tree),
        where=tree.path,
        relations=tree.inventory.relations if relations is None else relations,
        hosted_indexes=hosted_indexes(plan.pins.snapshots),
    )


def index_files(contents: Contents) -> Mapping[MirrorPath, IndexFile]:
    """Every index file that there should be, in the order in which they are written."""
    return {path: file for index in INDEXES for path, file in index.files(contents).items()}


def planned_index_files(tree: Tree, plan: Plan) -> Mapping[MirrorPath, IndexFile]:
    """The index files of a plan once its packages are there, as far as that is known before."""
    return index_files(index_contents(tree, plan, plan.packages))


def recorded_index_files(tree: Tree, plan: Plan) -> tuple[Contents, Mapping[MirrorPath, IndexFile]]:
    """What indexes should list of the recorded tree, and the index files that do."""
    contents = index_contents(tree, plan, listed_packages(plan, present(tree, plan), tree.inventory.listings))
    return contents, index_files(contents)


def index_digest(inventory: Inventory, where: Callable[[MirrorPath], Path]) -> Sha256:
    """A digest of all index files that this program makes of what an inventory offers; nothing else has a part in it.

    Args:
        inventory: for its pins and packages.
        where: gives the path on disk of a file of the mirror; the files need not be there.
    """
    merged = merge(inventory.snapshots, layout=inventory.layout, names={}).packages
    contents = Contents(
        packages=(*listed(inventory, merged), *inventory.kept.values()),
        channels=wanted_channels(inventory.snapshots),
        listings=inventory.listings,
        standing=(),
        where=where,
        relations=inventory.relations,
        hosted_indexes=hosted_indexes(inventory.snapshots),
    )
    return sha256_of(canonical({path: file.recipe for path, file in index_files(contents).items()}))


def needed_indexes(tree: Tree, plan: Plan, removed: Collection[MirrorPath]) -> frozenset[MirrorPath]:
    """The index files that are needed when the files `removed` are gone from the tree."""
    left = {path: each for path, each in tree.inventory.listings.items() if path not in removed}
    contents = replace(index_contents(tree, plan, plan.packages, left), standing=())
    return frozenset(index_files(contents))


def stale_indexes(tree: Tree, plan: Plan) -> tuple[MirrorPath, ...]:
    """Index files that an update would write, and sidecars that it would make anew or remove."""
    files = planned_index_files(tree, plan)
    damaged = (
        path
        for path, content in tree.inventory.generated.items()
        if path not in files and plan.held.get(path) != content.recipe
    )
    return (*outdated(tree, plan, files), *damaged)


def outdated(tree: Tree, plan: Plan, files: Mapping[MirrorPath, IndexFile]) -> tuple[MirrorPath, ...]:
    """Those of the index files `files` that are absent or have other bytes, in their order."""
    held = {path: plan.held[path] for path in recorded_indexes(tree) if path in plan.held}
    difference = compare({path: file.recipe for path, file in files.items()}, held)
    found = {*difference.missing, *difference.changed}
    return tuple(path for path in files if path in found)


def present(tree: Tree, plan: Plan) -> dict[MirrorPath, PackageFile]:
    """The packages of the recorded tree, without those that are gone or deferred."""
    absent = plan.gone | plan.deferred
    return {path: content for path, content in tree.inventory.stored.items() if path not in absent}


def listed_packages(
    plan: Plan, stored: Mapping[MirrorPath, PackageFile], listings: Mapping[MirrorPath, Listing]
) -> Mapping[MirrorPath, Package]:
    """The wanted packages that indexes list: those in the tree, and those that are deferred.

    A hash or size that the lock lacks is taken from the first fetch, the size of a deferred file from upstream's page.
    """
    return {
        path: sized(package, listings.get(path)) if path not in stored else pinned(package, stored[path])
        for path, package in plan.packages.items()
        if path in stored or path in plan.deferred
    }
