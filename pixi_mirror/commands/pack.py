"""`pixi mirror pack`."""

import sys
from argparse import Namespace
from collections.abc import Mapping
from typing import BinaryIO

from pixi_mirror.commands import options as shared
from pixi_mirror.commands.command import Command, Outcome
from pixi_mirror.commands.options import make_context, make_progress
from pixi_mirror.commands.package_rows import package_json, refusals_json
from pixi_mirror.commands.parsing import Parser
from pixi_mirror.commands.values import path, word
from pixi_mirror.environments.platform import own_subdir
from pixi_mirror.errors import UsageError
from pixi_mirror.mirror.checkout import sources_json
from pixi_mirror.model.packages import Package
from pixi_mirror.model.values import Json
from pixi_mirror.pack.choose import PackRules
from pixi_mirror.pack.contents import Style, place_of
from pixi_mirror.pack.outputs import STDOUT, Form
from pixi_mirror.pack.pack import PackRequest, PackResult, PackSummary, pack
from pixi_mirror.pack.parse import COMPATIBLE
from pixi_mirror.progress import counted, format_size


def _declare(parser: Parser) -> None:
    parser.positional(
        "manifest", default=".", help="pixi.toml, pyproject.toml or their directory; the pixi.lock beside it is read"
    )
    parser.group("what to pack")
    parser.values("-e", "--environment", metavar="NAME", help="this environment (default: `default`)")
    parser.values("-p", "--platform", metavar="PLATFORM", help="for this platform (default: this machine's)")
    parser.values("-i", "--inject", convert=path, metavar="FILE", help="add this .conda, .tar.bz2 or .whl")
    parser.flag("--replace", help="let what is injected take the place of locked packages")
    parser.flag("--ignore-pypi-non-wheel", help="leave Python packages out that are no wheels, and say so")
    parser.flag("--require-hashes", help="refuse what the lock has no sha256 of (default: pack it, with a warning)")
    parser.group("where from, and where to")
    parser.value("--from", convert=path, metavar="MIRROR", help="take all packages from this mirror, with no network")
    parser.value("--use-cache", convert=path, metavar="DIR", help="use and fill a cache as pixi-pack keeps it")
    parser.value(
        "-o",
        "--output-file",
        convert=word,
        metavar="FILE",
        help="write this; `-` is stdout, {environment} and {platform} stand for their names (default: environment.tar, "
        "environment.sh or .ps1, or the folder environment)",
    )
    parser.flag("--directory-only", help="make a folder instead of a tar")
    parser.flag("--create-executable", help="make a file that unpacks itself")
    parser.value(
        "--pixi-unpack-source",
        convert=word,
        metavar="PATH|URL",
        help="the program that such a file unpacks itself with (default: our own, which needs a Python 3.14 there, or "
        "3.9 and zstd)",
    )
    parser.value("--pixi-unpack-sha256", convert=word, metavar="HEX", help="what that program has to be")
    parser.flag("--strict-compat", help="what pixi-pack writes, byte for byte, and nothing else")
    parser.value(
        "--compat-version",
        convert=word,
        default=COMPATIBLE,
        metavar="VERSION",
        help=f"the version of pixi-pack that the pack names (default: {COMPATIBLE})",
    )
    parser.flag("--sbom", help="write a bill of materials (CycloneDX) beside the pack: environment.cdx.json")
    parser.flag("--dry-run", help="say what would be packed; nothing is fetched or written")
    shared.declare_network(parser)
    parser.value("-c", "--config", convert=path, metavar="FILE", help="the same as --config-file")
    shared.declare_output(parser)


def _run(options: Namespace) -> Outcome:
    _refuse_contradiction(options)
    if options.config is not None:
        options.config_file = options.config
    report = make_progress(options)
    done = pack(_request(options), make_context(options, report), stdout=_stdout)
    lines = _lines(done, verbose=options.verbose)
    if options.output_file == STDOUT and not done.dry_run:
        for line in lines:
            report.note(line)
        lines = []
    return Outcome(json=_json(done), lines=lines)


def _request(options: Namespace) -> PackRequest:
    form: Form = "folder" if options.directory_only else "executable" if options.create_executable else "tar"
    return PackRequest(
        manifest=path(options.manifest or "."),
        environments=tuple(dict.fromkeys(options.environment)) or ("default",),
        platforms=tuple(dict.fromkeys(options.platform)) or (own_subdir(),),
        output=options.output_file if options.output_file in (None, STDOUT) else str(path(options.output_file)),
        form=form,
        style=Style(is_strict=options.strict_compat, compat_version=options.compat_version),
        rules=PackRules(
            ignores_non_wheels=options.ignore_pypi_non_wheel,
            skips_editables=not options.strict_compat,
            requires_hashes=options.require_hashes,
        ),
        inject=tuple(dict.fromkeys(options.inject)),
        replace=options.replace,
        mirror=getattr(options, "from"),
        old_cache=options.use_cache,
        unpacker=options.pixi_unpack_source,
        unpacker_sha256=options.pixi_unpack_sha256,
        with_bill=options.sbom,
        dry_run=options.dry_run,
    )


