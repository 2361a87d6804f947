"""Write the sidecars of channels ourselves, on all cores, and only the shards that have changed."""

import os
from collections.abc import Callable, Iterable, Mapping

from pixi_mirror.conda.index_files import REPODATA_ZST, SHARD_INDEX, shard_path
from pixi_mirror.conda.sidecar_writer import OldShards, compressed_repodata, new_shards
from pixi_mirror.mirror.run_indexer import SidecarOrder
from pixi_mirror.model.indexes import SidecarFiles, StandingFiles
from pixi_mirror.model.values import MirrorPath, admit_path
from pixi_mirror.threads import ThreadPool

_CORES = os.cpu_count() or 1


def own_sidecars(
    orders: Iterable[SidecarOrder], standing: StandingFiles, *, warn: Callable[[str], None]
) -> Mapping[MirrorPath, SidecarFiles]:
    """Make the sidecars of some subdirs, by the path of the `repodata.json`.

    Args:
        orders: the subdirs.
        standing: what the mirror has; shards whose records are the same stay.
        warn: is called with a sentence for each subdir with a record that a shard cannot say; it gets none.
    """
    orders = list(orders)
    found: dict[MirrorPath, SidecarFiles] = {}
    with ThreadPool(_CORES) as pool:
        for order, zst in zip(orders, pool.map(lambda order: compressed_repodata(order.data), orders), strict=True):
            heads = {admit_path(f"{order.place}/{REPODATA_ZST}"): zst}
            if not order.shards:
                found[order.main] = SidecarFiles(heads=heads, parts={})
                continue
            try:
                shards = new_shards(order.data, old=_old_shards(order, standing), threads=_CORES)
            except ValueError as error:
                warn(f"{order.place} has plain repodata.json only, since a shard cannot have all of it: {error}.")
                continue
            found[order.main] = SidecarFiles(
                heads={admit_path(f"{order.place}/{SHARD_INDEX}"): shards.index, **heads},
                parts={shard_path(order.place, sha256): data for sha256, data in shards.made.items()},
                kept=frozenset(shard_path(order.place, sha256) for sha256 in shards.kept),
            )
    return found


def _old_shards(order: SidecarOrder, standing: StandingFiles) -> OldShards | None:
    repodata = standing.read(order.main)
    index = standing.read(admit_path(f"{order.place}/{SHARD_INDEX}"))
    if repodata is None or index is None:
        return None
    return OldShards(
        repodata=repodata, index=index, is_whole=lambda sha256: standing.is_whole(shard_path(order.place, sha256))
    )
