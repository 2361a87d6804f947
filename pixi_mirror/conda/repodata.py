"""Write `repodata.json` in one canonical way, and read it back from any writer; pure."""

import json
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from pixi_mirror.conda.matchspec_spelling import requires_v3, v3_record
from pixi_mirror.model.values import Json, canonical

RELATIONS = ("base", "overrides")
"""The keys of `channel_relations` (CEP 42)."""

LAST_SECOND = 253_402_300_799
"""The end of the year 9999."""

_EXTENSIONS = (".tar.bz2", ".conda")

SECTIONS = {b'"packages":{': "packages", b'"packages.conda":{': "packages.conda"}
"""The lines in a `repodata.json` of ours with which its sections begin; the first is that of `.tar.bz2`."""
_SECTION_OF_V3 = b'"v3":{'


def repodata(
    subdir: str, records: Mapping[str, Mapping[str, Json]], *, relations: Mapping[str, str] = MappingProxyType({})
) -> bytes:
    """The `repodata.json` of `subdir` that lists `records` by file name; equal input gives equal bytes.

    One record a line, sorted; `.tar.bz2` under `packages`, `.conda` under `packages.conda`, whatever the records say.
    Records that older clients cannot read stand under `v3` (CEP 48).
    No `base_url`: `repodata_version` 1 has none, and a mirror's address is not known here.

    Args:
        subdir: its name.
        records: by file name.
        relations: the `channel_relations` of the channel (CEP 42).
    """
    new = {name: v3_record(record) for name, record in records.items() if requires_v3(record)}
    old = {name: record for name, record in records.items() if name not in new}
    info: dict[str, Json] = {"subdir": subdir}
    if relations:
        info["channel_relations"] = dict(relations)
    if new:
        info["repodata_revisions"] = {"v3": _statistics(new.values())}
    parts = [
        b'{"info":' + canonical(info),
        *(line[:-1] + _lines(old, suffix) for line, suffix in zip(SECTIONS, _EXTENSIONS, strict=True)),
        b'"repodata_version":1',
    ]
    if new:
        sections = (canonical(suffix[1:]) + b":" + _lines(new, suffix, is_short=True) for suffix in _EXTENSIONS[::-1])
        parts.append(_SECTION_OF_V3 + b",\n".join(sections) + b"}")
    return b",\n".join(parts) + b"}\n"


def _statistics(records: Iterable[Mapping[str, Json]]) -> Json:
    """What CEP 48 says of a revision; the times are those of CEP 47, which most records have not."""
    records = [*records]
    times = [record["indexed_timestamp"] for record in records if record.get("indexed_timestamp") is not None]
    return {"n_packages": len(records), **({"newest": max(times), "oldest": min(times)} if times else {})}


def has_v3(data: bytes) -> bool:
    """Whether a `repodata.json` of ours has a section of CEP 48."""
    return b"\n" + _SECTION_OF_V3 in data


def lists_nothing(data: bytes) -> bool:
    """Whether a `repodata.json` of ours has no record."""
    return data.endswith(b'"packages":{},\n"packages.conda":{},\n"repodata_version":1}\n')


def _lines(records: Mapping[str, Mapping[str, Json]], suffix: str, *, is_short: bool = False) -> bytes:
    """The records of one kind of archive, their keys without the suffix where `is_short` says so."""
    keys = {name: name.removesuffix(suffix) if is_short else name for name in sorted(records) if name.endswith(suffix)}
    if not keys:
        return b"{}"
    rows = (canonical(key) + b":" + canonical(records[name]) for name, key in keys.items())
    return b"{\n" + b",\n".join(rows) + b"\n}"


def read_repodata(data: bytes) -> tuple[str, Mapping[str, Mapping[str, Json]]]:
    """Subdir and records by file name of a `repodata.json` of any writer.

    Raises:
        ValueError: it is no repodata; the text is a sentence.
    """
    subdir, records, _ = read_with_relations(data)
    return subdir, records


def read_with_relations(data: bytes) -> tuple[str, Mapping[str, Mapping[str, Json]], Mapping[str, str]]:
    """The same, and the `channel_relations` (CEP 42) of the subdir, parsed once.

    Raises:
        ValueError: it is no repodata; the text is a sentence.
    """
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"it is not JSON: {error}") from None
    info = document.get("info") if isinstance(document, dict) else None
    subdir = info.get("subdir") if isinstance(info, dict) else None
    if not isinstance(document, dict) or not isinstance(info, dict) or not isinstance(subdir, str):
        raise ValueError("it has no `info.subdir`")  # noqa: TRY004 - what was read is wrong, not the caller
    return subdir, listed_records(document), known_relations(info)


def read_relations(data: bytes) -> Mapping[str, str]:
    """Return the `channel_relations` (CEP 42) of a `repodata.json` of any writer; without any, or if it is none: empty.

    Keys that the CEP does not know are left out, and so is what is no text.
    """
    try:
        first, line_break, _ = data.partition(b"\n")  # of ours it has all of `info`, and the rest may be long
        if line_break and first.startswith(b'{"info":{') and first.endswith(b"},"):
            return known_relations(json.loads(first[:-1] + b"}")["info"])
        return known_relations(json.loads(data)["info"])
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
        return {}


def known_relations(info: Mapping[str, Json]) -> Mapping[str, str]:
    """Return the `channel_relations` (CEP 42) that stand in the `info` of repodata or of a shard index."""
    found = info.get("channel_relations")
    known = found if isinstance(found, dict) else {}
    return {key: known[key] for key in RELATIONS if isinstance(known.get(key), str)}


def listed_records(document: Mapping[str, Json]) -> Mapping[str, Mapping[str, Json]]:
    """Return the records by file name of what repodata or a shard has, those of its `v3` section among them.

    Raises:
        ValueError: it has something else where records should be; the text is a sentence.
    """
    records: dict[str, Mapping[str, Json]] = {}
    for section in ("packages", "packages.conda"):
        records.update(_section(document.get(section, {}), section))
    newer = document.get("v3", {})
    if not isinstance(newer, dict):
        raise ValueError("its `v3` is not a mapping")  # noqa: TRY004 - what was read is wrong, not the caller
    for extension, listed in newer.items():
        rows = _section(listed, f"v3.{extension}")
        records.update({f"{stem}.{extension}": record for stem, record in rows.items()})
    return records


def _section(listed: Json, name: str) -> Mapping[str, Mapping[str, Json]]:
    if not isinstance(listed, dict) or not all(isinstance(record, dict) for record in listed.values()):
        raise ValueError(f"its `{name}` is not a mapping of records")
    return listed


def to_milliseconds(timestamp: int) -> int:
    """Return the timestamp of a record in milliseconds. As rattler: up to the end of the year 9999 it is in seconds."""
    return timestamp if timestamp > LAST_SECOND else timestamp * 1000
