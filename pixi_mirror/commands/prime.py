"""`pixi mirror prime`."""

from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path

from pixi_mirror.commands import options as shared
from pixi_mirror.commands.command import Command, Outcome
from pixi_mirror.commands.options import make_context, make_progress
from pixi_mirror.commands.parsing import Parser
from pixi_mirror.commands.text import files_of
from pixi_mirror.commands.values import path, positive, word
from pixi_mirror.environments.package_cache import Waiting
from pixi_mirror.environments.platform import own_subdir
from pixi_mirror.environments.prime import Choice, Primed, prime
from pixi_mirror.lockfile.selection import SUBDIR_PREFIX
from pixi_mirror.model.values import Json
from pixi_mirror.progress import counted

_JOBS = 4
_LOCK_TIMEOUT_S = 60.0


def _declare(parser: Parser) -> None:
    shared.declare_mirror(parser)
    parser.group("what to put there (default: all environments)")
    parser.value(
        "-m", "--manifest-path", convert=path, metavar="PATH", help="of this workspace alone: its manifest or directory"
    )
    parser.value("--lock", convert=path, metavar="PATH", help="of this lock alone")
    parser.value("--name", convert=word, metavar="NAME", help="of this subscription alone, as given to `update --name`")
    parser.values("-e", "--environment", metavar="NAME", help="only this environment")
    parser.flag("--all-environments", help="all environments, as if no -e were given")
    parser.values("-p", "--platform", metavar="PLATFORM", help="of this platform (default: this machine's)")
    parser.group("where, and how")
    parser.value(
        "--pixi-cache-dir",
        convert=path,
        metavar="DIR",
        help="the root of pixi's cache (default: PIXI_CACHE_DIR, RATTLER_CACHE_DIR, else what pixi says)",
    )
    parser.flag("--dry-run", help="say what would be put there, and write nothing")
    parser.value("--jobs", convert=positive, default=_JOBS, metavar="N", help=f"packages at a time (default: {_JOBS})")
    shared.declare_lock_timeout(parser, default_s=_LOCK_TIMEOUT_S, meanwhile="a running pixi keeps the cache locked")
    shared.declare_output(parser)


def _run(options: Namespace) -> Outcome:
    named = tuple(dict.fromkeys(options.platform))
    choice = Choice(
        lock=options.lock,
        manifest=options.manifest_path,
        name=options.name,
        environments=() if options.all_environments else tuple(dict.fromkeys(options.environment)),
        platforms=named or (f"{SUBDIR_PREFIX}{own_subdir()}",),
    )
    primed = prime(
        Path(options.dir),
        choice=choice,
        cache=options.pixi_cache_dir,
        jobs=options.jobs,
        dry_run=options.dry_run,
        context=make_context(options, make_progress(options)),
    )
    return Outcome(json=_json(primed), lines=_lines(primed, verbose=options.verbose), error=primed.error)


def _lines(primed: Primed, *, verbose: bool) -> list[str]:
    lines = [f"  {each.name}" for each in primed.primed] if verbose or primed.dry_run else []
    there = f"{counted(len(primed.there), 'package was', 'packages were')} there already"
    if not primed.primed:
        return [*lines, f"{primed.cache}: nothing to put there; {there}"] if not primed.failed else lines
    verb = "would get" if primed.dry_run else "got"
    size = sum(each.size for each in primed.primed)
    return [*lines, f"{primed.cache} {verb} the packages of {files_of(len(primed.primed), size)}; {there}"]


def _json(primed: Primed) -> Mapping[str, Json]:
    return {
        "verb": "prime",
        "mirror": str(primed.mirror),
        "cache": str(primed.cache),
        "dry_run": primed.dry_run,
        "primed": [_entry(each) for each in primed.primed],
        "there": [_entry(each) for each in primed.there],
        "failed": [str(each) for each in primed.failed],
        "bytes": sum(each.size for each in primed.primed),
        "warnings": list(primed.warnings),
    }


def _entry(entry: Waiting) -> Mapping[str, Json]:
    return {"name": entry.name, "path": entry.path, "sha256": entry.sha256}


def _empty_json(options: Namespace) -> Mapping[str, Json]:
    return {
        "verb": "prime",
        "mirror": str(options.dir),
        "cache": None,
        "dry_run": options.dry_run,
        **{key: [] for key in ("primed", "there", "failed", "warnings")},
        "bytes": 0,
    }


COMMAND = Command(
    description="""\
Put the conda packages of the mirror's environments into pixi's package cache, so that `pixi install --frozen --offline`
works with no server. A good entry of the cache is left as it is, and a pixi at work beside it is waited for. Python
packages from PyPI have no such way: serve the mirror for them.""",
    declare=_declare,
    run=_run,
    empty_json=_empty_json,
)
