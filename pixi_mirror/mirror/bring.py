"""Obtain the packages that a plan lacks, and place them in the tree before any index lists them."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace

from pixi_mirror.cache.batch import Batch, FailedPackage, ObtainedPackage
from pixi_mirror.cache.store import Store
from pixi_mirror.errors import FetchError, MachineError, UnmirrorableError, WorkspaceError, WrongBytesError
from pixi_mirror.mirror.blocked_paths import make_way
from pixi_mirror.mirror.compare import twin
from pixi_mirror.mirror.hosted_pins import beside_hosted
from pixi_mirror.mirror.plan import Plan
from pixi_mirror.mirror.tree import Tree
from pixi_mirror.model.attestations import with_attestations
from pixi_mirror.model.hosted import is_hosted_url
from pixi_mirror.model.packages import Listing, Package, PackageFile
from pixi_mirror.model.values import MirrorPath
from pixi_mirror.progress import Progress, format_size

_MARGIN = 16 << 20
"""Bytes left free for indexes, inventory and what other programs write meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BringResult:
    """What became of the packages to bring."""

    failed: tuple[FailedPackage, ...] = ()
    stored: Mapping[MirrorPath, PackageFile] = field(default_factory=dict)
    """Placed in the tree and not yet recorded."""
    relations: Mapping[MirrorPath, Mapping[str, str]] = field(default_factory=dict)
    """What upstream was newly asked: folder of a subdir -> its `channel_relations`."""


def obtain_packages(
    tree: Tree, plan: Plan, store: Store, batch: Batch, progress: Progress
) -> tuple[tuple[ObtainedPackage, ...], tuple[FailedPackage, ...]]:
    """Obtain every missing and changed package in the cache, inside `Store.used`; nothing of the mirror is changed.

    Args:
        tree: the mirror.
        plan: what is missing or changed.
        store: the cache.
        batch: fetches into the cache what that lacks.
        progress: is informed.

    Returns:
        What was obtained, in the order of the plan, and what could not be had, by path.

    Raises:
        UnmirrorableError: two paths are the same on this disk, which ignores the case of letters.
        MachineError: a disk is too small, or refuses.
    """
    packages = _with_secrets(tree, plan)
    if not packages:
        return (), ()
    _refuse_equal_names(tree, plan)
    _refuse_small_disks(tree, store, packages)
    progress.begin("bringing", files=len(packages), size=plan.size, unknown=plan.unknown_sizes)
    suspect = frozenset(sha for path in plan.difference.changed if (sha := plan.packages[path].sha256))
    obtained: dict[MirrorPath, ObtainedPackage] = {}
    failed = [FailedPackage(each, _lost(each)) for each in packages if is_hosted_url(each.url.raw)]
    for outcome in batch.obtain([each for each in packages if not is_hosted_url(each.url.raw)], suspect=suspect):
        if isinstance(outcome, ObtainedPackage):
            obtained[outcome.package.path] = outcome
        else:
            failed.append(outcome)
    in_order = tuple(obtained[package.path] for package in packages if package.path in obtained)
    return in_order, tuple(sorted(failed, key=lambda failure: failure.package.path))


class ObtainedPackages:
    """Packages that the cache has already, as a source for `apply_plan`; upstream is not asked anything."""

    needs_all = True

    def __init__(self, obtained: Iterable[ObtainedPackage], store: Store, progress: Progress) -> None:
        self._obtained = tuple(obtained)
        self._store = store
        self._progress = progress

    def bring(self, tree: Tree, _plan: Plan) -> BringResult:
        """Place them.

        Raises:
            MachineError: the disk refuses.
            WrongBytesError: a verified file changed before it was placed.
        """
        return BringResult(stored=place_packages(tree, self._store, self._obtained))

    def listings(
        self, tree: Tree, plan: Plan, stored: Mapping[MirrorPath, PackageFile]
    ) -> Mapping[MirrorPath, Listing]:
        """What the files themselves say.

        Raises:
            MachineError: a file cannot be read.
        """
        from pixi_mirror.mirror.listings import fetch_listings  # where conda packages alone come, nothing else needs it

        return fetch_listings(tree, plan, stored, None, self._progress)


