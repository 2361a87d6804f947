"""`pixi mirror [update]`: its options, and the run with nothing to do; `render_update` has the rest.

A run with nothing to do imports neither what an update needs nor what it prints.
"""

import os
import sys
from argparse import Namespace
from collections.abc import Mapping
from typing import Any

from pixi_mirror.commands import options as shared
from pixi_mirror.commands.command import Command, Outcome
from pixi_mirror.commands.parsing import Parser
from pixi_mirror.commands.text import nothing_to_do
from pixi_mirror.commands.values import path, requirement, span, without_user, word
from pixi_mirror.mirror.dates import record_date
from pixi_mirror.mirror.memo import decision_inputs, recall

_LOCK_FORMATS = ("pixi", "pylock", "uv", "requirements", "explicit", "conda-lock", "prefix")
"""`FORMATS` of `lockfile.formats.detection`, which a run with nothing to do need not import."""

_DESCRIPTION = """\
Bring the mirror to hold what the locks pin: fetch what is missing, verify every byte, write the channel indexes.
Never removes a package. With nothing chosen it refreshes the locks that the mirror follows.

  pixi-mirror --lock pixi.lock -e prod      one environment, for every platform that it is locked for; without pixi
  pixi-mirror -e prod                       the same for the workspace around you; asks pixi where it is
  pixi-mirror --lock a/pixi.lock --lock b/pixi.lock --all-environments -p linux-64 -o /srv/mirror
  pixi-mirror                               refresh what ./mirror follows
  pixi-mirror --dry-run                     what a refresh would bring"""


def _declare(parser: Parser) -> None:
    _declare_selection(parser)
    _declare_policy(parser)
    _declare_mirror(parser)


def _declare_selection(parser: Parser) -> None:
    parser.group("what to mirror")
    parser.values(
        "-m",
        "--manifest-path",
        convert=path,
        metavar="PATH",
        help="a workspace that pixi is asked about: its manifest or directory (default: the one around you)",
    )
    parser.flag("--locked", help="have pixi check that the lock is current (default: mirror it as it stands)")
    parser.values("--lock", convert=path, metavar="PATH", help="a lock, the directory of a pixi.lock, or a prefix")
    parser.value(
        "--lock-format",
        choices=_LOCK_FORMATS,
        help="what format that lock has (default: by its name and content)",
    )
    shared.declare_index_url(parser)
    parser.value(
        "--name",
        convert=word,
        metavar="NAME",
        help="follow the lock by this name and not by its path, which may change (CI)",
    )
    parser.values("-e", "--environment", metavar="NAME", help="an environment of the lock (default: `default`)")
    parser.flag("--all-environments", help="every environment of the lock")
    parser.values(
        "-p",
        "--platform",
        metavar="PLATFORM",
        help="a platform: its name, or a conda subdir (default: all that the lock has for the environment)",
    )
    parser.flag("--no-pypi", help="leave PyPI packages out")
    parser.flag("--no-build-packages", help="leave out what building source packages needs (locks of version 7)")
    parser.flag("--skip-unmirrorable", help="report what cannot be mirrored, and go on")
    parser.flag("--allow-md5", help="accept packages for which the lock has only an md5")
    parser.flag("--allow-unhashed", help="accept packages without a hash; the first fetch pins the hash")
    parser.values(
        "--build-requires",
        convert=requirement,
        metavar="NAME",
        help="mirror, too, what building sdists needs: a requirement, resolved once with uv or pip",
    )
    parser.flag("--with-build-requirements", help="the same for all that the mirrored sdists themselves ask for")


def _declare_policy(parser: Parser) -> None:
    parser.group("what it must be like (recorded, for later runs too)")
    parser.value(
        "--policy",
        convert=path,
        metavar="FILE",
        help="bring nothing that is against this policy: a pixi-policy.toml, which the program pixi-policy judges, "
        "with pixi-mirror-policy.toml beside it if that is there; or such a file alone",
    )
    parser.value(
        "--minimum-age",
        convert=span,
        metavar="SPAN",
        help="bring nothing that was built or uploaded less than this ago, as 7d or 36h",
    )
    parser.flag("--no-policy", help="drop the policy that the mirror records")


