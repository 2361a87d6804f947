"""Say what the shared cache holds, and remove what no mirror links any more."""

import time
from dataclasses import dataclass
from pathlib import Path

from pixi_mirror.cache.store import Store
from pixi_mirror.context import Context
from pixi_mirror.errors import UsageError
from pixi_mirror.model.values import DAY_S


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheStatus:
    """What the cache holds."""

    directory: Path
    files: int
    size: int
    linked_files: int
    """Files that a mirror on the same filesystem shares, so that removing them would free nothing."""
    linked_size: int
    partial_files: int
    partial_size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CachePruneResult:
    """What a prune of the cache does, or would do."""

    directory: Path
    applied: bool
    removed: tuple[str, ...]
    """sha256 of files and names of cut-off downloads."""
    waiting: int
    """Files that no mirror links and that are not yet due."""
    size: int

    @property
    def found(self) -> bool:
        """Whether there is anything to do now."""
        return bool(self.removed)


def cache_status(context: Context) -> CacheStatus:
    """What the cache holds.

    Raises:
        MachineError: it cannot be read.
    """
    store = Store(context.cache_directory())
    blobs = list(store.blobs())
    linked = [blob for blob in blobs if blob.links]
    partials = [status for _, status in store.partials()]
    return CacheStatus(
        directory=store.directory,
        files=len(blobs),
        size=sum(blob.size for blob in blobs),
        linked_files=len(linked),
        linked_size=sum(blob.size for blob in linked),
        partial_files=len(partials),
        partial_size=sum(status.st_size for status in partials),
    )


def cache_prune(*, apply: bool, grace_days: float, context: Context) -> CachePruneResult:
    """Plan to remove files that no mirror links and that were not touched for `grace_days`; do it if `apply`.

    Raises:
        UsageError: the grace time is negative.
        MachineError: the cache cannot be read or written.
        BusyError: another process takes files from it.
    """
    if not grace_days >= 0:  # which nan is neither
        raise UsageError("--grace is a number of days and not negative.")
    store = Store(context.cache_directory())
    if not apply or not store.directory.is_dir():
        return _pruned(store, apply=False, grace_s=grace_days * DAY_S)
    with store.pruned():
        return _pruned(store, apply=True, grace_s=grace_days * DAY_S)


def _pruned(store: Store, *, apply: bool, grace_s: float) -> CachePruneResult:
    latest = time.time() - grace_s
    loose = [blob for blob in store.blobs() if not blob.links]
    old = [blob for blob in loose if blob.last_change <= latest]
    due: list[tuple[str, Path, int]] = [(blob.sha256, blob.path, blob.size) for blob in old]
    due += [(path.name, path, status.st_size) for path, status in store.partials() if status.st_mtime <= latest]
    if apply:
        for _, path, _ in due:
            store.remove(path)
        store.forget_identities()
    return CachePruneResult(
        directory=store.directory,
        applied=apply,
        removed=tuple(name for name, _, _ in due),
        waiting=len(loose) - len(old),
        size=sum(size for _, _, size in due),
    )
