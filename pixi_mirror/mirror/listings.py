"""Collect what our index pages say about PyPI files: from upstream's pages, and from the files themselves."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from pixi_mirror.git.index import pack_index
from pixi_mirror.mirror.plan import Plan, pinned
from pixi_mirror.mirror.tree import Tree
from pixi_mirror.model.packages import Listing, Package, PackageFile
from pixi_mirror.model.values import MirrorPath, sha256_of
from pixi_mirror.progress import Progress
from pixi_mirror.pypi.metadata import build_requirements, read_metadata
from pixi_mirror.pypi.names import is_wheel_name
from pixi_mirror.pypi.sdist import read_sdist_documents
from pixi_mirror.pypi.upstream_pages import UpstreamLinks
from pixi_mirror.pypi.wheel import read_wheel_metadata
from pixi_mirror.suggest import advised


def unknown_listings(
    tree: Tree, plan: Plan, coming: Mapping[MirrorPath, PackageFile], *, again: Collection[MirrorPath] = ()
) -> list[Package]:
    """The PyPI files about which upstream's pages have to be read once the files `coming` are placed.

    New are the files that come or are deferred, and those whose page could not be had before.

    Args:
        tree: the mirror.
        plan: what it should hold.
        coming: the packages that are placed, or about to be.
        again: files whose page is looked at though it was settled.
    """
    old = tree.inventory.listings
    known = {path: each for path, each in old.items() if _is_known(tree, path, coming)}
    held = tree.inventory.stored_at
    stored = {**{path: each for path in known if (each := held(path)) is not None}, **coming}
    return [
        pinned(package, stored.get(path))
        for path, package in plan.packages.items()
        if package.kind == "pypi"
        and (path in stored or path in plan.deferred)
        and (path in again or not (path in known and known[path].is_settled))
    ]


def fetch_listings(
    tree: Tree,
    plan: Plan,
    brought: Mapping[MirrorPath, PackageFile],
    upstream: UpstreamLinks | None,
    progress: Progress,
    *,
    again: Collection[MirrorPath] = (),
) -> Mapping[MirrorPath, Listing]:
    """Read the files, and return what is new about PyPI files, from them and from upstream's pages.

    Args:
        tree: the mirror.
        plan: what it should hold.
        brought: the packages that were just placed.
        upstream: what upstream's index pages say of `unknown_listings`; None: none was read now.
        progress: is informed.
        again: files whose page was looked at though it was settled.

    Raises:
        MachineError: a file cannot be read.
    """
    unknown = unknown_listings(tree, plan, brought, again=again)
    known = {**_known(tree, brought), **_come(tree, plan, brought, progress)}
    if upstream is None or not unknown:
        upstream = UpstreamLinks(undecided={package.path for package in unknown})
    _explain(tree, upstream, progress)
    is_here = {*brought, *(path for path in known if tree.inventory.stored_at(path) is not None)}
    found = {path: known[path] for path in brought if path in known}
    found |= _pack_listings(tree, plan, brought)
    for package in unknown:
        inside = known.get(package.path) or (
            _look_into(tree, package, progress) if package.path in is_here else Listing()
        )
        found[package.path] = _completed(inside, package, upstream, is_deferred=package.path not in is_here)
    return found


def _is_known(tree: Tree, path: MirrorPath, coming: Mapping[MirrorPath, PackageFile]) -> bool:
    """Whether what was known of a file holds for the one that comes in its place; of a deferred file it does."""
    return coming.get(path) in (None, tree.inventory.stored_at(path)) or path in tree.inventory.deferred


def _pack_listings(tree: Tree, plan: Plan, brought: Mapping[MirrorPath, PackageFile]) -> Mapping[MirrorPath, Listing]:
    """The packs of git repositories that were brought, each with the digest of the index that stands beside it."""
    found = {}
    for path in brought:
        if path in plan.packages and plan.packages[path].kind == "git":
            index = sha256_of(pack_index(plan.packages[path], tree.path(path)))
            found[path] = Listing(is_settled=True, metadata=index)
    return found


def _known(tree: Tree, brought: Mapping[MirrorPath, PackageFile]) -> Mapping[MirrorPath, Listing]:
    listings = tree.inventory.listings
    return {
        path: each for path, each in listings.items() if brought.get(path) in (None, tree.inventory.stored_at(path))
    }


def _come(
    tree: Tree, plan: Plan, brought: Mapping[MirrorPath, PackageFile], progress: Progress
) -> Mapping[MirrorPath, Listing]:
    """What upstream's pages said about deferred files, completed by the files themselves now that they are here."""
    old, was_deferred = tree.inventory.listings, tree.inventory.deferred
    found = {}
    for path in brought:
        if path in old and path in was_deferred and path in plan.packages:
            inside = _look_into(tree, plan.packages[path], progress)
            found[path] = replace(
                old[path],
                requires_python=old[path].requires_python or inside.requires_python,
                metadata=inside.metadata,
                build_requires=inside.build_requires,
                size=None,
            )
    return found


def _look_into(tree: Tree, package: Package, progress: Progress) -> Listing:
    """What the file itself says."""
    path, file_name = tree.path(package.path), package.path.rpartition("/")[2]
    try:
        if is_wheel_name(file_name):
            data = read_wheel_metadata(path, file_name=file_name)
            requires_python = read_metadata(data).requires_python
            metadata = sha256_of(data)
            return Listing(requires_python=requires_python, metadata=metadata)
        documents = read_sdist_documents(path, file_name=file_name)
        metadata_of_sdist = read_metadata(documents.pkg_info) if documents.pkg_info is not None else None
        return Listing(
            requires_python=metadata_of_sdist.requires_python if metadata_of_sdist else None,
            build_requires=build_requirements(documents.pyproject),
        )
    except ValueError as error:
        progress.warn(f"{package.path}: what it needs cannot be read from it, so indexes do not tell it: {error}")
        return Listing()


def early_listings(
    known: Mapping[MirrorPath, Listing], packages: Iterable[Package], upstream: UpstreamLinks
) -> Mapping[MirrorPath, Listing]:
    """What index pages say of files, with their sizes, before the files are here."""
    return {
        package.path: _completed(known.get(package.path, Listing()), package, upstream, is_deferred=True)
        for package in packages
    }


def _completed(before: Listing, package: Package, upstream: UpstreamLinks, *, is_deferred: bool) -> Listing:
    found = upstream.links.get(package.path)
    if found is None:
        answered = package.path not in upstream.undecided
        status = upstream.statuses.get(package.path, None if answered else before.status)
        return replace(before, is_settled=before.is_settled or answered, status=status)
    return replace(
        before,
        index=found.index,
        is_settled=True,
        requires_python=found.link.requires_python or before.requires_python,
        yanked=found.link.yanked,
        upload_time=found.link.upload_time,
        status=upstream.statuses.get(package.path),
        size=found.link.size if is_deferred else None,
    )


def _explain(tree: Tree, upstream: UpstreamLinks, progress: Progress) -> None:
    for contradiction in upstream.contradictions:
        progress.warn(contradiction)
    for index, problems in sorted(upstream.problems.items()):
        more = f" (and so for {len(problems) - 1} more of its pages)" if len(problems) > 1 else ""
        progress.warn(
            f"{problems[0]}{more} Without upstream's page nobody knows when a file was uploaded, or whether it was "
            f"yanked: a solve with `exclude-newer` will not see the files of {index}. "
            f"{advised('verify --repair', tree.root)} asks again."
        )
