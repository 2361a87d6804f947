"""Read the `channel_relations` (CEP 42) of an index of any channel, from its beginning alone; pure."""

import json
from collections.abc import Callable, Mapping
from types import MappingProxyType

from pixi_mirror.archives.compression import decompress_zstd, zstd_library
from pixi_mirror.conda.index_files import REPODATA, REPODATA_ZST, SHARD_INDEX
from pixi_mirror.conda.msgpack import unpacked
from pixi_mirror.conda.repodata import known_relations
from pixi_mirror.model.values import Json

_BEGINNING = 1 << 16
"""Bytes in which the `info` of a `repodata.json` stands, where a channel has relations."""


def index_relations(file_name: str, data: bytes) -> Mapping[str, str]:
    """Return the relations that an index file of a subdir has, by its file name; empty: it has none.

    Raises:
        ValueError: it is no such index; the text is a sentence.
    """
    return known_relations(_READERS[file_name](data))


def _of_shards(data: bytes) -> Mapping[str, Json]:
    document = unpacked(decompress_zstd(data))
    info = document.get("info") if isinstance(document, dict) else None
    if not isinstance(info, dict):
        raise ValueError("it is no shard index")  # noqa: TRY004 - what was read is wrong, not the caller
    return info


def _of_zst(data: bytes) -> Mapping[str, Json]:
    try:
        return _of_json(zstd_library().ZstdDecompressor().decompress(data, _BEGINNING))
    except zstd_library().ZstdError as error:
        raise ValueError(f"it is not zstd: {error}") from None


def _of_json(data: bytes) -> Mapping[str, Json]:
    beginning = data[:_BEGINNING].decode(errors="replace")
    start = beginning.find('"info"')
    if not beginning.lstrip().startswith("{") or start < 0:
        return {}
    try:
        info, _ = json.JSONDecoder().raw_decode(beginning[beginning.index(":", start) + 1 :].lstrip())
    except (ValueError, RecursionError):
        return {}
    return info if isinstance(info, dict) else {}


_READERS: Mapping[str, Callable[[bytes], Mapping[str, Json]]] = MappingProxyType(
    {SHARD_INDEX: _of_shards, REPODATA_ZST: _of_zst, REPODATA: _of_json}
)
INDEXES_WITH_RELATIONS = tuple(_READERS)
"""The index files that have relations, the smallest first."""
