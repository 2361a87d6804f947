"""`pixi mirror config`."""

import os
import sys
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path

from pixi_mirror.clients.configure import (
    EXPLICIT_CLIENTS,
    ClientConfiguration,
    ClientFile,
    configure_client,
    unconfigure_client,
)
from pixi_mirror.clients.offer import admit_url
from pixi_mirror.clients.registry import CLIENTS
from pixi_mirror.commands import options as shared
from pixi_mirror.commands.command import Command, Outcome
from pixi_mirror.commands.options import current_directory, make_progress
from pixi_mirror.commands.parsing import Parser
from pixi_mirror.commands.values import path
from pixi_mirror.environments.platform import own_subdir
from pixi_mirror.errors import UsageError
from pixi_mirror.model.values import Json

_DEFAULT_URL = "http://127.0.0.1:8765"


def _declare(parser: Parser) -> None:
    shared.declare_mirror(parser)
    parser.value("--for", default="pixi", choices=tuple(CLIENTS), help="the client (default: pixi)")
    parser.value(
        "--url", default=_DEFAULT_URL, metavar="URL", help=f"where the mirror is served (default: {_DEFAULT_URL})"
    )
    parser.flag("--only", help="pixi: shut the hosts upstream, so that pixi asks this mirror alone")
    parser.value(
        "-e",
        "--environment",
        metavar="NAME",
        help="docker: install this environment (default: default); conda, mamba: print its @EXPLICIT list instead, for "
        "an install without a solver",
    )
    parser.value("-p", "--platform", metavar="PLATFORM", help="of that list (default: this machine's)")
    parser.flag("--write", help="put it into the client's own file, where all else stays as it is")
    parser.flag("--remove", help="remove it from there again, and restore what it replaced")
    parser.value(
        "--file",
        convert=path,
        metavar="PATH",
        help="that file (default: of the workspace here for pixi, uv and docker, else that of the user)",
    )
    parser.flag("--global", help="the user's file; of pixi it is the one that `pixi exec` and `pixi global` read")
    shared.declare_output(parser)


def _run(options: Namespace) -> Outcome:
    client = getattr(options, "for")
    _refuse_contradiction(options, client)
    url = admit_url(options.url)
    where = ClientFile(
        client=client,
        named=options.file,
        is_users=getattr(options, "global"),
        directory=current_directory(),
        environ=os.environ,
    )
    mirror = Path(options.dir)
    if options.remove:
        done = unconfigure_client(mirror, where, url=url)
    else:
        done = configure_client(
            mirror,
            where,
            url=url,
            environment=options.environment,
            platform=options.platform or own_subdir(),
            only=options.only,
            write=options.write,
        )
    progress = make_progress(options)
    for note in done.notes:
        progress.note(note)
    for warning in done.warnings:
        progress.warn(warning)
    if done.file is not None:
        verb = "takes it from" if done.content else "has nothing of it left in"
        changed = "" if done.changed else " (it was so before)"
        print(f"{client} {verb} {done.file}{changed}", file=sys.stderr)
    return Outcome(json=_json(done), lines=done.content.splitlines(), is_requested=not options.write)


def _refuse_contradiction(options: Namespace, client: str) -> None:
    changes_file = options.write or options.remove
    if options.write and options.remove:
        raise UsageError("--write and --remove exclude each other.")
    if options.file is not None and getattr(options, "global"):
        raise UsageError("--file and --global name different files: choose one.")
    if options.file is not None and not changes_file:
        raise UsageError("--file goes with --write or --remove.")
    if getattr(options, "global") and not changes_file:
        raise UsageError("--global goes with --write or --remove.")
    if options.environment is not None and client not in ("docker", *EXPLICIT_CLIENTS):
        raise UsageError("--environment goes with --for docker, conda or mamba.")
    if options.environment is not None and client in EXPLICIT_CLIENTS and changes_file:
        raise UsageError("a list of packages is no configuration: print it into a file of your own, without --write.")
    if options.platform is not None and (options.environment is None or client not in EXPLICIT_CLIENTS):
        raise UsageError("--platform goes with --environment and --for conda or mamba.")
    if options.only and client != "pixi":
        raise UsageError("--only goes with --for pixi: no other client can shut a host.")


def _json(done: ClientConfiguration) -> Mapping[str, Json]:
    return {
        "verb": "config",
        "for": done.client,
        "url": done.url,
        "content": done.content,
        "written": None if done.file is None else str(done.file),
        "warnings": list(done.warnings),
    }


def _empty_json(options: Namespace) -> Mapping[str, Json]:
    return {
        "verb": "config",
        "for": getattr(options, "for"),
        "url": options.url,
        "content": "",
        "written": None,
        "warnings": [],
    }


COMMAND = Command(
    description="""\
Print what a client needs to use the mirror where it is served (see `pixi-mirror serve`). For pixi that is a table
[mirrors], by which manifest and lock stay as they are. --write puts it into the client's file. A warning names what in
your own files and variables keeps the client from the mirror.""",
    declare=_declare,
    run=_run,
    empty_json=_empty_json,
)
