"""Say which subscriptions an update is to renew: those it names, the workspace it is run in, or all that there are."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pixi_mirror.errors import UsageError, WorkspaceError
from pixi_mirror.lockfile.interface import Source
from pixi_mirror.lockfile.source import LockSource
from pixi_mirror.mirror.memo import sha256_of
from pixi_mirror.mirror.subscriptions import Wish, known_sources, refreshes, wish
from pixi_mirror.mirror.tree import Tree
from pixi_mirror.model.packages import Request
from pixi_mirror.pixi.discovery import Here, candidates, manifest_of, workspace_here
from pixi_mirror.pixi.source import PixiSource

_DEFAULT = Request(environments=("default",), platforms=())


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """What the user chooses to mirror."""

    manifests: tuple[Path, ...] = ()
    """Files or directories, of which pixi is asked."""
    locks: tuple[Path, ...] = ()
    """Files or directories, read with no pixi."""
    name: str | None = None
    """The subscription's name; None: it goes by its lock's path."""
    request: Request | None = None
    """None: no environment or platform was named."""
    locked: bool = False
    """Whether pixi is to check that the locks are current."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wished:
    """What an update is to renew."""

    wishes: tuple[Wish, ...]
    problems: tuple[WorkspaceError, ...] = ()
    """What keeps other subscriptions from being refreshed."""
    here: Here | None = None
    """The workspace that was found from the user's directory; None: it was not looked for."""


def is_refresh(chosen: Chosen, tree: Tree) -> bool:
    """Whether the mirror's own subscriptions are meant."""
    named = chosen.manifests or chosen.locks or chosen.request is not None
    return not named and bool(tree.inventory.snapshots)


def named_wishes(chosen: Chosen, tree: Tree, *, directory: Path, environ: Mapping[str, str]) -> Wished:
    """A wish for each workspace that is named, or for the one that pixi finds from `directory`.

    Raises:
        UsageError: the choices exclude each other.
        WorkspaceError: a manifest is not there, no workspace is found, or a lock is not current and was to be.
    """
    _refuse_contradiction(chosen)
    here = None
    if chosen.manifests or chosen.locks:
        sources: list[Source] = [PixiSource(manifest_of(path), environ) for path in chosen.manifests]
        # A lock beside a manifest that is named is the same subscription, and pixi knows more of it.
        asked = {source.location for source in sources}
        sources += [lock for path in chosen.locks if (lock := LockSource(path)).location not in asked]
    else:
        here = workspace_here(directory, environ, known=tree.state.found.get(str(directory)))
        sources = [PixiSource(here.manifest, environ, workspace=here.workspace)]
    if chosen.locked:
        for source in sources:
            _refuse_stale(source)
    unique = {source.location: source for source in sources}
    wishes = tuple(wish(source, chosen.request or _DEFAULT, name=chosen.name) for source in unique.values())
    return Wished(wishes=wishes, here=here)


def refreshing_wishes(chosen: Chosen, tree: Tree, *, environ: Mapping[str, str]) -> Wished:
    """A wish for each subscription of the mirror, or for the one that is named, to be as its lock says now.

    Raises:
        WorkspaceError: there is none of that name.
    """
    snapshots = [each for each in tree.inventory.snapshots if chosen.name is None or each.id == f"name:{chosen.name}"]
    if not snapshots:
        known = ", ".join(snapshot.workspace for snapshot in tree.inventory.snapshots)
        raise WorkspaceError(f"{tree.root} has no subscription named {chosen.name!r}; there are: {known}.")
    wishes, problems = refreshes(snapshots, known_sources(tree, environ))
    if not chosen.locked:
        return Wished(wishes=wishes, problems=problems)
    current = []
    stale = []
    for each in wishes:
        try:
            _refuse_stale(each.source)
        except WorkspaceError as error:
            stale.append(error)
        else:
            current.append(each)
    return Wished(wishes=tuple(current), problems=(*problems, *stale))


def inputs_of(wished: Wished, directory: Callable[[], Path]) -> Mapping[str, str | None]:
    """Every file that the wishes depend on, with its sha256 as it is now; None: it is not there."""
    paths = {str(path) for each in wished.wishes for path in (each.source.location, each.source.manifest) if path}
    if wished.here is not None:
        paths.update(str(path) for path in candidates(directory(), wished.here.manifest))
    try:
        return {path: sha256_of(path) for path in sorted(paths)}
    except OSError as error:
        raise WorkspaceError(f"{error.filename} cannot be read: {error.strerror}.") from None


def _refuse_contradiction(chosen: Chosen) -> None:
    if chosen.name is not None and len(chosen.manifests) + len(chosen.locks) > 1:
        raise UsageError("--name names one subscription, so it goes with one --lock or one -m.")
    if chosen.locked and chosen.locks:
        raise UsageError("--locked asks pixi whether a lock is current, so it goes with -m and not with --lock.")


def _refuse_stale(source: Source) -> None:
    if not isinstance(source, PixiSource):
        raise WorkspaceError(
            f"--locked asks pixi whether a lock is current, and {source.location} is read without pixi: name its "
            "workspace with -m."
        )
    source.refuse_stale()
