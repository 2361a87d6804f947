"""What the shared options make: the report, and the equipment that verbs are given."""

import os
import sys
from argparse import Namespace
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from pixi_mirror.cli.progress import Quiet, reporter
from pixi_mirror.errors import MachineError
from pixi_mirror.indexes import Companion
from pixi_mirror.model import Json
from pixi_mirror.report import Report
from pixi_mirror.verbs.equipment import Equipment


def report_for(options: Namespace) -> Report:
    """Who hears of progress."""
    if options.quiet:
        return Quiet(sys.stderr)
    return reporter(options.progress, sys.stderr, verbose=options.verbose)


def equipment_for(options: Namespace, report: Report) -> Equipment:
    """What a verb is given; no file is read before a verb asks for it."""
    return Equipment(
        cache_directory=partial(_cache_directory, options),
        settings=partial(_settings, options),
        report=report,
        environ=os.environ,
        directory=users_directory,
        companion=partial(_companion, options, report),
        lock_timeout_s=getattr(options, "lock_timeout", 0.0),
    )


def _companion(options: Namespace, report: Report, locks: Iterable[str]) -> Companion:
    from pixi_mirror.indexes.sidecars import Sidecars, Surroundings

    surroundings = Surroundings(
        environ=os.environ,
        python=Path(sys.executable),
        prefix=Path(sys.prefix),
        workspaces=tuple(dict.fromkeys(Path(lock).parent for lock in locks)),
    )
    # Verbs that cannot be told keep up what an update has made.
    asked: Json = vars(options)
    return Sidecars(surroundings, report, choice=asked.get("index"), shards=asked.get("shards", "auto"))


def users_directory() -> Path:
    """Where the user stands.

    Raises:
        MachineError: that directory is gone, or closed to them.
    """
    try:
        return Path.cwd()
    except OSError as error:
        raise MachineError(f"the current directory cannot be used: {error.strerror}. Change to another.") from None


def _cache_directory(options: Namespace) -> Path:
    from pixi_mirror.settings import cache_directory

    return cache_directory(environ=os.environ, option=options.cache_dir)


def _settings(options: Namespace, workspace: Path | None) -> Json:
    from pixi_mirror.settings import Options, read_settings

    return read_settings(
        environ=os.environ,
        workspace=workspace or users_directory(),
        home=Path.home(),
        options=Options(
            config_file=options.config_file,
            auth_file=options.auth_file,
            ca_file=options.ca_file,
            insecure_hosts=tuple(options.insecure_host),
            retries=options.retries,
            jobs=options.jobs,
        ),
    )
