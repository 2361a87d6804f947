"""Say which locks a mirror follows, and which of them an update is to renew.

An update renews the locks that the user names, the lock of the workspace that it is run in, or all that the mirror has.
"""

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pixi_mirror.context import Context
from pixi_mirror.errors import MachineError, ProgramError, UsageError, WorkspaceError
from pixi_mirror.lockfile.interface import IndexPages, WorkspaceSource
from pixi_mirror.lockfile.source import LockSource
from pixi_mirror.mirror.memo import sha256_of
from pixi_mirror.mirror.tree import Tree
from pixi_mirror.mirror.tree_view import INVENTORY
from pixi_mirror.model.packages import Snapshot
from pixi_mirror.model.request import LockReading, Request
from pixi_mirror.pixi.discovery import FoundWorkspace, find_manifest, find_workspace, manifest_candidates
from pixi_mirror.pixi.source import PixiSource
from pixi_mirror.suggest import advised, suggested

_DEFAULT = Request(environments=("default",), platforms=())


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSelection:
    """What the user chooses to mirror."""

    manifests: tuple[Path, ...] = ()
    """Files or directories; pixi is asked about them."""
    locks: tuple[Path, ...] = ()
    """Files or directories; they are read without pixi."""
    lock_format: str | None = None
    """The format of the lock that is named; None: its name and content say it."""
    index_url: str | None = None
    """The Python index that has the files of the lock that is named; None: it or the configuration names one."""
    name: str | None = None
    """The subscription's name; None: it is known by its lock's path."""
    request: Request | None = None
    """None: no environment or platform was named."""
    locked: bool = False
    """Whether pixi is to check that the locks are current."""

    @property
    def chooses(self) -> bool:
        """Whether a workspace, a lock, an environment or a platform is named; if not, a refresh is meant."""
        return bool(self.manifests or self.locks) or self.request is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRequest:
    """A source to read, with what is newly requested of it."""

    subscription: str
    workspace: str
    source: WorkspaceSource
    request: Request | None
    """None: only what was requested before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcesToRenew:
    """The sources that an update is to read."""

    requests: tuple[SourceRequest, ...]
    problems: tuple[WorkspaceError, ...] = ()
    """Why other subscriptions cannot be refreshed."""
    here: FoundWorkspace | None = None
    """The workspace that was found from the user's directory; None: it was not looked for."""


def subscription_of(lock: Path, name: str | None) -> str:
    """The id of a subscription: its name, else a digest of its lock's resolved path.

    The path itself must not be in a file that is served.
    """
    return f"lock:{hashlib.sha256(str(lock).encode()).hexdigest()[:16]}" if name is None else f"name:{name}"


def known_sources(
    tree: Tree, environ: Mapping[str, str], *, pages: Callable[[Path], IndexPages] | None = None
) -> Mapping[str, WorkspaceSource]:
    """The sources of the subscriptions whose locks this machine knows: pixi, or the lock alone, as last named.

    Args:
        tree: the mirror.
        environ: environment variables; pixi is found by them.
        pages: gives the index pages of other machines for a lock in a directory; None: they are not asked.
    """
    found: dict[str, WorkspaceSource] = {}
    for subscription, path in tree.state.locks.items():
        if (manifest := tree.state.manifests.get(subscription)) is not None:
            found[subscription] = PixiSource(Path(manifest), environ)
            continue
        reading = tree.state.readings.get(subscription, LockReading())
        found[subscription] = LockSource(Path(path), lock_format=reading.format, index=reading.index, pages=pages)
    return found


def is_refresh(selection: SourceSelection, tree: Tree) -> bool:
    """Whether an update renews the subscriptions that the mirror has, and names no other."""
    return not selection.chooses and bool(tree.inventory.followed)


def chosen_sources(
    selection: SourceSelection, tree: Tree, context: Context, pages: Callable[[Path], IndexPages], *, names_mirror: bool
) -> SourcesToRenew:
    """The workspaces and locks that the user names; where nothing is named, the workspace around the user.

    They are found before anything is made on disk. `names_mirror`: whether the user names the mirror's directory; if
    not, it is the default one.

    Raises:
        UsageError: the choices exclude each other.
        MachineError: nothing is named, no workspace is found, and the mirror that is named is not there; or it would
            lie in another mirror.
        WorkspaceError: a manifest does not exist, no workspace is found, or a lock is not current though the user
            wants that.
        ProgramError: pixi failed.
    """
    _refuse_nested(tree)
    try:
        return _sources(selection, tree, context, pages)
    except (WorkspaceError, ProgramError) as error:
        if selection.chooses:
            raise
        if tree.exists:
            begun = "follows no lock (-o names another mirror)"
            if not (tree.root / INVENTORY).exists():
                begun = "has had no complete update yet, so run its first command again, with the lock"
            raise type(error)(
                f"there is nothing to refresh, since {tree.root} {begun}; and for the workspace around you: {error}"
            ) from None
        if not names_mirror or tree.root.exists():
            raise
        # No workspace is here that could fill it, so a refresh was meant, and its directory is misspelled.
        raise MachineError(
            f"there is no mirror at {tree.root} to refresh; nothing was changed. Name the directory of one. To "
            "make one there, say what it is to hold, too: `--lock pixi.lock`, or `-e default` in a workspace."
        ) from None


