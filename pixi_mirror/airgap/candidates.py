"""The generations that an import could bring: those of the archives given, and those that wait for files."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pixi_mirror.airgap.layout import blob_of
from pixi_mirror.airgap.manifest import ExportBlob, ExportManifest, distinct, parse_manifest
from pixi_mirror.airgap.read_archive import ArchiveHead
from pixi_mirror.errors import MachineError, WrongBytesError
from pixi_mirror.mirror import inventory_file
from pixi_mirror.mirror.generation_file import Generation, parse_head, parse_rows
from pixi_mirror.mirror.generation_rows import content_digest, document_of
from pixi_mirror.mirror.staged import StagedFiles
from pixi_mirror.model.packages import Inventory
from pixi_mirror.model.values import MirrorPath, Sha256

_RATIO, _LEAST = 100, 1 << 20
"""Rows may be so many times as long as they are compressed, and a little; true ones are less than 40 times."""
_MOST_ROWS = 1 << 29


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One generation that could become the current one."""

    manifest: ExportManifest
    manifest_data: bytes
    rows_data: bytes
    signature: bytes | None
    is_given: bool
    """Whether an archive of it was given, and not only kept from earlier imports."""
    head: Generation
    rows: frozenset[str]
    inventory: Inventory
    """What it holds, without the files that are made; it has no stamp."""

    @property
    def number(self) -> int:
        """Of the generation."""
        return self.manifest.number

    @property
    def files(self) -> Mapping[Sha256, int]:
        """The files that it has, with their sizes."""
        return {file.sha256: file.size for file in self.inventory.stored.values()}

    def path_of(self, sha256: Sha256) -> MirrorPath:
        """A path of one of its files."""
        return min(path for path, file in self.inventory.stored.items() if file.sha256 == sha256)


def given_candidates(heads: Iterable[ArchiveHead]) -> Mapping[int, Candidate]:
    """The generations of archives, by number; of several exports of one generation the last counts.

    Raises:
        WrongBytesError: what an archive says of its generation contradicts itself.
    """
    found: dict[int, Candidate] = {}
    read: dict[Sha256, Candidate] = {}
    for head in heads:
        if head.identity not in read:
            read[head.identity] = _candidate(
                head.manifest, head.manifest_data, head.rows, head.signature, where=head.path, is_given=True
            )
        found[head.manifest.number] = read[head.identity]
    return found


def waiting_candidates(staged: StagedFiles, mirror: str) -> Mapping[int, Candidate]:
    """The generations that wait for files, by number.

    Args:
        staged: the files that wait.
        mirror: the random name of the mirror that they must be of.

    Raises:
        MachineError: what is kept of one cannot be read.
    """
    found = {}
    for number in staged.records():
        data, rows = staged.record(number, "json"), staged.record(number, "gz")
        if data is None or rows is None:
            continue  # an import was killed before it had both; nothing of it was used
        try:
            manifest = parse_manifest(data)
            if blob_of(rows) != manifest.rows:
                continue  # killed between the two
            candidate = _candidate(
                manifest, data, rows, staged.record(number, "sig"), where=staged.folder, is_given=False
            )
        except (ValueError, WrongBytesError) as error:
            raise unusable_record(staged, number, error) from error
        if manifest.mirror == mirror and manifest.number == number:
            found[number] = candidate
    return found


def unusable_record(staged: StagedFiles, number: int, error: Exception) -> MachineError:
    """The error that says that what is kept of a generation is damaged."""
    return MachineError(
        f"{staged.folder} has a record of g{number} that cannot be used: {error}. Nothing was changed. Remove that "
        "folder; then import the archives of what was incomplete again."
    )


def _candidate(
    manifest: ExportManifest,
    data: bytes,
    rows_data: bytes,
    signature: bytes | None,
    *,
    where: Path,
    is_given: bool,
) -> Candidate:
    try:
        head, rows, inventory = _read_generation(manifest, rows_data)
    except (ValueError, RecursionError) as error:
        raise WrongBytesError(f"{where}: what it says of g{manifest.number} is wrong: {error}.") from error
    return Candidate(
        manifest=manifest,
        manifest_data=data,
        rows_data=rows_data,
        signature=signature,
        is_given=is_given,
        head=head,
        rows=rows,
        inventory=inventory,
    )


def _read_generation(manifest: ExportManifest, data: bytes) -> tuple[Generation, frozenset[str], Inventory]:
    """The generation in an archive, which has to be that of its manifest.

    Raises:
        ValueError: it is not.
    """
    head = parse_head(data)
    if (head.fingerprint, head.base) != (manifest.fingerprint, None):
        raise ValueError("its rows are those of another generation")
    rows, removed = parse_rows(data, longest=min(_MOST_ROWS, _LEAST + _RATIO * len(data)))
    if removed or content_digest(rows) != head.content:
        raise ValueError("its rows are not those that its fingerprint stands for")
    inventory = inventory_file.parse(document_of(rows))
    files = distinct([ExportBlob(file.sha256, file.size) for file in inventory.stored.values()])
    if len({blob.sha256 for blob in files}) != len(files):
        raise ValueError("one of its files has two sizes")
    if (len(files), sum(blob.size for blob in files)) != (manifest.files, manifest.bytes):
        raise ValueError("it has other files than its manifest says")
    if not {*manifest.blobs} - {tool.blob for tool in manifest.tools} <= {*files}:
        raise ValueError("it brings files that its generation does not have")
    return head, rows, inventory


def candidate_records(candidate: Candidate) -> Mapping[str, bytes]:
    """What is kept of a generation until it is complete: ending of the file's name -> its bytes."""
    signature = {} if candidate.signature is None else {"sig": candidate.signature}
    return {"gz": candidate.rows_data, **signature, "json": candidate.manifest_data}
