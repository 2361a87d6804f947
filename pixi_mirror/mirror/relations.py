"""Learn from upstream's indexes which channels bring in others (CEP 42).

Upstream is asked only about environments that have packages of a channel that they do not name: such a channel was
brought in by another. Without the relation, a client that names the first channel would not find the packages here.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

from pixi_mirror.archives.compression import decompress_zstd, zstd_library
from pixi_mirror.conda.index_files import REPODATA, REPODATA_ZST, SHARD_INDEX
from pixi_mirror.conda.msgpack import unpacked
from pixi_mirror.conda.repodata import known_relations
from pixi_mirror.errors import FetchError, WrongBytesError
from pixi_mirror.http.fetcher import Fetcher
from pixi_mirror.mirror.plan import Plan
from pixi_mirror.model.packages import Channel, home_channels
from pixi_mirror.model.values import Json, MirrorPath, Url, admit_path
from pixi_mirror.progress import Progress

_LARGEST = 64 << 20
"""Bytes of an index that are fetched for its relations."""


def fetch_relations(
    plan: Plan, known: Mapping[MirrorPath, Mapping[str, str]], fetcher: Fetcher, progress: Progress
) -> Mapping[MirrorPath, Mapping[str, str]]:
    """The relations of each subdir about which upstream was never asked, by its folder in the mirror; empty: none.

    Args:
        plan: what the mirror will hold.
        known: what was learnt before.
        fetcher: asks upstream.
        progress: is told of indexes that cannot be had.
    """
    found = {}
    for channel, subdir in sorted(_unexplained(plan), key=lambda each: (each[0].url, each[1])):
        place = admit_path(f"{channel.path}/{subdir}")
        if place not in known and (relations := _ask(f"{channel.url}/{subdir}", fetcher, progress)) is not None:
            found[place] = relations
    return found


def _unexplained(plan: Plan) -> Iterable[tuple[Channel, str]]:
    """The channels of environments that have packages of a channel that they do not name, with their subdirs."""
    found: set[tuple[Channel, str]] = set()
    for cell in (cell for snapshot in plan.pins.snapshots for cell in snapshot.cells):
        homes = home_channels(plan.packages[path] for path in cell.packages if path in plan.packages)
        if not {home.url for home in homes} <= {channel.url for channel in cell.channels}:
            found |= {(channel, subdir) for channel in {*cell.channels, *homes} for subdir in (cell.subdir, "noarch")}
    return {(channel, subdir) for channel, subdir in found if channel.path is not None and "://" in channel.url}


def _ask(url: str, fetcher: Fetcher, progress: Progress) -> Mapping[str, str] | None:
    """The relations of a subdir; None: that cannot be known now."""
    for name in INDEXES_WITH_RELATIONS:
        try:
            data = fetcher.read(Url(f"{url}/{name}"), accept="*/*", limit=_LARGEST).data
            return index_relations(name, data)
        except FetchError as error:
            if not error.lasting:
                progress.note(f"whether {url} brings in other channels is not known: {error}")
                return None
        except (WrongBytesError, ValueError):
            continue
    return {}


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
