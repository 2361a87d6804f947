"""`pixi mirror export`."""

from argparse import Namespace
from collections.abc import Mapping

from pixi_mirror.airgap.export import ExportRequest, ExportResult, export
from pixi_mirror.airgap.known_files import ExportChoice
from pixi_mirror.commands import options as shared
from pixi_mirror.commands.command import Command, Outcome
from pixi_mirror.commands.options import make_context, make_progress
from pixi_mirror.commands.parsing import Parser
from pixi_mirror.commands.text import files_of
from pixi_mirror.commands.values import file_size, natural, path, receiver
from pixi_mirror.errors import UsageError
from pixi_mirror.mirror.generation_file import short
from pixi_mirror.model.values import Json
from pixi_mirror.progress import counted, format_size


def _declare(parser: Parser) -> None:
    parser.positional("dir", default=None, convert=path, help="the mirror's directory (default: ./mirror)")
    parser.value(
        "-o",
        "--output-directory",
        convert=path,
        metavar="DIR",
        help="write the archives into this directory, for example of a USB disk; it is made if it is absent",
    )
    parser.group("what to bring (choose one)")
    parser.flag("--full", help="everything")
    parser.value(
        "--to",
        convert=receiver,
        metavar="NAME",
        help="what this receiver has not acknowledged (see `ack`); everything if nothing was acknowledged. With "
        "--full or --have: for whom the export is",
    )
    parser.value("--have", convert=path, metavar="RECEIPT", help="what is not in this receipt of the far side")
    parser.group("how")
    parser.value(
        "--overlap",
        convert=natural,
        default=0,
        metavar="N",
        help="bring the files of the last N exports for the receiver again, where no receipt can come back "
        "(default: 0)",
    )
    parser.flag(
        "--assume-received",
        help="let the next export for the receiver leave out what this one brings; the ledger says so",
    )
    parser.value(
        "--volume-size",
        convert=file_size,
        metavar="SIZE",
        help="split into archives of at most this size, as 4G (decimal) or 4GiB; each can be imported alone",
    )
    parser.value(
        "--sign",
        convert=path,
        metavar="KEY",
        help="sign it with this SSH key (ssh-keygen runs; with the public part of a key, your agent signs)",
    )
    parser.flag(
        "--with-tool",
        help="bring this program, too, as the one file pixi-mirror.pyz that needs nothing but Python 3.11 or newer",
    )
    parser.flag("--sbom", help="write a bill of materials (CycloneDX) of the whole mirror beside the archives, too")
    parser.flag("--dry-run", help="say what would be written; nothing is")
    shared.declare_lock_timeout(parser)
    shared.declare_output(parser)


def _run(options: Namespace) -> Outcome:
    if options.output_directory is None and not options.dry_run:
        raise UsageError("-o DIR is missing: the directory that the archives are to be written into.")
    if options.assume_received and options.to is None and options.have is None:
        raise UsageError("--assume-received is for a receiver: name it with --to.")
    request = ExportRequest(
        mirror=options.dir or shared.DEFAULT_MIRROR,
        output=options.output_directory or path("."),
        choice=ExportChoice(full=options.full, receiver=options.to, receipt=options.have, overlap=options.overlap),
        volume_size=options.volume_size,
        assume_received=options.assume_received,
        dry_run=options.dry_run,
        key=options.sign,
        with_tool=options.with_tool,
        with_bill=options.sbom,
    )
    report = make_progress(options)
    done = export(request, make_context(options, report))
    if done.deferred:
        report.warn(
            f"{done.deferred} deferred files are not in the mirror yet, so they are not brought, and the far side "
            "cannot fetch them. `pixi-mirror update` without --defer brings them."
        )
    return Outcome(json=_json(done), lines=_lines(done))


def _lines(done: ExportResult) -> list[str]:
    generation = f"g{done.number} ({short(done.fingerprint)})"
    if done.manifest is None:
        return [f"nothing to export: {done.base.why}, which is {generation}"]
    what = files_of(len(done.manifest.blobs), done.manifest.shipped)
    left_out = done.manifest.files - (len(done.manifest.blobs) - len(done.manifest.tools))
    kind = f"without the {counted(left_out, 'file')} that {'is' if left_out == 1 else 'are'} there"
    if not left_out:
        kind = "full" if done.manifest.is_full else "with all files"
    why = f"{generation}, {kind}, since {done.base.why}"
    if done.dry_run:
        count = len(done.manifest.volumes)
        return [f"would export {why}: {what} in {count} archive{'s' if count != 1 else ''}; nothing was written"]
    return [
        f"exported {why}: {what}",
        *(f"  {volume.path}  {format_size(volume.size)}" for volume in done.volumes),
        *([f"  {done.bill}, what is in it"] if done.bill is not None else []),
        f"the far side runs `pixi-mirror import`; its fingerprint is to be {short(done.fingerprint)}",
    ]


def _json(done: ExportResult) -> Mapping[str, Json]:
    manifest = done.manifest
    return {
        "verb": "export",
        "mirror": str(done.mirror),
        "dry_run": done.dry_run,
        "generation": done.number,
        "fingerprint": done.fingerprint,
        "receiver": None if manifest is None else manifest.receiver,
        "base": done.base.number,
        "why": done.base.why,
        "files": 0 if manifest is None else len(manifest.blobs),
        "bytes": 0 if manifest is None else manifest.shipped,
        "deferred": done.deferred,
        "sbom": None if done.bill is None else str(done.bill),
        "archives": [{"path": str(each.path), "bytes": each.size, "sha256": each.sha256} for each in done.volumes],
    }


def _empty_json(options: Namespace) -> Mapping[str, Json]:
    return {
        "verb": "export",
        "mirror": str(options.dir or shared.DEFAULT_MIRROR),
        "dry_run": options.dry_run,
        **dict.fromkeys(("generation", "fingerprint", "receiver", "base", "why", "sbom")),
        **dict.fromkeys(("files", "bytes", "deferred"), 0),
        "archives": [],
    }


COMMAND = Command(
    description="""\
Write the mirror's current generation, or what a receiver lacks of it, into archives that can be carried across an air
gap. Each archive is read back before it gets its name. What a receiver has is known by what it has acknowledged, and
never by what was sent: what is lost on the way comes with the next export.""",
    declare=_declare,
    run=_run,
    empty_json=_empty_json,
)
