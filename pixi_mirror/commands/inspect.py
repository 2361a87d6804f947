"""`pixi mirror inspect`."""

from argparse import Namespace
from collections.abc import Mapping

from pixi_mirror.airgap.inspect_archives import InspectedExport, inspect_archives
from pixi_mirror.commands import options as shared
from pixi_mirror.commands.command import Command, Outcome
from pixi_mirror.commands.parsing import Parser
from pixi_mirror.commands.text import files_of
from pixi_mirror.mirror.generation_file import short
from pixi_mirror.model.values import Json


def _declare(parser: Parser) -> None:
    shared.declare_archives(parser, with_mirror=False)
    shared.declare_output(parser)


def _run(options: Namespace) -> Outcome:
    found = inspect_archives(options.archives)
    lines = [line for each in found for line in _lines(each)]
    return Outcome(json={"verb": "inspect", "exports": [_json(each) for each in found]}, lines=lines)


def _lines(found: InspectedExport) -> list[str]:
    manifest = found.manifest
    kind = "full" if manifest.is_full else f"an increment to g{manifest.base}" if manifest.base else "an increment"
    signed = ", signed" if found.archives[0].signature is not None else ""
    receiver = f", for {manifest.receiver}" if manifest.receiver is not None else ""
    count = len(manifest.volumes)
    lines = [
        f"g{manifest.number}  {short(manifest.fingerprint)}  of the mirror {manifest.mirror[:8]}: "
        f"{kind}{receiver}{signed}",
        f"  brings {files_of(len(manifest.blobs), manifest.shipped)}, "
        f"of {files_of(manifest.files, manifest.bytes)} in all",
    ]
    lines += [f"  brings {tool.name}, sha256 {tool.blob.sha256}" for tool in manifest.tools]
    for head in found.archives:
        blobs = manifest.in_volume(head.volume)
        size = files_of(len(blobs), sum(blob.size for blob in blobs))
        lines.append(f"  volume {head.volume} of {count}: {head.path}  {size}")
    for volume in found.missing:
        blobs = manifest.in_volume(volume)
        size = files_of(len(blobs), sum(blob.size for blob in blobs))
        lines.append(f"  volume {volume} of {count}: missing here  {size}")
    return lines


def _json(found: InspectedExport) -> Mapping[str, Json]:
    manifest = found.manifest
    return {
        "id": manifest.mirror,
        "generation": manifest.number,
        "fingerprint": manifest.fingerprint,
        "parent": manifest.parent,
        "base": manifest.base,
        "receiver": manifest.receiver,
        "signed": found.archives[0].signature is not None,
        "program": manifest.program,
        "tools": [{"name": tool.name, "sha256": tool.blob.sha256, "bytes": tool.blob.size} for tool in manifest.tools],
        "manifest": found.identity,
        "files": len(manifest.blobs),
        "bytes": manifest.shipped,
        "generation_files": manifest.files,
        "generation_bytes": manifest.bytes,
        "volumes": [
            {
                "volume": volume,
                "files": len(manifest.in_volume(volume)),
                "bytes": sum(blob.size for blob in manifest.in_volume(volume)),
                "archives": [str(head.path) for head in found.archives if head.volume == volume],
            }
            for volume in range(1, len(manifest.volumes) + 1)
        ],
    }


def _empty_json(_options: Namespace) -> Mapping[str, Json]:
    return {"verb": "inspect", "exports": []}


COMMAND = Command(
    description="""\
Say what archives of `pixi-mirror export` are: the generation and its fingerprint, what they leave out, which volumes
are here and which are missing. Their files are not read: `pixi-mirror import --dry-run` verifies every byte.""",
    declare=_declare,
    run=_run,
    empty_json=_empty_json,
)
