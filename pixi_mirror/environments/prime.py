"""Put the conda packages of a mirror's environments into pixi's package cache, to install from with no server."""

from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from pixi_mirror.context import Context
from pixi_mirror.environments.package_cache import PackageCache, Waiting, entry_name, missing
from pixi_mirror.errors import PixiMirrorError, SeveralErrors, UsageError, WorkspaceError
from pixi_mirror.lockfile.selection import SUBDIR_PREFIX
from pixi_mirror.lockfile.source import LockSource
from pixi_mirror.mirror.subscriptions import subscription_of
from pixi_mirror.mirror.tree import Tree, open_mirror
from pixi_mirror.model.packages import Cell, Package, Snapshot
from pixi_mirror.model.values import MirrorPath
from pixi_mirror.pixi.discovery import lock_of
from pixi_mirror.pixi.info import read_cache_directory
from pixi_mirror.progress import counted
from pixi_mirror.settings.files import default_pixi_cache, named_pixi_cache
from pixi_mirror.suggest import advised, suggested

PACKAGES = "pkgs"
"""The folder of pixi's cache that workspaces are installed from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which of a mirror's environments are meant."""

    lock: Path | None = None
    manifest: Path | None = None
    name: str | None = None
    """Of these three at most one is given; none: all subscriptions."""
    environments: tuple[str, ...] = ()
    """Empty: all."""
    platforms: tuple[str, ...]
    """Names or subdirs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Primed:
    """What was put into a package cache."""

    mirror: Path
    cache: Path
    """The folder of the packages."""
    dry_run: bool
    primed: tuple[Waiting, ...]
    """Put there now; in a dry run, what would be."""
    there: tuple[Waiting, ...]
    """Those that were there already."""
    warnings: tuple[str, ...]
    failed: tuple[PixiMirrorError, ...]

    @property
    def error(self) -> PixiMirrorError | None:
        """Why it is not all there; None: it is."""
        if not self.failed:
            return None
        summary = f"the package cache {self.cache} lacks {counted(len(self.failed), 'package')}:"
        return self.failed[0] if len(self.failed) == 1 else SeveralErrors(summary, self.failed)


def prime(mirror: Path, *, choice: Choice, cache: Path | None, jobs: int, dry_run: bool, context: Context) -> Primed:
    """Put the conda packages of the chosen environments into pixi's cache `cache`; None: where pixi says it is.

    What is there already and was made of the same archive is left as it is.

    Raises:
        UsageError: several of lock, manifest and name are given.
        WorkspaceError: the mirror does not have such a subscription, environment or platform.
        WrongBytesError: a package has a name that is none.
        ProgramError: there is no library to read the packages.
        MachineError: there is no mirror, or the cache cannot be read or written.
        BusyError: another program has kept the cache locked for too long.
    """
    tree = open_mirror(mirror)
    cells = _chosen_cells(tree, choice)
    where = PackageCache(_absolute(cache or _pixi_cache(context), context) / PACKAGES)
    entries, warnings = _entries(tree, cells)
    for warning in warnings:
        context.progress.warn(warning)
    there, waiting = [], []
    failed: list[PixiMirrorError] = []
    for entry in entries:
        if where.has(entry.name, entry.sha256):
            there.append(entry)
        elif entry.archive.is_file():
            waiting.append(entry)
        else:
            failed.append(missing(tree.root, entry.path))
    primed: list[Waiting] = []
    if dry_run:
        primed += waiting
    elif waiting or where.has_litter:
        context.progress.begin("priming", files=len(waiting), size=sum(each.size for each in waiting))
        with closing(where.fill(waiting, jobs=jobs, timeout_s=context.lock_timeout_s)) as made:
            for each in made:
                if isinstance(each, Waiting):
                    primed.append(each)
                    context.progress.advance(files=1, size=each.size)
                else:
                    failed.append(each)
    return Primed(
        mirror=mirror,
        cache=where.root,
        dry_run=dry_run,
        primed=tuple(primed),
        there=tuple(there),
        warnings=warnings,
        failed=tuple(failed),
    )


def _pixi_cache(context: Context) -> Path:
    return named_pixi_cache(environ=context.environ) or read_cache_directory(context.environ) or default_pixi_cache()


def _absolute(path: Path, context: Context) -> Path:
    return path if path.is_absolute() else context.directory() / path


def _chosen_cells(tree: Tree, choice: Choice) -> tuple[Cell, ...]:
    """The cells that are meant, in the order of the inventory."""
    cells = [cell for snapshot in _snapshots(tree, choice) for cell in snapshot.cells]
    environments = {cell.environment for cell in cells}
    if unknown := [name for name in choice.environments if name not in environments]:
        raise WorkspaceError(f"the mirror has no environment {unknown[0]!r}{suggested(unknown[0], environments)}.")
    cells = [cell for cell in cells if not choice.environments or cell.environment in choice.environments]
    chosen: dict[Cell, None] = {}
    for platform in choice.platforms:
        matching = _matching(platform, cells)
        if not matching:
            known = suggested(platform, {cell.platform for cell in cells})
            raise WorkspaceError(
                f"the mirror has none of these environments for the platform {platform!r}{known}. "
                "Choose with -p PLATFORM."
            )
        chosen.update(dict.fromkeys(matching))
    return tuple(chosen)


def _matching(platform: str, cells: Iterable[Cell]) -> list[Cell]:
    """Those of a platform; in an environment, an exact name wins, else a subdir means all platforms of it."""
    cells = list(cells)
    exact = {cell.environment for cell in cells if cell.platform == platform}
    subdir = platform.removeprefix(SUBDIR_PREFIX)
    return [
        cell for cell in cells if cell.platform == platform or (cell.environment not in exact and cell.subdir == subdir)
    ]


def _snapshots(tree: Tree, choice: Choice) -> tuple[Snapshot, ...]:
    given = [each for each in (choice.lock, choice.manifest, choice.name) if each is not None]
    if not given:
        return tree.inventory.snapshots
    if len(given) > 1:
        raise UsageError("name one subscription: -m PATH, --lock PATH or --name NAME.")
    location = Path()
    if choice.lock is not None:
        location = LockSource(choice.lock).location
    elif choice.manifest is not None:
        location = lock_of(choice.manifest)
    subscription = subscription_of(location, choice.name)
    found = tuple(snapshot for snapshot in tree.inventory.snapshots if snapshot.id == subscription)
    if not found:
        known = ", ".join(snapshot.workspace for snapshot in tree.inventory.snapshots) or "none"
        raise WorkspaceError(
            f"the mirror has no subscription of {given[0]}; there are: {known} (see {advised('status', tree.root)})."
        )
    return found


def _entries(tree: Tree, cells: Iterable[Cell]) -> tuple[tuple[Waiting, ...], tuple[str, ...]]:
    """What the cells come to as entries of a cache, ordered by name; and where two archives want to be the same."""
    packages = {each.path: each for snapshot in tree.inventory.snapshots for each in snapshot.packages}
    ranks: dict[MirrorPath, tuple[int, int]] = {}
    for number, cell in enumerate(cells):
        for path in cell.packages:
            if packages[path].kind == "conda":
                rank = (_priority(path, cell), number)
                ranks[path] = min(rank, ranks.get(path, rank))
    rivals: dict[str, list[Waiting]] = {}
    # Where channels are equal, the one that comes first in the inventory: the same in every run.
    for path in sorted(ranks, key=lambda path: (ranks[path], path)):
        entry = _entry(tree, packages[path])
        rivals.setdefault(entry.name, []).append(entry)
    warnings = [
        f"{other.path} and {first.path} are different packages that have one place in the cache, {name}. It is "
        f"that of {first.path}, whose channel comes first; what is to be installed from the other is fetched again."
        for name, (first, *others) in sorted(rivals.items())
        for other in others
        if other.sha256 != first.sha256
    ]
    return tuple(rivals[name][0] for name in sorted(rivals)), tuple(warnings)


def _priority(path: MirrorPath, cell: Cell) -> int:
    """Which of the cell's channels a package is from, counted from the one that goes before all others."""
    prefixes = [f"{channel.path}/" if channel.path else "" for channel in cell.channels]
    return next((number for number, prefix in enumerate(prefixes) if path.startswith(prefix)), len(prefixes))


def _entry(tree: Tree, package: Package) -> Waiting:
    stored = tree.inventory.stored_at(package.path)
    sha256, size = (package.sha256, package.size or 0) if stored is None else (stored.sha256, stored.size)
    if sha256 is None:
        raise missing(tree.root, package.path)  # its hash is known from when it is brought
    return Waiting(
        mirror=tree.root,
        name=entry_name(package),
        path=package.path,
        archive=tree.path(package.path),
        sha256=sha256,
        size=size,
    )
