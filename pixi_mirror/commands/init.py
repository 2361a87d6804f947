"""`pixi mirror init`."""

from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pixi_mirror.commands import options as shared
from pixi_mirror.commands.command import Command, Outcome
from pixi_mirror.commands.options import current_directory, make_context, make_progress
from pixi_mirror.commands.parsing import Parser
from pixi_mirror.commands.values import path, word
from pixi_mirror.errors import DONE, FOUND, PixiMirrorError, UsageError
from pixi_mirror.model.values import Json

if TYPE_CHECKING:
    from pixi_mirror.context import Context
    from pixi_mirror.mirror.update_result import UpdateResult
    from pixi_mirror.mirror.verify import VerifyResult
    from pixi_mirror.workspace.create import LockedWorkspace
    from pixi_mirror.workspace.edit import TasksResult
    from pixi_mirror.workspace.manifest import WorkspaceDescription

_DESCRIPTION = """\
From names to a mirror: make the workspace DIR of packages, have pixi lock it (or py-rattler, where there is no pixi),
mirror it into DIR/mirror, and verify that. The first word is always the directory. The same command again goes on where
one was stopped.

  pixi-mirror init lab python=3.12 'numpy>=2'        for this machine's platform, from conda-forge
  pixi-mirror init lab numpy -c https://conda.example.com/team -p linux-64 -p win-64
  pixi-mirror init lab --from environment.yml        or requirements.txt, or pyproject.toml
  pixi-mirror init                                   in a workspace: add the tasks of a mirror"""

_SPEC_SIGNS = ("=", "<", ">", "::", "*")


def _declare(parser: Parser) -> None:
    def settle(options: Namespace) -> None:
        # A variable is for many runs, and says nothing of this one.
        typed = [name for name in ("channel", "platform", "pypi", "from") if parser.was_typed(options, name)]
        options.needs_directory = bool(options.name or typed)

    parser.settle(settle)
    parser.positional("dir", default=None, convert=path, help="the directory of the new workspace, empty or absent")
    parser.words("name", help="a package as conda users write it: numpy, python=3.12, 'numpy>=2', conda-forge::numpy")
    parser.group("what is in it")
    parser.values(
        "-c",
        "--channel",
        convert=word,
        metavar="CHANNEL",
        help="a channel: its name or URL, the first has the highest priority (default: pixi's, else conda-forge)",
    )
    parser.values(
        "-p",
        "--platform",
        convert=word,
        metavar="PLATFORM",
        help="a platform, as linux-64 (default: this machine's)",
    )
    parser.values("--pypi", convert=word, metavar="NAME", help="a package of PyPI, as 'rich>=13'; needs pixi")
    parser.values(
        "--from",
        convert=path,
        metavar="FILE",
        help="a file that lists packages: environment.yml, requirements.txt, pyproject.toml",
    )
    parser.flag("--dry-run", help="print the manifest, or what would change in it, and stop")
    parser.group("the mirror")
    shared.declare_indexes(parser)
    shared.declare_lock_timeout(parser)
    shared.declare_network(parser)
    shared.declare_output(parser)


def _run(options: Namespace) -> Outcome:
    if options.dir is None:
        if options.needs_directory:
            raise UsageError(
                "no directory is named, which comes first: `pixi-mirror init DIR python=3.12 numpy`; see `pixi-mirror "
                "init --help`."
            )
        return _add_tasks(options)
    _refuse_package_as_directory(options)
    return _create(options)


def _refuse_package_as_directory(options: Namespace) -> None:
    if any(sign in str(options.dir) for sign in _SPEC_SIGNS) and not options.dir.exists():
        raise UsageError(
            f"the first word is the directory, and {str(options.dir)!r} looks like a package: `pixi-mirror init DIR "
            f"{options.dir}`."
        )


def _add_tasks(options: Namespace) -> Outcome:
    from pixi_mirror.workspace.edit import add_tasks_here

    report = make_progress(options)
    context = make_context(options, report)
    result = add_tasks_here(current_directory(), context.environ, dry_run=options.dry_run)
    for name in result.differing:
        report.note(f"the task {name} is there already and runs something else; it stays as it is")
    names = ", ".join(result.added)
    if not result.added:
        lines = [f"nothing to do: {result.manifest} has the tasks"]
    elif options.dry_run:
        lines = [*result.diff, f"would add {names}; nothing was changed in {result.manifest}"]
    else:
        lines = [f"added {names} to {result.manifest}", *_daily_lines(where=None, has_pixi=True, has_tasks=True)]
    return Outcome(json=_tasks_json(result, dry_run=options.dry_run), lines=lines)


def _create(options: Namespace) -> Outcome:
    from pixi_mirror.environments.platform import own_subdir
    from pixi_mirror.workspace.create import lock_workspace
    from pixi_mirror.workspace.describe import NamedPackages, describe_workspace
    from pixi_mirror.workspace.manifest import workspace_manifest

    report = make_progress(options)
    context = make_context(options, report)
    directory: Path = options.dir
    description, notes = describe_workspace(
        NamedPackages(
            packages=tuple(options.name),
            pypi=tuple(options.pypi),
            channels=tuple(options.channel),
            platforms=tuple(options.platform),
            files=tuple(getattr(options, "from")),
        ),
        name=directory.absolute().name or "mirror",
        directory=current_directory(),
        default_channels=context.settings(directory).default_channels,
        own_platform=own_subdir(),
    )
    for note in notes:
        report.note(note)
    if options.dry_run:
        manifest = workspace_manifest(description)
        would = {**_empty_json(options), "platforms": list(description.platforms), "channels": [*description.channels]}
        return Outcome(
            json={**would, "diff": manifest},
            lines=[*manifest.splitlines(), f"# would be {directory / 'pixi.toml'}; nothing was written"],
        )
    locked = lock_workspace(directory, description, context)
    return _mirror(options, locked, context)


