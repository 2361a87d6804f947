"""`pixi mirror unpack`."""

import os
import sys
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path

from pixi_mirror.commands import options as shared
from pixi_mirror.commands.command import Command, Outcome
from pixi_mirror.commands.options import make_progress
from pixi_mirror.commands.parsing import Parser
from pixi_mirror.commands.values import path, positive
from pixi_mirror.conda.names import SUBDIRS
from pixi_mirror.environments.platform import own_subdir
from pixi_mirror.environments.shells import SHELLS
from pixi_mirror.errors import UsageError
from pixi_mirror.model.values import Json
from pixi_mirror.pack.unpack import UnpackDestination, UnpackedPack, unpack

_PACK = Path("environment.tar")
_STDIN = Path("-")


def _declare(parser: Parser) -> None:
    parser.positional(
        "pack",
        default=_PACK,
        help="a .tar, .tar.zstd, .sh or .ps1 file, a folder, or - for standard input (default: ./environment.tar)",
    )
    parser.group("where to, and for whom")
    parser.value(
        "-o",
        "--output-directory",
        convert=path,
        default=Path(),
        metavar="DIR",
        help="the environment's directory and its activation script are made here (default: .)",
    )
    parser.value("-e", "--env-name", default="env", metavar="NAME", help="the environment's directory (default: env)")
    parser.value(
        "-s",
        "--shell",
        metavar="SHELL",
        help=f"whose words the script is in: {', '.join(SHELLS)} (default: bash, or cmd)",
    )
    parser.value(
        "--platform", metavar="PLATFORM", help="what the pack has to be for, such as win-64 (default: this machine's)"
    )
    parser.value("--jobs", convert=positive, metavar="N", help="how much to do at a time (default: one for each core)")
    shared.declare_output(parser)


def _run(options: Namespace) -> Outcome:
    for option, value, known in (("--shell", options.shell, SHELLS), ("--platform", options.platform, sorted(SUBDIRS))):
        if value is not None and value not in known:
            raise UsageError(f"{option} is {value!r}; choose from {', '.join(known)}.")
    source = Path(options.pack)
    unpacked = unpack(
        sys.stdin.buffer if source == _STDIN else source,
        UnpackDestination(
            directory=options.output_directory,
            name=options.env_name,
            shell=options.shell,
            platform=options.platform or own_subdir(),
        ),
        jobs=options.jobs or os.cpu_count() or 1,
        progress=make_progress(options),
    )
    return Outcome(json=_json(options, unpacked), lines=unpacked.lines(names_files=options.verbose))


def _json(options: Namespace, unpacked: UnpackedPack) -> Mapping[str, Json]:
    done, pack = unpacked.done, unpacked.pack
    new = {each.name for each in done.archives}
    new_wheels = {each.name for each in done.wheels}
    return {
        "verb": "unpack",
        "pack": str(options.pack),
        "prefix": str(unpacked.prefix),
        "activation": str(unpacked.activation),
        "platform": pack.metadata.platform,
        "packages": [
            {
                "kind": "conda",
                "name": each.name,
                "version": each.record["version"],
                "build": each.record["build"],
                "file": each.file_name,
                "sha256": each.record["sha256"],
                "url": each.url,
                "installed": each.name in new,
            }
            for each in pack.archives
        ]
        + [
            {
                "kind": "pypi",
                "name": each.name,
                "version": each.version,
                "file": each.file_name,
                "sha256": each.sha256,
                "installed": each.name in new_wheels,
            }
            for each in pack.wheels
        ],
        "removed": [
            *({"kind": "conda", "name": each.name, "version": each.version} for each in done.surplus),
            *({"kind": "pypi", "name": each.name, "version": each.version} for each in done.stale),
        ],
        "unverified": list(pack.unverified),
        "warnings": list(unpacked.warnings),
    }


def _empty_json(options: Namespace) -> Mapping[str, Json]:
    return {
        "verb": "unpack",
        "pack": str(options.pack),
        **dict.fromkeys(("prefix", "activation", "platform")),
        **{key: [] for key in ("packages", "removed", "unverified", "warnings")},
    }


COMMAND = Command(
    description="""\
Make the environment that a pack holds, of this program or of pixi-pack: every file is verified, the environment is
built beside its place and put there in one step, and a script that activates it is written. No network is used. An
environment that is there already becomes what the pack holds.""",
    declare=_declare,
    run=_run,
    empty_json=_empty_json,
)
