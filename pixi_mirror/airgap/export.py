"""Write what a mirror offers, or what a receiver lacks of it, into archives that can be carried."""

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pixi_mirror import __version__
from pixi_mirror.airgap.known_files import Base, ExportChoice, choose_base
from pixi_mirror.airgap.layout import LONGEST_SIGNATURE, blob_of, split_into_volumes
from pixi_mirror.airgap.manifest import ExportBlob, ExportManifest, distinct, dump_manifest, with_tool
from pixi_mirror.airgap.signatures import sign_manifest
from pixi_mirror.airgap.tool import TOOL, build_tool
from pixi_mirror.airgap.write_archive import ExportParts, WrittenVolume, write_volume
from pixi_mirror.context import Context
from pixi_mirror.errors import MachineError
from pixi_mirror.history.names import CURRENT, find_generation
from pixi_mirror.mirror import generation_file
from pixi_mirror.mirror.generation_file import Generation
from pixi_mirror.mirror.generation_rows import files_of
from pixi_mirror.mirror.generations import Generations
from pixi_mirror.mirror.indexes import index_digest
from pixi_mirror.mirror.ledger_file import LEDGER, ExportOffer, Ledger, dump_ledger
from pixi_mirror.mirror.tree import Tree, open_mirror
from pixi_mirror.mirror.tree_view import INVENTORY
from pixi_mirror.model.packages import Inventory
from pixi_mirror.model.values import Sha256, sha256_of
from pixi_mirror.pack.outputs import write_file
from pixi_mirror.pack.write import Write
from pixi_mirror.suggest import advised

_MOST_EARLIER = 1000
"""Earlier generations that a manifest names with their fingerprints."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportRequest:
    """What the user requests of an export."""

    mirror: Path
    output: Path
    """A directory for the archives; it is made if it is absent."""
    choice: ExportChoice
    volume_size: int | None
    """The most bytes that an archive may have; None: there is one archive."""
    assume_received: bool
    dry_run: bool
    key: Path | None = None
    """Signs the manifest; None: it is not signed."""
    with_tool: bool = False
    """Whether this program goes with it, in the archives and beside them."""
    with_bill: bool = False
    """Whether a bill of materials is written beside the archives."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportResult:
    """What was exported, or would be."""

    mirror: Path
    dry_run: bool
    base: Base
    manifest: ExportManifest | None
    """None: the receiver has it all already."""
    number: int
    fingerprint: Sha256
    volumes: tuple[WrittenVolume, ...]
    deferred: int
    """Files that the mirror itself does not have yet, and so the archives neither."""
    bill: Path | None = None
    """The bill of materials of the generation; None: there is none."""


def export(request: ExportRequest, context: Context) -> ExportResult:
    """Write the current generation into archives, and record in the ledger for whom.

    Raises:
        UsageError: the choices exclude each other, or a volume is too small for a file.
        ProgramError: it is to be signed, and ssh-keygen is not there or does not sign.
        WorkspaceError: the mirror has no generation yet.
        HistoryError: a receipt is of another mirror, or of another history of it.
        WrongBytesError: a file of the mirror is damaged, or an archive could not be read back as it was written.
        MachineError: there is no mirror, it lacks a file, or something cannot be read or written.
        BusyError: another process is writing the mirror, so that nothing can be recorded.
    """
    tree = open_mirror(request.mirror)
    if not request.dry_run:
        _refuse_inside(tree, request.output)
    number = find_generation(tree, CURRENT)
    head, rows = tree.generations.generation(number), tree.generations.rows(number)
    then = tree.generations.inventory(number)
    sources = _sources(tree, then)
    base = choose_base(tree, request.choice)
    shipped = tuple(blob for blob in sources if blob.sha256 not in base.held)
    tool = build_tool() if request.with_tool else None
    result = ExportResult(
        mirror=request.mirror,
        dry_run=request.dry_run,
        base=base,
        manifest=None,
        number=number,
        fingerprint=head.fingerprint,
        volumes=(),
        deferred=len(then.deferred),
    )
    if not shipped and base.number == number:
        return result
    whole_file = generation_file.dump(replace(head, base=None), added=rows, removed=())
    manifest = _manifest(tree, head, then, sources, shipped=shipped, rows=blob_of(whole_file))
    manifest = manifest if tool is None else with_tool(manifest, TOOL, blob_of(tool))
    manifest = replace(manifest, base=base.number, receiver=request.choice.receiver or base.receiver)
    signed = LONGEST_SIGNATURE if request.key is not None else 0
    manifest = replace(manifest, volumes=split_into_volumes(manifest, signed, request.volume_size))
    if request.dry_run:
        return replace(result, manifest=manifest)
    _refuse_absent(tree, sources, shipped)
    places = {blob.sha256: path for blob, path in sources.items()}
    if tool is not None:
        places[blob_of(tool).sha256] = _write_tool(request.output / TOOL, tool)
    parts = ExportParts(
        mirror=tree.root,
        manifest=manifest,
        signature=_signature(manifest, request, context),
        rows=whole_file,
        sources=places,
    )
    written = _write(parts, request, tree, context)
    bill = _write_bill(tree, then, written[0].path, context) if request.with_bill else None
    return replace(result, manifest=manifest, volumes=written, bill=bill)


