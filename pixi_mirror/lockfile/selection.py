"""Choose from a lock what requests ask for: environments, platforms, and what of them can be mirrored."""

from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType

from pixi_mirror.disk.files import hash_file
from pixi_mirror.errors import UnmirrorableError, WorkspaceError
from pixi_mirror.lockfile.conda_package import conda_package
from pixi_mirror.lockfile.entries import CondaBinary, CondaSource, Entry, Lock, LockedEnvironment, PypiEntry
from pixi_mirror.lockfile.interface import MissingPlatform, SelectionResult
from pixi_mirror.lockfile.pypi_package import pypi_package, shown_entry
from pixi_mirror.model.packages import Cell, Channel, Layout, Package, Refusal, Request, Snapshot
from pixi_mirror.model.values import MirrorPath, Sha256, Url, canonical
from pixi_mirror.paths import channel, is_pseudo, local_path

SUBDIR_PREFIX = "subdir:"
"""What may stand before the subdir where a platform is asked for, as pixi names platforms that have no name."""


def matching_platforms(asked: str, platforms: Mapping[str, str]) -> list[str]:
    """The names of the platforms that `asked` means, of those given with their subdirs, in their order.

    An exact name wins, as in pixi; else a subdir means all platforms of it.
    """
    if asked in platforms:
        return [asked]
    subdir = asked.removeprefix(SUBDIR_PREFIX)
    return [name for name, of in platforms.items() if of == subdir]


