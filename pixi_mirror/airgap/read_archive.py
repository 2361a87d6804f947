"""Read an archive strictly: the members that its manifest lists, in their order, each with the right bytes.

Nothing is ever written by a name from an archive: a member is known by its sha256.
"""

import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import NamedTuple

from pixi_mirror.airgap import layout
from pixi_mirror.airgap.layout import blob_name, end_of, head_of
from pixi_mirror.airgap.manifest import ExportBlob, ExportManifest, parse_manifest
from pixi_mirror.archives.opening import open_archive
from pixi_mirror.archives.plain_tar import PlainMember, read_plain_tar
from pixi_mirror.disk.files import explain_errors, open_regular
from pixi_mirror.errors import WrongBytesError
from pixi_mirror.model.values import Sha256, sha256_of
from pixi_mirror.threads import ThreadPool, share_out

LONGEST_ROWS = 256 << 20
"""In bytes, compressed."""

_HASHING = os.cpu_count() or 1
_SHARE, _MOST_SHARED = 1 << 20, 64
"""Bytes, and files, that one thread hashes before it takes others."""
_CHUNK = 1 << 18

_Members = Iterator[tuple[PlainMember, Iterator[bytes]]]


class ArchivedFile(NamedTuple):
    """A file in an archive, whose sha256 nobody has checked."""

    blob: ExportBlob
    """What it has to be."""
    offset: int
    """Of its first byte in the archive."""
    pieces: Iterator[bytes]
    """Its content. What is not taken before the next file is skipped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveHead:
    """What is known of an archive before its files are read; all of it was compared with its digests."""

    path: Path
    manifest: ExportManifest
    manifest_data: bytes
    volume: int
    """The first is 1."""
    rows: bytes
    """The generation's own file, unchecked but for its digest."""
    signature: bytes | None

    @property
    def identity(self) -> Sha256:
        """Of the export: the sha256 of its manifest."""
        return sha256_of(self.manifest_data)


@contextmanager
def opened(path: Path) -> Iterator[tuple[ArchiveHead, Iterator[ArchivedFile]]]:
    """Open an archive for the block.

    Yields:
        Its head, and its files. When the files have been iterated to the end, the archive was whole.

    Raises:
        WrongBytesError: it is no archive of ours, is damaged or cut short, or the block raises ValueError.
        MachineError: it cannot be read.
    """
    try:
        with open_archive(path, file_name=str(path)) as file:
            members = read_plain_tar(file, seekable=True)
            head = _read_head(path, members)
            yield head, _files(head, members, file.tell)
    except ValueError as error:
        raise WrongBytesError(
            f"{error}. Nothing changes for clients. Copy the archive again, or ask for it again where it comes from."
        ) from error


def read_head(path: Path) -> ArchiveHead:
    """The head of an archive; its files are not read.

    Raises:
        WrongBytesError: it is no archive of ours, or its head is damaged.
        MachineError: it cannot be read.
    """
    with opened(path) as (head, _):
        return head


def require_whole(path: Path, advance: Callable[[ExportBlob], None] = lambda _: None) -> None:
    """Read a whole archive, with every sha256 in it, on all cores.

    Args:
        path: of the archive.
        advance: hears of each file that was right.

    Raises:
        WrongBytesError: something in it is wrong.
        MachineError: it cannot be read.
    """
    waiting: deque[tuple[list[ArchivedFile], Callable[[], None]]] = deque()

    def finish() -> None:
        share, wait = waiting.popleft()
        wait()
        for each in share:
            advance(each.blob)

    with opened(path) as (_, files), ThreadPool(_HASHING) as pool:
        for share in share_out(files, lambda each: each.blob.size, size=_SHARE, most=_MOST_SHARED):
            waiting.append((share, pool.submit(_require_share, path, share).result))
            if len(waiting) > 2 * _HASHING:  # the headers are read not far ahead of the files: a disk reads in order
                finish()
        while waiting:
            finish()


def _require_share(path: Path, share: list[ArchivedFile]) -> None:
    """Hash some files of an archive, which stand one after the other."""
    with explain_errors("read", path), open(open_regular(path), "rb", buffering=0) as archive:
        for each in share:
            archive.seek(each.offset)
            require_bytes(each.blob, _content(archive, each.blob.size))


