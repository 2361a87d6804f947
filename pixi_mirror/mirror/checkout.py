"""The source directories that locks install: which come from your checkout, and which will build offline.

They are no files of the mirror. What building them needs is: the requirements of their pyproject.toml, from an index.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from pixi_mirror.model.packages import Package, Snapshot, SourceDirectory
from pixi_mirror.model.values import Json
from pixi_mirror.pypi.requirements import accepts, required_name


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckoutSource:
    """A directory of a workspace's own."""

    entry: str
    path: str
    """As the lock has it."""
    workspace: str
    builds_offline: bool
    """Whether the mirror has all that building it is known to need."""


def checkout_sources(snapshots: Iterable[Snapshot], packages: Iterable[Package]) -> tuple[CheckoutSource, ...]:
    """The directories of the workspaces' own.

    Args:
        snapshots: what the subscriptions want.
        packages: what the mirror has or will have: what they can be built with.
    """
    versions = known_versions(packages)
    return tuple(
        CheckoutSource(
            entry=directory.entry,
            path=directory.path,
            workspace=snapshot.workspace,
            builds_offline=_builds_offline(directory, versions),
        )
        for snapshot in snapshots
        for directory in snapshot.directories
        if directory.is_inside
    )


def outside_sources(snapshots: Iterable[Snapshot]) -> tuple[SourceDirectory, ...]:
    """The directories that belong to no workspace: nobody has them who has only the checkout and the mirror."""
    found = {each.entry: each for snapshot in snapshots for each in snapshot.directories if not each.is_inside}
    return tuple(found.values())


def outside_warnings(snapshots: Iterable[Snapshot]) -> Iterator[str]:
    """A sentence for each directory that belongs to no workspace."""
    for directory in outside_sources(snapshots):
        yield (
            f"{directory.entry} is a directory outside the workspace: it is not mirrored, so who installs from the "
            "mirror needs it at the same place."
        )


def known_versions(packages: Iterable[Package]) -> Mapping[str, set[str]]:
    """The versions of each Python project, by its normalised name."""
    versions: dict[str, set[str]] = {}
    for package in packages:
        if package.kind == "pypi":
            versions.setdefault(package.name, set()).add(package.version)
    return versions


def missing_requirements(needs: Iterable[str], versions: Mapping[str, set[str]]) -> tuple[str, ...]:
    """Those requirement lines that no known version fulfils."""
    return tuple(
        line for line in needs if not any(accepts(line, version) for version in versions.get(required_name(line), ()))
    )


def _builds_offline(directory: SourceDirectory, versions: Mapping[str, set[str]]) -> bool:
    return directory.build_requires is not None and not missing_requirements(directory.build_requires, versions)


def sources_json(checkout: Iterable[CheckoutSource], outside: Iterable[SourceDirectory]) -> Mapping[str, Json]:
    """The keys `checkout` and `outside` of the JSON of `update`, `status` and `pack`."""
    return {
        "checkout": [
            {
                "entry": source.entry,
                "path": source.path,
                "workspace": source.workspace,
                "builds_offline": source.builds_offline,
            }
            for source in checkout
        ],
        "outside": [{"entry": directory.entry, "path": directory.path} for directory in outside],
    }
