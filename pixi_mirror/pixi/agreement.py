"""Compare the packages that pixi lists for an environment on a platform with those of the lock; pure."""

import re
from collections.abc import Iterable, Mapping
from typing import TypeAlias

from pixi_mirror.conda.repodata import to_milliseconds
from pixi_mirror.errors import WorkspaceError
from pixi_mirror.lockfile.entries import CondaBinary, CondaSource, Entry, PypiEntry
from pixi_mirror.model.values import Json, Url
from pixi_mirror.pixi.list import Rows
from pixi_mirror.progress import counted
from pixi_mirror.pypi.names import canonical_name

_Key: TypeAlias = tuple[str, str, str]
"""Kind, normalised name, location."""

_CONDA_FIELDS = {
    "version": "version",
    "build": "build",
    "build_number": "build_number",
    "subdir": "subdir",
    "size_bytes": "size",
    "sha256": "sha256",
    "md5": "md5",
    "timestamp": "timestamp",
    "noarch": "noarch",
    "depends": "depends",
    "constrains": "constrains",
    "track_features": "track_features",
}
"""Field of pixi's row -> field of the record."""


def refuse_disagreement(rows: Rows, entries: Iterable[Entry], *, place: str) -> None:
    """Refuse a lock of which pixi lists other packages, or packages with other fields.

    Args:
        rows: what pixi lists.
        entries: those of the lock.
        place: how messages name the environment and platform.

    Raises:
        WorkspaceError: they differ; it names the package and both values.
    """
    locked: dict[_Key, list[Entry]] = {}
    for entry in entries:
        locked.setdefault(_key_of_entry(entry), []).append(entry)
    if locked and not rows:
        raise WorkspaceError(
            f"pixi lists nothing for {place}, where the lock has {counted(len(locked), 'package')}. {_ADVICE}"
        )
    seen: set[_Key] = set()
    for row in rows:
        key = _key_of_row(row)
        if key not in locked:
            raise _unknown(row, locked, place)
        seen.add(key)
        differences = [difference for entry in locked[key] if (difference := _difference(row, entry))]
        if len(differences) == len(locked[key]):
            raise WorkspaceError(
                f"{place}: pixi and the lock disagree about {_called(row)}: {differences[0]}. {_ADVICE}"
            )
    for kind, name, location in locked:
        if (kind, name, location) not in seen:
            raise WorkspaceError(
                f"{place}: the lock has the {kind} package {name} ({Url(location)}), which pixi does not list. "
                f"{_ADVICE}"
            )


_ADVICE = (
    "Perhaps the lock has just changed: run this again; else write it anew with `pixi lock`, or mirror it without "
    "asking pixi (--lock)."
)


def _called(row: Mapping[str, Json]) -> str:
    return f"the {row['kind']} package {row['name']} {row.get('version') or ''}".rstrip()


def _key_of_row(row: Mapping[str, Json]) -> _Key:
    name = row["name"]
    if row["kind"] == "pypi":
        return ("pypi", canonical_name(name), row["url"])
    return ("conda" if row.get("file_name") is not None else "source", name, row["url"])


def _key_of_entry(entry: Entry) -> _Key:
    match entry:
        case CondaBinary():
            return ("conda", entry.record["name"], entry.location)
        case CondaSource():
            return ("source", entry.name, entry.location)
        case PypiEntry():
            return ("pypi", canonical_name(entry.name), entry.location)


def _unknown(row: Mapping[str, Json], locked: Mapping[_Key, object], place: str) -> WorkspaceError:
    kind, name, location = _key_of_row(row)
    others = [other for other_kind, other_name, other in locked if (other_kind, other_name) == (kind, name)]
    found = f"the lock has it at {Url(others[0])}" if others else "the lock does not have it there"
    return WorkspaceError(
        f"{place}: pixi and the lock disagree about {_called(row)}: pixi lists it at {Url(location)}, and {found}. "
        f"{_ADVICE}"
    )


def _difference(row: Mapping[str, Json], entry: Entry) -> str | None:
    """The first field in which they differ, as part of a sentence; None: they agree."""
    match entry:
        case CondaBinary():
            return _conda_difference(row, entry)
        case CondaSource():
            return None
        case PypiEntry():
            locked = {"version": entry.version, "sha256": entry.sha256, "md5": entry.md5}
            # For a directory pixi lists neither version nor hash, and locks below version 7 have both.
            wrong = [field for field in locked if row.get(field) is not None and row[field] != locked[field]]
            return f"{wrong[0]} is {row[wrong[0]]!r} for pixi and {locked[wrong[0]]!r} in the lock" if wrong else None


def _conda_difference(row: Mapping[str, Json], entry: CondaBinary) -> str | None:
    if row["file_name"] != entry.file_name:
        return f"file_name is {row['file_name']!r} for pixi and {entry.file_name!r} in the lock"
    for theirs, ours in _CONDA_FIELDS.items():
        if theirs not in row:
            continue
        listed, locked = _comparable(theirs, row[theirs]), _comparable(theirs, entry.record.get(ours))
        if listed != locked:
            return f"{theirs} is {_short(listed)} for pixi and {_short(locked)} in the lock"
    return None


def _comparable(field: str, value: Json) -> Json:
    """A value as pixi spells it; null, zero and empty count as the same."""
    if not value:
        return None
    if field == "track_features" and isinstance(value, str):
        return re.split(r"[,\s]+", value.strip())
    if field == "timestamp" and isinstance(value, int):
        return to_milliseconds(value)  # as pixi shows it
    return list(value) if isinstance(value, tuple) else value


def _short(value: Json) -> str:
    shown = repr(value)
    return shown if len(shown) <= 200 else shown[:200] + "..."  # noqa: PLR2004 - about two lines