def _refuse_contradiction(options: Namespace) -> None:
    if options.directory_only and options.create_executable:
        raise UsageError("--directory-only makes a folder and --create-executable a file: choose one.")
    if options.pixi_unpack_source is not None and not options.create_executable:
        raise UsageError("--pixi-unpack-source is for files that unpack themselves: add --create-executable.")
    if options.pixi_unpack_sha256 is not None and options.pixi_unpack_source is None:
        raise UsageError("--pixi-unpack-sha256 is of a program that --pixi-unpack-source names.")
    if getattr(options, "from") is not None and options.use_cache is not None:
        raise UsageError("--from takes everything from a mirror, so there is nothing for --use-cache to do.")
    if options.output_file != STDOUT:
        return
    if options.sbom:
        raise UsageError("--sbom writes a file beside the pack: name the pack with -o.")
    if options.directory_only:
        raise UsageError("a folder cannot be written to stdout: name it with -o, or leave --directory-only out.")
    if options.json and not options.dry_run:
        raise UsageError("stdout takes the pack or the JSON: name a file with -o, or leave --json out.")
    if not options.dry_run and sys.stdout.isatty():
        raise UsageError("stdout is a terminal, where a pack is of no use: redirect it, or name a file with -o.")


def _stdout() -> BinaryIO:
    return sys.stdout.buffer


def _lines(done: PackResult, *, verbose: bool) -> list[str]:
    lines = []
    for each in done.packs:
        if verbose or done.dry_run:
            lines += [f"  {place}" for place in sorted(place_of(package) for package in _packages(each, done))]
        lines.append(_line(each, done))
    return lines


def _line(each: PackSummary, done: PackResult) -> str:
    what = f"{each.plan.environment} for {each.plan.platform}, {counted(each.files, 'package')}"
    if each.written is None:
        known = format_size(sum(package.size or 0 for package in _packages(each, done)))
        return f"{each.output} would get {what}, {known}; nothing was written"
    bill = f"; what is in it: {each.bill}" if each.bill is not None else ""
    return f"{each.output}: {what}, {format_size(each.written.size)}{bill}"


def _packages(each: PackSummary, done: PackResult) -> list[Package]:
    return [*each.plan.packages, *(ready.package for ready in done.given)]


def _json(done: PackResult) -> Mapping[str, Json]:
    return {
        "verb": "pack",
        "dry_run": done.dry_run,
        "packs": [
            {
                "output": each.output,
                "environment": each.plan.environment,
                "platform": each.plan.platform,
                "subdir": each.plan.subdir,
                "files": each.files,
                "bytes": each.written.size if each.written else None,
                "sha256": each.written.sha256 if each.written else None,
                "sbom": each.bill,
            }
            for each in done.packs
        ],
        "wanted": _wanted(done),
        "skipped": refusals_json(done.skipped),
        **sources_json(done.checkout, done.outside),
        "warnings": list(done.warnings),
    }


def _wanted(done: PackResult) -> list[Json]:
    """A row a file, with the packs that it is in."""
    rows: dict[tuple[str, str | None], dict[str, Json]] = {}
    for each in done.packs:
        for package in _packages(each, done):
            row = rows.setdefault((place_of(package), package.sha256), _row(package))
            row["targets"].append({"environment": each.plan.environment, "platform": each.plan.platform})
    return [rows[key] for key in sorted(rows, key=lambda key: (key[0], key[1] or ""))]


def _row(package: Package) -> dict[str, Json]:
    return {
        **package_json(package),
        "path": place_of(package),
        "url": str(package.url) if not package.url.raw.startswith("file:") else None,
        "sha256": package.sha256,
        "size": package.size,
        "targets": [],
    }


def _empty_json(options: Namespace) -> Mapping[str, Json]:
    return {
        "verb": "pack",
        "dry_run": options.dry_run,
        **{key: [] for key in ("packs", "wanted", "skipped", "checkout", "unbuildable", "outside", "warnings")},
    }


COMMAND = Command(
    description="""\
Put one environment for one platform into one file, in the format of pixi-pack: pixi-unpack, conda and micromamba take
it, and `pixi-mirror unpack` too. Several -e and -p make several files. The lock beside the manifest is read as it
stands, and pixi is not asked; every file is verified. What the file holds besides (checksums, a list for conda and
micromamba, the manifest and the lock) pixi-unpack passes over; --strict-compat leaves it out.""",
    declare=_declare,
    run=_run,
    empty_json=_empty_json,
)
