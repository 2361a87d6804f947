"""`pixi mirror config`."""

import os
import sys
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path

from pixi_mirror.clients.configure import ClientConfiguration, configure_client, unconfigure_client
from pixi_mirror.clients.offer import admit_url
from pixi_mirror.clients.registry import CLIENTS
from pixi_mirror.commands import options as shared
from pixi_mirror.commands.command import Command, Outcome
from pixi_mirror.commands.make_context import make_progress, users_directory
from pixi_mirror.commands.parsing import Parser, path
from pixi_mirror.errors import UsageError
from pixi_mirror.model.values import Json

_DEFAULT_URL = "http://127.0.0.1:8765"


def _declare(parser: Parser) -> None:
    shared.declare_mirror(parser)
    parser.value("--for", default="pixi", choices=tuple(CLIENTS), help="the client (default: pixi)")
    parser.value(
        "--url", default=_DEFAULT_URL, metavar="URL", help=f"where the mirror is served (default: {_DEFAULT_URL})"
    )
    parser.value("--environment", metavar="NAME", help="docker: the environment to install (default: default)")
    parser.flag("--write", help="put it into the client's own file, where all else stays as it is")
    parser.flag("--remove", help="take it out again, and restore what it replaced")
    parser.value(
        "--file",
        convert=path,
        metavar="PATH",
        help="that file (default: of the workspace here for pixi and uv, else that of the user)",
    )
    shared.declare_output(parser)


def _run(options: Namespace) -> Outcome:
    if options.write and options.remove:
        raise UsageError("--write and --remove exclude each other.")
    if options.file is not None and not (options.write or options.remove):
        raise UsageError("--file goes with --write or --remove.")
    if options.environment is not None and getattr(options, "for") != "docker":
        raise UsageError("--environment goes with --for docker.")
    url = admit_url(options.url)
    client = getattr(options, "for")
    where = {"file": options.file, "directory": users_directory(), "environ": os.environ}
    if options.remove:
        done = unconfigure_client(client=client, url=url, **where)
    else:
        words = {"environment": options.environment, "write": options.write}
        done = configure_client(Path(options.dir), client=client, url=url, **words, **where)
    report = make_progress(options)
    for note in done.notes:
        report.note(note)
    if done.file is not None:
        verb = "takes it from" if done.content else "has nothing of it left in"
        changed = "" if done.changed else " (it was so before)"
        print(f"{client} {verb} {done.file}{changed}", file=sys.stderr)
    return Outcome(json=_json(done), lines=done.content.splitlines())


def _json(done: ClientConfiguration) -> Mapping[str, Json]:
    return {
        "verb": "config",
        "for": done.client,
        "url": done.url,
        "content": done.content,
        "written": None if done.file is None else str(done.file),
    }


def _blank(options: Namespace) -> Mapping[str, Json]:
    return {"verb": "config", "for": getattr(options, "for"), "url": options.url, "content": "", "written": None}


COMMAND = Command(
    description="""\
Print what a client needs to use the mirror where it is served (see `pixi-mirror serve`). For pixi that is a table
[mirrors], by which manifest and lock stay as they are. --write puts it into the client's file.""",
    declare=_declare,
    run=_run,
    blank=_blank,
)
