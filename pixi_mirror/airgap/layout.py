"""The members of an archive and their order: an OCI image layout in a tar, all of it following from the manifest; pure.

An archive is one volume of an export. Its members are, in this order:

1. `oci-layout` and `index.json`, by which tools of registries know it;
2. `blobs/sha256/…` of the OCI manifest, of the manifest of the export (to OCI: the config), of its signature if it has
   one, and of the generation's rows;
3. `blobs/sha256/…` of the files, by rising sha256;
4. `end.json`, with the number of files and their bytes, so that an archive which was cut short is known.

https://github.com/opencontainers/image-spec/blob/v1.1.1/image-layout.md
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from pixi_mirror.airgap.manifest import ExportBlob, ExportManifest, dump_manifest
from pixi_mirror.archives.tar import BLOCK
from pixi_mirror.errors import UsageError
from pixi_mirror.model.values import Json, admit_sha256, canonical, sha256_of
from pixi_mirror.progress import format_size

LAYOUT, INDEX, END = "oci-layout", "index.json", "end.json"
LAYOUT_DATA = b'{"imageLayoutVersion":"1.0.0"}'
LONGEST_INDEX = 1 << 16
"""In bytes; ours have less than 1000."""
LONGEST_DOCUMENT = 64 << 20
"""In bytes, of a manifest: enough for 400,000 files."""
LONGEST_SIGNATURE = 1 << 14
"""In bytes; one of RSA has 1700, one with a certificate more."""

_OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_TYPE = "application/vnd.pixi-mirror."
_EXPORT, _ROWS, _FILE, _SIGNATURE = (f"{_TYPE}{kind}" for kind in ("export.v1", "rows.v1", "file.v1", "signature.v1"))
_VOLUME = "io.pixi-mirror.volume"
_TITLE = "org.opencontainers.image.title"
_REFERENCE = "org.opencontainers.image.ref.name"
_LAYER = 260
"""More bytes than the row of a file in the OCI manifest has, but for the name of a tool."""
_NUMBER_LENGTH = 11
_SMALL_DOCUMENTS = 8192
"""More bytes than all other documents of a volume take in a tar, with its end mark."""


class Head(NamedTuple):
    """What stands before the files of an archive, besides the rows."""

    oci_index: bytes
    oci_manifest: bytes
    manifest: bytes
    signature: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OciAnswer:
    """What the documents of a registry say of an archive."""

    config: ExportBlob
    """The manifest of the export."""
    volume: int
    signature: ExportBlob | None


def blob_of(data: bytes) -> ExportBlob:
    """The blob that has these bytes."""
    return ExportBlob(sha256_of(data), len(data))


def blob_name(blob: ExportBlob) -> str:
    """The name of a blob's member."""
    return f"blobs/sha256/{blob.sha256}"


def head_of(manifest: ExportManifest, volume: int, signature: bytes | None) -> Head:
    """What stands before the files of a volume."""
    data = dump_manifest(manifest)
    config = blob_of(data)
    extra = [_descriptor(_SIGNATURE, blob_of(signature))] if signature is not None else []
    titles = {tool.blob: {"annotations": {_TITLE: tool.name}} for tool in manifest.tools}
    files = [{**_descriptor(_FILE, blob), **titles.get(blob, {})} for blob in manifest.in_volume(volume)]
    oci_manifest = canonical(
        {
            "schemaVersion": 2,
            "mediaType": _OCI_MANIFEST,
            "artifactType": _EXPORT,
            "config": _descriptor(f"{_EXPORT}+json", config),
            "layers": [*extra, _descriptor(f"{_ROWS}+gzip", manifest.rows), *files],
            "annotations": {_VOLUME: str(volume)},
        }
    )
    reference = manifest.file_name(volume, config.sha256).removesuffix(".tar")
    row = {**_descriptor(_OCI_MANIFEST, blob_of(oci_manifest)), "artifactType": _EXPORT}
    oci_index = canonical({"schemaVersion": 2, "manifests": [{**row, "annotations": {_REFERENCE: reference}}]})
    return Head(oci_index=oci_index, oci_manifest=oci_manifest, manifest=data, signature=signature)


