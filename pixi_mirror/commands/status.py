"""`pixi mirror status`."""

import os
import shutil
import sys
from argparse import Namespace
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pixi_mirror.commands import options as shared
from pixi_mirror.commands.change_lines import moment
from pixi_mirror.commands.command import Command, Outcome
from pixi_mirror.commands.database_lines import database_json, database_line
from pixi_mirror.commands.parsing import Parser
from pixi_mirror.commands.text import files_of
from pixi_mirror.errors import DONE, FOUND
from pixi_mirror.mirror.checkout import sources_json
from pixi_mirror.mirror.dates import dates_json
from pixi_mirror.mirror.status import SourceSummary, Status, SubscriptionStatus, status
from pixi_mirror.model.values import Json
from pixi_mirror.progress import counted, format_size
from pixi_mirror.pypi.simple import PAGES_OF_LINKS
from pixi_mirror.suggest import advised

if TYPE_CHECKING:
    from pixi_mirror.airgap.waiting import WaitingFiles

_STATES = {
    "current": "current",
    "changed": "the lock wants something other than the mirror offers: run {update}",
    "missing": "the lock is not there; what it wanted last stays",
    "unreadable": "the lock cannot be read; what it wanted last stays",
}
_UNKNOWN = "where its lock is, is not known on this machine; what it wanted last stays"


def _declare(parser: Parser) -> None:
    shared.declare_mirror(parser)
    parser.flag("--check", help="exit with status 1 if anything is out of date")
    shared.declare_output(parser)


def _run(options: Namespace) -> Outcome:
    found = status(Path(options.dir), environ=os.environ, remember=options.check)
    code = FOUND if options.check and not found.is_current else DONE
    waiting = _waiting(found)
    lines = [*_lines(found), *_staged_lines(waiting), *_bars(found)]
    return Outcome(json={**_json(found), **_staged_json(waiting)}, lines=lines, status=code)


def _bars(found: Status) -> Iterator[str]:
    """The sizes as bars, if a terminal shows them: what a program reads stays as it is."""
    if not sys.stdout.isatty():
        return
    from pixi_mirror.commands.bars import bar_lines

    columns, encoding = shutil.get_terminal_size().columns, sys.stdout.encoding
    environments = [
        (f"{each.environment} of {subscription.workspace}", each.size)
        for subscription in found.subscriptions
        for each in subscription.contents
    ]
    held = [(each.url, each.size) for each in (*found.channels, *found.indexes, *found.repositories)]
    for title, sizes in (("space by environment", environments), ("space by channel and index", held)):
        yield from bar_lines(title, sizes, columns=columns, encoding=encoding)


def _waiting(found: Status) -> "WaitingFiles | None":
    """What imports have brought that is not offered yet; None: nothing."""
    if found.is_closed or not found.has_staged:
        return None
    from pixi_mirror.airgap.waiting import find_waiting_files  # most mirrors have nothing that waits

    return find_waiting_files(found.mirror)


def _staged_lines(waiting: "WaitingFiles | None") -> list[str]:
    if waiting is None:
        return []
    from pixi_mirror.airgap.incomplete import missing_lines

    lines = [f"{files_of(waiting.files, waiting.size)} that imports have brought wait, and are not offered yet"]
    for each in waiting.generations:
        lines.append(f"g{each.number} is not complete: it lacks {files_of(each.files, each.size)}")
        lines += missing_lines(each)
    return lines


def _staged_json(waiting: "WaitingFiles | None") -> Mapping[str, Json]:
    if waiting is None:
        return {"staged": {"files": 0, "bytes": 0}, "incomplete": []}
    from pixi_mirror.airgap.incomplete import missing_json

    return {
        "staged": {"files": waiting.files, "bytes": waiting.size},
        "incomplete": [missing_json(each) for each in waiting.generations],
    }


def _lines(found: Status) -> list[str]:
    lines = [f"{found.mirror}: {files_of(found.files, found.size)}", _dates(found)]
    for subscription in found.subscriptions:
        lines += _subscription_lines(found, subscription)
    if not found.subscriptions and not found.has_staged:
        lines.append("follows no lock: `pixi-mirror --lock PATH -o DIR` has it follow one")
    lines += _held_lines(found)
    for sdist in found.sdists:
        needs = ", ".join(sdist.build_requires)
        lines.append(f"will not build offline: {sdist.path} needs {needs}")
    for source in found.checkout:
        doubt = "" if source.builds_offline else f" (will not build offline: {_reason(source.lacks)})"
        lines.append(f"from your checkout: {source.entry}{doubt}")
    lines += [f"will not build offline: {commit.entry}: {_reason(commit.lacks)}" for commit in found.unbuildable]
    lines += [f"outside the workspace, not mirrored: {directory.entry}" for directory in found.outside]
    difference = found.plan.difference
    if difference.missing or difference.changed:
        bad = counted(len(difference.missing) + len(difference.changed), "file")
        lines.append(f"{bad} missing or changed on disk: {_advice(found)}")
    if found.plan.deferred:
        waiting = files_of(len(found.plan.deferred), found.plan.deferred_size)
        lines.append(f"{waiting} deferred: `pixi-mirror serve --upstream` fetches each when it is first asked for")
    if found.stale_indexes:
        lines.append(f"{counted(len(found.stale_indexes), 'index', 'indexes')} out of date: {_advice(found)}")
    return [*lines, *_surplus_lines(found)]


