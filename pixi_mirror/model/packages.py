"""What a mirror is made of: packages, what subscriptions want, and the inventory that records both."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from pixi_mirror.model.advisories import AdvisoryDatabase
from pixi_mirror.model.policy import PolicyRecord
from pixi_mirror.model.request import Refusal, Request
from pixi_mirror.model.sources import SourceCommit, SourceDirectory
from pixi_mirror.model.values import Json, Md5, MirrorPath, Sha256, Url, admit_md5, admit_path, admit_sha256

Kind: TypeAlias = Literal["conda", "pypi", "git", "attestations"]
Layout: TypeAlias = Literal["channels", "flat"]
"""`channels`: one directory per channel; `flat`: one merged channel at the mirror's root."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """One file that a subscription wants; it is known by its path."""

    path: MirrorPath
    url: Url
    sha256: Sha256 | None
    """None: the lock promises none, the first fetch pins it."""
    md5: Md5 | None
    """None: the lock promises none. It is only used where there is no sha256."""
    size: int | None
    """In bytes, as the lock says; None: it does not say. May be stale: the sha256 decides."""
    kind: Kind
    name: str
    version: str
    build: str | None
    """None: the kind has no builds."""
    subdir: str | None
    """None: the kind has no subdirs."""
    record: Mapping[str, Json]
    """The conda record as it is in `repodata.json`; of a PyPI file `indexes` and `find-links`: the URLs, stripped,
    of those that its environments name, its own first. Both are empty for one that comes from no index."""

    @classmethod
    def of_record(cls, record: Mapping[str, Json], *, path: MirrorPath, url: Url) -> "Package":
        """The conda package of a record, with the hashes and the size that the record has.

        Raises:
            ValueError: a hash is none.
        """
        sha256, md5 = record.get("sha256"), record.get("md5")
        return cls(
            path=path,
            url=url,
            sha256=None if sha256 is None else admit_sha256(sha256),
            md5=None if md5 is None else admit_md5(md5),
            size=record.get("size"),
            kind="conda",
            name=record["name"],
            version=record["version"],
            build=record["build"],
            subdir=record["subdir"],
            record=record,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What is known about a PyPI file besides its bytes, from its index page or from the file; by default nothing."""

    index: str | None = None
    """URL of the index, or of the page of links, that lists it; None: none could be had, or none does."""
    is_settled: bool = False
    """Whether upstream has answered for good; False: a page could not be had for a passing reason."""
    requires_python: str | None = None
    yanked: str | None = None
    """Why it was withdrawn, perhaps empty; None: it was not, as far as is known."""
    upload_time: str | None = None
    """RFC 3339, as upstream writes it; None: not known."""
    metadata: Sha256 | None = None
    """Of what stands beside the file: the core metadata of a wheel, git's index of a pack; None: there is none."""
    build_requires: tuple[str, ...] | None = None
    """What building it needs, in the syntax of PEP 508; None: it is not built, or does not say."""
    size: int | None = None
    """In bytes, by upstream's page, of a deferred file; None: not known, or the file itself is here."""
    status: str | None = None
    """Of its project, as PEP 792 has it: `archived`, `quarantined`, `deprecated`; None: active, or not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One environment of one workspace on one platform."""

    workspace: str
    environment: str
    platform: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """A conda channel that an environment names."""

    url: str
    """Stripped, without trailing slash."""
    path: MirrorPath | None
    """Its directory; None: the mirror's root, in the flat layout."""
    has_token: bool = field(default=False, compare=False)
    """Whether the lock has a `/t/TOKEN/` in its URL: pixi leads requests for such a URL to no mirror."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One environment on one platform of a lock, with the paths of the packages it wants."""

    environment: str
    platform: str
    """The platform's name, which need not be a subdir."""
    subdir: str
    channels: tuple[Channel, ...]
    """In the order of their priority."""
    packages: tuple[MirrorPath, ...]
    build_packages: tuple[MirrorPath, ...] = ()
    """Those of `packages` that are not installed and only serve to build source packages."""
    virtual_packages: tuple[str, ...] = ()
    """What the environment was solved for, such as `__glibc=2.28`; empty: the lock does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostedKinds:
    """What a hosted name takes uploads of."""

    conda: bool
    """Whether `NAME/` is a channel."""
    pypi: bool
    """Whether `NAME/simple/` is an index."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A subscription with what it wanted at its last complete update."""

    id: str
    workspace: str
    """For people: the name given, else the name of the lock's directory. Never a path."""
    source_sha256: Sha256
    """Of all that the answer depended on: the lock, and the rules by which it was read."""
    newest_timestamp: int
    """Milliseconds, the highest of any package in the lock; 0: none has one. Orders locks that disagree."""
    requests: tuple[Request, ...]
    cells: tuple[Cell, ...]
    packages: tuple[Package, ...]
    """Ordered by path; a path is here several times if the lock has several records for it."""
    refused: tuple[Refusal, ...]
    """What the lock names for the requests and was left out because they allow it."""
    tools: tuple[Package, ...] = ()
    """What building its sdists needs, which the lock does not say, as it was once resolved; ordered by path."""
    tools_for: Sha256 | None = None
    """Digest of the requirements that `tools` satisfy; None: there are none."""
    directories: tuple[SourceDirectory, ...] = ()
    """The source directories that the chosen environments install; ordered by entry."""
    commits: tuple[SourceCommit, ...] = ()
    """What the chosen environments install from commits; ordered by path, kind and subdirectory."""
    hosted: HostedKinds | None = None
    """Not of a lock: what was uploaded to the hosted name `workspace`; None: what a lock wants."""

    @property
    def wanted(self) -> tuple[Package, ...]:
        """All packages that it wants, those for building among them."""
        return (*self.packages, *self.tools)

    @property
    def sources(self) -> tuple[SourceDirectory | SourceCommit, ...]:
        """What is built where it is installed."""
        return (*self.directories, *self.commits)


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageFile:
    """A file of the mirror that was brought."""

    sha256: Sha256
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratedFile:
    """A file of the mirror that was made: an index file or a sidecar."""

    recipe: Sha256
    """The sha256 of the canonical inputs it was made from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """Which generation of which mirror an inventory is."""

    mirror: str
    """The random name of the mirror, 32 hexadecimal digits."""
    number: int
    last: int
    """The highest number that was given; after a rollback it is more than `number`."""
    fingerprint: Sha256
    content: Sha256
    """Of what clients are offered in this generation. An update that is under way may have recorded more."""
    imported: bool = False
    """Whether the mirror is a copy that imports fill: generations are made where they come from, and not here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """What a mirror holds and for whom: the pins and the tree."""

    layout: Layout
    snapshots: tuple[Snapshot, ...]
    """The pins, one snapshot a subscription, ordered by id."""
    kept: Mapping[MirrorPath, Package]
    """Packages in the tree that no snapshot wants and that indexes still list."""
    tree: Mapping[MirrorPath, PackageFile | GeneratedFile]
    """Every file that is ours."""
    listings: Mapping[MirrorPath, Listing] = field(default_factory=dict)
    """What is known of the PyPI files in the tree, and of those that are deferred."""
    deferred: frozenset[MirrorPath] = frozenset()
    """Wanted packages that are listed and come when a client first asks for them; none of them is in the tree."""
    relations: Mapping[MirrorPath, Mapping[str, str]] = field(default_factory=dict)
    """Folder of a subdir -> its `channel_relations` upstream (CEP 42), maybe none. Not all were asked for."""
    advisories: Mapping[MirrorPath, AdvisoryDatabase] = field(default_factory=dict)
    """The files of the tree that are databases of advisories."""
    policy: PolicyRecord | None = None
    """What its packages must keep; None: nothing but what their locks say."""
    stamp: Stamp | None = field(default=None, compare=False)
    """None: nothing was recorded yet, or by a program that knew no generations."""

    @property
    def stored(self) -> Mapping[MirrorPath, PackageFile]:
        """The files of the tree that were brought."""
        return {path: content for path, content in self.tree.items() if isinstance(content, PackageFile)}

    @property
    def generated(self) -> Mapping[MirrorPath, GeneratedFile]:
        """The files of the tree that were made."""
        return {path: content for path, content in self.tree.items() if isinstance(content, GeneratedFile)}

    @property
    def followed(self) -> tuple[Snapshot, ...]:
        """The subscriptions, without those that a rollback brought back though they had been forgotten."""
        return tuple(snapshot for snapshot in self.snapshots if snapshot.requests)

    @property
    def hosted(self) -> tuple[Snapshot, ...]:
        """The subscriptions that hold what was uploaded, one a hosted name, ordered by name."""
        return tuple(snapshot for snapshot in self.snapshots if snapshot.hosted is not None)

    @property
    def wanted(self) -> Iterator[Package]:
        """All packages that the snapshots want; a path comes once for each snapshot that wants it, or more often."""
        return (package for snapshot in self.snapshots for package in snapshot.wanted)

    def stored_at(self, path: MirrorPath) -> PackageFile | None:
        """The file at a path, if it was brought; None: there is none, or it was made."""
        content = self.tree.get(path)
        return content if isinstance(content, PackageFile) else None


def home_channel(package: Package) -> Channel | None:
    """The channel in which a package lies here and upstream; None: it lies in no subdir, or on this machine's disk."""
    upstream, _, name = package.url.stripped.rpartition("/")
    upstream, _, subdir = upstream.rpartition("/")
    place, _, here = package.path.rpartition("/")[0].rpartition("/")
    if package.kind != "conda" or not name or not subdir == here == package.subdir:
        return None
    return Channel(url=upstream, path=admit_path(place) if place else None)


def home_channels(packages: Iterable[Package]) -> Mapping[Channel, frozenset[str]]:
    """The channels that packages come from, each with the subdirs that they lie in; sorted by URL."""
    # Packages of one folder have one channel, so one of each folder is looked at.
    folders = {
        (package.kind, package.subdir, package.url.raw.rpartition("/")[0], package.path.rpartition("/")[0]): package
        for package in packages
    }
    found: dict[Channel, set[str]] = {}
    for package in folders.values():
        channel = home_channel(package)
        if channel is not None and package.subdir is not None:
            found.setdefault(channel, set()).add(package.subdir)
    return {channel: frozenset(found[channel]) for channel in sorted(found, key=lambda each: each.url)}
