"""`pixi mirror publish`."""

import os
import time
from argparse import Namespace
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pixi_mirror.commands import options as shared
from pixi_mirror.commands.change_lines import moment
from pixi_mirror.commands.command import Command, Outcome
from pixi_mirror.commands.options import make_context, make_progress
from pixi_mirror.commands.parsing import Parser
from pixi_mirror.commands.text import some
from pixi_mirror.commands.values import days, path, positive
from pixi_mirror.context import Context
from pixi_mirror.errors import MachineError, UsageError
from pixi_mirror.mirror.tree import open_mirror
from pixi_mirror.model.values import Json, mask_secrets
from pixi_mirror.progress import counted, format_size
from pixi_mirror.publish.destination import Destination
from pixi_mirror.publish.directory import DirectoryDestination
from pixi_mirror.publish.held_record import find_record
from pixi_mirror.publish.publish import Publisher, PublishResult
from pixi_mirror.publish.registry import OCI, open_registry
from pixi_mirror.publish.store_settings import SCHEMES, open_store
from pixi_mirror.settings.mirrors import is_endpoint

_SHOWN = 20
_JOBS = 8
_FILE = "file://"


def _declare(parser: Parser) -> None:
    parser.positional(
        "destination",
        default=None,
        help="s3://BUCKET/PREFIX, gs://BUCKET/PREFIX, az://CONTAINER/PREFIX, oci://HOST/NAMESPACE, or a directory",
    )
    parser.positional(
        "dir", default=shared.DEFAULT_MIRROR, convert=path, help="the mirror's directory (default: ./mirror)"
    )
    parser.flag("--dry-run", help="say what would be written; nothing is")
    parser.flag("--check", help="look at every file that was written before, and write again what is not there")
    parser.flag("--sbom", help="write a bill of materials, too (pixi-mirror.cdx.json), and keep it up from then on")
    parser.flag("--prune", help="write nothing, and remove what the mirror holds no longer")
    parser.value(
        "--grace",
        convert=days,
        default=7.0,
        metavar="DAYS",
        help="with --prune: how long a file stays that the mirror holds no longer, for readers under way (default: 7)",
    )
    parser.flag(
        "--only-publisher", help="nobody else publishes there: write to a store that ignores the conditions of requests"
    )
    parser.flag("--no-pypi", help="to a registry: leave out files of PyPI and sources, which no client reads there")
    parser.value(
        "--endpoint", metavar="URL", help="where the store or registry is (default: as pixi's [s3-options], or its own)"
    )
    parser.value("--jobs", convert=positive, metavar="N", help="uploads at a time (default: 8)")
    parser.group("configuration (pixi's own is read, too)")
    shared.declare_settings(parser)
    shared.declare_output(parser)


def _run(options: Namespace) -> Outcome:
    shared.require_words("publish", DESTINATION=options.destination)
    if options.prune and options.check:
        raise UsageError("--prune writes nothing and --check does: give one of them at a time.")
    if options.endpoint is not None and not is_endpoint(options.endpoint):
        # The value is not shown: it may hold a password in a place where no masking looks for one.
        raise UsageError(
            "--endpoint takes an http:// or https:// URL with a host, and without user and query. Credentials are read "
            "from pixi's stores, or as the store's own programs read them."
        )
    report = make_progress(options)
    tree = open_mirror(options.dir)
    with _opened(options, make_context(options, report)) as destination:
        publisher = Publisher.opened(
            destination,
            tree,
            jobs=options.jobs or _JOBS,
            progress=report,
            now=int(time.time()),
            grace_days=options.grace,
        )
        if options.prune:
            done = publisher.remove_unwanted(tree, dry_run=options.dry_run)
        else:
            done = publisher.publish(tree, check=options.check, dry_run=options.dry_run, with_bill=options.sbom)
    for sentence in done.warnings:
        report.warn(sentence)
    return Outcome(json=_json(options, done), lines=_lines(options, done))


