"""Options that several verbs share, and what is made of them: progress and context.

Declaring options imports next to nothing, because a run with nothing to do is mostly start-up.
"""

import os
import sys
from argparse import Namespace
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pixi_mirror import suggest
from pixi_mirror.commands.parsing import Parser
from pixi_mirror.commands.values import admitted, host_and_port, natural, path, positive, seconds, web_url
from pixi_mirror.errors import MachineError, UsageError

if TYPE_CHECKING:
    from pixi_mirror.context import Context
    from pixi_mirror.model.indexes import SidecarMaker
    from pixi_mirror.model.network import Settings
    from pixi_mirror.progress import Progress

DEFAULT_MIRROR = Path(suggest.DEFAULT_MIRROR)


def declare_mirror(parser: Parser) -> None:
    """Declare which mirror: by position, or by the option that `update` has."""
    parser.positional("dir", default=None, convert=path, help="the mirror's directory (default: ./mirror)")
    parser.value("-o", "--output", convert=path, metavar="DIR", help="the same, as `update` has it")

    def settle(options: Namespace) -> None:
        typed = parser.was_typed(options, "output")
        if typed and options.dir is not None and options.dir != options.output:
            raise UsageError(f"two mirrors are named, {options.dir} and {options.output}: choose one.")
        options.dir = options.dir or options.output or DEFAULT_MIRROR

    parser.settle(settle)


def declare_archives(parser: Parser, *, with_mirror: bool) -> None:
    """Declare words that are archives, and with `with_mirror` one that may be the mirror's directory."""
    where = ", and last the mirror's directory (default: ./mirror)" if with_mirror else ""
    parser.words("archives", help=f"archives, or directories that hold some{where}")
    if with_mirror:
        parser.value("-o", "--output", convert=path, metavar="DIR", help="the mirror's directory, as `update` has it")

    def settle(options: Namespace) -> None:
        words = [admitted("ARCHIVES", raw, path) for raw in options.archives]
        if with_mirror:
            options.dir = options.output or DEFAULT_MIRROR
            # The last of several words is the mirror's directory, which may not exist yet, unless it can be no such.
            is_archive = bool(words) and (os.path.isfile(words[-1]) or words[-1].suffix == ".tar")
            if len(words) > 1 and not is_archive and not parser.was_typed(options, "output"):
                options.dir = words.pop()
        options.archives = tuple(archive for each in words for archive in _archives_of(each))
        if not options.archives:
            raise UsageError(
                "ARCHIVES missing: name the files that `pixi-mirror export` has written, as /media/usb/*.tar."
            )

    parser.settle(settle)


def _archives_of(named: Path) -> list[Path]:
    """The archive of a word, or those in the directory that it names; reading explains what cannot be looked at."""
    try:
        names = os.listdir(named)
    except OSError:
        return [named]
    found = sorted(named / name for name in names if name.endswith(".tar") and os.path.isfile(named / name))
    if not found:
        raise UsageError(f"the directory {named} holds no archive (*.tar).")
    return found


def refuse_absent_files(options: Namespace) -> None:
    """Refuse options that name files to read which are not there, a file to write in no directory, or a file as cache.

    Raises:
        MachineError: one is not as it has to be.
    """
    for option in ("auth_file", "config_file", "ca_file"):
        named: Path | None = getattr(options, option, None)
        if named is not None and not named.exists():
            raise MachineError(f"--{option.replace('_', '-')}: there is no file {named}; nothing was changed.")
    cache: Path | None = getattr(options, "cache_dir", None)
    if cache is not None and cache.exists() and not cache.is_dir():
        raise MachineError(f"--cache-dir: {cache} is a file and no directory; nothing was changed.")
    report: Path | None = getattr(options, "report", None)
    if report is not None and not os.path.isdir(report.parent):
        options.report = None  # the failure is not to be told again when the report is to be written
        raise MachineError(f"--report: there is no directory {report.parent}; nothing was changed.")


def declare_mirror_option(parser: Parser) -> None:
    """Declare the option for the mirror's directory."""
    parser.value(
        "-o",
        "--output",
        convert=path,
        default=DEFAULT_MIRROR,
        metavar="DIR",
        help="the mirror's directory (default: ./mirror)",
    )


def require_words(verb: str, **words: str | None) -> None:
    """Refuse a command line that lacks a word, given by the names that the help has.

    Raises:
        UsageError: one is missing.
    """
    if missing := [name for name, word in words.items() if not word]:
        raise UsageError(f"{' and '.join(missing)} missing; see `pixi-mirror {verb} --help`.")


def declare_output(parser: Parser) -> None:
    """Declare the options for output."""
    parser.group("output")
    parser.flag("--json", help="one JSON object on stdout instead of text")
    parser.flag("-q", "--quiet", help="nothing on success but warnings and what was asked for")
    parser.flag("-v", "--verbose", help="say more")
    parser.value(
        "--progress",
        default="auto",
        choices=("auto", "bar", "plain", "none"),
        help="how to show progress on stderr (default: a bar on a terminal, else plain lines)",
    )