class Selection:
    """Grows by requests made of one lock."""

    def __init__(
        self,
        lock: Lock,
        *,
        name: str,
        base: str,
        layout: Layout,
        aliases: Mapping[str, Mapping[str, str]] = MappingProxyType({}),
    ) -> None:
        """Begin with no requests; `aliases` are other names by which platforms may be asked for, by environment."""
        self._lock = lock
        self._aliases = aliases
        self._name = name
        self._base = base
        self._layout = layout
        self._channels: dict[str, Channel] = {}
        self._cells: dict[tuple[str, str], dict[MirrorPath, None]] = {}
        self._building: dict[tuple[str, str], dict[MirrorPath, None]] = {}
        self._variants: dict[tuple[str, bytes], Package] = {}
        self._wanted: dict[int, Package] = {}
        self._admitted: dict[tuple[int, int | None], Package | Refusal] = {}
        self._missing: set[tuple[str, str]] = set()
        self._found: set[str] = set()
        self._known: set[str] = set()
        self._refused: dict[str, Refusal] = {}
        self._not_allowed: dict[str, Refusal] = {}

    def add(self, request: Request) -> None:
        """Take in what one request asks for.

        Raises:
            WorkspaceError: it names an environment that the lock does not have.
        """
        for name in self._chosen(request):
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
        """Environment and platform of everything chosen so far."""
        return tuple(sorted(self._cells))

    def _chosen(self, request: Request) -> Iterable[str]:
        if request.environments is None:
            return self._lock.environments
        for name in request.environments:
            if name not in self._lock.environments:
                known = ", ".join(sorted(self._lock.environments)) or "none"
                raise WorkspaceError(f"{self._name} has no environment {name!r}; there are: {known}.")
        return request.environments

    def _platforms(self, name: str, environment: LockedEnvironment, request: Request) -> Collection[str]:
        self._known.update(environment.packages)
        if not request.platforms:
            return environment.packages
        chosen: dict[str, None] = {}
        for asked in request.platforms:
            alias = self._aliases.get(name, {}).get(asked, asked)
            matching = self._matching(asked if asked in environment.packages else alias, environment)
            chosen.update(dict.fromkeys(matching))
            if matching:
                self._found.add(asked)
            else:
                self._missing.add((name, asked))
        return chosen

    def _matching(self, asked: str, environment: LockedEnvironment) -> list[str]:
        return matching_platforms(asked, {name: self._lock.platforms[name].subdir for name in environment.packages})

    def _add_channels(self, environment: LockedEnvironment, request: Request) -> None:
        for url in environment.channels:
            if is_pseudo(url):
                continue
            try:
                self._channels[url] = channel(url, self._layout)
            except UnmirrorableError as error:
                self._refuse(Refusal(entry=f"channel {Url(url)}", reason=str(error)), request)
            except WorkspaceError as error:
                raise WorkspaceError(f"{self._name}: {error}") from None

    def _add_entries(
        self,
        entries: Iterable[Entry],
        paths: dict[MirrorPath, None],
        request: Request,
        environment: LockedEnvironment,
    ) -> None:
        for entry in entries:
            match entry:
                case CondaBinary():
                    self._add_file(entry, paths, request, environment)
                case CondaSource():
                    self._refuse(_source_refusal(entry), request)
                case PypiEntry():
                    if request.pypi:
                        self._add_file(entry, paths, request, environment)

    def _add_file(
        self,
        entry: CondaBinary | PypiEntry,
        paths: dict[MirrorPath, None],
        request: Request,
        environment: LockedEnvironment,
    ) -> None:
        key = (id(entry), id(environment) if isinstance(entry, PypiEntry) else None)
        admitted = self._admitted.get(key)
        if admitted is None:
            admitted = self._admit(entry, environment)
            if isinstance(admitted, Package):
                # Old locks have several records for one file: equal ones are one, others are all kept.
                variant = (admitted.path, canonical(dict(admitted.record)))
                admitted = self._variants.setdefault(variant, admitted)
            self._admitted[key] = admitted
        refusal = admitted if isinstance(admitted, Refusal) else _unpromised(admitted, request)
        if refusal is not None:
            self._refuse(refusal, request)
        elif isinstance(admitted, Package):
            paths[admitted.path] = None
            self._wanted[id(admitted)] = admitted

    def _admit(self, entry: CondaBinary | PypiEntry, environment: LockedEnvironment) -> Package | Refusal:
        try:
            if isinstance(entry, CondaBinary):
                return conda_package(entry, layout=self._layout, base=self._base)
            return pypi_package(
                entry,
                indexes=environment.indexes,
                find_links=environment.find_links,
                base=self._base,
                sha256_of=_sha256_of_local,
            )
        except UnmirrorableError as error:
            name = entry.file_name if isinstance(entry, CondaBinary) else shown_entry(entry)
            return Refusal(entry=name, reason=str(error))
        except WorkspaceError as error:
            raise WorkspaceError(f"{self._name}: {error}") from None

    def _refuse(self, refusal: Refusal, request: Request) -> None:
        (self._refused if request.skip_unmirrorable else self._not_allowed)[refusal.entry] = refusal

    def result(
        self, *, subscription: str, workspace: str, requests: tuple[Request, ...], source_sha256: Sha256
    ) -> SelectionResult:
        """All of it."""
        snapshot = Snapshot(
            id=subscription,
            workspace=workspace,
            source_sha256=source_sha256,
            newest_timestamp=self._lock.newest_timestamp,
            requests=requests,
            cells=tuple(self._cell(*key) for key in sorted(self._cells)),
            packages=tuple(sorted(self._wanted.values(), key=_by_path)),
            refused=tuple(refusal for _, refusal in sorted(self._refused.items())),
        )
        return SelectionResult(
            snapshot=snapshot,
            missing_platforms=tuple(
                MissingPlatform(environment=name, platform=platform) for name, platform in sorted(self._missing)
            ),
            found_platforms=frozenset(self._found),
            platforms=frozenset(self._known),
            refusals=tuple(refusal for _, refusal in sorted(self._not_allowed.items())),
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


def _by_path(package: Package) -> tuple[str, bytes]:
    return (package.path, canonical(dict(package.record)))


def _source_refusal(entry: CondaSource) -> Refusal:
    return Refusal(
        entry=f"{entry.name} @ {entry.location}",
        reason="it is a source package, built at install time: there is no archive to mirror",
    )


def _sha256_of_local(url: Url) -> Sha256:
    path = local_path(url.raw)
    try:
        return hash_file(path)[0]
    except OSError as error:
        raise UnmirrorableError(f"the file {path} cannot be read: {error.strerror}") from None


def _unpromised(package: Package, request: Request) -> Refusal | None:
    """Why a package without sha256 is refused; None: it has one, or the request allows it."""
    if package.sha256 is not None:
        return None
    if package.md5 is not None:
        allowed, reason = request.allow_md5 or request.allow_unhashed, "only an md5; --allow-md5 accepts that"
    else:
        allowed, reason = request.allow_unhashed, "no hash; --allow-unhashed pins what comes first"
    return None if allowed else Refusal(entry=str(package.url), reason=f"the lock has {reason}")
