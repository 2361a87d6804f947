"""Read sharded repodata (CEP 16): an index of package names, and a shard for each; pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from pixi_mirror.archives.compression import decompress_zstd
from pixi_mirror.conda.index_files import SHARDS
from pixi_mirror.conda.msgpack import unpacked
from pixi_mirror.conda.repodata import known_relations, listed_records
from pixi_mirror.model.values import Json, Sha256, admit_sha256


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardIndex:
    """The index of the shards of one subdir, of any writer."""

    subdir: str
    base_url: str
    """Where the packages are, seen from the index; empty: beside it."""
    shards_base_url: str
    """Where the shards are, seen from the index."""
    shards: Mapping[str, Sha256]
    """The sha256 of the compressed shard of every package name."""
    relations: Mapping[str, str]
    """The `channel_relations` (CEP 42)."""


def read_upstream_shard_index(data: bytes) -> ShardIndex:
    """Read the shard index of a channel. It may send clients to other places, as upstream channels do.

    CEP 16: a shard lies at `<shards_base_url><sha256 of the compressed shard>.msgpack.zst`.

    Raises:
        ValueError: it is none; the text is a sentence.
    """
    document = unpacked(decompress_zstd(data))
    info = document.get("info") if isinstance(document, dict) else None
    shards = document.get("shards") if isinstance(document, dict) else None
    if not isinstance(info, dict) or not isinstance(shards, dict) or not isinstance(info.get("subdir"), str):
        raise ValueError("it is no shard index")  # noqa: TRY004 - what was read is wrong, not the caller
    bases = [info.get("base_url") or "", info.get("shards_base_url") or ""]
    if not all(isinstance(base, str) for base in bases):
        raise ValueError("it is no shard index")
    found = {}
    for name, digest in shards.items():
        if not isinstance(name, str) or not isinstance(digest, bytes):
            raise ValueError("its `shards` is not a mapping of digests")  # noqa: TRY004 - what was read is wrong
        found[name] = admit_sha256(digest.hex())
    return ShardIndex(
        subdir=info["subdir"],
        base_url=bases[0],
        shards_base_url=bases[1],
        shards=found,
        relations=known_relations(info),
    )


def read_shard_index(data: bytes) -> tuple[str, Mapping[str, Sha256], Mapping[str, str]]:
    """Subdir, the sha256 of the compressed shard of every package name, and the `channel_relations` (CEP 42).

    Raises:
        ValueError: it is none, or sends clients elsewhere than to the directory beside it; the text is a sentence.
    """
    found = read_upstream_shard_index(data)
    if found.base_url or found.shards_base_url not in (f"./{SHARDS}/", f"{SHARDS}/"):
        raise ValueError(f"it sends clients to {found.base_url or found.shards_base_url!r}")
    return found.subdir, found.shards, found.relations


def read_shard(data: bytes) -> Mapping[str, Mapping[str, Json]]:
    """The records by file name of one compressed shard.

    Raises:
        ValueError: it is none; the text is a sentence.
    """
    document = unpacked(decompress_zstd(data))
    if not isinstance(document, dict):
        raise ValueError("it is no shard")  # noqa: TRY004 - what was read is wrong, not the caller
    return listed_records(document)
