"""`pixi mirror forget`."""

from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path

from pixi_mirror.commands import options as shared
from pixi_mirror.commands.command import Command, Outcome
from pixi_mirror.commands.options import make_context, make_progress
from pixi_mirror.commands.parsing import Parser
from pixi_mirror.commands.values import path, word
from pixi_mirror.mirror.forget import ForgetResult, forget
from pixi_mirror.model.values import Json
from pixi_mirror.progress import counted
from pixi_mirror.suggest import advised


def _declare(parser: Parser) -> None:
    shared.declare_mirror(parser)
    parser.value(
        "-m",
        "--manifest-path",
        convert=path,
        metavar="PATH",
        help="the workspace to follow no longer: its manifest or directory, which may be gone",
    )
    parser.value(
        "--lock", convert=path, metavar="PATH", help="the lock to follow no longer; the file itself may be gone"
    )
    parser.value("--name", convert=word, metavar="NAME", help="the same by its name of `update --name`")
    parser.values("-e", "--environment", metavar="NAME", help="only this environment of the lock")
    shared.declare_lock_timeout(parser)
    shared.declare_output(parser)


def _run(options: Namespace) -> Outcome:
    forgotten = forget(
        Path(options.dir),
        lock=options.lock,
        manifest=options.manifest_path,
        name=options.name,
        environments=tuple(dict.fromkeys(options.environment)),
        context=make_context(options, make_progress(options)),
    )
    return Outcome(json=_json(forgotten), lines=_lines(forgotten))


def _lines(forgotten: ForgetResult) -> list[str]:
    what = ", ".join(forgotten.environments) + " of " if forgotten.environments else ""
    line = f"{forgotten.mirror} no longer follows {what}{forgotten.workspace}"
    unwanted = f"{counted(len(forgotten.surplus), 'file')} no longer wanted"
    if not forgotten.follows:
        return [f"{line}, and now follows no lock; {unwanted}: delete the directory, or name a lock with --lock"]
    return [f"{line}; {unwanted}: see {advised('prune', forgotten.mirror)}" if forgotten.surplus else line]


def _json(forgotten: ForgetResult) -> Mapping[str, Json]:
    return {
        "verb": "forget",
        "mirror": str(forgotten.mirror),
        "workspace": forgotten.workspace,
        "environments": list(forgotten.environments),
        "surplus": list(forgotten.surplus),
    }


def _empty_json(options: Namespace) -> Mapping[str, Json]:
    return {"verb": "forget", "mirror": str(options.dir), "workspace": None, "environments": [], "surplus": []}


COMMAND = Command(
    description="Stop following a lock, or some of its environments. Their packages stay until `pixi-mirror prune`.",
    declare=_declare,
    run=_run,
    empty_json=_empty_json,
)
