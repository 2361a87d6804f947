"""`pixi mirror host add|list|remove|put|yank|delete|log`."""

import os
from argparse import Namespace
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pixi_mirror.commands import options as shared
from pixi_mirror.commands.command import Command, Outcome
from pixi_mirror.commands.options import DEFAULT_MIRROR, make_context, make_progress
from pixi_mirror.commands.parsing import Parser
from pixi_mirror.commands.values import path, word
from pixi_mirror.errors import UsageError
from pixi_mirror.model.values import Json

if TYPE_CHECKING:
    from pixi_mirror.hosting.names import HostedName

_ACTIONS = ("add", "list", "remove", "put", "yank", "delete", "log")
_OF_A_NAME, _OF_FILES = ("add", "remove"), ("put", "yank", "delete")


def _declare(parser: Parser) -> None:
    parser.positional("action", default="list", choices=_ACTIONS, help=f"{', '.join(_ACTIONS[:-1])} or {_ACTIONS[-1]}")
    parser.words(
        "words",
        help="add, remove: NAME; put, yank, delete: FILE...; then, for all, the mirror's directory (default: ./mirror)",
    )
    parser.value("-o", "--output", convert=path, metavar="DIR", help="the mirror's directory, as `update` has it")
    parser.flag("--conda", help="add: make NAME/ a conda channel (default: both)")
    parser.flag("--pypi", help="add: make NAME/simple/ a Python index (default: both)")
    parser.value("--to", convert=word, metavar="NAME", help="put: the hosted name that takes the files")
    parser.value("--from", convert=word, metavar="NAME", help="yank, delete: the hosted name that has the files")
    parser.value("--reason", metavar="TEXT", default="", help="yank: why, for those who look at the index")
    parser.flag("--undo", help="yank: let indexes list the files as before")
    parser.flag("--with-files", help="remove: the files that NAME holds as well")
    shared.declare_lock_timeout(parser)
    shared.declare_output(parser)
    parser.settle(_settle)


def _settle(options: Namespace) -> None:
    """Tell names and files from the mirror's directory, which comes last."""
    action, words = options.action, list(options.words)
    least = 0 if action in ("list", "log") else 1
    if len(words) < least:
        what = "NAME" if action in _OF_A_NAME else "FILE"
        raise UsageError(f"{what} missing; see `pixi-mirror host --help`.")
    directory = options.output
    if action in _OF_FILES:
        if len(words) > least and os.path.isdir(words[-1]):
            directory = path(words.pop())
    elif len(words) > least:
        directory = path(words.pop())
    if action not in _OF_FILES and len(words) > least:
        raise UsageError(f"`host {action}` does not take {words[-1]!r}; see `pixi-mirror host --help`.")
    options.dir, options.named = directory or DEFAULT_MIRROR, tuple(words)
    option = {"put": "to", "yank": "from", "delete": "from"}.get(action)
    if option is not None and getattr(options, option) is None:
        raise UsageError(f"--{option} NAME is missing: which hosted name is it? `pixi-mirror host list` shows them.")


def _run(options: Namespace) -> Outcome:
    if options.action in ("list", "log"):
        return _list(options) if options.action == "list" else _log(options)
    ways: Mapping[str, Callable[[Namespace], Outcome]] = {
        "add": _add,
        "remove": _remove,
        "put": _put,
        "yank": _yank,
        "delete": _delete,
    }
    return ways[options.action](options)


def _list(options: Namespace) -> Outcome:
    from pixi_mirror.hosting.names import hosted_names
    from pixi_mirror.mirror.tree import open_mirror

    found = hosted_names(open_mirror(options.dir))
    lines = [f"{each.name}  {' and '.join(each.kinds)}  {_held(each)}" for each in found]
    none = f"{options.dir} hosts nothing; `pixi-mirror host add NAME` makes a channel and an index of its own"
    return Outcome(json=_json(options, hosted=[_row(each) for each in found]), lines=lines or [none])


def _held(name: "HostedName") -> str:
    from pixi_mirror.commands.text import files_of

    return files_of(name.files, name.size)


def _row(name: "HostedName") -> Mapping[str, Json]:
    return {"name": name.name, "kinds": list(name.kinds), "files": name.files, "bytes": name.size}


