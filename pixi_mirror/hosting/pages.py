"""Renew the pages of one project, in its hosted index and in `simple/`, and the lists of projects where it is new."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from pixi_mirror.hosting.subdirs import RenewedIndexes
from pixi_mirror.mirror.merge import merge
from pixi_mirror.mirror.plan import listed
from pixi_mirror.mirror.tree import Tree
from pixi_mirror.model.hosted import hosted_index, hosted_path
from pixi_mirror.model.indexes import Contents
from pixi_mirror.model.packages import GeneratedFile, Inventory, Package, Snapshot
from pixi_mirror.model.values import MirrorPath, admit_path, sha256_of
from pixi_mirror.pypi.index import PypiIndex, root_pages
from pixi_mirror.pypi.simple import PAGE_HTML, PAGE_JSON, SIMPLE


def renew_pages(
    tree: Tree, after: Inventory, snapshot: Snapshot, project: str, where: Callable[[MirrorPath], Path]
) -> RenewedIndexes:
    """What becomes of the pages that a project is on.

    Args:
        tree: the mirror as it is.
        after: its inventory after the change.
        snapshot: that of the hosted name, after the change.
        project: normalised.
        where: gives the path on disk of each file of the project, which need not be in its place yet.
    """
    packages = _files_of(after, project)
    contents = Contents(
        packages=packages,
        channels=(),
        listings={each.path: after.listings[each.path] for each in packages if each.path in after.listings},
        standing=(),
        where=where,
    )
    own = hosted_path(hosted_index(snapshot.workspace))
    folders = [f"{own}/{project}", f"{SIMPLE}/{project}"]
    files = PypiIndex().files(contents)
    standing = tree.inventory.tree
    parts = {path: file for path, file in files.items() if file.is_part and path not in standing}
    pages = {path: file.content() for path, file in files.items() if path.rpartition("/")[0] in folders}
    for folder, projects in _changed_lists(tree.inventory, after, own, snapshot.id):
        if projects or folder == own:  # a hosted index is there when it is empty
            pages |= dict(root_pages(folder, projects))
        else:
            folders.append(folder)
    recorded = {path: GeneratedFile(recipe=file.recipe) for path, file in parts.items()}
    recorded |= {path: GeneratedFile(recipe=sha256_of(data)) for path, data in pages.items()}
    recorded = {path: each for path, each in recorded.items() if standing.get(path) != each}
    possible = [admit_path(f"{folder}/{page}") for folder in folders for page in (PAGE_HTML, PAGE_JSON)]
    return RenewedIndexes(
        parts={path: file.content() for path, file in parts.items()},
        pages={path: data for path, data in pages.items() if path in recorded},
        gone_pages=tuple(path for path in possible if path in standing and path not in pages),
        recorded=recorded,
    )


def _files_of(inventory: Inventory, project: str) -> list[Package]:
    """The files of a project that indexes list, of every hosted and every mirrored index."""
    snapshots = [
        replace(
            each,
            packages=tuple(package for package in each.packages if _is_of(package, project)),
            tools=tuple(package for package in each.tools if _is_of(package, project)),
            cells=(),
        )
        for each in inventory.snapshots
    ]
    wanted = merge(snapshots, layout=inventory.layout, names={}).packages
    kept = [package for package in inventory.kept.values() if _is_of(package, project)]
    return listed(inventory, wanted) + kept


def _is_of(package: Package, project: str) -> bool:
    return package.kind == "pypi" and package.name == project


def _changed_lists(
    before: Inventory, after: Inventory, own: MirrorPath, host: str
) -> Iterator[tuple[MirrorPath, frozenset[str]]]:
    """The indexes that list other projects than before, with the projects that they list now."""
    if (mine := _projects(after, host)) != _projects(before, host):
        yield own, mine
    if (merged := _projects(after, None)) != _projects(before, None):
        yield MirrorPath(SIMPLE), merged


def _projects(inventory: Inventory, host: str | None) -> frozenset[str]:
    """The projects of a hosted index, by its subscription, or with None those that `simple/` lists."""
    of_pins = (
        package
        for snapshot in inventory.snapshots
        if host in (None, snapshot.id)
        for package in snapshot.wanted
        if package.kind == "pypi" and (package.path in inventory.tree or package.path in inventory.deferred)
    )
    kept = inventory.kept.values() if host is None else ()
    return frozenset(package.name for package in (*of_pins, *kept) if package.kind == "pypi")