def _refuse_nested(tree: Tree) -> None:
    """Refuse to make a mirror inside another one, whose `verify` would take it for foreign files.

    Raises:
        MachineError: a directory above is a mirror.
    """
    if tree.exists:
        return
    for above in Path(os.path.abspath(tree.root)).parents:
        if os.path.exists(above / INVENTORY):  # Path.exists() raises where a folder above cannot be searched
            raise MachineError(
                f"{tree.root} would lie in the mirror {above}; nothing was changed. Name that one, or one outside."
            )


def _sources(
    selection: SourceSelection, tree: Tree, context: Context, pages: Callable[[Path], IndexPages]
) -> SourcesToRenew:
    """The workspaces and locks that the user names, or the workspace that pixi finds from the user's directory."""
    _refuse_contradiction(selection)
    environ, directory, here = context.environ, context.directory(), None
    if selection.manifests or selection.locks:
        sources: list[WorkspaceSource] = [PixiSource(find_manifest(path), environ) for path in selection.manifests]
        # A lock beside a manifest that is named is the same subscription, and pixi knows more of it.
        with_manifest = {source.location for source in sources}
        lock_format, index = selection.lock_format, selection.index_url
        locks = [LockSource(path, lock_format=lock_format, index=index, pages=pages) for path in selection.locks]
        sources += [lock for lock in locks if lock.location not in with_manifest]
    else:
        here = find_workspace(directory, environ, known=tree.state.found.get(str(directory)))
        sources = [PixiSource(here.manifest, environ, workspace=here.workspace)]
    if selection.locked:
        for source in sources:
            _refuse_stale(source)
    unique = {source.location: source for source in sources}
    requests = tuple(
        SourceRequest(
            subscription=subscription_of(source.location, selection.name),
            workspace=selection.name or _directory_of(source).name or "workspace",
            source=source,
            request=selection.request or _DEFAULT,
        )
        for source in unique.values()
    )
    return SourcesToRenew(requests=requests, here=here)


def followed_sources(
    selection: SourceSelection, tree: Tree, context: Context, pages: Callable[[Path], IndexPages]
) -> SourcesToRenew:
    """The sources of all subscriptions of the mirror, or of the one that is named.

    Raises:
        WorkspaceError: no subscription has that name.
    """
    snapshots = [
        each for each in tree.inventory.followed if selection.name is None or each.id == f"name:{selection.name}"
    ]
    if not snapshots:
        names = [snapshot.workspace for snapshot in tree.inventory.snapshots]
        known = suggested(selection.name or "", names)
        raise WorkspaceError(f"{tree.root} has no subscription named {selection.name!r}{known}.")
    sources = known_sources(tree, context.environ, pages=pages)
    requests = []
    problems = []
    for snapshot in snapshots:
        source = sources.get(snapshot.id)
        try:
            if source is None:
                raise _unknown_here(snapshot, tree)
            if selection.locked:
                _refuse_stale(source)
        except WorkspaceError as error:
            problems.append(error)
        else:
            requests.append(
                SourceRequest(subscription=snapshot.id, workspace=snapshot.workspace, source=source, request=None)
            )
    return SourcesToRenew(requests=tuple(requests), problems=tuple(problems))


def _unknown_here(snapshot: Snapshot, tree: Tree) -> WorkspaceError:
    if tree.is_closed:
        return WorkspaceError(
            f"where the lock of {snapshot.workspace} is, the owner of {tree.root} alone can see; run this as that user."
        )
    return WorkspaceError(
        f"the lock of {snapshot.workspace} is not known on this machine; name it with --lock PATH, or drop the "
        f"subscription with {advised('forget', tree.root)}."
    )


def _directory_of(source: WorkspaceSource) -> Path:
    """The directory of a workspace, or an installed prefix."""
    return source.location if os.path.isdir(source.location) else source.location.parent


def hash_inputs(sources: SourcesToRenew, directory: Callable[[], Path]) -> Mapping[str, str | None]:
    """Hash every file that the sources depend on; None: it does not exist, or whoever reads it will say why he cannot.

    A prefix is no file and is left out.
    """
    paths = {str(path) for each in sources.requests for path in each.source.files}
    if sources.here is not None:
        paths.update(str(path) for path in manifest_candidates(directory(), sources.here.manifest))
    return {path: _sha256_or_none(path) for path in sorted(paths) if not os.path.isdir(path)}


def _sha256_or_none(path: str) -> str | None:
    try:
        return sha256_of(path)
    except OSError:
        return None


def _refuse_contradiction(selection: SourceSelection) -> None:
    if selection.name is not None and len(selection.manifests) + len(selection.locks) > 1:
        raise UsageError("--name names one subscription, so it goes with one --lock or one -m.")
    if selection.lock_format is not None and len(selection.locks) != 1:
        raise UsageError("--lock-format says the format of one lock, so it goes with one --lock.")
    if selection.index_url is not None and len(selection.locks) != 1:
        raise UsageError("--index-url says which index has the files of one lock, so it goes with one --lock.")
    if selection.locked and selection.locks:
        raise UsageError("--locked asks pixi whether a lock is current, so it goes with -m and not with --lock.")


def _refuse_stale(source: WorkspaceSource) -> None:
    if not isinstance(source, PixiSource):
        raise WorkspaceError(
            f"--locked asks pixi whether a lock is current, and {source.location} is read without pixi: name its "
            "workspace with -m."
        )
    source.refuse_stale()