def _write_bill(tree: Tree, then: Inventory, first: Path, context: Context) -> Path:
    """Write what the exported generation has, whole, also beside archives that bring a part of it."""
    from pixi_mirror.sbom.bill import bill_of, date_of_source, write_document
    from pixi_mirror.sbom.cyclonedx import ENDING, write_cyclonedx

    beside = first.with_name(first.name.removesuffix(".tar") + ENDING)
    write_document(beside, write_cyclonedx(bill_of(then, tree), created=date_of_source(context.environ)))
    return beside


def _refuse_inside(tree: Tree, output: Path) -> None:
    """Refuse to write archives to where clients would be shown them: into this mirror, or into another one."""
    there = Path(os.path.realpath(output))
    for folder in (there, *there.parents):
        if os.path.lexists(folder / INVENTORY) or folder == Path(os.path.realpath(tree.root)):
            raise MachineError(
                f"{output} is in a mirror, {folder}; nothing was written. -o names the directory for the archives, for "
                "example of a USB disk; the mirror is named without an option."
            )


def _manifest(
    tree: Tree,
    head: Generation,
    then: Inventory,
    sources: Mapping[ExportBlob, Path],
    *,
    shipped: tuple[ExportBlob, ...],
    rows: ExportBlob,
) -> ExportManifest:
    """The manifest of an export in one volume, for nobody."""
    return ExportManifest(
        program=__version__,
        mirror=head.mirror,
        number=head.number,
        parent=head.parent,
        content=head.content,
        files=len(sources),
        bytes=sum(blob.size for blob in sources),
        rows=rows,
        indexes=index_digest(then, tree.path),
        history=_earlier(tree.generations, head.number, head.mirror),
        base=None,
        receiver=None,
        blobs=shipped,
        volumes=(len(shipped),),
        introduced=_introduced(tree.generations, head.number, sources),
    )


def _write_tool(target: Path, data: bytes) -> Path:
    def fill(write: Write) -> None:
        write(data)

    write_file(target, fill, is_executable=True, what="the program")
    return target


def _signature(manifest: ExportManifest, request: ExportRequest, context: Context) -> bytes | None:
    if request.key is None:
        return None
    return sign_manifest(dump_manifest(manifest), request.key, environ=context.environ)


def _sources(tree: Tree, then: Inventory) -> Mapping[ExportBlob, Path]:
    """The different files of a generation, by rising sha256, and where each of them is."""
    places = {
        ExportBlob(file.sha256, file.size): tree.path(path) for path, file in sorted(then.stored.items(), reverse=True)
    }
    return {blob: places[blob] for blob in distinct([*places])}


def _refuse_absent(tree: Tree, sources: Mapping[ExportBlob, Path], shipped: Collection[ExportBlob]) -> None:
    absent = [blob for blob in shipped if not sources[blob].is_file()]
    if absent:
        raise MachineError(
            f"{len(absent)} files that {tree.root} lists are not there, the first is {sources[absent[0]]}; nothing was "
            f"written. Run {advised('verify --repair', tree.root)}, and export again."
        )


def _earlier(known: Generations, number: int, mirror: str) -> Mapping[int, Sha256]:
    heads = [known.generation(each) for each in known.numbers()[-_MOST_EARLIER:] if each < number]
    return {head.number: head.fingerprint for head in heads if head.mirror == mirror}


def _introduced(known: Generations, number: int, sources: Collection[ExportBlob]) -> tuple[int, ...]:
    """For each file the first generation that has it, as far as the history goes back."""
    first: dict[Sha256, int] = {}
    for each in known.numbers():
        for _, sha256 in files_of(known.changes(each)[0]) if each <= number else ():
            first.setdefault(Sha256(sha256), each)
    return tuple(first.get(blob.sha256, number) for blob in sources)


def _write(parts: ExportParts, request: ExportRequest, tree: Tree, context: Context) -> tuple[WrittenVolume, ...]:
    manifest = parts.manifest
    receiver = manifest.receiver
    if receiver is not None:
        with tree.writing(timeout_s=context.lock_timeout_s, verb="export"):
            pass  # whoever cannot record an export is told before the archives are written
    context.progress.begin("exporting", files=len(manifest.blobs), size=manifest.shipped)
    volumes = tuple(
        write_volume(parts, volume, request.output, context.progress) for volume in range(1, len(manifest.volumes) + 1)
    )
    if receiver is not None:
        with tree.writing(timeout_s=context.lock_timeout_s, verb="export"):
            ledger = _with_offer(tree.ledger, receiver, manifest, assumed=request.assume_received)
            tree.record_private(LEDGER, dump_ledger(ledger))
    return volumes


def _with_offer(ledger: Ledger, receiver: str, manifest: ExportManifest, *, assumed: bool) -> Ledger:
    offer = ExportOffer(
        number=manifest.number,
        fingerprint=manifest.fingerprint,
        base=manifest.base,
        export=sha256_of(dump_manifest(manifest)),
        files=len(manifest.blobs),
        bytes=manifest.shipped,
    )
    known = ledger.receiver(receiver).with_offer(offer)
    if assumed:
        known = known.assuming(manifest.number, manifest.fingerprint)
    return ledger.having(receiver, known)
