"""What the shared options make: the progress, and the context that verbs are given."""

import os
import sys
from argparse import Namespace
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from pixi_mirror.commands.progress_output import Quiet, reporter
from pixi_mirror.context import Context
from pixi_mirror.errors import MachineError
from pixi_mirror.model.indexes import SidecarMaker
from pixi_mirror.model.values import Json
from pixi_mirror.progress import Progress


def make_progress(options: Namespace) -> Progress:
    """Who hears of progress."""
    if options.quiet:
        return Quiet(sys.stderr)
    return reporter(options.progress, sys.stderr, verbose=options.verbose)


def make_context(options: Namespace, progress: Progress) -> Context:
    """What a verb is given; no file is read before a verb asks for it."""
    return Context(
        cache_directory=partial(_cache_directory, options),
        settings=partial(_settings, options),
        progress=progress,
        environ=os.environ,
        directory=users_directory,
        sidecar_maker=partial(_sidecar_maker, options, progress),
        lock_timeout_s=getattr(options, "lock_timeout", 0.0),
    )


def _sidecar_maker(options: Namespace, progress: Progress, locks: Iterable[str]) -> SidecarMaker:
    from pixi_mirror.mirror.index_programs import ProgramEnvironment
    from pixi_mirror.mirror.sidecars import ChannelSidecars

    surroundings = ProgramEnvironment(
        environ=os.environ,
        python=Path(sys.executable),
        prefix=Path(sys.prefix),
        workspaces=tuple(dict.fromkeys(Path(lock).parent for lock in locks)),
    )
    # Verbs that cannot be told keep up what an update has made.
    asked: Json = vars(options)
    return ChannelSidecars(surroundings, progress, choice=asked.get("index"), shards=asked.get("shards", "auto"))


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
    from pixi_mirror.settings.files import cache_directory

    return cache_directory(environ=os.environ, option=options.cache_dir)


def _settings(options: Namespace, workspace: Path | None) -> Json:
    from pixi_mirror.settings.read import NetworkOptions, read_settings

    return read_settings(
        environ=os.environ,
        workspace=workspace or users_directory(),
        home=Path.home(),
        options=NetworkOptions(
            config_file=options.config_file,
            auth_file=options.auth_file,
            ca_file=options.ca_file,
            insecure_hosts=tuple(options.insecure_host),
            retries=options.retries,
            jobs=options.jobs,
        ),
    )
