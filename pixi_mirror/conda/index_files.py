"""The names of the index files of a conda channel, for everything that writes, reads, serves or protects them."""

from pixi_mirror.model.values import MirrorPath

REPODATA = "repodata.json"
"""The records of one subdir."""
REPODATA_ZST = "repodata.json.zst"
"""The same, compressed."""
SHARD_INDEX = "repodata_shards.msgpack.zst"
"""CEP 16: the sha256 of the shard of every package name."""
SHARDS = "shards"
"""The folder of the shards, beside their index."""
SHARD_SUFFIX = ".msgpack.zst"
"""How the name of a shard ends, after the sha256 of its bytes."""

INDEX_FILES = (REPODATA, REPODATA_ZST, SHARD_INDEX)
"""What a client asks a subdir for first; each may be replaced by another version at any time."""

RESERVED_FILES = frozenset(
    {
        *INDEX_FILES,
        "channeldata.json",
        "current_repodata.json",
        "index.html",
        "notices.json",
        "patch_instructions.json",
        "repodata_from_packages.json",
        "run_exports.json",
        "run_exports.json.zst",
    }
)
"""What clients and indexers may look for in a channel, so that no mirrored file can have such a name."""


def repodata_path(place: str) -> MirrorPath:
    """Return the path of the `repodata.json` of a subdir; `place` is the path of the subdir's folder, admitted."""
    return MirrorPath(f"{place}/{REPODATA}")


def shard_path(place: str, sha256: str) -> MirrorPath:
    """Return the path of a shard; `place` is the path of the subdir's folder, admitted, `sha256` that of the shard."""
    return MirrorPath(f"{place}/{SHARDS}/{sha256}{SHARD_SUFFIX}")
