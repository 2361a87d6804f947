"""Renew the pins: read each lock again, and keep what it wanted last where nothing has changed."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from pixi_mirror.errors import FetchError, PixiMirrorError, UnmirrorableError, WorkspaceError
from pixi_mirror.lockfile.interface import SelectionResult, WorkspaceSource
from pixi_mirror.mirror.checkout import outside_warnings
from pixi_mirror.mirror.hosted_pins import beside_hosted
from pixi_mirror.mirror.subscriptions import SourceRequest
from pixi_mirror.model.packages import Inventory, Layout, Snapshot
from pixi_mirror.model.request import SKIP, LockReading, Refusal
from pixi_mirror.suggest import suggested

T = TypeVar("T")

_SHOWN = 5
"""Packages that a message names of each reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewedPins:
    """All subscriptions as they are now, with what went wrong while their locks were read."""

    snapshots: tuple[Snapshot, ...]
    """Ordered by id. A subscription that could not be renewed is here as it was."""
    locks: Mapping[str, str]
    """Subscription id -> path of its lock."""
    manifests: Mapping[str, str] | None
    """Subscription id -> path of the manifest that pixi is asked about; None: as recorded."""
    readings: Mapping[str, LockReading] | None
    """Subscription id -> how its lock is read, where the user says it; None: as recorded."""
    sources: Mapping[str, WorkspaceSource]
    """The sources that were looked at, by subscription id."""
    renewed: frozenset[str]
    """Ids whose snapshot was read from its source in this run, so that its URLs still have their secrets."""
    unacceptable: tuple[Refusal, ...]
    """What cannot be mirrored and is not to be left out."""
    problems: tuple[PixiMirrorError, ...]
    """Why a subscription could not be refreshed. A source that the user names raises its error instead."""
    warnings: tuple[str, ...]

    @property
    def workspace(self) -> Path | None:
        """The workspace whose settings apply: that of the lock, if there is only one; None: there are several."""
        directories = {source.location.parent for source in self.sources.values()}
        return directories.pop() if len(directories) == 1 else None

    @property
    def lock_names(self) -> Mapping[str, str]:
        """How to call each subscription in a message: by the path of its lock, else by its workspace."""
        return {
            snapshot.id: str(Path(self.locks[snapshot.id])) if snapshot.id in self.locks else snapshot.workspace
            for snapshot in self.snapshots
        }


def renew_pins(
    inventory: Inventory,
    locks: Mapping[str, str],
    requests: Iterable[SourceRequest],
    *,
    manifests: Mapping[str, str],
    readings: Mapping[str, LockReading],
    layout: Layout,
) -> RenewedPins:
    """Read the sources of the requests; the subscriptions that have no request stay as they are.

    `locks`, `manifests` and `readings` are what is known of each lock so far, by subscription id.

    Raises:
        WorkspaceError: a source that the user names cannot be read, or no chosen environment has a named platform.
        FetchError: an index page that such a source needs cannot be read.
        UnmirrorableError: no index has a file that such a source needs.
    """
    snapshots = {snapshot.id: snapshot for snapshot in (*inventory.followed, *inventory.hosted)}
    known_locks = dict(locks)
    known_manifests = dict(manifests)
    known_readings = dict(readings)
    sources: dict[str, WorkspaceSource] = {}
    answers: dict[str, SelectionResult] = {}
    problems: list[PixiMirrorError] = []
    requests = list(requests)
    for each in requests:
        try:
            answer = _read_source(each, snapshots.get(each.subscription), layout)
        except (WorkspaceError, FetchError, UnmirrorableError) as error:
            if each.request is not None:
                raise
            problems.append(error)
            continue
        known_locks[each.subscription] = str(each.source.location)
        sources[each.subscription] = each.source
        manifest = each.source.manifest
        _remember(known_manifests, each.subscription, str(manifest) if manifest is not None else None)
        _remember(known_readings, each.subscription, each.source.reading)
        if answer is not None:
            answer = replace(answer, snapshot=beside_hosted(answer.snapshot, inventory))
            answers[each.subscription] = answer
            snapshots[each.subscription] = _with_tools(answer.snapshot, snapshots.get(each.subscription))
    _refuse_unknown_platforms(requests, answers)
    return RenewedPins(
        snapshots=tuple(snapshots[key] for key in sorted(snapshots)),
        locks=known_locks,
        manifests=known_manifests,
        readings=known_readings,
        sources=sources,
        renewed=frozenset(answers),
        unacceptable=tuple(refusal for answer in answers.values() for refusal in answer.refusals),
        problems=tuple(problems),
        warnings=_warnings(answers.values(), snapshots.values()),
    )


def _remember(known: dict[str, T], subscription: str, value: T | None) -> None:
    known.pop(subscription, None)
    if value is not None:
        known[subscription] = value


