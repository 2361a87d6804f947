"""Read an installed prefix: the records under `conda-meta` say what was installed, and from where."""

import json
from pathlib import Path
from types import MappingProxyType

from pixi_mirror.disk.files import read_bytes
from pixi_mirror.errors import WorkspaceError
from pixi_mirror.lockfile.entries import CondaBinary, Lock, LockedEnvironment
from pixi_mirror.lockfile.fields import Malformed, mapping, optional_text, shortened, text
from pixi_mirror.lockfile.formats.choices import locked_platforms
from pixi_mirror.lockfile.formats.conda_locations import channels_of, from_location
from pixi_mirror.lockfile.records import timestamp_ms
from pixi_mirror.model.values import Json

RECORDS = "conda-meta"
"""The folder of a prefix that has a record of each installed package."""

_KEYS = (
    *("name", "version", "build", "build_number", "subdir", "noarch", "sha256", "md5", "size", "timestamp"),
    *("depends", "constrains", "track_features", "features", "license", "license_family", "python_site_packages_path"),
)
"""What of a record is repodata too; the rest is about the installation."""
_LARGEST_RECORD = 64 << 20
"""Bytes; it lists every file of the package."""


def read_records(prefix: Path) -> bytes:
    """The records of a prefix as one JSON document, by the name of their files, without what is about the installation.

    Raises:
        WorkspaceError: there is no prefix, or a record cannot be read.
    """
    found = {}
    try:
        for path in sorted((prefix / RECORDS).iterdir()):
            if path.suffix == ".json":
                found[path.name] = _read_record(path)
    except (FileNotFoundError, NotADirectoryError):
        raise WorkspaceError(f"there is no prefix at {prefix}: it has no folder {RECORDS}.") from None
    except OSError as error:
        raise WorkspaceError(f"the prefix {prefix} cannot be read: {error}.") from None
    return json.dumps(found, sort_keys=True).encode()


def _read_record(path: Path) -> Json:
    try:
        data = read_bytes(path, limit=_LARGEST_RECORD)
    except ValueError as error:
        raise WorkspaceError(f"{path} is damaged: {error}. Install its package anew.") from None
    try:
        record = json.loads(data)
        return {key: record[key] for key in (*_KEYS, "url") if key in record}
    except (ValueError, TypeError, RecursionError):
        raise WorkspaceError(f"{path} is damaged: it is no record in JSON. Install its package anew.") from None


def read_prefix(data: bytes, *, name: str) -> Lock:
    """Return a prefix as a lock with one environment, `default`, and the platform that the prefix is for.

    Args:
        data: what `read_records` gives.
        name: how messages name the prefix.

    Raises:
        WorkspaceError: a record is damaged, or nothing says for which platform the prefix is.
    """
    entries = []
    for file_name, record in json.loads(data).items():
        try:
            entries.append(_entry(record))
        except ValueError as error:
            raise WorkspaceError(
                f"{name}: the record {shortened(file_name)} is damaged: {Malformed(str(error))}. Install its package "
                "anew."
            ) from None
    platforms = sorted({str(entry.record["subdir"]) for entry in entries} - {"noarch"})
    if len(platforms) != 1:
        found = ", ".join(map(shortened, platforms)) or "none but noarch"
        raise WorkspaceError(f"{name}: its packages do not say for which one platform it is; there are {found}.")
    environment = LockedEnvironment(
        channels=channels_of(entries),
        indexes=(),
        find_links=(),
        packages=MappingProxyType({platforms[0]: tuple(entries)}),
        build_packages=MappingProxyType({}),
    )
    try:
        named = locked_platforms(platforms)
    except Malformed as error:
        raise WorkspaceError(f"{name}: {error}.") from None
    return Lock(
        version=1,
        platforms=named,
        environments=MappingProxyType({"default": environment}),
        newest_timestamp=max((timestamp_ms(entry.record) for entry in entries), default=0),
    )


def _entry(record: Json) -> CondaBinary:
    raw = mapping(record, "it")
    found = {key: _spelled(key, raw[key]) for key in _KEYS if raw.get(key) is not None}
    for kind in ("sha256", "md5"):
        if optional_text(found.get(kind), kind) == "":
            del found[kind]
    return from_location(text(raw.get("url"), "url"), found)


def _spelled(key: str, value: Json) -> Json:
    """A value as a `pixi.lock` spells it: numbers are digits, and features are a list."""
    if key == "track_features" and isinstance(value, str):
        return value.replace(",", " ").split()
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int) else value
