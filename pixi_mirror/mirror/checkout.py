"""The source directories that locks install: which come from your checkout, and which will build offline.

They are no files of the mirror. What building them needs is: the requirements of their pyproject.toml, from an index.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from pixi_mirror.conda.matchspec import MatchSpec
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
    lacks: tuple[str, ...] | None
    """What building it needs and the mirror does not have; None: it is not known what it needs."""

    @property
    def builds_offline(self) -> bool:
        """Whether the mirror has all that building it is known to need."""
        return self.lacks == ()


def checkout_sources(snapshots: Iterable[Snapshot], packages: Iterable[Package]) -> tuple[CheckoutSource, ...]:
    """The directories of the workspaces' own.

    Args:
        snapshots: what the subscriptions want.
        packages: what the mirror has or will have: what they can be built with.
    """
    packages = tuple(packages)
    versions = known_versions(packages)
    conda = [package for package in packages if package.kind == "conda"]
    return tuple(
        CheckoutSource(
            entry=directory.entry,
            path=directory.path,
            workspace=snapshot.workspace,
            lacks=_lacks(directory, versions, conda),
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


def _lacks(
    directory: SourceDirectory, versions: Mapping[str, set[str]], conda: Iterable[Package]
) -> tuple[str, ...] | None:
    if directory.build_requires is None:
        return None
    if directory.kind == "pypi":
        return missing_requirements(directory.build_requires, versions)
    return tuple(text for text in directory.build_requires if not any(_fits(text, package) for package in conda))


def _fits(text: str, package: Package) -> bool:
    try:
        spec = MatchSpec.parse(text)
        return spec.matches(name=package.name, version=package.version, build=package.build or "")
    except ValueError:
        return False


def sources_json(checkout: Iterable[CheckoutSource], outside: Iterable[SourceDirectory]) -> Mapping[str, Json]:
    """The keys `checkout`, `unbuildable` and `outside` of the JSON of `update`, `status` and `pack`."""
    checkout = tuple(checkout)
    return {
        "unbuildable": [
            {
                "entry": source.entry,
                "workspace": source.workspace,
                "lacks": None if source.lacks is None else list(source.lacks),
            }
            for source in checkout
            if not source.builds_offline
        ],
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
