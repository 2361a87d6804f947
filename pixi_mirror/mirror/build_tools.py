"""Pin, once, what building the sdists of a subscription needs: no lock names it, and the newest would be taken."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from pixi_mirror.errors import WorkspaceError
from pixi_mirror.model.packages import Listing, Package, Snapshot
from pixi_mirror.model.values import MirrorPath, Sha256, Url, admit_sha256, canonical
from pixi_mirror.paths import url_path
from pixi_mirror.pypi.build_requirements import ResolutionRequest
from pixi_mirror.pypi.resolver_output import ResolvedFile

_PYTHON = "python"


def resolve_build_tools(
    snapshots: Iterable[Snapshot],
    listings: Mapping[MirrorPath, Listing],
    resolve: Callable[[ResolutionRequest], tuple[ResolvedFile, ...]],
) -> tuple[Snapshot, ...]:
    """The snapshots with the tools that their requests ask for; those that were resolved for the same stay.

    Raises:
        WorkspaceError: tools are asked for, and the lock names no index that has them, or no Python.
        ProgramError: they cannot be resolved.
    """
    return tuple(_retooled(snapshot, listings, resolve) for snapshot in snapshots)


def _retooled(
    snapshot: Snapshot,
    listings: Mapping[MirrorPath, Listing],
    resolve: Callable[[ResolutionRequest], tuple[ResolvedFile, ...]],
) -> Snapshot:
    needs = _needs(snapshot, listings)
    if not needs:
        return replace(snapshot, tools=(), tools_for=None)
    indexes, homes = _indexes(snapshot), _homes(snapshot)
    answered = _digest([needs, indexes, [[home.python, home.subdir] for home in homes]])
    if answered == snapshot.tools_for:
        return snapshot
    if not indexes or not homes:
        lacking = "names no PyPI index" if not indexes else "has no environment with Python"
        raise WorkspaceError(
            f"the lock of {snapshot.workspace} {lacking}, so what building needs ({', '.join(needs)}) cannot be "
            "resolved. Mirror a lock that has both, or leave --build-requires and --with-build-requirements out."
        )
    tools: dict[MirrorPath, Package] = {}
    for home in homes:
        request = ResolutionRequest(requirements=needs, indexes=indexes, python=home.python, subdir=home.subdir)
        tools.update((tool.path, tool) for each in resolve(request) for tool in [_package(each, indexes)])
    return replace(snapshot, tools=tuple(tools[path] for path in sorted(tools)), tools_for=answered)


@dataclass(frozen=True, slots=True, order=True)
class _Home:
    """Where something is built."""

    python: str
    """Major and minor version."""
    subdir: str


def _needs(snapshot: Snapshot, listings: Mapping[MirrorPath, Listing]) -> tuple[str, ...]:
    needs = {need for request in snapshot.requests for need in request.build_requires}
    if any(request.with_build_requirements for request in snapshot.requests):
        known = (listings.get(package.path) for package in snapshot.packages)
        needs.update(need for listing in known if listing is not None for need in listing.build_requires or ())
    return tuple(sorted(needs))


def _indexes(snapshot: Snapshot) -> tuple[str, ...]:
    named = (index for package in snapshot.packages if package.kind == "pypi" for index in package.record["indexes"])
    return tuple(dict.fromkeys(named))


def _homes(snapshot: Snapshot) -> list[_Home]:
    pythons = {each.path: each.version for each in snapshot.packages if each.kind == "conda" and each.name == _PYTHON}
    found = {
        _Home(".".join(pythons[path].split(".")[:2]), cell.subdir)
        for cell in snapshot.cells
        for path in cell.packages
        if path in pythons and path not in cell.build_packages
    }
    return sorted(found)


def _digest(value: object) -> Sha256:
    return admit_sha256(hashlib.sha256(canonical(value)).hexdigest())


def _package(resolved: ResolvedFile, indexes: tuple[str, ...]) -> Package:
    return Package(
        path=url_path(resolved.url),
        url=Url(resolved.url),
        sha256=resolved.sha256,
        md5=None,
        size=None,
        kind="pypi",
        name=resolved.name,
        version=resolved.version,
        build=None,
        subdir=None,
        record=MappingProxyType({"indexes": list(indexes), "find-links": []}),
    )
