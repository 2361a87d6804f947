"""`pixi mirror ls`."""

import shutil
import sys
from argparse import Namespace
from collections.abc import Iterable, Mapping
from typing import get_args

from pixi_mirror.commands import options as shared
from pixi_mirror.commands.command import Command, Outcome
from pixi_mirror.commands.messages import is_terminal, say
from pixi_mirror.commands.package_rows import package_json, targets_json
from pixi_mirror.commands.parsing import Parser
from pixi_mirror.commands.text import plain, table
from pixi_mirror.errors import MachineError
from pixi_mirror.mirror.contents import ContentsFilter, ListedContents, ListedPackage, list_contents
from pixi_mirror.model.packages import Kind, Target
from pixi_mirror.model.values import Json
from pixi_mirror.progress import counted, format_size

_SIZE = 4
"""The column of sizes."""
_CUT = "…"


def _declare(parser: Parser) -> None:
    shared.declare_mirror(parser)
    parser.group("which packages")
    parser.values("--match", metavar="GLOB", help="those whose name is like this, as numpy or 'lib*'")
    parser.values("--channel", metavar="CHANNEL", help="conda packages of this channel: its URL, or as conda-forge")
    parser.values("-e", "--environment", metavar="NAME", help="those that this environment of a lock wants")
    parser.values("-p", "--platform", metavar="PLATFORM", help="those that this platform of a lock wants")
    parser.values("--kind", metavar="KIND", choices=get_args(Kind), help=f"one of {', '.join(get_args(Kind))}")
    shared.declare_output(parser)
    parser.flag("--long", help="say more of each: its state, who wants it, and its path in the mirror")


def _run(options: Namespace) -> Outcome:
    wanted = ContentsFilter(
        names=tuple(options.match),
        channels=tuple(options.channel),
        environments=tuple(options.environment),
        platforms=tuple(options.platform),
        kinds=tuple(options.kind),
    )
    try:
        found = list_contents(options.dir, wanted)
    except MachineError as error:
        if options.dir.exists() or len(options.dir.parts) > 1 or options.dir in (options.output, shared.DEFAULT_MIRROR):
            raise
        raise MachineError(f"{error} A package's name is given with --match: `ls --match {options.dir}`.") from None
    if not found.packages and not options.quiet:
        say("hint", f"{found.mirror} has no such package" if wanted != ContentsFilter() else f"{found.mirror} is empty")
    return Outcome(json=_json(found), lines=_lines(found, is_long=options.long), is_requested=True)


def _lines(found: ListedContents, *, is_long: bool) -> list[str]:
    rows = table((_row(each, is_long=is_long) for each in found.packages), right=(_SIZE,))
    on_terminal = is_terminal(sys.stdout)
    if on_terminal:
        width = shutil.get_terminal_size().columns
        rows = [_cut(plain(row), width) for row in rows]
    if rows and (on_terminal or is_long):
        rows.append(f"{counted(len(rows), 'package')}, {format_size(found.size)}")
    return rows


def _row(each: ListedPackage, *, is_long: bool) -> tuple[str, ...]:
    package = each.package
    size = "" if package.size is None else format_size(package.size)
    row = (package.name, package.version, package.build or "", package.subdir or package.kind, size)
    return (*row, each.state, package.path, _targets(each.targets)) if is_long else row


def _targets(targets: Iterable[Target]) -> str:
    """`analysis: default, prod`: the platforms are left out, because the path tells most of them."""
    named: dict[str, dict[str, None]] = {}
    for target in targets:
        named.setdefault(target.workspace, {})[target.environment] = None
    return "; ".join(f"{workspace}: {', '.join(environments)}" for workspace, environments in named.items())


def _cut(line: str, width: int) -> str:
    return line if len(line) <= width else line[: width - 1] + _CUT


def _json(found: ListedContents) -> Mapping[str, Json]:
    return {
        "verb": "ls",
        "mirror": str(found.mirror),
        "packages": [
            {
                **package_json(each.package),
                "url": each.package.url.stripped,
                "origin": each.origin,
                "sha256": each.package.sha256,
                "size": each.package.size,
                "state": each.state,
                "targets": targets_json(each.targets),
            }
            for each in found.packages
        ],
        "files": len(found.packages),
        "bytes": found.size,
    }


def _empty_json(options: Namespace) -> Mapping[str, Json]:
    return {"verb": "ls", "mirror": str(options.dir), "packages": [], "files": 0, "bytes": 0}


COMMAND = Command(
    description="""\
List the packages of the mirror: name, version, build, subdir or kind, size. Each option narrows the list; given twice,
it takes either value. No file is looked at: `pixi-mirror verify` does that. On a terminal, lines are cut to its width.

  pixi-mirror ls --match 'lib*' -p linux-64
  pixi-mirror ls -e prod --long | less -S""",
    declare=_declare,
    run=_run,
    empty_json=_empty_json,
    foreign={
        "--name": "a name is given with --match",
        "-n": "a name is given with --match",
        "--subdir": "it is called --platform here",
        "-c": "it is called --channel here",
        "-l": "it is called --long here",
    },
)
