"""Select from a lock what requests want: environments, platforms, and of their packages what can be mirrored."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType

from packaging.utils import canonicalize_name

from pixi_mirror.errors import UnmirrorableError, WorkspaceError
from pixi_mirror.git.package import git_package
from pixi_mirror.lockfile.conda_package import conda_package
from pixi_mirror.lockfile.entries import CondaBinary, CondaSource, Entry, Lock, LockedEnvironment, PypiEntry
from pixi_mirror.lockfile.interface import MissingPlatform, SelectionResult
from pixi_mirror.lockfile.local_archives import hash_local_archive, with_file_hash
from pixi_mirror.lockfile.mirrorable import ONLY_MD5, entry_title, missing_archive, missing_hash
from pixi_mirror.lockfile.pypi_package import pypi_package
from pixi_mirror.lockfile.source_entries import (
    git_source_of,
    has_own_manifest,
    parts_of,
    read_manifest,
    source_commit_of,
    source_directory_of,
)
from pixi_mirror.model.packages import Cell, Channel, Layout, Package, Snapshot
from pixi_mirror.model.request import SKIP, Refusal, Request
from pixi_mirror.model.sources import SourceCommit, SourceDirectory
from pixi_mirror.model.values import MirrorPath, Sha256, Url, canonical
from pixi_mirror.paths import channel, is_pseudo
from pixi_mirror.suggest import suggested

SUBDIR_PREFIX = "subdir:"
"""What may stand before a subdir in place of a platform's name: pixi names platforms without a name this way."""


def matching_platforms(requested: str, platforms: Mapping[str, str]) -> list[str]:
    """The names of the platforms that `requested` means, in their order.

    An exact name wins, as in pixi; else a subdir means all platforms of it.

    Args:
        requested: a name, a subdir, or a subdir after `SUBDIR_PREFIX`.
        platforms: the name of each platform, with its subdir.
    """
    if requested in platforms:
        return [requested]
    subdir = requested.removeprefix(SUBDIR_PREFIX)
    return [name for name, of in platforms.items() if of == subdir]