def _descriptor(media_type: str, blob: ExportBlob) -> dict[str, Json]:
    return {"mediaType": media_type, "digest": f"sha256:{blob.sha256}", "size": blob.size}


def oci_manifest_of(oci_index: bytes) -> ExportBlob:
    """The manifest that an `index.json` of ours names.

    Raises:
        ValueError: it is none of ours.
    """
    try:
        (row,) = json.loads(oci_index)["manifests"]
        if row["artifactType"] != _EXPORT:
            raise ValueError("it is an image of something else than a mirror")
        return _blob_of_row(row)
    except (KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
        raise ValueError("it is an image of something else than a mirror") from error


def read_oci_manifest(data: bytes) -> OciAnswer:
    """What the OCI manifest of an archive says.

    Raises:
        ValueError: it is none of ours.
    """
    try:
        raw = json.loads(data)
        first = raw["layers"][0]
        return OciAnswer(
            config=_blob_of_row(raw["config"]),
            volume=int(raw["annotations"][_VOLUME]),
            signature=_blob_of_row(first) if first["mediaType"] == _SIGNATURE else None,
        )
    except (KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
        raise ValueError("its OCI manifest is none that this program writes") from error


def _blob_of_row(row: Json) -> ExportBlob:
    if type(row["size"]) is not int or not row["digest"].startswith("sha256:"):
        raise ValueError("a descriptor in it is none of OCI")
    return ExportBlob(admit_sha256(row["digest"].removeprefix("sha256:")), row["size"])


def end_of(manifest: ExportManifest, volume: int) -> bytes:
    """What stands behind the files of a volume."""
    blobs = manifest.in_volume(volume)
    return canonical(
        {
            "volume": volume,
            "files": len(blobs),
            "bytes": sum(blob.size for blob in blobs),
            "manifest": sha256_of(dump_manifest(manifest)),
        }
    )


def split_into_volumes(manifest: ExportManifest, signature_size: int, most: int | None) -> tuple[int, ...]:
    """How many of the blobs go into each volume so that no volume's file is longer than `most` bytes.

    Args:
        manifest: its `volumes` do not matter.
        signature_size: bytes of the signature that each volume will have; 0: none.
        most: bytes; None: there is one volume.

    Raises:
        UsageError: `most` is too small for a file.
    """
    if most is None or not manifest.blobs:
        return (len(manifest.blobs),)
    size_of_manifest = len(dump_manifest(manifest))
    row = _LAYER + sum(len(tool.name) + len(_TITLE) for tool in manifest.tools)
    largest = max(blob.size for blob in manifest.blobs)

    def fixed(volumes: int) -> int:
        documents = (size_of_manifest + volumes * _NUMBER_LENGTH, manifest.rows.size, signature_size)
        return sum(map(_stored, documents)) + _SMALL_DOCUMENTS

    count = 1
    while True:
        room = most - fixed(count)
        if _stored(largest) + row > room:
            enough = _stored(largest) + row + fixed(len(manifest.blobs))
            raise UsageError(
                f"--volume-size is too small: the largest file has {format_size(largest)}, and none is split. Use "
                f"{-(-enough // 1000)}k or more."
            )
        volumes = _filled(manifest.blobs, room, row=row)
        if len(volumes) <= count:
            return volumes
        count = len(volumes)


def _filled(blobs: Sequence[ExportBlob], room: int, *, row: int) -> tuple[int, ...]:
    volumes, left = [0], room
    for blob in blobs:
        size = _stored(blob.size) + row
        if size > left:
            volumes.append(0)
            left = room
        volumes[-1] += 1
        left -= size
    return tuple(volumes)


def _stored(size: int) -> int:
    """Bytes that a member of this size takes in a tar."""
    return BLOCK + size + -size % BLOCK
