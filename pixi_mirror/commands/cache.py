"""`pixi mirror cache status|prune`."""

from argparse import Namespace
from collections.abc import Mapping

from pixi_mirror.cache.maintenance import CachePruneResult, CacheStatus, cache_prune, cache_status
from pixi_mirror.commands import options as shared
from pixi_mirror.commands.command import Command, Outcome
from pixi_mirror.commands.options import make_context, make_progress
from pixi_mirror.commands.parsing import Parser
from pixi_mirror.commands.text import files_of
from pixi_mirror.commands.values import days, path
from pixi_mirror.errors import DONE, FOUND
from pixi_mirror.model.values import Json
from pixi_mirror.progress import counted


def _declare(parser: Parser) -> None:
    parser.positional("action", default="status", choices=("status", "prune"), help="`status` (default) or `prune`")
    parser.flag("--apply", help="prune: do it, instead of saying what would be done")
    parser.value(
        "--grace",
        convert=days,
        default=7.0,
        metavar="DAYS",
        help="prune: spare what was fetched or linked in the last DAYS (default: 7)",
    )
    parser.value("--cache-dir", convert=path, metavar="DIR", help="the cache (default: the user's cache directory)")
    shared.declare_output(parser)


def _run(options: Namespace) -> Outcome:
    context = make_context(options, make_progress(options))
    if options.action == "status":
        status = cache_status(context)
        return Outcome(json=_status_json(status), lines=_status_lines(status))
    pruned = cache_prune(apply=options.apply, grace_days=options.grace, context=context)
    code = FOUND if pruned.found and not options.apply else DONE
    return Outcome(json=_prune_json(pruned), lines=_prune_lines(pruned), status=code)


def _status_lines(status: CacheStatus) -> list[str]:
    return [
        f"{status.directory}: {files_of(status.files, status.size)}",
        f"  shared with mirrors on this disk: {files_of(status.linked_files, status.linked_size)}",
        f"  downloads cut off, to be resumed: {files_of(status.partial_files, status.partial_size)}",
    ]


def _status_json(status: CacheStatus) -> Mapping[str, Json]:
    return {
        "verb": "cache status",
        "cache": str(status.directory),
        "files": status.files,
        "bytes": status.size,
        "linked": {"files": status.linked_files, "bytes": status.linked_size},
        "partial": {"files": status.partial_files, "bytes": status.partial_size},
    }


def _prune_lines(pruned: CachePruneResult) -> list[str]:
    what = files_of(len(pruned.removed), pruned.size)
    waiting = f"; {counted(pruned.waiting, 'file')} not yet old enough" if pruned.waiting else ""
    if not pruned.found:
        return [f"nothing to do: {pruned.directory} holds nothing that could go{waiting}"]
    if pruned.applied:
        return [f"removed {what} from {pruned.directory}{waiting}"]
    return [f"would remove {what} from {pruned.directory}{waiting}; nothing was changed (--apply does it)"]


def _prune_json(pruned: CachePruneResult) -> Mapping[str, Json]:
    return {
        "verb": "cache prune",
        "cache": str(pruned.directory),
        "applied": pruned.applied,
        "removed": list(pruned.removed),
        "waiting": pruned.waiting,
        "bytes": pruned.size,
    }


def _empty_json(options: Namespace) -> Mapping[str, Json]:
    return {"verb": f"cache {options.action}"}


COMMAND = Command(
    description="""\
Say what the cache holds that all mirrors share. `cache prune` shows which of its files no mirror on the same disk
uses any more (status 1 if there are any), and `cache prune --apply` removes them.""",
    declare=_declare,
    run=_run,
    empty_json=_empty_json,
    foreign={"--dry-run": "it only says what would go, as long as --apply is not given"},
)
