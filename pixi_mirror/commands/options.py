"""Options that several verbs share; declaring them imports next to nothing."""

from pathlib import Path

from pixi_mirror.commands.parsing import Parser, natural, path, positive

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


def declare_lock_timeout(
    parser: Parser, *, default_s: float = 0.0, meanwhile: str = "another process writes the mirror"
) -> None:
    """Declare how long to wait for another writer."""
    parser.value(
        "--lock-timeout",
        convert=float,
        default=default_s,
        metavar="SECONDS",
        help=f"how long to wait while {meanwhile} (default: {default_s:.0f})",
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