def declare_index_url(parser: Parser) -> None:
    """Declare which index has the files of a lock that has no URLs."""
    parser.value(
        "--index-url",
        convert=web_url,
        metavar="URL",
        help="the Python index that has the files of a requirements file (default: as it or pixi's configuration says)",
    )


def declare_network(parser: Parser) -> None:
    """Declare the options for fetching."""
    parser.group("fetching (pixi's own configuration is read, too)")
    parser.value(
        "--cache-dir",
        convert=path,
        metavar="DIR",
        help="the cache of fetched files (default: the user's cache directory)",
    )
    parser.value("--jobs", convert=positive, metavar="N", help="downloads at a time (default: pixi's setting, else 8)")
    parser.value(
        "--retries", convert=natural, metavar="N", help="how often to try again after a passing failure (default: 5)"
    )
    declare_settings(parser)
    parser.values(
        "--insecure-host", convert=host_and_port, metavar="HOST", help="do not check the certificate of this host"
    )
    parser.flag(
        "--allow-private-redirects", help="follow redirects from the internet to this machine or into a private network"
    )


def declare_settings(parser: Parser) -> None:
    """Declare which files of settings are read."""
    parser.value("--config-file", convert=path, metavar="FILE", help="read this instead of pixi's global configuration")
    parser.value("--auth-file", convert=path, metavar="FILE", help="read credentials from this file, in pixi's format")
    parser.value("--ca-file", convert=path, metavar="FILE", help="trust the certificates in this file")


def declare_lock_timeout(
    parser: Parser, *, default_s: float = 0.0, meanwhile: str = "another process writes the mirror"
) -> None:
    """Declare how long to wait for another writer."""
    parser.value(
        "--lock-timeout",
        convert=seconds,
        default=default_s,
        metavar="SECONDS",
        help=f"how long to wait while {meanwhile} (default: {default_s:.0f})",
    )


def declare_indexes(parser: Parser) -> None:
    """Declare what makes the files beside `repodata.json`."""
    parser.value(
        "--index",
        default="auto",
        choices=("auto", "task", "rattler-index", "exec", "rattler", "own", "json"),
        help="what makes repodata.json.zst and shards: the pixi task `mirror-index`, rattler-index, `pixi exec "
        "rattler-index`, py-rattler, pixi-mirror itself (`own`), nothing (`json`) (default: the task where it is "
        "defined, else own)",
    )
    parser.value(
        "--shards",
        default="auto",
        choices=("auto", "always", "never"),
        help="whether to make sharded repodata, too (default: where an index is so large that it pays)",
    )


def make_progress(options: Namespace) -> "Progress":
    """Make what shows progress on stderr."""
    from pixi_mirror.commands.progress_output import Quiet, reporter

    if options.quiet:
        return Quiet(sys.stderr)
    return reporter(options.progress, sys.stderr, verbose=options.verbose)


def make_context(options: Namespace, progress: "Progress") -> "Context":
    """Make the context of a verb; files are read when the verb needs them."""
    from pixi_mirror.context import Context

    return Context(
        cache_directory=partial(_cache_directory, options),
        settings=partial(_settings, options),
        progress=progress,
        environ=os.environ,
        directory=current_directory,
        sidecar_maker=partial(_sidecar_maker, options, progress),
        lock_timeout_s=getattr(options, "lock_timeout", 0.0),
    )


def _sidecar_maker(options: Namespace, progress: "Progress", locks: Iterable[str]) -> "SidecarMaker":
    from pixi_mirror.mirror.index_programs import ProgramEnvironment
    from pixi_mirror.mirror.sidecars import ChannelSidecars

    surroundings = ProgramEnvironment(
        environ=os.environ,
        python=Path(sys.executable),
        prefix=Path(sys.prefix),
        workspaces=tuple(dict.fromkeys(Path(lock).parent for lock in locks)),
    )
    # Verbs without these options keep up what an update has made.
    given = vars(options)
    return ChannelSidecars(surroundings, progress, choice=given.get("index"), shards=given.get("shards", "auto"))


def current_directory() -> Path:
    """The current directory.

    Raises:
        MachineError: it is gone, or may not be read.
    """
    try:
        return Path.cwd()
    except OSError as error:
        raise MachineError(f"the current directory cannot be used: {error.strerror}. Change to another.") from None


def _cache_directory(options: Namespace) -> Path:
    from pixi_mirror.settings.files import cache_directory

    return cache_directory(environ=os.environ, option=options.cache_dir)


def _settings(options: Namespace, workspace: Path | None) -> "Settings":
    from pixi_mirror.settings.read import NetworkOptions, read_settings

    given = vars(options)  # a verb that fetches nothing lacks some
    return read_settings(
        environ=os.environ,
        workspace=workspace or current_directory(),
        home=Path.home(),
        options=NetworkOptions(
            config_file=options.config_file,
            auth_file=options.auth_file,
            ca_file=options.ca_file,
            insecure_hosts=tuple(given.get("insecure_host", ())),
            allow_private_redirects=given.get("allow_private_redirects", False),
            retries=given.get("retries"),
            jobs=options.jobs,
        ),
    )
