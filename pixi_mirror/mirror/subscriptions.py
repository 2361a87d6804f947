"""Renew the pins: ask each source what it wants now, and keep what it wanted last where nothing has changed."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pixi_mirror.errors import UnmirrorableError, WorkspaceError
from pixi_mirror.lockfile.interface import Answer, Source
from pixi_mirror.lockfile.source import LockSource
from pixi_mirror.mirror.tree import Tree
from pixi_mirror.model.packages import Inventory, Layout, Refusal, Request, Snapshot
from pixi_mirror.pixi.source import PixiSource


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A source, with what is newly asked of it."""

    subscription: str
    workspace: str
    source: Source
    request: Request | None
    """None: only what was asked before."""


def wish(source: Source, request: Request, *, name: str | None) -> Wish:
    """A wish for the subscription called `name`, or, where that is None, for the one of the source's lock."""
    return Wish(
        subscription=subscription_of(source.location, name),
        workspace=name or source.location.parent.name or "workspace",
        source=source,
        request=request,
    )


def subscription_of(lock: Path, name: str | None) -> str:
    """The id of a subscription: its name, else a digest of its lock's resolved path.

    The path itself must not stand in what is served.
    """
    return f"lock:{hashlib.sha256(str(lock).encode()).hexdigest()[:16]}" if name is None else f"name:{name}"


def refreshes(
    snapshots: Iterable[Snapshot], sources: Mapping[str, Source]
) -> tuple[tuple[Wish, ...], tuple[WorkspaceError, ...]]:
    """A wish for each subscription to be as its lock says now, and what keeps some from it."""
    wishes = []
    problems = []
    for snapshot in snapshots:
        if source := sources.get(snapshot.id):
            wishes.append(Wish(subscription=snapshot.id, workspace=snapshot.workspace, source=source, request=None))
        else:
            problems.append(
                WorkspaceError(
                    f"the lock of {snapshot.workspace} is not known on this machine; "
                    "name it with --lock PATH, or drop the subscription with `pixi-mirror forget`."
                )
            )
    return tuple(wishes), tuple(problems)


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewal:
    """All subscriptions as they are now, with what went wrong on the way."""

    snapshots: tuple[Snapshot, ...]
    """Ordered by id; those that could not be renewed as they were."""
    locks: Mapping[str, str]
    """Subscription id -> path of its lock."""
    manifests: Mapping[str, str] | None
    """Subscription id -> path of the manifest that pixi is asked about; None: as recorded."""
    sources: Mapping[str, Source]
    """Of the subscriptions that were looked at, by id."""
    answered: frozenset[str]
    """Ids whose snapshot comes from its source in this run, its URLs complete with any secrets."""
    unacceptable: tuple[Refusal, ...]
    problems: tuple[WorkspaceError, ...]
    """Of refreshes; what is asked for by name raises instead."""
    warnings: tuple[str, ...]


def renewed(
    inventory: Inventory,
    locks: Mapping[str, str],
    wishes: Iterable[Wish],
    *,
    manifests: Mapping[str, str],
    layout: Layout,
) -> Renewal:
    """The subscriptions after the wishes; those that no wish names stay as they are.

    `locks` and `manifests` are the paths known so far, by subscription.

    Raises:
        WorkspaceError: a wish with a request cannot be read, or a platform asked for is in no chosen environment.
    """
    snapshots = {snapshot.id: snapshot for snapshot in inventory.snapshots}
    known = dict(locks)
    asked = dict(manifests)
    sources: dict[str, Source] = {}
    answers: dict[str, Answer] = {}
    problems: list[WorkspaceError] = []
    wishes = list(wishes)
    for each in wishes:
        try:
            answer = _answer(each, snapshots.get(each.subscription), layout)
        except WorkspaceError as error:
            if each.request is not None:
                raise
            problems.append(error)
            continue
        known[each.subscription] = str(each.source.location)
        sources[each.subscription] = each.source
        asked.pop(each.subscription, None)
        if each.source.manifest is not None:
            asked[each.subscription] = str(each.source.manifest)
        if answer is not None:
            answers[each.subscription] = answer
            snapshots[each.subscription] = _with_tools(answer.snapshot, snapshots.get(each.subscription))
    _refuse_unknown_platforms(wishes, answers)
    return Renewal(
        snapshots=tuple(snapshots[key] for key in sorted(snapshots)),
        locks=known,
        manifests=asked,
        sources=sources,
        answered=frozenset(answers),
        unacceptable=tuple(refusal for answer in answers.values() for refusal in answer.unacceptable),
        problems=tuple(problems),
        warnings=tuple(
            f"{answer.snapshot.workspace}: environment {lacking.environment!r} has no platform {lacking.platform!r}"
            for answer in answers.values()
            for lacking in answer.lacking
        ),
    )


