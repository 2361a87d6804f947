"""Write the sidecars of a `repodata.json` of ours: `repodata.json.zst`, and shards with their index (CEP 16); pure.

Equal packages give equal bytes, as long as the zstd library is the same: there is no clock in them. Shards whose
records have not changed are not made again, so that the work follows the change.
"""

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from pixi_mirror.archives.compression import compress_zstd
from pixi_mirror.conda.index_files import SHARDS
from pixi_mirror.conda.matchspec_spelling import DIGESTS
from pixi_mirror.conda.msgpack import packed
from pixi_mirror.conda.repodata import SECTIONS, has_v3
from pixi_mirror.conda.shards import read_shard_index
from pixi_mirror.model.values import Json, Sha256, sha256_of
from pixi_mirror.threads import ThreadPool

_LEVEL = 8
"""Of zstd. 19, which rattler-index takes, makes real repodata a tenth smaller and takes thirty times as long."""
_SHARDS_AT_ONCE = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class OldShards:
    """The shards that a subdir has, with the `repodata.json` that they were made from."""

    repodata: bytes
    index: bytes
    is_whole: Callable[[Sha256], bool]
    """Whether the shard with this sha256 is there as it was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewShards:
    """The shards of a subdir and their index."""

    index: bytes
    made: Mapping[Sha256, bytes]
    kept: frozenset[Sha256]
    """Those that are there and stay as they are."""


def compressed_repodata(data: bytes) -> bytes:
    """The `repodata.json.zst` of a `repodata.json`."""
    return compress_zstd([data], level=_LEVEL)[0]


def new_shards(data: bytes, *, old: OldShards | None, threads: int) -> NewShards:
    """The shards of a `repodata.json` of ours, and their index.

    Args:
        data: of the `repodata.json`.
        old: what is there; None: nothing is.
        threads: how many may work at a time.

    Raises:
        ValueError: a record has what a shard cannot say: a number of more than 64 bits, a digest that is none.
    """
    kept = _unchanged(old, data) if old is not None else {}
    document = _part_of(data, kept) if kept and not has_v3(data) else json.loads(data)
    contents = {name: content for name, content in _contents(document).items() if name not in kept}
    names = list(contents)
    batches = [names[start : start + _SHARDS_AT_ONCE] for start in range(0, len(names), _SHARDS_AT_ONCE)]

    def make(batch: list[str]) -> list[bytes]:
        return compress_zstd((packed(contents[name]) for name in batch), level=_LEVEL)

    with ThreadPool(threads) as pool:
        shards = [shard for some in pool.map(make, batches) for shard in some]
    made = {name: (sha256_of(shard), shard) for name, shard in zip(names, shards, strict=True)}
    digests = dict(sorted({**kept, **{name: sha256 for name, (sha256, _) in made.items()}}.items()))
    return NewShards(
        index=_index(document["info"], digests),
        made=MappingProxyType(dict(made.values())),
        kept=frozenset(kept.values()),
    )


def _contents(document: Mapping[str, Json]) -> Mapping[str, Json]:
    """The content of every shard by package name, as the records spell it."""
    found: dict[str, dict[str, Json]] = {}

    def of(record: Mapping[str, Json]) -> dict[str, Json]:
        empty: dict[str, Json] = {**{section: {} for section in SECTIONS.values()}, "removed": []}
        return found.setdefault(record["name"], empty)

    for section in SECTIONS.values():
        for file_name, record in document[section].items():
            of(record)[section][file_name] = _binary(record)
    for extension, listed in document.get("v3", {}).items():
        for stem, record in listed.items():
            of(record).setdefault("v3", {}).setdefault(extension, {})[stem] = _binary(record)
    return dict(sorted(found.items()))


def _binary(record: Mapping[str, Json]) -> Mapping[str, Json]:
    """The record with its digests as bytes."""
    digests = {key: bytes.fromhex(record[key]) for key in DIGESTS if record.get(key) is not None}
    return {**record, **digests}


def _index(info: Mapping[str, Json], digests: Mapping[str, Sha256]) -> bytes:
    """The shard index. Its `created_at` is left out, which clients need not have: it would be a clock."""
    shards = {name: bytes.fromhex(sha256) for name, sha256 in digests.items()}
    about = {**info, "base_url": "", "shards_base_url": f"./{SHARDS}/"}
    return compress_zstd([packed({"info": about, "shards": shards})], level=_LEVEL)[0]


def _unchanged(old: OldShards, data: bytes) -> Mapping[str, Sha256]:
    """Return the shards that can stay as they are, by package name.

    If another program made the index, no shard stays: the bytes of the mirror would depend on that program.
    """
    try:
        _, digests, _ = read_shard_index(old.index)
    except ValueError:
        return {}
    if _index(_info(old.repodata), digests) != old.index:
        return {}
    before, after = set(_record_lines(old.repodata)), set(_record_lines(data))
    changed = {_name(line) for _, line in before ^ after}
    return {name: sha256 for name, sha256 in digests.items() if name not in changed and old.is_whole(sha256)}


def _part_of(data: bytes, kept: Collection[str]) -> Mapping[str, Json]:
    """The document of a `repodata.json` of ours, which has no section of CEP 48, without the packages `kept`.

    To parse all of it would take most of the time in which a large channel gets one more package.
    """
    found: dict[str, dict[str, Json]] = {section: {} for section in SECTIONS.values()}
    for section, line in _record_lines(data):
        # The name in a file name is that of its record, in lower case.
        if line[1 : line.index(b'":{"')].rsplit(b"-", 2)[0].decode().lower() not in kept:
            found[SECTIONS[section]] |= json.loads(b"{" + line + b"}")
    return {"info": _info(data), **found}


def _info(data: bytes) -> Mapping[str, Json]:
    """The `info` of a `repodata.json` of ours, which is its first line."""
    info: Mapping[str, Json] = json.loads(data[: data.index(b"\n")].rstrip(b",") + b"}")["info"]
    return info


def _record_lines(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The lines of a `repodata.json` of ours that are records, without the comma, each with the head of its section."""
    section = b""
    for line in data.split(b"\n"):
        if line.endswith(b"{"):
            section = line
        elif line.startswith(b'"') and b'":{"' in line:
            yield section, line.rstrip(b",")


def _name(line: bytes) -> str:
    (record,) = json.loads(b"{" + line + b"}").values()
    name: str = record["name"]
    return name
