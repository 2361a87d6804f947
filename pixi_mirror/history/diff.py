"""Compare generations of a mirror and locks: packages added, removed and changed, per environment."""

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pixi_mirror.context import Context
from pixi_mirror.errors import UsageError, WorkspaceError
from pixi_mirror.history.names import CURRENT, find_generation, is_number
from pixi_mirror.lockfile.source import LockSource
from pixi_mirror.mirror.index_pages import index_pages
from pixi_mirror.mirror.subscriptions import subscription_of
from pixi_mirror.mirror.tree import Tree, open_mirror
from pixi_mirror.mirror.tree_view import INVENTORY
from pixi_mirror.model.packages import Cell, Inventory, Layout, Package, Snapshot, Target
from pixi_mirror.model.request import LockReading, Request
from pixi_mirror.model.values import MirrorPath

_SUFFIXES = (".lock", ".toml", ".yml", ".yaml", ".txt")
"""Of locks; the names that people give to generations end otherwise."""
_ALL = Request(environments=None, platforms=(), skip_unmirrorable=True, allow_md5=True, allow_unhashed=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedPackage:
    """A package that both sides have, and not the same one."""

    before: Package
    after: Package

    @property
    def is_same_file(self) -> bool:
        """Whether only the metadata differ, as after a correction of the channel's index."""
        return (self.before.path, self.before.sha256) == (self.after.path, self.after.sha256)


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentDifference:
    """What differs in one environment on one platform; packages are ordered by name."""

    target: Target
    added: tuple[Package, ...]
    removed: tuple[Package, ...]
    changed: tuple[ChangedPackage, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationsDifference:
    """What differs between two sides."""

    mirror: Path
    before: str
    """`g3`, or the path of a lock."""
    after: str
    environments: tuple[EnvironmentDifference, ...]
    """Those that differ."""
    files_added: int
    """Number of files that the later side has and the earlier one lacks, each counted once."""
    bytes_added: int
    """As far as sizes are known."""
    files_removed: int
    bytes_removed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Side:
    """One of the two that are compared."""

    label: str
    snapshots: tuple[Snapshot, ...]
    inventory: Inventory | None
    """None: it is a lock."""

    def cells(self, *, with_workspace: bool) -> Mapping[Target, tuple[Package, ...]]:
        found: dict[Target, tuple[Package, ...]] = {}
        for snapshot in self.snapshots:
            packages = {package.path: self._pinned(package) for package in snapshot.wanted}
            for cell in snapshot.cells:
                target = Target(
                    workspace=snapshot.workspace if with_workspace else "",
                    environment=cell.environment,
                    platform=cell.platform,
                )
                found[target] = (*found.get(target, ()), *_of_cell(cell, snapshot, packages))
        return found

    def _pinned(self, package: Package) -> Package:
        from pixi_mirror.mirror.plan import pinned

        return package if self.inventory is None else pinned(package, self.inventory.stored_at(package.path))


def _of_cell(cell: Cell, snapshot: Snapshot, packages: Mapping[MirrorPath, Package]) -> Iterable[Package]:
    paths = dict.fromkeys((*cell.packages, *(tool.path for tool in snapshot.tools)))
    return (packages[path] for path in paths)


def diff(mirror: Path, before: str, after: str, context: Context, *, index: str | None = None) -> GenerationsDifference:
    """What the later of two sides has, and the earlier one has not, and the other way round.

    Two locks are compared as wholes, and then there need be no mirror. A lock is compared with a generation as far as
    the mirror follows it.

    Args:
        mirror: its directory.
        before: the earlier side: a number, a name, `current`, or the path of a lock.
        after: the later side, in the same way.
        context: of the verb; index pages are asked for a requirements file alone.
        index: URL of the Python index that has the files of such a file; None: the file, what the mirror knows of it,
            or the configuration names one.

    Raises:
        UsageError: a lock is to be compared, and the mirror follows several others and none of its name.
        WorkspaceError: there is no such generation, or the lock cannot be read.
        FetchError: an index page that a lock needs cannot be read.
        UnmirrorableError: no index has a file that a lock needs.
        MachineError: there is no mirror, or its history cannot be read.
    """
    sides = _sides(mirror, before, after, context, index)
    has_lock = any(side.inventory is None for side in sides)
    earlier, later = (side.cells(with_workspace=not has_lock) for side in sides)
    held, holds = _files(earlier), _files(later)
    return GenerationsDifference(
        mirror=mirror,
        before=sides[0].label,
        after=sides[1].label,
        environments=tuple(
            found
            for target in sorted({*earlier, *later}, key=lambda each: (each.workspace, each.environment, each.platform))
            if (found := _compare(target, earlier.get(target, ()), later.get(target, ()))) is not None
        ),
        files_added=len(holds.keys() - held.keys()),
        bytes_added=sum(holds[key] for key in holds.keys() - held.keys()),
        files_removed=len(held.keys() - holds.keys()),
        bytes_removed=sum(held[key] for key in held.keys() - holds.keys()),
    )


def _sides(mirror: Path, before: str, after: str, context: Context, index: str | None) -> tuple[_Side, ...]:
    """Both sides; the mirror is opened if one of them is a generation, or if a mirror is there."""
    needs_mirror = (mirror / INVENTORY).exists() or not all(_is_lock(named, names=()) for named in (before, after))
    tree = open_mirror(mirror) if needs_mirror else None
    names = tree.generations.names() if tree is not None else ()
    locks = {
        named: _lock(Path(named), tree, context, index) if _is_lock(named, names=names) else None
        for named in (before, after)
    }
    one = next((lock for lock in locks.values() if lock is not None), None)
    if tree is None or None not in locks.values():
        return tuple(_side_of_lock(lock, named) for named in (before, after) if (lock := locks[named]) is not None)
    return tuple(
        _side_of_generation(tree, named, beside=one)
        if (lock := locks[named]) is None
        else _side_of_lock(lock, named, followed=_followed(tree.inventory, lock), layout=tree.inventory.layout)
        for named in (before, after)
    )


def _lock(path: Path, tree: Tree | None, context: Context, index: str | None) -> LockSource:
    """A lock, read as the mirror reads it if it follows it."""
    pages = index_pages(context, tree)
    known = None
    if tree is not None:
        known = tree.state.readings.get(subscription_of(LockSource(path).location, None))
    reading = known or LockReading()
    return LockSource(path, lock_format=reading.format, index=index or reading.index, pages=pages)


def _is_lock(named: str, *, names: Container[str]) -> bool:
    """Whether a path is named, and no generation, which has a number or one of the names.

    Raises:
        WorkspaceError: it looks like a path, and nothing is there.
    """
    if named == CURRENT or is_number(named) or named in names:
        return False
    path = Path(named)
    if not path.exists() and (len(path.parts) > 1 or path.suffix in _SUFFIXES):
        raise WorkspaceError(f"there is no lock at {path}.")
    return path.exists()


def _side_of_generation(tree: Tree, named: str, *, beside: LockSource | None) -> _Side:
    if named == CURRENT and tree.inventory.stamp is None:
        label, inventory = CURRENT, tree.inventory
    else:
        number = find_generation(tree, named)
        is_current = tree.inventory.stamp is not None and number == tree.inventory.stamp.number
        inventory = tree.inventory if is_current and named == CURRENT else tree.generations.inventory(number)
        label = f"g{number}"
    snapshots = inventory.snapshots
    if beside is not None:
        followed = _followed(inventory, beside)
        snapshots = () if followed is None else (followed,)
    return _Side(label=label, snapshots=snapshots, inventory=inventory)


def _side_of_lock(
    lock: LockSource, named: str, *, followed: Snapshot | None = None, layout: Layout = "channels"
) -> _Side:
    """What an update would pin of the lock; all of it, if nothing is followed that could be meant."""
    answer = lock.select(
        (_ALL,) if followed is None else followed.requests,
        subscription=subscription_of(lock.location, None),
        workspace=lock.location.parent.name,
        layout=layout,
    )
    return _Side(label=named, snapshots=(answer.snapshot,), inventory=None)


def _followed(inventory: Inventory, lock: LockSource) -> Snapshot | None:
    """The subscription that a lock is compared with: its own, one of its workspace's name, or the only one.

    Raises:
        UsageError: there are several.
    """
    followed = inventory.followed
    own = [each for each in followed if each.id == subscription_of(lock.location, None)]
    named = [each for each in followed if each.workspace == lock.location.parent.name]
    found = own or named or followed
    if len(found) > 1:
        known = ", ".join(each.workspace for each in found)
        raise UsageError(
            f"{lock.location} could be compared with several subscriptions of the mirror ({known}); put it into a "
            "directory that has the name of one."
        )
    return found[0] if found else None


def _files(cells: Mapping[Target, tuple[Package, ...]]) -> Mapping[tuple[MirrorPath, str | None], int]:
    return {(each.path, each.sha256): each.size or 0 for packages in cells.values() for each in packages}


def _compare(target: Target, before: Iterable[Package], after: Iterable[Package]) -> EnvironmentDifference | None:
    earlier, later = _by_name(before), _by_name(after)
    added: list[Package] = []
    removed: list[Package] = []
    changed: list[ChangedPackage] = []
    for name in sorted({*earlier, *later}):
        had = [each for each in earlier.get(name, ()) if not _is_among(each, later.get(name, ()))]
        has = [each for each in later.get(name, ()) if not _is_among(each, earlier.get(name, ()))]
        if len(had) == len(has) == 1:
            changed.append(ChangedPackage(before=had[0], after=has[0]))
        else:
            added += has
            removed += had
    if not (added or removed or changed):
        return None
    return EnvironmentDifference(target=target, added=tuple(added), removed=tuple(removed), changed=tuple(changed))


def _by_name(packages: Iterable[Package]) -> Mapping[tuple[str, str], list[Package]]:
    found: dict[tuple[str, str], list[Package]] = {}
    for package in packages:
        found.setdefault((package.name, package.kind), []).append(package)
    return found


def _is_among(package: Package, others: Iterable[Package]) -> bool:
    return any(
        (package.path, package.sha256, package.record) == (each.path, each.sha256, each.record) for each in others
    )
