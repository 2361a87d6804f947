"""`pixi mirror sbom`."""

import os
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path

from pixi_mirror.commands import options as shared
from pixi_mirror.commands.command import Command, Outcome
from pixi_mirror.commands.parsing import Parser
from pixi_mirror.commands.values import path
from pixi_mirror.errors import UsageError
from pixi_mirror.model.values import Json, sha256_of
from pixi_mirror.progress import counted, format_size
from pixi_mirror.sbom.bill import FORMATS, Sbom, date_of_source, make_sbom, write_document


def _declare(parser: Parser) -> None:
    parser.positional(
        "dir", default=shared.DEFAULT_MIRROR, convert=path, help="the mirror's directory (default: ./mirror)"
    )
    parser.values("-e", "--environment", metavar="NAME", help="list only this environment of the followed locks")
    parser.values("-p", "--platform", metavar="PLATFORM", help="list only this platform: a name or a subdir")
    parser.value(
        "--format", default="cyclonedx", choices=FORMATS, help="CycloneDX 1.6 or SPDX 2.3 (default: cyclonedx)"
    )
    parser.value("-o", "--output-file", convert=path, metavar="FILE", help="write this file (default: stdout)")
    shared.declare_output(parser)


def _run(options: Namespace) -> Outcome:
    if options.json and options.output_file is None:
        raise UsageError("stdout takes the document or the JSON: name a file with -o, or leave --json out.")
    made = make_sbom(
        options.dir,
        options.format,
        environments=tuple(dict.fromkeys(options.environment)),
        platforms=tuple(dict.fromkeys(options.platform)),
        created=date_of_source(os.environ),
    )
    if options.output_file is None:
        return Outcome(json=_json(options, made), lines=[made.document.decode().rstrip()], is_requested=True)
    write_document(options.output_file, made.document)
    return Outcome(json=_json(options, made), lines=[_line(options.output_file, made)])


def _line(output: Path, made: Sbom) -> str:
    unclear = [each for each in made.bill.components if each.license is None]
    lacking = f"; of {len(unclear)} no licence is known" if unclear else ""
    return f"{output}: {counted(len(made.bill.components), 'component')}, {format_size(len(made.document))}{lacking}"


def _json(options: Namespace, made: Sbom) -> Mapping[str, Json]:
    components = made.bill.components
    return {
        "verb": "sbom",
        "mirror": str(options.dir),
        "format": options.format,
        "output": None if options.output_file is None else str(options.output_file),
        "components": len(components),
        "without_license": [each.package.path for each in components if each.license is None],
        "bytes": len(made.document),
        "sha256": sha256_of(made.document),
    }


def _empty_json(options: Namespace) -> Mapping[str, Json]:
    return {
        "verb": "sbom",
        "mirror": str(options.dir),
        "format": options.format,
        "output": None,
        "components": 0,
        "without_license": [],
        "bytes": 0,
        "sha256": None,
    }


COMMAND = Command(
    description="""\
Write a software bill of materials (SBOM) of the mirror: its packages with hashes, licences, package URLs, what they
depend on, and which environments have them. It is made from the mirror alone, without locks and network, and the same
mirror gives the same bytes. The variable SOURCE_DATE_EPOCH sets the date in it.""",
    declare=_declare,
    run=_run,
    empty_json=_empty_json,
)