def _declare_mirror(parser: Parser) -> None:
    parser.group("where to, and how")
    parser.value(
        "-o",
        "--output",
        convert=path,
        metavar="DIR",
        help="the mirror's directory (default: ./mirror)",
    )
    parser.settle(_settle)
    parser.flag("--flat", help="make one merged channel, not a directory per channel (new mirrors only)")
    shared.declare_indexes(parser)
    parser.flag("--defer", help="pin and list what is not there without fetching it; `serve --upstream` does on demand")
    parser.flag("--fork", help="make a mirror that `import` fills one of its own, which takes no more archives")
    parser.flag("--dry-run", help="say what would be brought, and stop")
    parser.value("--report", convert=path, metavar="FILE", help="write the JSON of the run to a file, too")
    shared.declare_lock_timeout(parser)
    shared.declare_network(parser)
    shared.declare_output(parser)


def _settle(options: Namespace) -> None:
    options.names_mirror = options.output is not None
    options.output = options.output or shared.DEFAULT_MIRROR


_DECIDES = (
    *("manifest_path", "lock", "lock_format", "index_url", "name", "environment", "all_environments", "platform"),
    *("no_pypi", "no_build_packages", "skip_unmirrorable", "allow_md5", "allow_unhashed", "flat", "index", "shards"),
    *("build_requires", "with_build_requirements", "defer", "policy", "minimum_age", "no_policy"),
)
"""Options that change what an update decides; the others are for fetching and output."""


def _run(options: Namespace) -> Outcome:
    question = _question(options)
    if not (options.json or options.dry_run or options.locked or options.report or options.fork):
        known = recall(str(options.output), question)
        if known is not None:
            if known.pop("renews_all"):
                record_date(options.output, "refresh")
            return Outcome(lines=[nothing_to_do(options.output, **known)], json={})
    from pixi_mirror.commands.render_update import run

    return run(options, question)


def _question(options: Namespace) -> Mapping[str, Any]:
    """Everything that decides what an update does, without the contents of files."""
    question = {key: getattr(options, key) for key in _DECIDES}
    for key in ("manifest_path", "lock"):  # what a relative path or a symbolic link means may change
        question[key] = [os.path.realpath(each) for each in question[key]]
    if options.index_url is not None:  # what is remembered has no password
        question["index_url"] = without_user(options.index_url)
    if options.policy is not None:
        question["policy"] = os.path.realpath(options.policy)
    here = None if options.lock or options.manifest_path else os.path.realpath(os.curdir)
    return {**question, "here": here, "surroundings": decision_inputs(os.environ, sys.executable, sys.path)}


def _empty_json(options: Namespace) -> Mapping[str, Any]:
    lists = (
        "wanted",
        "missing",
        "changed",
        "deferred",
        "surplus",
        "changes",
        "refused",
        "checkout",
        "unbuildable",
        "outside",
        "warnings",
        "indexes",
        "fetched",
        "failed",
    )
    return {
        "verb": "update",
        "mirror": str(options.output),
        "dry_run": options.dry_run,
        **{key: [] for key in lists},
        **dict.fromkeys(("bytes", "bytes_unknown"), 0),
        "policy": None,
    }


COMMAND = Command(
    description=_DESCRIPTION,
    declare=_declare,
    run=_run,
    empty_json=_empty_json,
    foreign={
        "--prune": "`pixi-mirror prune` removes what no lock wants any more",
        "--manifest": "-m or --manifest-path names a workspace",
        "--env": "-e or --environment names an environment",
        "--check": "`pixi-mirror status --check` says whether anything is out of date",
        "--frozen": "a lock is mirrored as it stands, without --locked",
    },
)
