"""`pixi mirror diff`."""

from argparse import Namespace
from collections.abc import Iterable, Mapping

from pixi_mirror.commands import options as shared
from pixi_mirror.commands.command import Command, Outcome
from pixi_mirror.commands.package_rows import package_json, target_json
from pixi_mirror.commands.parsing import Parser
from pixi_mirror.commands.text import files_of, plain
from pixi_mirror.history.diff import ChangedPackage, EnvironmentDifference, GenerationsDifference, diff
from pixi_mirror.history.names import CURRENT
from pixi_mirror.model.packages import Package, Target
from pixi_mirror.model.values import Json
from pixi_mirror.progress import format_size

_TABLE = ("| package | before | after | size |", "| --- | --- | --- | ---: |")
_METADATA = "the same file, other metadata"


def _declare(parser: Parser) -> None:
    side = "a generation (its number, a name that it has, or `current`), or a lock file"
    parser.positional("before", default=None, help=f"the earlier side: {side}")
    parser.positional("after", default=CURRENT, help="the later side, in the same way (default: current)")
    shared.declare_mirror_option(parser)
    parser.flag("--markdown", help="print Markdown, for a pull request")
    shared.declare_index_url(parser)
    shared.declare_network(parser)
    shared.declare_output(parser)


def _run(options: Namespace) -> Outcome:
    shared.require_words("diff", BEFORE=options.before)
    context = shared.make_context(options, shared.make_progress(options))
    found = diff(options.output, options.before, options.after, context, index=options.index_url)
    return Outcome(json=_json(found), lines=_markdown(found) if options.markdown else _lines(found))


def _lines(found: GenerationsDifference) -> list[str]:
    lines = [_summary(found)]
    for targets, difference in _grouped(found):
        lines.append(f"{_title(targets)}:")
        lines += [f"  + {package.name} {_version(package)}{_size(package)}" for package in difference.added]
        lines += [f"  - {package.name} {_version(package)}{_size(package)}" for package in difference.removed]
        lines += [f"  ~ {each.after.name} {_versions(each)}{_growth(each)}" for each in difference.changed]
    return lines


def _summary(found: GenerationsDifference) -> str:
    if not found.environments:
        return f"{found.before} and {found.after} have the same packages"
    added = files_of(found.files_added, found.bytes_added)
    return f"{found.before} to {found.after}: {added} more, {files_of(found.files_removed, found.bytes_removed)} fewer"


def _grouped(found: GenerationsDifference) -> Iterable[tuple[list[Target], EnvironmentDifference]]:
    """Differences, each with all environments and platforms in which it is the same."""
    groups: list[tuple[list[Target], EnvironmentDifference]] = []
    for each in found.environments:
        for targets, other in groups:
            if (each.added, each.removed, each.changed) == (other.added, other.removed, other.changed):
                targets.append(each.target)
                break
        else:
            groups.append(([each.target], each))
    return groups


def _title(targets: Iterable[Target]) -> str:
    named: dict[str, list[str]] = {}
    for target in targets:
        workspace = f"{target.workspace}, " if target.workspace else ""
        named.setdefault(f"{workspace}{target.environment}", []).append(target.platform)
    return "; ".join(f"{name} on {', '.join(platforms)}" for name, platforms in named.items())


def _version(package: Package) -> str:
    """`1.2.3 py312_0`: the version, and the build where the kind of package has builds."""
    return f"{package.version} {package.build}" if package.build is not None else package.version


def _size(package: Package) -> str:
    return f" ({format_size(package.size)})" if package.size is not None else ""


def _versions(changed: ChangedPackage) -> str:
    if changed.is_same_file:
        return f"{_version(changed.after)}: {_METADATA}"
    return f"{_version(changed.before)} -> {_version(changed.after)}"


def _growth(changed: ChangedPackage) -> str:
    before, after = changed.before.size, changed.after.size
    if before is None or after is None or before == after:
        return ""
    return f" ({'+' if after > before else '-'}{format_size(abs(after - before))})"


def _markdown(found: GenerationsDifference) -> list[str]:
    lines = [f"**{_cell(_summary(found))}**"]
    for targets, difference in _grouped(found):
        lines += ["", f"### {_cell(_title(targets))}", "", *_TABLE]
        rows = [(each.name, "", _version(each), _size(each).strip(" ()")) for each in difference.added]
        rows += [(each.name, _version(each), "", _size(each).strip(" ()")) for each in difference.removed]
        rows += [
            (
                each.after.name,
                _version(each.before),
                _METADATA if each.is_same_file else _version(each.after),
                _growth(each).strip(" ()"),
            )
            for each in difference.changed
        ]
        lines += [f"| {' | '.join(map(_cell, row))} |" for row in rows]
    return lines


def _cell(text: str) -> str:
    """The text as Markdown shows it: names in locks are not trusted with a table or a link."""
    return "".join(f"\\{letter}" if letter in "\\`*_[]<>|#!~" else letter for letter in plain(text).replace("\n", " "))


def _json(found: GenerationsDifference) -> Mapping[str, Json]:
    return {
        "verb": "diff",
        "mirror": str(found.mirror),
        "before": found.before,
        "after": found.after,
        "environments": [
            {
                **target_json(each.target),
                "added": [_package_json(package) for package in each.added],
                "removed": [_package_json(package) for package in each.removed],
                "changed": [
                    {"before": _package_json(pair.before), "after": _package_json(pair.after)} for pair in each.changed
                ],
            }
            for each in found.environments
        ],
        "files_added": found.files_added,
        "bytes_added": found.bytes_added,
        "files_removed": found.files_removed,
        "bytes_removed": found.bytes_removed,
    }


def _package_json(package: Package) -> Json:
    return {**package_json(package), "sha256": package.sha256, "size": package.size}


def _empty_json(options: Namespace) -> Mapping[str, Json]:
    return {
        "verb": "diff",
        "mirror": str(options.output),
        "before": options.before,
        "after": options.after,
        "environments": [],
        **dict.fromkeys(("files_added", "bytes_added", "files_removed", "bytes_removed"), 0),
    }


COMMAND = Command(
    description="""\
Say which packages were added, removed and changed between two generations of the mirror, between one and a lock, or
between two locks, for which no mirror is needed: per environment and platform, with sizes.

  pixi-mirror diff current pixi.lock                          what an update would change
  pixi-mirror diff <(git show HEAD:pixi.lock) pixi.lock       what a solve has changed, in bash and zsh""",
    declare=_declare,
    run=_run,
    empty_json=_empty_json,
)
