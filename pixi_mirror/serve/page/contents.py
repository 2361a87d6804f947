"""What pages show of a mirror: its packages, where they come from, and who wants them; gathered once, and pure.

Only what pages show is kept of an inventory, so that a mirror of 20,000 packages takes little memory.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple, TypeAlias

from pixi_mirror.clients.offer import Offer
from pixi_mirror.model.packages import Kind
from pixi_mirror.model.segments import mirror_segment
from pixi_mirror.model.values import MirrorPath, Sha256

_NUMBERS = re.compile(r"([0-9]+)")

RepositoryKey: TypeAlias = tuple[Kind, str]
"""The kind of a channel, an index or a git repository, and its path in the mirror; an empty path is the root."""


class ShownFile(NamedTuple):
    """One package file that clients can have."""

    kind: Kind
    name: str
    version: str
    build: str | None
    subdir: str | None
    path: MirrorPath
    url: str
    """Where it comes from, without secrets."""
    size: int
    """Bytes; 0: not known yet."""
    sha256: Sha256 | None
    md5: str | None
    license: str | None
    """As the record of a conda package has it; that of a wheel is read from its metadata when a page shows it."""
    depends: tuple[str, ...]
    """As the record of a conda package has them."""
    constrains: tuple[str, ...]
    projects: tuple[str, ...]
    """The projects of PyPI that a conda package stands for."""
    built_s: float | None
    """When it was built, in seconds since 1970; None: not known."""
    upload_time: str | None
    requires_python: str | None
    yanked: str | None
    metadata: Sha256 | None
    """Of the core metadata beside a wheel; None: there are none."""
    attestations: MirrorPath | None
    """The file that says who has built it; None: the mirror has none."""
    is_deferred: bool
    repository: RepositoryKey


class Repository(NamedTuple):
    """A channel, a Python index or a git repository."""

    key: RepositoryKey
    title: str
    """The URLs upstream; or the path in the mirror, if no lock names an upstream any more."""
    indexes: tuple[tuple[str, str], ...]
    """The indexes that can be opened: a label and a path each."""
    packages: int
    files: int
    size: int


class EnvironmentView(NamedTuple):
    """An environment on one platform."""

    subscription: str
    workspace: str
    place: str
    """What stands for the workspace in the path of the page."""
    environment: str
    platform: str
    files: tuple[ShownFile, ...]
    building: frozenset[MirrorPath]
    """Those that only serve to build source packages."""

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(each.size for each in self.files)

    @property
    def segments(self) -> tuple[str, str, str]:
        """The last three segments of the path of its page."""
        return self.place, segment_of(self.environment), segment_of(self.platform)


class PackageView(NamedTuple):
    """All files of one name and kind."""

    kind: Kind
    name: str
    files: tuple[ShownFile, ...]
    """The newest version first."""

    @property
    def versions(self) -> tuple[str, ...]:
        """The newest first, each once."""
        return tuple(dict.fromkeys(each.version for each in self.files))

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(each.size for each in self.files)


@dataclass(frozen=True, kw_only=True)
class Catalog:
    """Everything that pages show of a mirror, or of the part of it that a user may read."""

    files: tuple[ShownFile, ...]
    repositories: tuple[Repository, ...]
    environments: tuple[EnvironmentView, ...]
    """Ordered as people read them."""
    offer: Offer
    """With paths in place of URLs, because the host may differ from request to request."""
    updated_s: float
    """When the mirror was last updated, in seconds since 1970."""
    is_whole: bool = field(default=True)
    """Whether it is all of the mirror, or all but what is hosted: there is a first page."""

    @property
    def size(self) -> int:
        """Bytes, as far as they are known."""
        return sum(each.size for each in self.files)

    @cached_property
    def packages(self) -> Mapping[tuple[str, str], PackageView]:
        """By kind, and by the segment of a path that stands for the name; ordered by name."""
        found: dict[tuple[Kind, str], list[ShownFile]] = {}
        for each in self.files:
            found.setdefault((each.kind, each.name), []).append(each)
        return {
            (kind, segment_of(name)): PackageView(kind, name, _newest_first(found[kind, name]))
            for kind, name in sorted(found, key=lambda key: (key[1], key[0]))
        }

    @cached_property
    def wanted_in(self) -> Mapping[MirrorPath, tuple[EnvironmentView, ...]]:
        """The environments that want a file."""
        found: dict[MirrorPath, list[EnvironmentView]] = {}
        for environment in self.environments:
            for each in environment.files:
                found.setdefault(each.path, []).append(environment)
        return {path: tuple(environments) for path, environments in found.items()}

    @cached_property
    def titles(self) -> Mapping[RepositoryKey, str]:
        """What a repository is called."""
        return {repository.key: repository.title for repository in self.repositories}

    def restricted(self, may_read: Callable[[str], bool]) -> "Catalog":
        """The part that a user may read.

        An environment is there if all its packages are: its name and its size tell of each of them.

        Args:
            may_read: Whether the user may read a path of the mirror.
        """
        files = tuple(each for each in self.files if may_read(each.path))
        shown = {each.path for each in files}
        return replace(
            self,
            files=files,
            repositories=tuple(self._restricted(files)),
            environments=tuple(
                environment
                for environment in self.environments
                if environment.files and all(each.path in shown for each in environment.files)
            ),
            offer=replace(
                self.offer,
                hosted={name: url for name, url in self.offer.hosted.items() if may_read(name)},
                hosted_names=tuple(each for each in self.offer.hosted_names if may_read(each.name)),
            ),
            is_whole=may_read(""),
        )

    def _restricted(self, files: tuple[ShownFile, ...]) -> Iterator[Repository]:
        by_repository: dict[RepositoryKey, list[ShownFile]] = {}
        for each in files:
            by_repository.setdefault(each.repository, []).append(each)
        for repository in self.repositories:
            if repository.key in by_repository:
                held = by_repository[repository.key]
                yield counted_repository(repository.key, repository.title, (), held)


def counted_repository(
    key: RepositoryKey, title: str, indexes: tuple[tuple[str, str], ...], files: list[ShownFile]
) -> Repository:
    """A repository with the number of its packages and files, and their bytes."""
    return Repository(
        key=key,
        title=title,
        indexes=indexes,
        packages=len({each.name for each in files}),
        files=len(files),
        size=sum(each.size for each in files),
    )


def segment_of(name: str) -> str:
    """The segment of a page's path that stands for a name."""
    return mirror_segment(name.encode(errors="surrogatepass"))


def _newest_first(files: list[ShownFile]) -> tuple[ShownFile, ...]:
    ordered = sorted(files, key=lambda each: each.path)
    return tuple(sorted(ordered, key=lambda each: _version_key(each.version), reverse=True))


def _version_key(version: str) -> tuple[tuple[int, int, str], ...]:
    """A sort key for versions as people expect them; the exact rules are for clients."""
    parts = _NUMBERS.split(version)
    # A release is newer than its candidates: where one ends and the other has letters, the shorter one is newer.
    keys = [(2, int(part), "") if part.isdecimal() else (0, 0, part) for part in parts if part not in ("", ".")]
    return (*keys, (1, 0, ""))
