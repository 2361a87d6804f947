"""Build small, valid conda packages in memory, the same bytes on every machine; it touches no disk and no network."""

import bz2
import hashlib
import io
import json
import struct
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, TypeAlias

from pixi_mirror.model.values import Json

Extension: TypeAlias = Literal["conda", "tar.bz2"]

_NOTHING: Mapping[str, bytes] = MappingProxyType({})
_NO_EXTRA: Mapping[str, Json] = MappingProxyType({})
_ARCHITECTURES = {"32": "x86", "64": "x86_64"}
"""How `info/index.json` spells the second half of a subdir; every other one stands for itself."""
_EXECUTABLE_FOLDERS = ("bin", "Scripts")

_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_LARGEST_ZSTD_BLOCK = 128 * 1024
_FOUR_BYTE_SIZES = 1 << 32
_EPOCH_OF_ZIP = (1980, 1, 1, 0, 0, 0)
_UNIX = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltPackage:
    """A conda archive with the record that an upstream index shows for it."""

    file_name: str
    data: bytes
    record: Mapping[str, Json]
    """As in `repodata.json`, with `md5`, `sha256` and `size`."""


def build_package(
    *,
    name: str,
    version: str = "1.0",
    build: str = "0",
    build_number: int = 0,
    subdir: str = "noarch",
    depends: Sequence[str] = (),
    constrains: Sequence[str] = (),
    files: Mapping[str, bytes] = _NOTHING,
    payload_size: int = 0,
    timestamp: int = 1700000000000,
    license: str = "BSD-3-Clause",  # noqa: A002 - the record's own word
    noarch: str | None = None,
    track_features: Sequence[str] = (),
    extension: Extension = "conda",
    extra: Mapping[str, Json] = _NO_EXTRA,
) -> BuiltPackage:
    """The package that the arguments describe; each is as in the record, but for these.

    Args:
        files: Path in the prefix -> content; what is below `bin/` or `Scripts/` is executable.
        payload_size: Bytes of incompressible content to add as `share/<name>/payload.bin`.
        noarch: `generic` or `python`; None: `generic` in the subdir `noarch`, else not noarch.
        extension: Which of the two archive formats.
        extra: More keys of `info/index.json`, copied into the record.
    """
    index: dict[str, Json] = {
        "name": name,
        "version": version,
        "build": build,
        "build_number": build_number,
        "depends": list(depends),
        "subdir": subdir,
        "timestamp": timestamp,
        "license": license,
        **_kind(subdir, noarch),
    }
    if constrains:
        index["constrains"] = list(constrains)
    if track_features:
        index["track_features"] = " ".join(track_features)
    content = dict(files)
    if payload_size:
        seed = f"{subdir}/{name}-{version}-{build}".encode()
        content[f"share/{name}/payload.bin"] = hashlib.shake_256(seed).digest(payload_size)
    return _packed({**index, **extra}, content, extension)


def _packed(index: Mapping[str, Json], content: Mapping[str, bytes], extension: Extension) -> BuiltPackage:
    stem = f"{index['name']}-{index['version']}-{index['build']}"
    info = _info(index, content)
    data = _conda(stem, info, content) if extension == "conda" else bz2.compress(_tar({**info, **content}), 1)
    record = {
        **index,
        "md5": hashlib.md5(data, usedforsecurity=False).hexdigest(),
        "sha256": hashlib.sha256(data).hexdigest(),
        "size": len(data),
    }
    return BuiltPackage(file_name=f"{stem}.{extension}", data=data, record=MappingProxyType(record))


def zstd_frame(data: bytes) -> bytes:
    """A zstd frame of raw blocks (RFC 8878): no compression, so no library, and the same bytes everywhere."""
    # Frame header: single segment, content size in 4 or 8 bytes, no checksum, no dictionary.
    head = struct.pack("<BI", 0xA0, len(data)) if len(data) < _FOUR_BYTE_SIZES else struct.pack("<BQ", 0xE0, len(data))
    pieces = [_ZSTD_MAGIC, head]
    # An empty frame still needs one block, and it is the last.
    for start in range(0, len(data) or 1, _LARGEST_ZSTD_BLOCK):
        block = data[start : start + _LARGEST_ZSTD_BLOCK]
        last = start + _LARGEST_ZSTD_BLOCK >= len(data)
        pieces += [(len(block) << 3 | last).to_bytes(3, "little"), block]
    return b"".join(pieces)


def _kind(subdir: str, noarch: str | None) -> dict[str, Json]:
    if noarch or subdir == "noarch":
        return {"noarch": noarch or "generic"}
    platform, _, architecture = subdir.partition("-")
    return {"platform": platform, "arch": _ARCHITECTURES.get(architecture, architecture)}


def _info(index: Mapping[str, Json], content: Mapping[str, bytes]) -> dict[str, bytes]:
    paths = [
        {
            "_path": path,
            "path_type": "hardlink",
            "sha256": hashlib.sha256(data).hexdigest(),
            "size_in_bytes": len(data),
        }
        for path, data in sorted(content.items())
    ]
    documents: dict[str, Json] = {
        "info/index.json": dict(index),
        "info/paths.json": {"paths": paths, "paths_version": 1},
        "info/about.json": {"license": index["license"], "summary": f"{index['name']}, made by pixi-mirror"},
    }
    return {path: json.dumps(document, sort_keys=True).encode() for path, document in documents.items()}


def _conda(stem: str, info: Mapping[str, bytes], content: Mapping[str, bytes]) -> bytes:
    members = {
        "metadata.json": json.dumps({"conda_pkg_format_version": 2}).encode(),
        f"pkg-{stem}.tar.zst": zstd_frame(_tar(content)),
        f"info-{stem}.tar.zst": zstd_frame(_tar(info)),
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for member, data in members.items():
            entry = zipfile.ZipInfo(member, _EPOCH_OF_ZIP)
            entry.create_system = _UNIX  # else Windows writes other bytes
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, data)
    return buffer.getvalue()


def _tar(members: Mapping[str, bytes]) -> bytes:
    """A tar of regular files, `info/` first, without owner or clock."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path, data in sorted(members.items(), key=lambda member: (not member[0].startswith("info/"), member[0])):
            entry = tarfile.TarInfo(path)
            entry.size = len(data)
            entry.mode = 0o755 if path.split("/")[0] in _EXECUTABLE_FOLDERS else 0o644
            archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()