def _add(options: Namespace) -> Outcome:
    from pixi_mirror.hosting.manage import add_hosted_name
    from pixi_mirror.model.packages import HostedKinds

    both = options.conda == options.pypi
    kinds = HostedKinds(conda=options.conda or both, pypi=options.pypi or both)
    context = make_context(options, make_progress(options))
    made = add_hosted_name(Path(options.dir), options.named[0], kinds, user=_user(), context=context)
    where = {"conda": f"the channel {made.name}/", "pypi": f"the index {made.name}/simple/"}
    line = f"{options.dir} hosts {' and '.join(where[kind] for kind in made.kinds)} now"
    return Outcome(json=_json(options, **_row(made)), lines=[line])


def _remove(options: Namespace) -> Outcome:
    from pixi_mirror.hosting.manage import remove_hosted_name

    context = make_context(options, make_progress(options))
    gone = remove_hosted_name(
        Path(options.dir), options.named[0], with_files=options.with_files, user=_user(), context=context
    )
    line = f"{options.dir} hosts {gone.name} no longer; {_held(gone)} went with it"
    return Outcome(json=_json(options, **_row(gone)), lines=[line])


def _put(options: Namespace) -> Outcome:
    from pixi_mirror.hosting.put import put_files

    context = make_context(options, make_progress(options))
    files = tuple(path(each) for each in options.named)
    done = put_files(Path(options.dir), options.to, files, user=_user(), context=context)
    lines = [f"{each.path}{'' if each.is_new else ', which was there'}" for each in done.outcomes]
    rows = [{"path": each.path, "sha256": each.sha256, "is_new": each.is_new} for each in done.outcomes]
    return Outcome(json=_json(options, name=options.to, files=rows), lines=lines, error=done.error)


def _yank(options: Namespace) -> Outcome:
    from pixi_mirror.hosting.withdraw import yank

    paths = yank(
        Path(options.dir),
        _from(options),
        options.named,
        reason=None if options.undo else options.reason,
        user=_user(),
        context=make_context(options, make_progress(options)),
    )
    what = "no longer yanked" if options.undo else "yanked, and still there for those who have locked it"
    return Outcome(
        json=_json(options, name=_from(options), files=list(paths)), lines=[f"{each}: {what}" for each in paths]
    )


def _delete(options: Namespace) -> Outcome:
    from pixi_mirror.hosting.withdraw import delete

    context = make_context(options, make_progress(options))
    paths = delete(Path(options.dir), _from(options), options.named, user=_user(), context=context)
    return Outcome(
        json=_json(options, name=_from(options), files=list(paths)), lines=[f"{each}: deleted" for each in paths]
    )


def _from(options: Namespace) -> str:
    name: str = getattr(options, "from")
    return name


def _log(options: Namespace) -> Outcome:
    from dataclasses import asdict

    from pixi_mirror.hosting.audit import read_audit

    entries = read_audit(Path(options.dir))
    lines = [
        f"{each.at}  {each.action:6}  {each.user}{f' from {each.address}' if each.address else ''}  "
        f"{each.path or each.name}{f'  sha256 {each.sha256}' if each.sha256 else ''}"
        f"{f'  ({each.reason})' if each.reason else ''}"
        for each in entries
    ]
    none = f"no hosted name of {options.dir} was ever changed"
    return Outcome(json=_json(options, entries=[asdict(each) for each in entries]), lines=lines or [none])


def _user() -> str:
    """Who does it, as this machine calls them."""
    import getpass

    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "local"


def _json(options: Namespace, **more: Json) -> Mapping[str, Json]:
    return {"verb": f"host {options.action}", "mirror": str(options.dir), **more}


_EMPTY: Mapping[str, Mapping[str, Json]] = {
    **{each: {"name": None, "kinds": [], "files": 0, "bytes": 0} for each in _OF_A_NAME},
    **{each: {"name": None, "files": []} for each in _OF_FILES},
    "list": {"hosted": []},
    "log": {"entries": []},
}


def _empty_json(options: Namespace) -> Mapping[str, Json]:
    return _json(options, **_EMPTY[options.action])


COMMAND = Command(
    description="""\
Keep channels and indexes of one's own in the mirror, beside what is mirrored. `host add team` makes the conda channel
team/ and the Python index team/simple/; `host put FILE... --to team` adds packages from this machine. `host yank` lets
no new solve find a file, and keeps it for those who have locked it; `host delete` removes it. No `prune` ever proposes
what is hosted. `host log` says who changed what.""",
    declare=_declare,
    run=_run,
    empty_json=_empty_json,
)
