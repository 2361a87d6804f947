"""Options that several verbs share, and what they make of them."""

import os
import sys
from argparse import Namespace
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from pixi_mirror.cli.parsing import Parser, natural, path, positive
from pixi_mirror.cli.progress import Quiet, reporter
from pixi_mirror.errors import MachineError
from pixi_mirror.indexes import Companion
from pixi_mirror.model import Json
from pixi_mirror.report import Report
from pixi_mirror.verbs.equipment import Equipment

DEFAULT_MIRROR = Path("mirror")


def declare_mirror(parser: Parser) -> None:
    """Declare which mirror, by position."""
    parser.positional("dir", default=DEFAULT_MIRROR, help="the mirror's directory (default: ./mirror)")


def declare_output(parser: Parser) -> None:
    """Declare how to talk."""
    parser.group("output")
    parser.flag("--json", help="one JSON object on stdout instead of text")
    parser.flag("-q", "--quiet", help="no progress and no notes, only results, warnings and errors")
    parser.flag("-v", "--verbose", help="say more")
    parser.value(
        "--progress",
        default="auto",
        choices=("auto", "bar", "plain", "none"),
        help="how to show progress on stderr (default: a bar on a terminal, else plain lines)",
    )


def declare_network(parser: Parser) -> None:
    """Declare how to fetch."""
    parser.group("fetching (pixi's own configuration is read too: mirrors, proxies, TLS, credentials)")
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
    parser.value("--config-file", convert=path, metavar="FILE", help="read this instead of pixi's global configuration")
    parser.value("--auth-file", convert=path, metavar="FILE", help="read credentials from this file, in pixi's format")
    parser.value("--ca-file", convert=path, metavar="FILE", help="trust the certificates in this file")
    parser.values("--insecure-host", metavar="HOST", help="do not check the certificate of this host")


def declare_lock_timeout(parser: Parser) -> None:
    """Declare how long to wait for another writer."""
    parser.value(
        "--lock-timeout",
        convert=float,
        default=0.0,
        metavar="SECONDS",
        help="how long to wait while another process writes the mirror (default: 0)",
    )


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
        directory=_directory,
        companion=partial(_companion, options, report),
        lock_timeout_s=getattr(options, "lock_timeout", 0.0),
    )


def declare_indexes(parser: Parser) -> None:
    """Declare who makes what stands beside `repodata.json`."""
    parser.value(
        "--index",
        default="auto",
        choices=("auto", "task", "rattler-index", "exec", "rattler", "json"),
        help="what makes repodata.json.zst and shards: the pixi task `mirror-index`, rattler-index, `pixi exec "
        "rattler-index`, py-rattler, nothing (default: the first of task, rattler-index and rattler that is there)",
    )
    parser.value(
        "--shards",
        default="auto",
        choices=("auto", "always", "never"),
        help="whether to make sharded repodata, too (default: where an index is so large that it pays)",
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


def _directory() -> Path:
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
        workspace=workspace or Path.cwd(),
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