def _surplus_lines(found: Status) -> Iterator[str]:
    """What is here and wanted by no lock: what prune takes out of the indexes, what waits, and what stays."""
    apart = {*found.waiting, *found.kept}
    see = f"see {advised('prune', found.mirror)}"
    if listed := sum(path not in apart for path in found.plan.difference.surplus):
        advice = see if found.subscriptions else "delete the directory to be rid of them"
        yield f"{counted(listed, 'file')} no longer wanted: {advice}"
    if found.waiting:
        yield f"{counted(len(found.waiting), 'file')} unlisted, and waiting to be removed: {see}"
    if found.kept:
        kept = counted(len(found.kept), "file")
        yield f"{kept} no longer wanted, and kept for a generation with a name: see {advised('log', found.mirror)}"


def _reason(lacks: tuple[str, ...] | None) -> str:
    """Why a source will not build offline."""
    return "nothing here says what building it needs" if lacks is None else f"the mirror lacks {', '.join(lacks)}"


def _held_lines(found: Status) -> Iterator[str]:
    for channel in found.channels:
        held = files_of(channel.files, channel.size)
        yield f"channel {channel.url} in {channel.path}/ ({', '.join(channel.subdirs)}): {held}"
    for index in found.indexes:
        yield f"index {index.url} {_place(index)}: {files_of(index.files, index.size)}"
    if found.plan.policy is not None:
        yield f"policy {found.plan.policy.name}: `update` and `verify` judge by it"
    for path, database in found.plan.advisories.items():
        yield f"advisories {database_line(path, database)}"
    for repository in found.repositories:
        held = f"{counted(repository.files, 'commit')}, {format_size(repository.size)}"
        yield f"git repository {repository.url} in {repository.path}/: {held}"


def _dates(found: Status) -> str:
    refreshed, verified = found.dates
    if found.is_closed:
        return "when it was refreshed and verified is known to its owner alone"
    first = "when it was refreshed is not known" if refreshed is None else f"refreshed {moment(refreshed)}"
    return f"{first}, {'not verified yet' if verified is None else f'verified {moment(verified)}'}"


def _advice(found: Status) -> str:
    """What mends the mirror here; without a lock, no update can."""
    if found.has_locks:
        return f"run {advised('update', found.mirror)} or {advised('verify --repair', found.mirror)}"
    return f"run {advised('verify --repair', found.mirror)}"


def _place(index: SourceSummary) -> str:
    if index.path is None:
        return "that can have no place here"
    return f"in {index.path}" if index.path.lower().endswith(PAGES_OF_LINKS) else f"in {index.path}/"


def _subscription_lines(found: Status, subscription: SubscriptionStatus) -> list[str]:
    unknown = "its lock is known to the owner of the mirror alone" if found.is_closed else _UNKNOWN
    state = _STATES[subscription.state].format(update=advised("update", found.mirror))
    lock = f"{subscription.lock}: {state}" if subscription.lock else unknown
    lines = [
        f"follows {subscription.workspace}{'' if subscription.contents else ': nothing'}",
        f"  {lock}",
    ]
    lines += [
        f"  {each.environment} on {', '.join(each.platforms)}: {files_of(each.files, each.size)}"
        for each in subscription.contents
    ]
    lines += [f"  left out: {entry}" for entry in subscription.refused]
    return lines


def _json(found: Status) -> Mapping[str, Json]:
    return {
        "verb": "status",
        "mirror": str(found.mirror),
        "subscriptions": [
            {
                "workspace": subscription.workspace,
                "lock": subscription.lock,
                "environments": list(subscription.environments),
                "platforms": list(subscription.platforms),
                "contents": [
                    {
                        "environment": each.environment,
                        "platforms": list(each.platforms),
                        "files": each.files,
                        "bytes": each.size,
                    }
                    for each in subscription.contents
                ],
                "state": subscription.state,
                "refused": list(subscription.refused),
            }
            for subscription in found.subscriptions
        ],
        "channels": [{**_held(channel), "subdirs": list(channel.subdirs)} for channel in found.channels],
        "indexes": [_held(index) for index in found.indexes],
        "policy": None if found.plan.policy is None else found.plan.policy.name,
        "advisories": [database_json(path, each) for path, each in found.plan.advisories.items()],
        "repositories": [_held(repository) for repository in found.repositories],
        "sdists": [{"path": sdist.path, "build_requires": list(sdist.build_requires)} for sdist in found.sdists],
        **sources_json(found.checkout, found.outside, found.unbuildable),
        "missing": list(found.plan.difference.missing),
        "changed": list(found.plan.difference.changed),
        "deferred": sorted(found.plan.deferred),
        "surplus": list(found.plan.difference.surplus),
        "waiting": list(found.waiting),
        "kept": list(found.kept),
        "stale_indexes": list(found.stale_indexes),
        "files": found.files,
        "bytes": found.size,
        **dates_json(found.dates),
    }


def _held(held: SourceSummary) -> Json:
    return {"url": held.url, "path": held.path, "files": held.files, "bytes": held.size}


def _empty_json(options: Namespace) -> Mapping[str, Json]:
    return {
        "verb": "status",
        "mirror": str(options.dir),
        **{key: [] for key in _LISTS},
        "policy": None,
        **_staged_json(None),
        "files": 0,
        "bytes": 0,
        "refreshed": None,
        "verified": None,
    }


_LISTS = (
    "subscriptions",
    "channels",
    "indexes",
    "advisories",
    "repositories",
    "sdists",
    "checkout",
    "unbuildable",
    "outside",
    "missing",
    "changed",
    "deferred",
    "surplus",
    "waiting",
    "kept",
    "stale_indexes",
)


COMMAND = Command(
    description="Say what the mirror holds, which locks it follows, how large it is and what is out of date.",
    declare=_declare,
    run=_run,
    empty_json=_empty_json,
)