@contextmanager
def _opened(options: Namespace, context: Context) -> Iterator[Destination]:
    scheme, separator, _ = options.destination.partition("://")
    if separator and scheme in SCHEMES:
        network = context.settings(None).network
        yield open_store(
            options.destination,
            network,
            endpoint=options.endpoint,
            environ=context.environ,
            only_publisher=options.only_publisher,
        )
        return
    if options.destination.startswith(OCI):
        if options.sbom:
            raise UsageError("a registry has no place for a bill of materials: `pixi-mirror sbom -o FILE` writes one.")
        if options.only_publisher:
            raise UsageError("--only-publisher is for stores (s3://, gs://, az://): a registry knows no conditions.")
        registry = open_registry(
            options.destination,
            context.settings(None).network,
            context.progress,
            endpoint=options.endpoint,
            without_python=options.no_pypi,
            jobs=options.jobs or _JOBS,
        )
        try:
            yield registry
        finally:
            registry.client.close()
        return
    if options.no_pypi:
        raise UsageError("--no-pypi is for registries (oci://): every other destination has files of PyPI, too.")
    if separator and scheme != "file":
        raise UsageError(
            f"nothing is published to {mask_secrets(options.destination)!r}: give s3://, gs://, az://, oci:// or a "
            "directory."
        )
    scheme, colon, rest = options.destination.partition(":")
    if colon and not separator and scheme in (*SCHEMES, "oci", "file"):
        meant = mask_secrets(f"{scheme}://{rest if scheme == 'file' else rest.lstrip('/')}")
        raise UsageError(
            f"two slashes are missing after {scheme}: perhaps {meant!r} was meant; begin with ./ for a directory of "
            "this name."
        )
    _refuse_what_is_for_stores(options)
    root = path(options.destination.removeprefix(_FILE))
    _require_other_place(root, options.dir)
    destination = DirectoryDestination(root)
    if options.dry_run or (options.prune and not os.path.lexists(root)):
        yield destination
        return
    find_record(destination)  # before a folder is made where others have put something
    with destination.writing():
        yield destination


def _refuse_what_is_for_stores(options: Namespace) -> None:
    for word, given in (("--endpoint", options.endpoint is not None), ("--only-publisher", options.only_publisher)):
        if given:
            raise UsageError(f"{word} is for stores that are asked over a network: a directory has no use for it.")


def _require_other_place(root: Path, mirror: Path) -> None:
    here, there = Path(os.path.realpath(mirror)), Path(os.path.realpath(root))
    if here == there or here in there.parents or there in here.parents:
        raise MachineError(f"{root} and the mirror {mirror} lie one in the other: publish to a directory beside it.")


def _lines(options: Namespace, done: PublishResult) -> list[str]:
    if options.prune:
        return _removal_lines(options, done)
    uploads = [each for each in done.plan.uploads if each.path not in done.found]
    lines = []
    if options.dry_run or options.verbose:
        lines += some([each.path for each in uploads], at_most=len(uploads) if options.verbose else _SHOWN)
    if done.mended:
        lines += ["was not there as it was written:", *some(done.mended, at_most=_SHOWN)]
    holds = f"{counted(done.plan.files, 'file')}, {format_size(done.plan.size)}"
    size = format_size(sum(each.size for each in uploads))
    if not done.plan.uploads:
        lines.append(f"nothing to do: {done.destination} holds what {options.dir} holds: {holds}")
    elif options.dry_run:
        lines.append(f"would write {counted(len(uploads), 'file')}, {size}, to {done.destination}; nothing was changed")
    else:
        found = f" ({counted(len(done.found), 'file')} already there)" if done.found else ""
        lines.append(f"{done.destination}: wrote {counted(len(uploads), 'file')}, {size}{found}; it holds {holds}")
    if done.waiting:
        lines.append(f"{counted(len(done.waiting), 'file')} no longer in the mirror: see `pixi-mirror publish --prune`")
    return lines


def _removal_lines(options: Namespace, done: PublishResult) -> list[str]:
    word = "would remove" if options.dry_run else "removed"
    lines = [f"{word}:", *some(done.removed, at_most=_SHOWN)] if done.removed else []
    if done.waiting:
        first = moment(min(done.waiting.values()))
        lines.append(f"waiting: {counted(len(done.waiting), 'file')}, removed from {first} on")
    lines.append(f"{done.destination}: {word} {counted(len(done.removed), 'file')}")
    return lines


def _json(options: Namespace, done: PublishResult) -> Mapping[str, Json]:
    written = [] if options.prune else [each for each in done.plan.uploads if each.path not in done.found]
    return {
        "verb": "publish",
        "destination": done.destination,
        "mirror": str(options.dir),
        "dry_run": options.dry_run,
        "written": [each.path for each in written],
        "mended": list(done.mended),
        "removed": list(done.removed),
        "waiting": sorted(done.waiting),
        "files": done.plan.files,
        "bytes": sum(each.size for each in written),
        "warnings": list(done.warnings),
    }


def _empty_json(options: Namespace) -> Mapping[str, Json]:
    keys = ("written", "mended", "removed", "waiting", "warnings")
    return {
        "verb": "publish",
        "destination": None if options.destination is None else mask_secrets(options.destination),
        "mirror": str(options.dir),
        "dry_run": options.dry_run,
        **{key: [] for key in keys},
        "files": 0,
        "bytes": 0,
    }


COMMAND = Command(
    description="""\
Make an object store, an OCI registry or a directory hold exactly what the mirror holds, for readers that need no server
of ours. Only what is new is written: packages first, then the indexes that list them, so that no reader sees an index
that lists what is not there. Nothing is removed but with --prune.""",
    declare=_declare,
    run=_run,
    empty_json=_empty_json,
)