def _mirror(options: Namespace, locked: "LockedWorkspace", context: "Context") -> Outcome:
    """Mirror a locked workspace as `update` does, and verify it."""
    from pixi_mirror.commands.render_update import announcer, update_lines
    from pixi_mirror.commands.verify import verify_lines
    from pixi_mirror.mirror.update import update
    from pixi_mirror.mirror.update_result import UpdateRequest
    from pixi_mirror.mirror.verify import verify
    from pixi_mirror.workspace.create import LOCK, MIRROR

    mirror = locked.directory / MIRROR
    request = UpdateRequest(
        mirror=mirror,
        names_mirror=True,
        selection=locked.selection,
        flat=False,
        defer=False,
        dry_run=False,
        question={},
    )
    updated = update(request, context, announce=announcer(context.progress, verbose=options.verbose))
    verified = verify(mirror, repair=False, context=context) if updated.error is None else None
    by = {"pixi": "pixi", "rattler": "py-rattler"}[locked.solver]
    verb = f"locked by {by}" if locked.is_new else "locked before"
    lock = locked.directory / LOCK
    lines = [f"{verb}: {lock} ({', '.join(locked.description.platforms)})", *update_lines(updated, verbose=False)]
    if verified is not None:
        lines += verify_lines(verified)
        has_pixi = locked.solver == "pixi"
        can_run = has_pixi and _can_run_tasks(locked.description)
        lines += _daily_lines(where=locked.directory, has_pixi=has_pixi, has_tasks=can_run)
    error: PixiMirrorError | None = updated.error
    return Outcome(
        json=_create_json(locked, updated, verified),
        lines=lines,
        status=FOUND if verified is not None and verified.left else DONE,
        error=error,
    )


def _can_run_tasks(description: "WorkspaceDescription") -> bool:
    """Whether pixi runs the tasks on this machine: the environment of the tasks is for some platforms only."""
    from pixi_mirror.environments.platform import own_subdir

    return own_subdir() in (description.tool_platforms or description.platforms)


def _daily_lines(*, where: Path | None, has_pixi: bool, has_tasks: bool) -> list[str]:
    update, serve = ("pixi run mirror-update", "pixi run mirror-serve") if has_tasks else ("pixi-mirror", _SERVE)
    commands = (
        ("pixi update", f"newer versions, into pixi.lock{'' if has_pixi else ' (needs pixi)'}"),
        (update, "bring them into ./mirror"),
        (serve, "show ./mirror over HTTP to pixi, conda, mamba, pip and uv"),
    )
    width = max(len(command) for command, _ in commands)
    head = "from now on:" if where is None else f"from now on, in {where}:"
    return [head, *(f"  {command.ljust(width)}  # {what}" for command, what in commands)]


_SERVE = "pixi-mirror serve"


def _tasks_json(result: "TasksResult", *, dry_run: bool) -> Mapping[str, Json]:
    return {
        **_nothing(),
        "workspace": str(result.manifest.parent),
        "dry_run": dry_run,
        "tasks": list(result.added),
        "diff": "\n".join(result.diff),
    }


def _create_json(
    locked: "LockedWorkspace", updated: "UpdateResult", verified: "VerifyResult | None"
) -> Mapping[str, Json]:
    from pixi_mirror.workspace.tasks import MIRROR_TASKS

    packages = updated.plan.packages.values()
    return {
        **_nothing(),
        "workspace": str(locked.directory),
        "mirror": str(updated.mirror),
        "solver": locked.solver,
        "channels": list(locked.description.channels),
        "platforms": list(locked.description.platforms),
        "packages": len(packages),
        "bytes": sum(package.size or 0 for package in packages),
        "fetched": list(updated.fetched),
        "wrong": [] if verified is None else list(verified.left),
        "tasks": [task.name for task in MIRROR_TASKS],
    }


def _nothing() -> dict[str, Json]:
    return {
        "verb": "init",
        "workspace": None,
        "dry_run": False,
        "mirror": None,
        "solver": None,
        "channels": [],
        "platforms": [],
        "packages": 0,
        "bytes": 0,
        "fetched": [],
        "wrong": [],
        "tasks": [],
        "diff": "",
    }


def _empty_json(options: Namespace) -> Mapping[str, Json]:
    directory = None if options.dir is None else str(options.dir)
    return {**_nothing(), "workspace": directory, "dry_run": options.dry_run}


COMMAND = Command(
    description=_DESCRIPTION,
    declare=_declare,
    run=_run,
    empty_json=_empty_json,
    foreign={
        "-i": "--from takes an environment.yml",
        "--import": "--from takes an environment.yml",
        "-f": "--from takes a file that lists packages",
        "--file": "--from takes a file that lists packages",
        "-r": "--from takes a requirements.txt",
        "-n": "the first word is the directory, and names the workspace",
        "-o": "the mirror is DIR/mirror; the first word is DIR",
        "--output": "the mirror is DIR/mirror; the first word is DIR",
    },
)
