"""`pixi mirror prune`."""

from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path

from pixi_mirror.commands import options as shared
from pixi_mirror.commands.change_lines import moment, moment_json, name_lines
from pixi_mirror.commands.command import Command, Outcome
from pixi_mirror.commands.options import make_context, make_progress
from pixi_mirror.commands.parsing import Parser
from pixi_mirror.commands.text import files_of, some
from pixi_mirror.commands.values import days, natural
from pixi_mirror.errors import DONE, FOUND
from pixi_mirror.mirror.changes import name_of_path
from pixi_mirror.mirror.prune import PruneResult, prune
from pixi_mirror.model.values import Json, MirrorPath
from pixi_mirror.progress import counted, format_size
from pixi_mirror.suggest import advised

_SHOWN = 20


def _declare(parser: Parser) -> None:
    shared.declare_mirror(parser)
    parser.flag("--apply", help="do it, instead of saying what would be done")
    parser.value(
        "--grace",
        convert=days,
        default=7.0,
        metavar="DAYS",
        help="how long a file stays after it was unlisted, for readers under way (default: 7; 0 removes now)",
    )
    parser.value(
        "--keep",
        convert=natural,
        default=0,
        metavar="N",
        help="keep the files of the last N generations too, for `rollback`; those of generations that have a name stay "
        "in any case (default: 0)",
    )
    parser.flag("--force", help="do it even if more than half of the mirror goes")
    shared.declare_lock_timeout(parser)
    shared.declare_output(parser)


def _run(options: Namespace) -> Outcome:
    pruned = prune(
        Path(options.dir),
        apply=options.apply,
        grace_days=options.grace,
        force=options.force,
        keep=options.keep,
        context=make_context(options, make_progress(options)),
    )
    status = FOUND if pruned.found and not pruned.applied else DONE
    return Outcome(json=_json(pruned), lines=_lines(pruned, verbose=options.verbose), status=status)


def _lines(pruned: PruneResult, *, verbose: bool) -> list[str]:
    done = pruned.applied
    lines = []
    log = advised("log", pruned.mirror)
    for title, paths in (
        ("unlisted" if done else "would unlist", pruned.unlisted),
        ("removed" if done else "would remove", pruned.removed),
        ("unlisted before, and waiting", pruned.waiting),
        (f"kept, since a generation with a name, or one of --keep, lists them (see {log})", pruned.kept),
    ):
        if paths:
            lines += [f"{title}:", *_named(paths, verbose=verbose)]
    if pruned.unknown:
        lines += ["not of this mirror, and left alone:", *some(pruned.unknown, at_most=_SHOWN)]
    if pruned.replaced:
        what = counted(len(pruned.replaced), "file")
        lines.append(f"{what} that others have replaced, {'removed' if done else 'to be removed'}")
    if pruned.waiting:
        what = files_of(len(pruned.waiting), pruned.waiting_size)
        lines.append(
            f"waiting: {what}, which {advised('prune --apply', pruned.mirror)} removes from {_first(pruned)} on"
        )
    if not pruned.found:
        return [*lines, f"nothing to do: every file that {pruned.mirror} lists is wanted"]
    later = f", to be removed from {_first(pruned, _left(pruned))} on" if _left(pruned) else ""
    unlisted = f"{files_of(len(pruned.unlisted), pruned.unlisted_size)}{later}"
    removed = counted(len(pruned.removed), "file")
    freed = _freed(pruned)
    if done:
        return [*lines, f"unlisted {unlisted}; removed {removed}{freed}"]
    return [*lines, f"would unlist {unlisted}; would remove {removed}{freed}; nothing was changed (--apply does it)"]


def _freed(pruned: PruneResult) -> str:
    """How much room the removed files make, and what of them stays under other names."""
    if not pruned.size:
        return ""
    own, shared = pruned.size - pruned.shared_size, pruned.shared_size
    where = "in the cache or in other mirrors (see `pixi-mirror cache prune`)"
    if not own:
        return f", {format_size(shared)} that stay {where}"
    return f", which frees {format_size(own)}{f'; another {format_size(shared)} stay {where}' if shared else ''}"


def _named(paths: Sequence[MirrorPath], *, verbose: bool) -> list[str]:
    """A line for each package and version, and the paths of what is no package; `verbose`: a line for each path."""
    if verbose:
        return [f"  {path}" for path in paths]
    names = {path: name_of_path(path) for path in paths}
    others = [path for path, name in names.items() if name is None]
    return [*name_lines(filter(None, names.values()), verbose=False), *some(others, at_most=_SHOWN)]


def _left(pruned: PruneResult) -> Sequence[MirrorPath]:
    return [path for path in pruned.unlisted if path in pruned.due and path not in pruned.removed]


def _first(pruned: PruneResult, paths: Sequence[MirrorPath] | None = None) -> str:
    """When the first of the files can be removed."""
    return moment(min(pruned.due[path] for path in paths or pruned.waiting))


def _json(pruned: PruneResult) -> Mapping[str, Json]:
    return {
        "verb": "prune",
        "mirror": str(pruned.mirror),
        "applied": pruned.applied,
        "unlisted": list(pruned.unlisted),
        "removed": list(pruned.removed),
        "waiting": list(pruned.waiting),
        "unknown": list(pruned.unknown),
        "kept": list(pruned.kept),
        "replaced": list(pruned.replaced),
        "bytes": pruned.size,
        "shared_bytes": pruned.shared_size,
        "unlisted_bytes": pruned.unlisted_size,
        "waiting_bytes": pruned.waiting_size,
        "packages": [
            *(_row(path, "unlisted", pruned) for path in pruned.unlisted if path not in pruned.removed),
            *(_row(path, "removed", pruned) for path in pruned.removed),
            *(_row(path, "waiting", pruned) for path in pruned.waiting),
        ],
    }


def _row(path: MirrorPath, change: str, pruned: PruneResult) -> Json:
    name, due = name_of_path(path), pruned.due.get(path)
    return {
        "change": change,
        "name": None if name is None else name.name,
        "version": None if name is None else name.version,
        "subdir": None if name is None else name.place,
        "path": path,
        "removable_from": None if due is None or change == "removed" else moment_json(due),
    }


def _empty_json(options: Namespace) -> Mapping[str, Json]:
    return {
        "verb": "prune",
        "mirror": str(options.dir),
        "applied": False,
        **{key: [] for key in ("unlisted", "removed", "waiting", "unknown", "kept", "replaced", "packages")},
        **dict.fromkeys(("bytes", "shared_bytes", "unlisted_bytes", "waiting_bytes"), 0),
    }


COMMAND = Command(
    description="""\
Show what no followed lock wants any more. --apply takes it out of the indexes at once and removes the files when
they have been out for --grace days, so run it now and then. Ends with status 1 if there is something to apply.""",
    declare=_declare,
    run=_run,
    empty_json=_empty_json,
    foreign={"--dry-run": "it only says what would go, as long as --apply is not given"},
)