def _lost(package: Package) -> FetchError:
    return FetchError(
        f"{package.path} was uploaded to this mirror and is gone or damaged; no other place has it. Put it back from a "
        f"backup, or upload it again: `pixi-mirror host put FILE --to {package.path.partition('/')[0]}`.",
        lasting=True,
    )


def _with_secrets(tree: Tree, plan: Plan) -> tuple[Package, ...]:
    """The packages to bring, with their URLs as the locks have them; in the pins, URLs are without secrets."""
    packages = plan.to_bring
    pinned = [
        snapshot
        for snapshot in plan.pins.snapshots
        if snapshot.id not in plan.pins.renewed and snapshot.id in plan.pins.sources
    ]
    wanted = {package.path for package in packages}
    urls = {}
    for snapshot in pinned:
        if wanted.isdisjoint(package.path for package in with_attestations(snapshot.packages)):
            continue
        # Without its lock, a package is fetched without secrets.
        with suppress(WorkspaceError, FetchError, UnmirrorableError):
            answer = plan.pins.sources[snapshot.id].select(
                snapshot.requests, subscription=snapshot.id, workspace=snapshot.workspace, layout=plan.layout
            )
            selected = beside_hosted(answer.snapshot, tree.inventory)
            urls.update({package.path: package.url for package in with_attestations(selected.packages)})
    return tuple(replace(package, url=urls.get(package.path, package.url)) for package in packages)


def _refuse_equal_names(tree: Tree, plan: Plan) -> None:
    """Refuse, before the first byte, two paths that would be one file."""
    twins = twin({*tree.inventory.tree, *plan.packages}) if tree.is_case_blind else None
    if twins is not None:
        raise UnmirrorableError(
            f"{twins[0]} and {twins[1]} are one name on the disk of {tree.root}, which does not tell letters by their "
            "case. Nothing was fetched. Mirror to a disk that does, or mirror the two into different directories."
        )


def _refuse_small_disks(tree: Tree, store: Store, packages: tuple[Package, ...]) -> None:
    """Refuse, before the first byte, a disk on which the packages have no place."""
    once = {package.sha256 or package.path: package for package in packages}.values()
    absent = [package for package in once if package.sha256 is None or store.size_of(package.sha256) is None]
    needs = [(store.directory, sum(package.size or 0 for package in absent), store.free())]
    if not tree.shares_disk_with(store.directory):
        needs.append((tree.root, sum(package.size or 0 for package in packages), tree.free()))
    for directory, need, free in needs:
        if need + _MARGIN > free:
            raise MachineError(
                f"the disk of {directory} has too little room: {format_size(need + _MARGIN)} are needed and "
                f"{format_size(free)} are free, so {format_size(need + _MARGIN - free)} are missing. Nothing was "
                "fetched. Free some space, or choose another directory (-o for the mirror, --cache-dir for the cache)."
            )


def place_packages(tree: Tree, store: Store, obtained: Iterable[ObtainedPackage]) -> Mapping[MirrorPath, PackageFile]:
    """Place verified files in the tree, and make sure that they survive a power loss; they are not recorded yet.

    Raises:
        MachineError: the disk refuses.
        WrongBytesError: a verified file changed before it was placed.
    """
    obtained = tuple(obtained)
    make_way(tree, (outcome.package.path for outcome in obtained))
    tree.announce(outcome.package.path for outcome in obtained)
    stored = {}
    for outcome in obtained:
        try:
            tree.place(outcome.package.path, outcome.path, sha256=outcome.sha256)
        except WrongBytesError:
            store.remove(outcome.path)  # its identity is recorded, so the next run would take it for right again
            raise
        stored[outcome.package.path] = PackageFile(sha256=outcome.sha256, size=outcome.size)
    tree.sync()
    return stored
