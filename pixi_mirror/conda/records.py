"""Read from a conda package the record that an index would have: its `info/index.json`, its hashes and its size."""

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO

from pixi_mirror.archives.compression import DecompressedStream
from pixi_mirror.archives.opening import open_archive
from pixi_mirror.archives.tar import read_tar
from pixi_mirror.conda.archives import open_info_tar
from pixi_mirror.conda.names import SUBDIRS, is_subdir, split_safe_file_name
from pixi_mirror.model.values import Json

LARGEST_INDEX = 4 << 20
"""Bytes of `info/index.json`."""
LARGEST_RATIO = 200
"""How many times its size a package may become; what is not made of zeros does not get near it."""
SMALLEST_LIMIT = 1 << 28
"""Bytes that any package may become, whatever the ratio is: reading so many takes some seconds."""
MOST_MEMBERS = 2_000_000

_INDEX, _INDEX_PARTS = "info/index.json", ["info", "index.json"]
_CHUNK = 1 << 20
_LARGEST_NUMBER = 2**64 - 1
_OMITTED_WHEN_EMPTY = ("constrains", "extra_depends", "flags", "track_features", "noarch", "features")


def read_record(path: Path, *, file_name: str | None = None) -> Mapping[str, Json]:
    """The record of a `.conda` or `.tar.bz2` as it belongs in `repodata.json`, with md5, sha256 and size.

    `file_name` is what the package is called, by default the name of `path`; it has to be that of its record.

    Raises:
        ValueError: it is no conda package, damaged, hostile, or contradicts itself.
        MachineError: the file cannot be read.
    """
    called = path.name if file_name is None else file_name
    with open_archive(path, file_name=called) as file:
        name, version, build, _ = split_safe_file_name(called)
        sums = _sums(file)
        limit = max(SMALLEST_LIMIT, LARGEST_RATIO * sums["size"])
        record = _record(_index(open_info_tar(file, file_name=called, limit=limit)))
        found = (record["name"].lower(), record["version"], record["build"])
        if found != (name.lower(), version, build):
            raise ValueError(
                f"its {_INDEX} says that it is {'-'.join(found)}, so that is what its file has to be called"
            )
        return dict(sorted({**record, **sums}.items()))


def _sums(file: BinaryIO) -> dict[str, Json]:
    sha256, md5, size = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
    while chunk := file.read(_CHUNK):
        sha256.update(chunk)
        md5.update(chunk)
        size += len(chunk)
    file.seek(0)
    return {"md5": md5.hexdigest(), "sha256": sha256.hexdigest(), "size": size}


def _index(tar: DecompressedStream) -> bytes:
    """The content of the one `info/index.json`; the tar is read to its end, so that a damaged one is noticed."""
    found: bytes | None = None
    for member, content in read_tar(tar, most_members=MOST_MEMBERS):
        if [part for part in member.name.split("/") if part not in ("", ".")] != _INDEX_PARTS:
            continue
        if found is not None:
            raise ValueError(f"it has more than one {_INDEX}, so it is ambiguous")
        if member.kind != "file":
            raise ValueError(f"{_INDEX} in it is no regular file")
        if member.size > LARGEST_INDEX:
            raise ValueError(f"{_INDEX} in it is {member.size} bytes long, more than {LARGEST_INDEX} are not read")
        found = content.read()
    tar.drain()
    if found is None:
        raise ValueError(f"it has no {_INDEX}, so it is no conda package")
    return found


def _record(index: bytes) -> dict[str, Json]:
    """The record that an `info/index.json` makes, with what repodata has of it and nothing else."""
    document = _table(index)
    record = {key: document[key] for key in _KINDS if document.get(key) is not None}
    if _is_texts(record.get("track_features")):
        record["track_features"] = " ".join(record["track_features"])
    record.setdefault("depends", [])
    record = {key: value for key, value in record.items() if value or key not in _OMITTED_WHEN_EMPTY}
    for key, value in record.items():
        if not _KINDS[key](value):
            raise ValueError(f"{key} in its {_INDEX} is not what a record has there: {str(value)[:80]!r}")
    record.setdefault("subdir", _subdir(record))
    for key in ("name", "version", "build", "build_number", "subdir"):
        if record.get(key, "") == "":
            raise ValueError(f"its {_INDEX} does not say its {key}")
    if not is_subdir(record["subdir"]):
        raise ValueError(f"{record['subdir']!r} in its {_INDEX} is no subdir of a channel")
    return record


def _table(index: bytes) -> dict[str, Json]:
    try:
        document = json.loads(index)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"its {_INDEX} is no JSON: {error}") from error
    if not isinstance(document, dict):
        raise ValueError(f"its {_INDEX} is no table")  # noqa: TRY004 - it is wrong bytes, not a wrong call
    return document


def _subdir(record: Mapping[str, Json]) -> str:
    """What the oldest packages, which do not say their subdir, were made for; empty: unknown."""
    if record.get("noarch"):
        return "noarch"
    made_for = (record.get("arch"), record.get("platform"))
    return next((subdir for subdir, each in SUBDIRS.items() if each == made_for and made_for[1]), "")


def _is_text(value: Json) -> bool:
    return isinstance(value, str)


def _is_texts(value: Json) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _is_groups(value: Json) -> bool:
    return isinstance(value, dict) and all(map(_is_texts, value.values()))


def _is_number(value: Json) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _LARGEST_NUMBER


def _is_noarch(value: Json) -> bool:
    return value in ("python", "generic") or value is True


_KINDS: Mapping[str, Callable[[Json], bool]] = MappingProxyType(
    {
        "arch": _is_text,
        "build": _is_text,
        "build_number": _is_number,
        "constrains": _is_texts,
        "depends": _is_texts,
        "extra_depends": _is_groups,
        "features": _is_text,
        "flags": _is_texts,
        "license": _is_text,
        "license_family": _is_text,
        "name": _is_text,
        "noarch": _is_noarch,
        "platform": _is_text,
        "purls": _is_texts,
        "python_site_packages_path": _is_text,
        "subdir": _is_text,
        "timestamp": _is_number,
        "track_features": _is_text,
        "version": _is_text,
    }
)
"""The fields of `info/index.json` that repodata has, and what each of them has to be."""
