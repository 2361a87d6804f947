"""`pixi mirror advisories update|list|remove`."""

import re
from argparse import Namespace
from collections.abc import Mapping

from pixi_mirror.advisories.carry import (
    HeldDatabase,
    UpdatedAdvisories,
    held_databases,
    remove_advisories,
    update_advisories,
)
from pixi_mirror.commands import options as shared
from pixi_mirror.commands.command import Command, Outcome
from pixi_mirror.commands.database_lines import age, database_json, database_line
from pixi_mirror.commands.options import make_context, make_progress
from pixi_mirror.commands.parsing import Parser
from pixi_mirror.commands.values import Unfit, word
from pixi_mirror.errors import UsageError
from pixi_mirror.mirror.tree import open_mirror
from pixi_mirror.model.segments import is_portable
from pixi_mirror.model.values import Json
from pixi_mirror.progress import format_size

_ACTIONS = ("list", "update", "remove")


def _name(raw: str) -> str:
    """A name that can be a folder of a mirror.

    Raises:
        Unfit: it is none.
    """
    if not re.fullmatch(r"(?a)[A-Za-z0-9][\w.-]{0,63}", raw) or not is_portable(raw):
        raise Unfit("takes a name of letters, digits, `.`, `_` and `-`")
    return raw


def _declare(parser: Parser) -> None:
    parser.positional(
        "action",
        default="list",
        choices=_ACTIONS,
        help="`update` brings a database, `remove` drops it, `list` (default)",
    )
    shared.declare_mirror(parser)
    parser.value(
        "--from",
        convert=word,
        metavar="URL|FILE",
        help="update: where the advisories come from, in the format OSV: an archive of JSON files (all.zip), a JSON "
        "file, or a directory of such files",
    )
    parser.value(
        "--name",
        convert=_name,
        default="osv",
        metavar="NAME",
        help="which database is meant, for mirrors that carry several (default: osv)",
    )
    shared.declare_lock_timeout(parser)
    shared.declare_network(parser)
    shared.declare_output(parser)


def _run(options: Namespace) -> Outcome:
    source = getattr(options, "from")
    if options.action != "update" and source is not None:
        raise UsageError("--from goes with `advisories update`.")
    if options.action == "list":
        held = held_databases(open_mirror(options.dir))
        lines = [_line(each) for each in held] or [f"{options.dir} carries no advisories"]
        return Outcome(json={**_empty_json(options), "databases": list(map(_row, held))}, lines=lines)
    context = make_context(options, make_progress(options))
    if options.action == "remove":
        done = remove_advisories(options.dir, name=options.name, context=context)
        line = (
            f"{options.dir}: the advisories {options.name} are carried no longer; `pixi-mirror prune` removes the file"
        )
        return Outcome(json=_json(options, done), lines=[line])
    if source is None:
        raise UsageError("--from is missing: the URL or the file of a database of advisories in the format OSV.")
    done = update_advisories(options.dir, source, name=options.name, context=context)
    return Outcome(json=_json(options, done), lines=_lines(options, done))


def _line(held: HeldDatabase) -> str:
    return f"{database_line(held.path, held.database)}, {format_size(held.size)}, sha256 {held.sha256}"


def _lines(options: Namespace, done: UpdatedAdvisories) -> list[str]:
    assert done.now is not None  # noqa: S101 - it was updated
    lines = [_line(done.now)]
    if done.before is None:
        lines.append(f"nobody publishes the hash of such a file: {options.dir} pins the one that came first")
    elif done.before.sha256 == done.now.sha256:
        lines.append("it is the one that was here already")
    else:
        lines.append(f"before: {age(done.before.database.newest_at)}; sha256 {done.before.sha256}")
        if done.now.database.newest_at < done.before.database.newest_at:
            lines.append("what came is OLDER than what it took the place of: ask where it comes from")
    if not done.about_projects:
        lines.append("none of them is about a project of PyPI, so an audit will find nothing in it")
    return lines


def _row(held: HeldDatabase) -> Mapping[str, Json]:
    return {**database_json(held.path, held.database), "bytes": held.size}


def _json(options: Namespace, done: UpdatedAdvisories) -> Mapping[str, Json]:
    now = [] if done.now is None else [_row(done.now)]
    before = None if done.before is None else _row(done.before)
    return {**_empty_json(options), "databases": now, "before": before}


def _empty_json(options: Namespace) -> Mapping[str, Json]:
    return {
        "verb": f"advisories {options.action}",
        "mirror": str(options.dir),
        "databases": [],
        "before": None,
    }


COMMAND = Command(
    description="""\
Carry databases of known vulnerabilities in the mirror, so that `audit` works where there is no network. They are in
the format OSV; you name where they come from. The first bytes are believed and pinned by their hash; others come only
with another `update`, which says how old the old and the new ones are.""",
    declare=_declare,
    run=_run,
    empty_json=_empty_json,
)
