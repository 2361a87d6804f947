"""Write the volumes of an export: each is synced, read back and verified before it gets its name."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pixi_mirror.airgap import layout
from pixi_mirror.airgap.layout import blob_name, end_of, head_of, oci_manifest_of
from pixi_mirror.airgap.manifest import ExportBlob, ExportManifest
from pixi_mirror.airgap.read_archive import require_whole
from pixi_mirror.archives.tar_writer import TarWriter
from pixi_mirror.disk.files import explain_errors, forget_cached_bytes, hash_file, open_regular
from pixi_mirror.errors import MachineError, WrongBytesError
from pixi_mirror.model.values import Sha256, sha256_of
from pixi_mirror.pack.outputs import write_file
from pixi_mirror.progress import Progress
from pixi_mirror.suggest import advised

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenVolume:
    """The file of a volume."""

    path: Path
    size: int
    sha256: Sha256


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportParts:
    """All that an export consists of."""

    mirror: Path
    manifest: ExportManifest
    signature: bytes | None
    rows: bytes
    sources: Mapping[Sha256, Path]
    """Where the bytes of each blob are."""


def write_volume(parts: ExportParts, volume: int, folder: Path, progress: Progress) -> WrittenVolume:
    """Write one volume into a folder.

    Raises:
        WrongBytesError: a file of the mirror has other bytes than it should have, or what was read back has.
        MachineError: a file cannot be read, or the folder cannot be written.
    """
    head = head_of(parts.manifest, volume, parts.signature)
    target = folder / parts.manifest.file_name(volume, sha256_of(head.manifest))

    def fill(write: Callable[[bytes], object]) -> None:
        tar = TarWriter(write)
        documents = [head.manifest, *([head.signature] if head.signature is not None else []), parts.rows]
        tar.file(layout.LAYOUT, len(layout.LAYOUT_DATA), [layout.LAYOUT_DATA])
        tar.file(layout.INDEX, len(head.oci_index), [head.oci_index])
        tar.file(blob_name(oci_manifest_of(head.oci_index)), len(head.oci_manifest), [head.oci_manifest])
        for document in documents:
            tar.file(blob_name(layout.blob_of(document)), len(document), [document])
        for blob in parts.manifest.in_volume(volume):
            tar.file(blob_name(blob), blob.size, _chunks(parts.mirror, blob, parts.sources[blob.sha256]))
            progress.advance(files=1, size=blob.size)
        end = end_of(parts.manifest, volume)
        tar.file(layout.END, len(end), [end])
        tar.finish()

    check = partial(_read_back, parts, volume)
    written = write_file(target, fill, check=check, what="the archive")
    if written.sha256 is None:
        raise MachineError(f"{target} is no file.")  # a type checker cannot know that it always is one
    return WrittenVolume(path=target, size=written.size, sha256=written.sha256)


def _chunks(mirror: Path, blob: ExportBlob, source: Path) -> Iterator[bytes]:
    """The bytes of a file, as many as it should have. The sha256 is checked when the archive is read back."""
    left = blob.size
    with explain_errors("read", source), open(open_regular(source), "rb", buffering=0) as file:
        while left and (chunk := file.read(min(_CHUNK, left))):
            left -= len(chunk)
            yield chunk
        if left or file.read(1):
            raise _changed(mirror, blob, source)


def _changed(mirror: Path, blob: ExportBlob, source: Path) -> WrongBytesError:
    return WrongBytesError(
        f"{source} is not the file of {blob.size} bytes with sha256 {blob.sha256} that it should be, so no archive "
        f"was made of it. Run {advised('verify --repair', mirror)}, and export again."
    )


def _read_back(parts: ExportParts, volume: int, written: Path) -> None:
    """Verify what was written, from the disk and not from memory.

    Raises:
        WrongBytesError: it is not what was to be written.
        MachineError: it cannot be read.
    """
    forget_cached_bytes(written)
    try:
        require_whole(written)
    except WrongBytesError as error:
        for blob in parts.manifest.in_volume(volume):
            source = parts.sources[blob.sha256]
            with explain_errors("read", source):
                if hash_file(source)[0] != blob.sha256:
                    raise _changed(parts.mirror, blob, source) from error
        raise WrongBytesError(
            f"what was written to {written.parent} is not what is read from there ({error}) The disk loses or changes "
            "data, or another program writes there. Nothing was recorded. Use another disk."
        ) from error
