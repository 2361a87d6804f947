"""A workspace as a source: pixi says which packages it has, and the lock beside its manifest says all about them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from pixi_mirror.errors import WorkspaceError
from pixi_mirror.lockfile.entries import Lock, LockedPlatform
from pixi_mirror.lockfile.formats.detection import PIXI
from pixi_mirror.lockfile.interface import SelectionResult
from pixi_mirror.lockfile.source import LockSource
from pixi_mirror.model.packages import Layout
from pixi_mirror.model.request import Request
from pixi_mirror.model.values import Sha256, admit_sha256
from pixi_mirror.pixi.discovery import lock_of
from pixi_mirror.pixi.info import NamedPlatform, WorkspaceInfo
from pixi_mirror.pixi.run import installed_pixi, needed_pixi
from pixi_mirror.suggest import suggested

if TYPE_CHECKING:  # a run that does not run pixi must not import these
    from pixi_mirror.lockfile.entries import Lock
    from pixi_mirror.lockfile.selection import Selection
    from pixi_mirror.model.network import IndexUser
    from pixi_mirror.pixi.info import WorkspaceInfo
    from pixi_mirror.pixi.run import PixiProgram


_RULES = b"pixi-mirror asks pixi by rules 4\n"
"""It changes whenever the same output of pixi would lead to other pins."""


class PixiSource:
    """The workspace of one manifest."""

    def __init__(self, manifest: Path, environ: Mapping[str, str], *, workspace: WorkspaceInfo | None = None) -> None:
        """Take a manifest; nothing is read and pixi is not run yet.

        Args:
            manifest: its resolved path.
            environ: the environment, for the pixi to run.
            workspace: what pixi says of the workspace; None: it was not asked yet.
        """
        self._manifest = manifest
        self._environ = environ
        self._info = workspace
        self._lock = LockSource(lock_of(manifest), lock_format=PIXI)

    @property
    def location(self) -> Path:
        """The resolved path of the lock beside the manifest."""
        return self._lock.location

    @property
    def manifest(self) -> Path:
        """The resolved path of the manifest."""
        return self._manifest

    @property
    def files(self) -> tuple[Path, ...]:
        """The lock and the manifest."""
        return self.location, self._manifest

    @property
    def reading(self) -> None:
        """None: the lock of a workspace is a `pixi.lock`."""

    def digest(self) -> Sha256:
        """The sha256 of lock, manifest, the rules, and of which pixi is installed; no program is run.

        Raises:
            WorkspaceError: manifest or lock is not there or cannot be read.
        """
        pixi = installed_pixi(self._environ)
        parts = (self._manifest_bytes(), self._lock.digest().encode(), pixi.identity.encode() if pixi else b"")
        digest = hashlib.sha256(_RULES)
        for part in parts:
            digest.update(hashlib.sha256(part).digest())
        return admit_sha256(digest.hexdigest())

    def _manifest_bytes(self) -> bytes:
        try:
            return self._manifest.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            raise WorkspaceError(
                f"there is no manifest at {self._manifest}. If the workspace has moved, name it anew with -m and drop "
                "this subscription with `pixi-mirror forget`."
            ) from None
        except OSError as error:
            raise WorkspaceError(f"the manifest {self._manifest} cannot be read: {error.strerror}.") from None

    def refuse_stale(self) -> None:
        """Have pixi check that the lock fits the manifest.

        Raises:
            WorkspaceError: it does not, or pixi cannot be asked.
        """
        from pixi_mirror.pixi.list import refuse_stale
        from pixi_mirror.pixi.run import empty_directory

        pixi = needed_pixi(self._environ)
        with empty_directory() as cwd:
            info = self._workspace(pixi, cwd)
            places = ((name, platforms[0].name) for name, platforms in info.environments.items() if platforms)
            refuse_stale(pixi, self._manifest, next(places, None), cwd=cwd)

    def select(
        self, requests: tuple[Request, ...], *, subscription: str, workspace: str, layout: Layout
    ) -> SelectionResult:
        """Read what the requests want now.

        Raises:
            WorkspaceError: pixi or the lock cannot be read, they disagree, or an environment does not exist.
        """
        from pixi_mirror.lockfile.selection import Selection
        from pixi_mirror.pixi.run import empty_directory

        pixi = needed_pixi(self._environ)
        digest = self.digest()
        with empty_directory() as cwd:
            info = self._workspace(pixi, cwd)
            named = with_manifest_names(self._read_lock(pixi, cwd), info)
            selection = Selection(
                named.lock,
                name=str(self.location),
                base=self.location.parent.as_uri() + "/",
                layout=layout,
                aliases=named.aliases,
            )
            for request in requests:
                self._refuse_unknown(request, named.lock, info)
                selection.add(request)
            self._refuse_disagreement(pixi, info, named, selection, cwd)
        return selection.result(subscription=subscription, workspace=workspace, requests=requests, source_sha256=digest)

    def index_users(self) -> Mapping[str, IndexUser]:
        """The users in the URLs of its indexes, by the URL without user and with a final slash.

        Raises:
            WorkspaceError: there is no lock, or it cannot be read.
        """
        return self._lock.index_users()

    def _workspace(self, pixi: PixiProgram, cwd: Path) -> WorkspaceInfo:
        from pixi_mirror.pixi.info import explain_load_failure, read_workspace_info

        if self._info is None:
            self._info = read_workspace_info(pixi, manifest=self._manifest, cwd=cwd)
        if self._info is None:
            reason = explain_load_failure(pixi, self._manifest, cwd=cwd)
            raise WorkspaceError(f"pixi does not load the workspace of {self._manifest}: {reason}.")
        return self._info

    def _read_lock(self, pixi: PixiProgram, cwd: Path) -> Lock:
        """Read the lock; if it cannot be read, the message has pixi's explanation, too."""
        from pixi_mirror.pixi.info import explain_load_failure

        try:
            return self._lock.read()
        except WorkspaceError as error:
            raise WorkspaceError(f"{error} pixi says: {explain_load_failure(pixi, self._manifest, cwd=cwd)}.") from None

    def _refuse_unknown(self, request: Request, lock: Lock, info: WorkspaceInfo) -> None:
        """Refuse an environment that is not in the lock, too: for such a one pixi lists nothing and reports success."""
        for name in request.environments or ():
            if name in lock.environments and name in info.environments:
                continue
            if name in info.environments:
                raise WorkspaceError(
                    f"{self.location} has no environment {name!r}, which {self._manifest} has: bring the lock up to "
                    "date with `pixi lock`."
                )
            raise WorkspaceError(f"{self._manifest} has no environment {name!r}{suggested(name, info.environments)}.")

    def _refuse_disagreement(
        self, pixi: PixiProgram, info: WorkspaceInfo, named: RenamedLock, selection: Selection, cwd: Path
    ) -> None:
        """Compare every selected place with pixi's list; a place that the manifest has dropped is in the lock alone."""
        from pixi_mirror.pixi.agreement import refuse_disagreement
        from pixi_mirror.pixi.list import list_packages

        known = {(name, each.name) for name, platforms in info.environments.items() for each in platforms}
        places = [place for place in selection.places if place in known]
        for (environment, platform), rows in list_packages(pixi, self._manifest, places, cwd=cwd).items():
            refuse_disagreement(
                rows,
                named.lock.environments[environment].packages[platform],
                place=f"environment {environment!r} on {platform!r} of {self._manifest}",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class RenamedLock:
    """A lock whose platforms have the names of the manifest."""

    lock: Lock
    aliases: Mapping[str, Mapping[str, str]]
    """Environment -> name in the lock (`p1`) -> name in the manifest, where the two differ."""


def with_manifest_names(lock: Lock, workspace: WorkspaceInfo) -> RenamedLock:
    """The lock with the manifest's names; a platform that the manifest does not have keeps its own."""
    platforms: dict[str, LockedPlatform] = {}
    environments = {}
    aliases: dict[str, Mapping[str, str]] = {}
    for name, environment in lock.environments.items():
        locked = [lock.platforms[key] for key in environment.packages]
        names = _names(locked, workspace.environments.get(name, ()))
        aliases[name] = {old: new for old, new in names.items() if old != new}
        platforms |= {names[each.name]: replace(each, name=names[each.name]) for each in locked}
        environments[name] = replace(
            environment,
            packages=MappingProxyType({names[key]: entries for key, entries in environment.packages.items()}),
            build_packages=MappingProxyType(
                {names[key]: entries for key, entries in environment.build_packages.items()}
            ),
        )
    return RenamedLock(
        lock=replace(lock, platforms=MappingProxyType(platforms), environments=MappingProxyType(environments)),
        aliases=MappingProxyType(aliases),
    )


def _names(locked: Sequence[LockedPlatform], named: Sequence[NamedPlatform]) -> Mapping[str, str]:
    """Name in the lock -> name in the manifest, or again that in the lock."""
    known = {each.name: each for each in named}
    same = {each.name for each in locked if each.name in known and known[each.name].subdir == each.subdir}
    names = {each.name: each.name for each in locked}
    left = [each for each in named if each.name not in names]
    for each in locked:
        found = None if each.name in same else _same_as(each, left)
        if found is not None:
            left.remove(found)
            names[each.name] = found.name
    return names


def _same_as(locked: LockedPlatform, named: Sequence[NamedPlatform]) -> NamedPlatform | None:
    """The one platform with the subdir and the customised virtual packages of a locked one.

    A lock below version 7 has no virtual packages: then the subdir alone decides.
    """
    virtual = frozenset(locked.virtual_packages)
    fitting = [
        each for each in named if each.subdir == locked.subdir and (not virtual or each.virtual_packages <= virtual)
    ]
    most = max((len(each.virtual_packages) for each in fitting), default=0)
    closest = [each for each in fitting if not virtual or len(each.virtual_packages) == most]
    return closest[0] if len(closest) == 1 else None