class Selection:
    """What the requests that were added so far want from one lock."""

    def __init__(
        self,
        lock: Lock,
        *,
        name: str,
        base: str,
        layout: Layout,
        aliases: Mapping[str, Mapping[str, str]] = MappingProxyType({}),
        needs_places: bool = True,
    ) -> None:
        """Begin with no requests.

        Args:
            lock: the lock.
            name: how messages name the lock.
            base: the `file:///dir/` URL that its relative paths start at.
            layout: how the mirror is laid out.
            aliases: other names of platforms that requests may use, by environment.
            needs_places: whether a URL without a path in a mirror is refused; a pack needs none.
        """
        self._lock = lock
        self._aliases = aliases
        self._name = name
        self._base = base
        self._layout = layout
        self._needs_places = needs_places
        self._channels: dict[str, Channel] = {}
        self._cells: dict[tuple[str, str], dict[MirrorPath, None]] = {}
        self._building: dict[tuple[str, str], dict[MirrorPath, None]] = {}
        self._variants: dict[MirrorPath, list[Package]] = {}
        self._wanted: dict[int, Package] = {}
        self._admitted: dict[tuple[int, int | None], Package | Refusal] = {}
        self._missing: set[tuple[str, str]] = set()
        self._found: set[str] = set()
        self._known: set[str] = set()
        self._directories: dict[str, SourceDirectory] = {}
        self._parts: dict[int, tuple[Entry, ...]] = {}
        self._commits: dict[tuple[str, str, str], SourceCommit] = {}
        self._skipped: dict[str, Refusal] = {}
        self._refused: dict[str, Refusal] = {}

    def add(self, request: Request) -> None:
        """Add what one request wants.

        Raises:
            WorkspaceError: it names an environment that the lock does not have.
        """
        for name in self._environments(request):
            environment = self._lock.environments[name]
            platforms = self._platforms(name, environment, request)
            if platforms:
                self._add_channels(environment, request)
            for platform in platforms:
                installed = self._cells.setdefault((name, platform), {})
                self._add_entries(environment.packages[platform], installed, request, environment)
                if request.build_packages:
                    building = self._building.setdefault((name, platform), {})
                    self._add_entries(environment.build_packages.get(platform, ()), building, request, environment)

    @property
    def places(self) -> tuple[tuple[str, str], ...]:
        """Environment and platform of everything selected so far."""
        return tuple(sorted(self._cells))

    def _environments(self, request: Request) -> Iterable[str]:
        if request.environments is None:
            return self._lock.environments
        for name in request.environments:
            if name not in self._lock.environments:
                known = self._lock.environments
                raise WorkspaceError(f"{self._name} has no environment {name!r}{suggested(name, known)}.")
        return request.environments

    def _platforms(self, name: str, environment: LockedEnvironment, request: Request) -> Collection[str]:
        """The names of the platforms of an environment that the request wants; remember what was found."""
        self._known.update(environment.packages)
        if not request.platforms:
            return environment.packages
        subdirs = {platform: self._lock.platforms[platform].subdir for platform in environment.packages}
        chosen: dict[str, None] = {}
        for requested in request.platforms:
            alias = self._aliases.get(name, {}).get(requested, requested)
            matching = matching_platforms(requested if requested in environment.packages else alias, subdirs)
            chosen.update(dict.fromkeys(matching))
            if matching:
                self._found.add(requested)
            else:
                self._missing.add((name, requested))
        return chosen

    def _add_channels(self, environment: LockedEnvironment, request: Request) -> None:
        for url in environment.channels:
            if is_pseudo(url):
                continue
            try:
                self._channels[url] = channel(url, self._layout)
            except UnmirrorableError as error:
                self._refuse(Refusal(entry=f"channel {Url(url)}", reason=str(error)), request)
            except WorkspaceError as error:
                if self._needs_places:
                    raise WorkspaceError(f"{self._name}: {error}") from None

    def _add_entries(
        self,
        entries: Iterable[Entry],
        paths: dict[MirrorPath, None],
        request: Request,
        environment: LockedEnvironment,
    ) -> None:
        for entry in (part for each in entries for part in self._parts_of(each)):
            if isinstance(entry, PypiEntry) and not request.pypi:
                continue
            if self._is_only_directory(entry, environment):
                continue
            admitted = self._admit_once(entry, environment)
            refusal = admitted if isinstance(admitted, Refusal) else _refuse_unhashed(admitted, request)
            if refusal is not None:
                self._refuse(refusal, request)
            elif isinstance(admitted, Package):
                paths[admitted.path] = None
                self._wanted[id(admitted)] = admitted
                if admitted.kind == "git" and has_own_manifest(entry):
                    commit = source_commit_of(entry, admitted, environment.indexes)
                    self._commits.setdefault((commit.path, commit.kind, commit.subdirectory), commit)

    def _parts_of(self, entry: Entry) -> tuple[Entry, ...]:
        """The parts of an entry; the same objects for the same entry."""
        return self._parts.setdefault(id(entry), parts_of(entry)) if isinstance(entry, CondaSource) else (entry,)

    def _is_only_directory(self, entry: Entry, environment: LockedEnvironment) -> bool:
        """Whether an entry is a source directory that needs no mirroring; remember the directory."""
        if isinstance(entry, CondaBinary):
            return False
        key = entry_title(entry)
        if key not in self._directories:
            directory = source_directory_of(entry, self._base, environment.indexes, read=read_manifest)
            if directory is None:
                return False
            self._directories[key] = directory
        # The manifest in a directory may say how a commit is built, and the commit is mirrored.
        return not (isinstance(entry, CondaSource) and entry.origin.get("git"))

    def _admit_once(self, entry: Entry, environment: LockedEnvironment) -> Package | Refusal:
        """The package of an entry, or why there is none; the same object for the same entry."""
        key = (id(entry), id(environment) if isinstance(entry, PypiEntry) else None)
        admitted = self._admitted.get(key)
        if admitted is None:
            admitted = self._admit(entry, environment)
            if isinstance(admitted, Package):
                admitted = self._known_variant(admitted)
            self._admitted[key] = admitted
        return admitted

    def _known_variant(self, package: Package) -> Package:
        """The first package with the path and the record of this one.

        Old locks have several records for one file: equal ones become one, different ones are all kept.
        """
        variants = self._variants.setdefault(package.path, [])
        variants.append(package)
        return next(variant for variant in variants if variant.record == package.record)

    def _admit(self, entry: Entry, environment: LockedEnvironment) -> Package | Refusal:
        try:
            if (source := git_source_of(entry)) is not None:
                return git_package(source, name=_name_of(entry))
            match entry:
                case CondaSource():
                    return Refusal(entry=entry_title(entry), reason=missing_archive(entry) or "")
                case CondaBinary():
                    return conda_package(
                        with_file_hash(entry, self._base),
                        layout=self._layout,
                        base=self._base,
                        needs_place=self._needs_places,
                    )
                case PypiEntry():
                    return pypi_package(
                        entry,
                        indexes=environment.indexes,
                        find_links=environment.find_links,
                        base=self._base,
                        sha256_of=lambda url: hash_local_archive(url)[0],
                        needs_place=self._needs_places,
                    )
        except UnmirrorableError as error:
            return Refusal(entry=entry_title(entry), reason=str(error))
        except WorkspaceError as error:
            raise WorkspaceError(f"{self._name}: {error}") from None

    def _refuse(self, refusal: Refusal, request: Request) -> None:
        skips = request.skip_unmirrorable and refusal.option == SKIP
        (self._skipped if skips else self._refused)[refusal.entry] = refusal

    def result(
        self, *, subscription: str, workspace: str, requests: tuple[Request, ...], source_sha256: Sha256
    ) -> SelectionResult:
        """Everything that was selected.

        Args:
            subscription: the id of the snapshot.
            workspace: its name for people.
            requests: the requests that were added.
            source_sha256: the digest of all that the result depends on.
        """
        snapshot = Snapshot(
            id=subscription,
            workspace=workspace,
            source_sha256=source_sha256,
            newest_timestamp=self._lock.newest_timestamp,
            requests=requests,
            cells=tuple(self._cell(*key) for key in sorted(self._cells)),
            packages=_sorted_by_path(self._wanted.values()),
            refused=tuple(refusal for _, refusal in sorted(self._skipped.items())),
            directories=tuple(directory for _, directory in sorted(self._directories.items())),
            commits=tuple(commit for _, commit in sorted(self._commits.items())),
        )
        return SelectionResult(
            snapshot=snapshot,
            missing_platforms=tuple(
                MissingPlatform(environment=name, platform=platform) for name, platform in sorted(self._missing)
            ),
            found_platforms=frozenset(self._found),
            platforms=frozenset(self._known),
            refusals=tuple(refusal for _, refusal in sorted(self._refused.items())),
            notes=tuple(f"{self._name}: {note}" for note in self._lock.notes),
        )

    def _cell(self, environment: str, platform: str) -> Cell:
        installed = self._cells[environment, platform].keys()
        building = self._building.get((environment, platform), {}).keys()
        channels = [
            self._channels[url] for url in self._lock.environments[environment].channels if url in self._channels
        ]
        return Cell(
            environment=environment,
            platform=platform,
            subdir=self._lock.platforms[platform].subdir,
            channels=tuple(dict.fromkeys(channels)),
            packages=tuple(sorted(installed | building)),
            build_packages=tuple(sorted(building - installed)),
            virtual_packages=self._lock.platforms[platform].virtual_packages,
        )


def _name_of(entry: Entry) -> str:
    return entry.record["name"] if isinstance(entry, CondaBinary) else canonicalize_name(entry.name)


def _sorted_by_path(packages: Collection[Package]) -> tuple[Package, ...]:
    """The packages by path, and those with one path by their records, which takes far longer to compare."""
    several = {path for path, count in Counter(package.path for package in packages).items() if count > 1}
    return tuple(
        sorted(packages, key=lambda each: (each.path, canonical(dict(each.record)) if each.path in several else b""))
    )


def _refuse_unhashed(package: Package, request: Request) -> Refusal | None:
    """Why a package without sha256 is refused; None: it has one, or the request accepts what it has."""
    missing = None if package.kind == "git" else missing_hash(package)  # a commit is its own hash
    if missing is None or request.allow_unhashed or (request.allow_md5 and missing is ONLY_MD5):
        return None
    return Refusal(
        entry=str(package.url),
        reason=f"the lock has {missing.reason}; {missing.option} {missing.accepts}",
        option=missing.option,
    )
