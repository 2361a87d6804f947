"""What locks have built where it is installed: which of it comes from your checkout, and what will build offline.

Directories are no files of the mirror, and commits are repositories of it. What building them needs is in the mirror:
the requirements of a pyproject.toml, from an index, and the backends of conda packages, from channels.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from pixi_mirror.conda.matchspec import MatchSpec
from pixi_mirror.model.packages import Package, Snapshot
from pixi_mirror.model.sources import SourceCommit, SourceDirectory
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


@dataclass(frozen=True, slots=True, kw_only=True)
class UnbuildableCommit:
    """What a lock has built from a commit, and what nobody can build who has only the mirror."""

    entry: str
    workspace: str
    lacks: tuple[str, ...] | None
    """As of a `CheckoutSource`; never empty."""


def checkout_sources(snapshots: Iterable[Snapshot], packages: Iterable[Package]) -> tuple[CheckoutSource, ...]:
    """The directories of the workspaces' own.

    Args:
        snapshots: what the subscriptions want.
        packages: what the mirror has or will have: what they can be built with.
    """
    tools = _BuildTools(packages)
    return tuple(
        CheckoutSource(
            entry=directory.entry,
            path=directory.path,
            workspace=snapshot.workspace,
            lacks=tools.lacking(directory),
        )
        for snapshot in snapshots
        for directory in snapshot.directories
        if directory.is_inside
    )


def unbuildable_commits(snapshots: Iterable[Snapshot], packages: Iterable[Package]) -> tuple[UnbuildableCommit, ...]:
    """What is built from commits and will not build offline, as far as the manifests in these were read.

    Args:
        snapshots: what the subscriptions want.
        packages: what the mirror has or will have: what it can be built with.
    """
    tools = _BuildTools(packages)
    found = [
        UnbuildableCommit(entry=commit.entry, workspace=snapshot.workspace, lacks=tools.lacking(commit))
        for snapshot in snapshots
        for commit in snapshot.commits
        if commit.is_read
    ]
    return tuple(each for each in found if each.lacks != ())


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


class _BuildTools:
    """What the sources can be built with."""

    def __init__(self, packages: Iterable[Package]) -> None:
        packages = tuple(packages)
        self._versions = known_versions(packages)
        self._conda = [package for package in packages if package.kind == "conda"]

    def lacking(self, source: SourceDirectory | SourceCommit) -> tuple[str, ...] | None:
        """What of the needs of a source is not there; None: it is not known what it needs."""
        if source.build_requires is None:
            return None
        if source.kind == "pypi":
            return missing_requirements(source.build_requires, self._versions)
        lacks = [text for text in source.build_requires if not any(_fits(text, each) for each in self._conda)]
        return (*lacks, source.archive) if source.archive else tuple(lacks)


def _fits(text: str, package: Package) -> bool:
    try:
        spec = MatchSpec.parse(text)
        return spec.matches(name=package.name, version=package.version, build=package.build or "")
    except ValueError:
        return False


def sources_json(
    checkout: Iterable[CheckoutSource],
    outside: Iterable[SourceDirectory],
    commits: Iterable[UnbuildableCommit] = (),
) -> Mapping[str, Json]:
    """The keys `checkout`, `unbuildable` and `outside` of the JSON of `update`, `status` and `pack`."""
    checkout = tuple(checkout)
    doubtful: list[CheckoutSource | UnbuildableCommit] = [each for each in checkout if not each.builds_offline]
    return {
        "unbuildable": [
            {
                "entry": source.entry,
                "workspace": source.workspace,
                "lacks": None if source.lacks is None else list(source.lacks),
            }
            for source in [*doubtful, *commits]
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
