"""Read sidecars back: whether `repodata.json.zst`, a shard index and its shards say what the records say."""

import hashlib
from collections.abc import Callable, Mapping
from types import MappingProxyType

from pixi_mirror.archives.compression import LARGEST_DOCUMENT, decompress_zstd
from pixi_mirror.conda.matchspec_spelling import normal_record
from pixi_mirror.conda.repodata import read_with_relations
from pixi_mirror.conda.shards import read_shard, read_shard_index
from pixi_mirror.model.values import Json, Sha256
from pixi_mirror.progress import counted

_RECORD = 1 << 14
"""Bytes that a record may take; most take a tenth of it."""

Records = Mapping[str, Mapping[str, Json]]
"""By file name."""
Relations = Mapping[str, str]
"""The `channel_relations` of a subdir (CEP 42)."""
_NONE: Relations = MappingProxyType({})


def zst_problem(data: bytes, subdir: str, expected: Records, *, relations: Relations = _NONE) -> str | None:
    """What is wrong with a `repodata.json.zst` that should list `expected` and have these `channel_relations`."""
    try:
        content = decompress_zstd(data, limit=LARGEST_DOCUMENT + _RECORD * len(expected))
        subdir_found, found, found_relations = read_with_relations(content)
    except ValueError as error:
        return str(error)
    return _difference(subdir_found, found, subdir, expected) or _other_relations(found_relations, relations)


def shards_problem(
    data: bytes,
    subdir: str,
    expected: Records,
    shard: Callable[[Sha256], bytes | None],
    *,
    relations: Relations = _NONE,
) -> str | None:
    """What is wrong with a shard index and the shards that it names; `shard` gives one by its sha256."""
    try:
        subdir_found, digests, relations_found = read_shard_index(data)
        found: dict[str, Mapping[str, Json]] = {}
        for name, sha256 in sorted(digests.items()):
            content = shard(sha256)
            if content is None:
                return f"the shard of {name} is missing"
            if problem := shard_problem(content, sha256):
                return f"the shard of {name}: {problem}"
            records = read_shard(content)
            if strangers := sorted(file for file, record in records.items() if record.get("name") != name):
                return f"the shard of {name} lists {strangers[0]}"
            found.update(records)
    except ValueError as error:
        return str(error)
    return _difference(subdir_found, found, subdir, expected) or _other_relations(relations_found, relations)


def _other_relations(found: Relations, relations: Relations) -> str | None:
    if found == relations:
        return None
    return f"its channel_relations are {dict(found)} instead of {dict(relations)}"


def shard_problem(data: bytes, sha256: str) -> str | None:
    """What is wrong with a shard, whose name is the sha256 of its bytes."""
    found = hashlib.sha256(data).hexdigest()
    return None if found == sha256 else f"its bytes have the sha256 {found}"


def _difference(subdir_found: str, found: Records, subdir: str, expected: Records) -> str | None:
    if subdir_found != subdir:
        return f"it says subdir {subdir_found!r}"
    if extra := sorted(found.keys() ^ expected.keys()):
        verb = "lists" if extra[0] in found else "lacks"
        return f"it {verb} {extra[0]}" + (f" and differs in {len(extra) - 1} more files" if extra[1:] else "")
    wrong = sorted(file for file in found if normal_record(found[file]) != normal_record(expected[file]))
    if not wrong:
        return None
    one, other = normal_record(found[wrong[0]]), normal_record(expected[wrong[0]])
    keys = ", ".join(sorted(key for key in one.keys() | other.keys() if one.get(key) != other.get(key)))
    return f"{counted(len(wrong), 'record')} not as the inventory has it, the first is {wrong[0]} ({keys})"
