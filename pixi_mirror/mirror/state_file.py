"""The private state of a mirror as a file: `.pixi-mirror/state.json`, which is never served."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from pixi_mirror.disk.files import FileIdentity
from pixi_mirror.mirror.inventory_schema import require_format
from pixi_mirror.model.request import LockReading
from pixi_mirror.model.values import Json, MirrorPath, admit_path

_CTIME = (int, type(None))
FORMAT = 2
"""It goes up whenever an older program could not read what this one writes. All lower ones are read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What only this machine knows about a mirror."""

    locks: Mapping[str, str] = field(default_factory=dict)
    """Subscription id -> absolute path of its lock."""
    manifests: Mapping[str, str] = field(default_factory=dict)
    """Subscription id -> absolute path of the manifest that pixi is asked about; absent: the lock alone is read."""
    readings: Mapping[str, LockReading] = field(default_factory=dict)
    """Subscription id -> how its lock is read, as the user says; absent: nothing is said."""
    found: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Directory -> manifest of the workspace that pixi found from there, and a digest of what that depends on."""
    identities: Mapping[MirrorPath, FileIdentity] = field(default_factory=dict)
    """Of every file in the tree, when it was last known to be right."""
    unlisted: Mapping[MirrorPath, float] = field(default_factory=dict)
    """Files that no index lists any more -> when they were unlisted, in seconds since 1970."""
    attempts: Mapping[MirrorPath, str] = field(default_factory=dict)
    """Index file -> a digest of the last attempt to make its sidecars that gave none; it is not repeated."""
    updated_as: str = ""
    """`TreeView.identity` at the last update, so that a copy is known to be one; empty: not recorded yet."""
    placing: tuple[MirrorPath, ...] = ()
    """Files that the running update places and has not recorded yet. After a kill they are its leftovers."""


def dump(state: State) -> bytes:
    """The file's bytes."""
    return json.dumps(
        {
            "format": FORMAT,
            "locks": dict(state.locks),
            "manifests": dict(state.manifests),
            "formats": {key: each.format for key, each in state.readings.items() if each.format is not None},
            "indexes": {key: each.index for key, each in state.readings.items() if each.index is not None},
            "found": dict(state.found),
            "identities": dict(state.identities),
            "unlisted": dict(state.unlisted),
            "attempts": dict(state.attempts),
            "placing": state.placing,
            "updated_as": state.updated_as,
        },
        sort_keys=True,
        separators=(",", ":"),
    ).encode()


def parse(data: bytes) -> State:
    """The state that the bytes spell.

    Raises:
        ValueError: they do not parse or are of a newer format.
    """
    try:
        raw = json.loads(data)
        require_format(raw["format"], newest=FORMAT)
        return State(
            locks=MappingProxyType({str(key): _path(path) for key, path in raw["locks"].items()}),
            manifests=MappingProxyType({str(key): _path(path) for key, path in raw.get("manifests", {}).items()}),
            readings=_readings(raw.get("formats", {}), raw.get("indexes", {})),
            found=MappingProxyType(
                {_path(key): (_path(row[0]), str(row[1])) for key, row in raw.get("found", {}).items()}
            ),
            identities=MappingProxyType({path: _identity(row) for path, row in raw["identities"].items()}),
            unlisted=MappingProxyType({admit_path(path): float(at) for path, at in raw["unlisted"].items()}),
            attempts=MappingProxyType({admit_path(path): str(at) for path, at in raw.get("attempts", {}).items()}),
            placing=tuple(admit_path(path) for path in raw["placing"]),
            updated_as=str(raw.get("updated_as", "")),
        )
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise ValueError(f"it lacks or misspells {error}") from error


def _readings(formats: Mapping[str, Json], indexes: Mapping[str, Json]) -> Mapping[str, LockReading]:
    def text(raw: Json) -> str | None:
        return None if raw is None else str(raw)

    return MappingProxyType(
        {
            str(key): LockReading(format=text(formats.get(key)), index=text(indexes.get(key)))
            for key in {**formats, **indexes}
        }
    )


def _path(raw: Json) -> str:
    if "\0" in os.fsdecode(os.fsencode(str(raw))):  # it raises a ValueError for half a character
        raise ValueError(f"{raw!r:.60} cannot be the path of a file")
    return str(raw)


def _identity(row: Json) -> FileIdentity:
    size, mtime_ns, inode, ctime_ns = row
    if {type(size), type(mtime_ns), type(inode)} != {int} or type(ctime_ns) not in _CTIME:
        raise ValueError(f"{row!r:.60} is no identity of a file")
    return FileIdentity(size, mtime_ns, inode, ctime_ns)