def _warnings(answers: Collection[SelectionResult], snapshots: Collection[Snapshot]) -> tuple[str, ...]:
    return (
        *(note for answer in answers for note in answer.notes),
        *_missing_platforms(answers),
        *_nothing_chosen(snapshots),
        *outside_warnings(snapshots),
    )


def _missing_platforms(answers: Iterable[SelectionResult]) -> Iterable[str]:
    for answer in answers:
        workspace = answer.snapshot.workspace
        for missing in answer.missing_platforms:
            yield f"{workspace}: environment {missing.environment!r} has no platform {missing.platform!r}"


def _nothing_chosen(snapshots: Iterable[Snapshot]) -> Iterable[str]:
    """Say of a lock that none of its chosen environments has a package: an unusual wish, and often a mistake."""
    for snapshot in snapshots:
        if not snapshot.cells or snapshot.packages or snapshot.refused or snapshot.directories:
            continue
        names = sorted({cell.environment for cell in snapshot.cells})
        whose = "environment" if len(names) == 1 else "environments"
        kind = "packages" if all(request.pypi for request in snapshot.requests) else "conda packages"
        yield (
            f"{snapshot.workspace}: nothing to mirror, since its lock has no {kind} for the {whose} "
            f"{', '.join(names)}; -e names another environment, --all-environments takes all"
        )


def recorded_pins(
    inventory: Inventory, locks: Mapping[str, str], *, sources: Mapping[str, WorkspaceSource]
) -> RenewedPins:
    """The subscriptions as they were last recorded; no source is read."""
    return RenewedPins(
        snapshots=inventory.snapshots,
        locks=locks,
        manifests=None,
        readings=None,
        sources=sources,
        renewed=frozenset(),
        unacceptable=(),
        problems=(),
        warnings=(),
    )


def _with_tools(renewed: Snapshot, recorded: Snapshot | None) -> Snapshot:
    """A lock does not name build tools: the resolved ones stay until it is known that others are needed.

    What the manifests of commits say stays as well, since a commit never changes.
    """
    if recorded is None:
        return renewed
    known = {(each.path, each.kind, each.subdirectory): each for each in recorded.commits}
    commits = tuple(known.get((each.path, each.kind, each.subdirectory), each) for each in renewed.commits)
    return replace(renewed, tools=recorded.tools, tools_for=recorded.tools_for, commits=commits)


def _read_source(requested: SourceRequest, recorded: Snapshot | None, layout: Layout) -> SelectionResult | None:
    """What the source wants now; None: nothing of it has changed since it was recorded."""
    requests = () if recorded is None else recorded.requests
    if requested.request is not None and requested.request not in requests:
        requests = (*requests, requested.request)
    source = requested.source
    if recorded is not None and recorded.requests == requests and recorded.source_sha256 == source.digest():
        return None
    return source.select(requests, subscription=requested.subscription, workspace=requested.workspace, layout=layout)


def _refuse_unknown_platforms(requests: Iterable[SourceRequest], answers: Mapping[str, SelectionResult]) -> None:
    requested = {
        platform
        for each in requests
        if each.request is not None and each.subscription in answers
        for platform in each.request.platforms
    }
    found = {platform for answer in answers.values() for platform in answer.found_platforms}
    nowhere = sorted(requested - found)
    if nowhere:
        names = ", ".join(repr(name) for name in nowhere)
        known = suggested(nowhere[0], {platform for answer in answers.values() for platform in answer.platforms})
        raise WorkspaceError(f"no chosen environment has the platform {names}{known}.")


def unmirrorable_error(unacceptable: Iterable[Refusal]) -> UnmirrorableError | None:
    """The error that says what cannot be mirrored, grouped by reason, with the option that helps; None: all can be.

    Some of each group are named and the rest are counted. `items` has them all.
    """
    groups: dict[tuple[str, str], set[str]] = {}
    for refusal in unacceptable:
        groups.setdefault((refusal.reason, refusal.option), set()).add(refusal.entry)
    if not groups:
        return None
    count = sum(map(len, groups.values()))
    lines = [f"{count} of the locked packages cannot be mirrored; nothing was changed:"]
    for (reason, option), entries in sorted(groups.items(), key=lambda group: (-len(group[1]), group[0])):
        advice = f" ({option} leaves {'it' if len(entries) == 1 else 'them'} out)" if option == SKIP else ""
        lines.append(f"  {len(entries)}: {reason}{advice}:")
        lines += [f"    {entry}" for entry in sorted(entries)[:_SHOWN]]
        if len(entries) > _SHOWN:
            lines.append(f"    and {len(entries) - _SHOWN} more")
    items = sorted(f"{entry}: {reason}" for (reason, _), entries in groups.items() for entry in entries)
    return UnmirrorableError("\n".join(lines), items=items)