def _content(archive: FileIO, size: int) -> Iterator[bytes]:
    left = size
    while left and (piece := archive.read(min(left, _CHUNK))):
        left -= len(piece)
        yield piece


def require_bytes(blob: ExportBlob, pieces: Iterator[bytes]) -> None:
    """Hash a file of an archive.

    Raises:
        ValueError: it has other bytes.
    """
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    if digest.hexdigest() != blob.sha256:
        raise ValueError(f"the file {blob.sha256} in it has other bytes, of sha256 {digest.hexdigest()}")


def _read_head(path: Path, members: _Members) -> ArchiveHead:
    if _next(members, layout.LAYOUT, most=layout.LONGEST_INDEX) != layout.LAYOUT_DATA:
        raise ValueError("its `oci-layout` is not as this program writes it")
    oci_index = _next(members, layout.INDEX, most=layout.LONGEST_INDEX)
    oci_manifest = _next_blob(members, layout.oci_manifest_of(oci_index), most=layout.LONGEST_DOCUMENT)
    answer = layout.read_oci_manifest(oci_manifest)
    data = _next_blob(members, answer.config, most=layout.LONGEST_DOCUMENT)
    manifest = parse_manifest(data)
    if not 1 <= answer.volume <= len(manifest.volumes):
        raise ValueError(f"it says that it is volume {answer.volume} of {len(manifest.volumes)}")
    signature = None
    if answer.signature is not None:
        signature = _next_blob(members, answer.signature, most=layout.LONGEST_SIGNATURE)
    # All of these documents follow from the manifest, so nothing else can hide in them.
    wanted = head_of(manifest, answer.volume, signature)
    if (wanted.oci_index, wanted.oci_manifest) != (oci_index, oci_manifest):
        raise ValueError("its OCI documents are not those of its manifest")
    rows = _next_blob(members, manifest.rows, most=LONGEST_ROWS)
    return ArchiveHead(
        path=path, manifest=manifest, manifest_data=data, volume=answer.volume, rows=rows, signature=signature
    )


def _files(head: ArchiveHead, members: _Members, tell: Callable[[], int]) -> Iterator[ArchivedFile]:
    for blob in head.manifest.in_volume(head.volume):
        pieces = _member(members, blob_name(blob), size=blob.size)
        yield ArchivedFile(blob, tell(), pieces)
    end = end_of(head.manifest, head.volume)
    if _next(members, layout.END, most=len(end)) != end:
        raise ValueError("what stands at its end is not that of its manifest")
    for member, _ in members:
        raise ValueError(f"it has a member {member.name[:100]!r} that its manifest does not list")


def _member(members: _Members, name: str, *, size: int | None = None) -> Iterator[bytes]:
    """The content of the next member, which has to be this one."""
    found = next(members, None)
    if found is None:
        raise ValueError(f"it ends where {name} should come")
    member, pieces = found
    if member.name != name or member.kind != "file" or member.is_sparse:
        raise ValueError(f"it has {member.name[:100]!r} where {name} should come")
    if size is not None and member.size != size:
        raise ValueError(f"{name} in it has {member.size} bytes instead of {size}")
    return pieces


def _next(members: _Members, name: str, *, most: int) -> bytes:
    found = next(members, None)
    if found is None or found[0].name != name or found[0].kind != "file" or found[0].is_sparse:
        raise ValueError(
            f"it is no archive of `pixi-mirror export`, or it is damaged: {name} is not where it should be"
        )
    if found[0].size > most:
        raise ValueError(f"{name} in it is {found[0].size} bytes long, and more than {most} are not read")
    return b"".join(found[1])


def _next_blob(members: _Members, blob: ExportBlob, *, most: int) -> bytes:
    if blob.size > most:
        raise ValueError(f"a document in it is {blob.size} bytes long, and more than {most} are not read")
    data = b"".join(_member(members, blob_name(blob), size=blob.size))
    if sha256_of(data) != blob.sha256:
        raise ValueError(f"the document {blob.sha256} in it has other bytes, of sha256 {sha256_of(data)}")
    return data
