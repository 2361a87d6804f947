"""`pixi mirror why`."""

from argparse import Namespace
from collections.abc import Iterable, Iterator, Mapping

from pixi_mirror.commands import options as shared
from pixi_mirror.commands.command import Command, Outcome
from pixi_mirror.commands.package_rows import package_json
from pixi_mirror.commands.parsing import Parser
from pixi_mirror.errors import DONE, FOUND
from pixi_mirror.mirror.wants import KnownPackage, Want, Wants, find_wants
from pixi_mirror.model.packages import Package
from pixi_mirror.model.values import Json
from pixi_mirror.progress import counted
from pixi_mirror.suggest import advised

_SHOWN = 8
"""Dependants that are named in one place."""

_STATES = {
    "here": "",
    "deferred": ": comes when a client first asks for it",
    "missing": ": not here yet",
    "surplus": ": no lock wants it any more, see {prune}",
}


def _declare(parser: Parser) -> None:
    parser.positional("package", default=None, help="the name of a conda package or of a Python project")
    shared.declare_mirror_option(parser)
    shared.declare_output(parser)
    parser.flag("--all", help="name every package that needs it, and not only the first ones")


def _run(options: Namespace) -> Outcome:
    shared.require_words("why", PACKAGE=options.package)
    found = find_wants(options.output, options.package)
    status = DONE if found.packages else FOUND
    most = None if options.all else _SHOWN
    return Outcome(json=_json(found), lines=_lines(found, most), status=status, is_requested=True)


def _lines(found: Wants, most: int | None) -> list[str]:
    if not found.packages:
        guesses = ", ".join(repr(name) for name in found.similar)
        perhaps = f"; perhaps {guesses} was meant" if guesses else ""
        return [f"{found.mirror} has no package {found.name!r}{perhaps}"]
    prune = advised("prune", found.mirror)
    return [line for files in _versions(found.packages) for line in _of_version(files, found.wants, most, prune=prune)]


def _versions(packages: Iterable[KnownPackage]) -> Iterable[list[KnownPackage]]:
    """The files of each version of each kind."""
    groups: dict[tuple[str, str, str], list[KnownPackage]] = {}
    for each in packages:
        groups.setdefault((each.package.kind, each.package.name, each.package.version), []).append(each)
    return groups.values()


def _of_version(files: list[KnownPackage], wants: Iterable[Want], most: int | None, *, prune: str) -> Iterator[str]:
    yield _named(files[0].package)
    for each in files:
        yield f"  {each.package.path}{_STATES[each.state].format(prune=prune)}"
    paths = {each.package.path for each in files}
    workspace = None
    for group in _alike(want for want in wants if want.package.path in paths):
        first = group[0]
        if workspace != (workspace := (first.workspace, first.lock)):
            yield f"  wanted by {first.workspace}" + (f" ({first.lock})" if first.lock is not None else "")
        yield f"    {_places(group)}"
        yield from (f"      {line}" for line in _reasons(first, most))


def _alike(wants: Iterable[Want]) -> Iterable[list[Want]]:
    """Wants of one lock, each with those that have the same reasons."""
    groups: dict[object, list[Want]] = {}
    for want in wants:
        dependants = tuple((each.package.name, each.package.version, each.requirement) for each in want.dependants)
        chain = tuple((each.name, each.version) for each in want.chain)
        key = (want.workspace, want.lock, want.environment is None, want.is_build, dependants, chain)
        groups.setdefault(key, []).append(want)
    return groups.values()


def _places(wants: Iterable[Want]) -> str:
    """`default, prod on linux-64; default on osx-arm64`."""
    platforms: dict[str, dict[str, None]] = {}
    for want in wants:
        if want.environment is not None and want.platform is not None:
            platforms.setdefault(want.environment, {})[want.platform] = None
    environments: dict[tuple[str, ...], list[str]] = {}
    for environment, names in platforms.items():
        environments.setdefault(tuple(names), []).append(environment)
    found = "; ".join(f"{', '.join(names)} on {', '.join(on)}" for on, names in environments.items())
    return found or "to build its sdists"


def _reasons(want: Want, most: int | None) -> Iterator[str]:
    if want.environment is None:
        return
    if not want.dependants:
        yield (
            "to build a source package" if want.is_build else "no other package needs it, so the workspace itself does"
        )
        return
    if want.chain:
        yield " -> ".join(_named(package) for package in want.chain)
    shown = want.dependants[:most]
    needed = ", ".join(f"{each.package.name} ({each.requirement})" for each in shown)
    left = len(want.dependants) - len(shown)
    more = f" and {counted(left, 'more package')}; --all names them" if left else ""
    yield f"needed by {needed}{more}{' (to build)' if want.is_build else ''}"


def _named(package: Package) -> str:
    return f"{package.name} {package.version}"


def _json(found: Wants) -> Mapping[str, Json]:
    return {
        "verb": "why",
        "mirror": str(found.mirror),
        "package": found.name,
        "packages": [{**package_json(each.package), "state": each.state} for each in found.packages],
        "wanted": [
            {
                "workspace": want.workspace,
                "lock": want.lock,
                "environment": want.environment,
                "platform": want.platform,
                "path": want.package.path,
                "build": want.is_build,
                "dependants": [
                    {**package_json(each.package), "requirement": each.requirement} for each in want.dependants
                ],
                "chain": [package_json(package) for package in want.chain],
            }
            for want in found.wants
        ],
        "similar": list(found.similar),
    }


def _empty_json(options: Namespace) -> Mapping[str, Json]:
    return {
        "verb": "why",
        "mirror": str(options.output),
        "package": options.package,
        "packages": [],
        "wanted": [],
        "similar": [],
    }


COMMAND = Command(
    description="""\
Say why a package is in the mirror: which locks, environments and platforms want it, which packages need it there, and
the shortest way to it from a package that nothing else needs. What wheels need is known from their metadata, of sdists
it is not known. Status 1: the mirror has no such package.""",
    declare=_declare,
    run=_run,
    empty_json=_empty_json,
)