def _with_tools(answered: Snapshot, held: Snapshot | None) -> Snapshot:
    """A lock says nothing of tools: those that were resolved stay until it is known that others are needed."""
    return answered if held is None else replace(answered, tools=held.tools, tools_for=held.tools_for)


def standing(inventory: Inventory, locks: Mapping[str, str], *, sources: Mapping[str, Source]) -> Renewal:
    """The subscriptions as they were last recorded, with nobody asked."""
    return Renewal(
        snapshots=inventory.snapshots,
        locks=locks,
        manifests=None,
        sources=sources,
        answered=frozenset(),
        unacceptable=(),
        problems=(),
        warnings=(),
    )


def _answer(asked: Wish, held: Snapshot | None, layout: Layout) -> Answer | None:
    """What the source says; None: what it said last still stands."""
    requests = () if held is None else held.requests
    if asked.request is not None and asked.request not in requests:
        requests = (*requests, asked.request)
    if held is not None and held.requests == requests and held.source_sha256 == asked.source.digest():
        return None
    return asked.source.answer(requests, subscription=asked.subscription, workspace=asked.workspace, layout=layout)


def _refuse_unknown_platforms(wishes: Iterable[Wish], answers: Mapping[str, Answer]) -> None:
    asked = {
        platform
        for each in wishes
        if each.request is not None and each.subscription in answers
        for platform in each.request.platforms
    }
    found = {platform for answer in answers.values() for platform in answer.found_platforms}
    nowhere = sorted(asked - found)
    if nowhere:
        names = ", ".join(repr(name) for name in nowhere)
        known = ", ".join(sorted({platform for answer in answers.values() for platform in answer.platforms}))
        raise WorkspaceError(f"no chosen environment has the platform {names}; there are: {known or 'none'}.")


def refusal_of(unacceptable: Iterable[Refusal]) -> UnmirrorableError | None:
    """The error that names everything that cannot be mirrored; None: there is nothing."""
    lines = sorted({f"{refusal.entry}: {refusal.reason}" for refusal in unacceptable})
    if not lines:
        return None
    return UnmirrorableError(
        "\n".join(
            [
                f"{len(lines)} of the locked packages cannot be mirrored; nothing was changed "
                "(--skip-unmirrorable mirrors the rest):",
                *(f"  {line}" for line in lines),
            ]
        ),
        items=lines,
    )


def locks_by_name(snapshots: Iterable[Snapshot], locks: Mapping[str, str]) -> Mapping[str, str]:
    """How to call each subscription in a message: by the path of its lock, else by its workspace."""
    return {
        snapshot.id: str(Path(locks[snapshot.id])) if snapshot.id in locks else snapshot.workspace
        for snapshot in snapshots
    }


def known_sources(tree: Tree, environ: Mapping[str, str]) -> Mapping[str, Source]:
    """The sources of the subscriptions whose locks this machine knows: pixi, or the lock alone, as was last asked."""
    manifests = tree.state.manifests
    return {
        subscription: PixiSource(Path(manifests[subscription]), environ)
        if subscription in manifests
        else LockSource(Path(path))
        for subscription, path in tree.state.locks.items()
    }


def only_workspace(sources: Mapping[str, Source]) -> Path | None:
    """The workspace whose settings count: that of the one lock that is followed; of several none does."""
    directories = {source.location.parent for source in sources.values()}
    return directories.pop() if len(directories) == 1 else None
