"""Write `repodata.json` in one canonical way, and read it back from any writer; pure."""

import json
from collections.abc import Mapping

from pixi_mirror.model.values import Json, canonical

_LAST_SECOND = 253_402_300_799
"""The end of the year 9999."""


def repodata(subdir: str, records: Mapping[str, Mapping[str, Json]]) -> bytes:
    """The `repodata.json` of `subdir` that lists `records` by file name; equal input gives equal bytes.

    One record a line, sorted; `.tar.bz2` under `packages`, `.conda` under `packages.conda`, whatever the records say.
    No `base_url`: `repodata_version` 1 has none, and a mirror's address is not known here.
    """
    parts = (
        b'{"info":' + canonical({"subdir": subdir}),
        b'"packages":' + _lines(records, ".tar.bz2"),
        b'"packages.conda":' + _lines(records, ".conda"),
        b'"repodata_version":1}\n',
    )
    return b",\n".join(parts)


def lists_nothing(data: bytes) -> bool:
    """Whether a `repodata.json` of ours has no record."""
    return b'"packages":{},\n"packages.conda":{},\n' in data


def _lines(records: Mapping[str, Mapping[str, Json]], suffix: str) -> bytes:
    names = sorted(name for name in records if name.endswith(suffix))
    if not names:
        return b"{}"
    return b"{\n" + b",\n".join(canonical(name) + b":" + canonical(records[name]) for name in names) + b"\n}"


def read_repodata(data: bytes) -> tuple[str, Mapping[str, Mapping[str, Json]]]:
    """Subdir and records by file name of a `repodata.json` of any writer.

    Raises:
        ValueError: it is no repodata; the text is a sentence.
    """
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"it is not JSON: {error}") from None
    info = document.get("info") if isinstance(document, dict) else None
    subdir = info.get("subdir") if isinstance(info, dict) else None
    if not isinstance(document, dict) or not isinstance(subdir, str):
        raise ValueError("it has no `info.subdir`")  # noqa: TRY004 - what was read is wrong, not the caller
    records: dict[str, Mapping[str, Json]] = {}
    for section in ("packages", "packages.conda"):
        listed = document.get(section, {})
        if not isinstance(listed, dict) or not all(isinstance(record, dict) for record in listed.values()):
            raise ValueError(f"its `{section}` is not a mapping of records")
        records.update(listed)
    return subdir, records


def to_milliseconds(timestamp: int) -> int:
    """Return the timestamp of a record in milliseconds. As rattler: up to the end of the year 9999 it is in seconds."""
    return timestamp if timestamp > _LAST_SECOND else timestamp * 1000
